"""Does a case cost the same when the database is large? CPU per case at 10^4 and at 10^5 (`--big`: 10^6) cases in
it, and the worker's memory.
"""

from __future__ import annotations

import asyncio
import os
import resource
from pathlib import Path
from typing import Any

from benchmarks.setting import cpu, folder, opened, run_cases, workplace

TARGETS = "CPU per case at 10^6 at most 1.5 times that at 10^4; memory flat"
SAMPLE = 2_000


async def _run(database: Path, path: Path, marks: list[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with opened(database, path) as (il, release):
        first = 0
        for mark in marks:
            await run_cases(il, release, first=first, cases=mark - SAMPLE - first, in_flight=32)
            began = cpu()
            await run_cases(il, release, first=mark - SAMPLE, cases=SAMPLE, in_flight=32)
            first = mark
            found[f"{mark}"] = {
                "cpu_ms_per_case": round((cpu() - began) / SAMPLE * 1000, 3),
                "max_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "load": round(os.getloadavg()[0], 1),
                "file_mb": round(await il.blocking(lambda _: database.stat().st_size) / 1e6),
            }
            print(f"  {mark}: {found[f'{mark}']}", flush=True)
    small, large = found[f"{marks[0]}"], found[f"{marks[-1]}"]
    found["ratio"] = round(large["cpu_ms_per_case"] / small["cpu_ms_per_case"], 2)
    return found


def run(*, big: bool) -> dict[str, Any]:
    marks = [10_000, 100_000, 1_000_000] if big else [10_000, 100_000]
    with folder() as path, workplace() as place:
        return asyncio.run(_run(place / "x.db", path, marks))
