"""From accept to recorded result at low load: one case at a time, nothing else running."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.setting import OUTCOMES_PER_CASE, folder, opened, presented, workplace

TARGETS = "none; p50 and p99 are reported"
CASES = 300


async def _latencies(database: Any, path: Any) -> list[float]:
    found: list[float] = []
    async with opened(database, path) as (il, release):
        for number in range(CASES + 20):
            began, turns = time.perf_counter(), il.worker.tally.outcomes
            await il.door.submit(presented(release, number, il.door.now))
            while il.worker.tally.outcomes - turns < OUTCOMES_PER_CASE:
                await il.worker.changed()
            found.append(time.perf_counter() - began)
    return sorted(found[20:])


def run() -> dict[str, Any]:
    with folder() as path, workplace() as place:
        found = asyncio.run(_latencies(place / "l.db", path))
    return {"p50_ms": round(found[len(found) // 2] * 1000, 2), "p99_ms": round(found[len(found) * 99 // 100] * 1000, 2)}
