"""The governed case on PostgreSQL, in turns with SQLite: CPU per case of the client and of the server, and how many
transactions a case takes.

The server is one of our own, as PostgreSQL comes, with fsync on. Its CPU is that of all its processes, so what it does
in the background for these cases is in it.
"""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path
from typing import Any

from benchmarks.governed import IN_FLIGHT, WARM_UP, governed
from benchmarks.peers.databases import Database, cluster
from benchmarks.setting import cpu, folder, opened, run_cases, workplace

ROUNDS = 5

TARGETS = "client and server together at most 0.8 ms (aim 0.6), at most 0.2 transactions per case"


async def measured(database: Database, path: Path, *, cases: int) -> tuple[float, float, float]:
    """Per case, after a warm-up: milliseconds of the client, of the server, and transactions that wrote."""
    async with opened(database.url, path) as (il, release):
        await run_cases(il, release, first=0, cases=WARM_UP, in_flight=IN_FLIGHT)
        client, server, writes = cpu(), database.server_cpu(), database.writes()
        await run_cases(il, release, first=WARM_UP, cases=cases, in_flight=IN_FLIGHT)
        spent = cpu() - client, database.server_cpu() - server
        written = database.writes() - writes
    return spent[0] / cases * 1000, spent[1] / cases * 1000, written / cases


def run(cases: int) -> dict[str, Any]:
    """Medians of the rounds, which alternate between the two stores."""
    ours: list[tuple[float, float, float]] = []
    sqlite: list[float] = []
    with folder() as path, workplace() as place, cluster() as server:
        for index in range(ROUNDS):
            with server.fresh() as database:
                ours.append(asyncio.run(measured(database, path, cases=cases)))
            sqlite.append(asyncio.run(governed(place / f"{index}.db", path, cases=cases))["ms"])
    client, there, writes = (statistics.median(column) for column in zip(*ours, strict=True))
    both = statistics.median(mine + its for mine, its, _ in ours)
    return {
        "cpu_ms_per_case": round(both, 3),
        "client_ms_per_case": round(client, 3),
        "server_ms_per_case": round(there, 3),
        "transactions_per_case": round(writes, 3),
        "sqlite_cpu_ms_per_case": round(statistics.median(sqlite), 3),
        "ratio_to_sqlite": round(both / statistics.median(sqlite), 2),
    }
