"""The governed case: accept, ask (stub, 0 ms), decide with the demo's policy, act (stub), result; all durable, 32
in flight.

CPU per case of the whole process, beside the raw limit taken in the same run; where the time goes, by layer; the
size of what is left
behind, per table.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import time
from pathlib import Path
from typing import Any

from benchmarks.raw import Recording, recorded, replay
from benchmarks.setting import cpu, folder, opened, run_cases, workplace

IN_FLIGHT = 32
WARM_UP = 500
LAYERS = ("store", "kernel", "policy", "automation", "runtime", "vocabulary", "advisors", "actions", "autonomy")


async def governed(database: Path, path: Path, *, cases: int) -> dict[str, Any]:
    """CPU per case in milliseconds after a warm-up, and the statements of the measured part."""
    async with opened(database, path) as (il, release):
        await run_cases(il, release, first=0, cases=WARM_UP, in_flight=IN_FLIGHT)
        cycles = il.worker.tally.cycles
        began = cpu()
        await run_cases(il, release, first=WARM_UP, cases=cases, in_flight=IN_FLIGHT)
        spent = cpu() - began
        return {"ms": spent / cases * 1000, "cycles_per_case": (il.worker.tally.cycles - cycles) / cases}


async def noted(database: Path, path: Path, *, cases: int) -> list[Any]:
    """The statements of `cases` governed cases, and of nothing else."""
    with recorded():
        async with opened(database, path) as (il, release):
            await run_cases(il, release, first=0, cases=WARM_UP, in_flight=IN_FLIGHT)
            Recording.noted = statements = []
            await run_cases(il, release, first=WARM_UP, cases=cases, in_flight=IN_FLIGHT)
            Recording.noted = None
    return statements


async def sizes(database: Path, path: Path, *, cases: int) -> dict[str, float]:
    """Bytes per case and table after `cases` cases: what the table grew by since it was empty."""
    async with opened(database, path) as (il, release):
        before = await il.blocking(lambda store: store.sizes())
        await run_cases(il, release, first=0, cases=cases, in_flight=IN_FLIGHT)
        after = await il.blocking(lambda store: store.sizes())
    return {
        table: (size - before.get(table, 0)) / cases for table, size in after.items() if size > before.get(table, 0)
    }


async def profiled(database: Path, path: Path, *, cases: int) -> list[tuple[str, float]]:
    """Share of the CPU time per layer, by the files it is spent in. The store's thread is profiled, too: work runs
    inline. By the thread's own clock, since waiting for the disk is not work.
    """
    profile = cProfile.Profile(time.thread_time)
    async with opened(database, path) as (il, release):
        await run_cases(il, release, first=0, cases=WARM_UP, in_flight=IN_FLIGHT)
        pool = il._spawn  # a profiler sees one thread: the store's work is run on this one

        async def inline(work: Any) -> Any:
            return work()

        pool.blocking = inline  # type: ignore[method-assign]
        profile.enable()
        await run_cases(il, release, first=WARM_UP, cases=cases, in_flight=IN_FLIGHT)
        profile.disable()
        del pool.blocking
    shares: dict[str, float] = {}
    stats: Any = pstats.Stats(profile)
    for (file, _, name), (_, _, own, _, _) in stats.stats.items():
        shares[_layer(file, name)] = shares.get(_layer(file, name), 0.0) + own
    total = sum(shares.values())
    return sorted(((layer, share / total) for layer, share in shares.items()), key=lambda one: -one[1])


def _layer(file: str, name: str) -> str:
    for layer in LAYERS:
        if f"interlock/{layer}/" in file:
            return layer
    if "sqlite3" in name:
        return "sqlite"
    if "msgspec" in name or "hashlib" in name or "sha256" in name or "blake2" in name:
        return "encoding and hashing"
    if "pydantic" in name or "pydantic" in file:
        return "pydantic"
    if "asyncio" in file or "asyncio" in name or "select" in name:
        return "asyncio"
    return "other"


def run(cases: int) -> dict[str, Any]:
    """All of it, side by side."""
    found: dict[str, Any] = {}
    with folder() as path, folder(budget=True) as with_budget, workplace() as place:
        rounds: list[tuple[float, float]] = []
        for index in range(3):
            ours = asyncio.run(governed(place / f"g{index}.db", path, cases=cases))
            statements = asyncio.run(noted(place / f"n{index}.db", path, cases=cases))
            raw = replay(statements, place / f"r{index}.db") / cases * 1000
            rounds.append((ours["ms"], raw))
            found["cycles_per_case"] = round(ours["cycles_per_case"], 3)
            found["statements_per_case"] = round(
                sum(len(parameters) if many else 1 for _, parameters, many in statements) / cases, 1
            )
        rounds.sort(key=lambda one: one[0] / one[1])
        found["cpu_ms_per_case"], found["raw_ms_per_case"] = (round(one, 3) for one in rounds[1])
        found["ratio"] = round(rounds[1][0] / rounds[1][1], 2)
        # A reservation, its grant and the settlement: three more messages, two of them on the budget's home.
        budgeted = asyncio.run(governed(place / "b.db", with_budget, cases=cases))
        found["cpu_ms_per_case_with_budget"] = round(budgeted["ms"], 3)
        found["bytes_per_case"] = {
            table: round(size) for table, size in asyncio.run(sizes(place / "s.db", path, cases=cases)).items()
        }
        found["bytes_per_case"]["all"] = sum(found["bytes_per_case"].values())
        found["where_the_time_goes"] = {
            layer: f"{share:.0%}"
            for layer, share in asyncio.run(profiled(place / "p.db", path, cases=min(cases, 1000)))
        }
    return found


TARGETS = "CPU at most 0.5 ms (aim 0.25), ratio to raw at most 6 (aim), at most 4096 bytes per case plus payloads"
