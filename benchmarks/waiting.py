"""1,000 cases whose advisor takes 2 s each, on one worker: waiting must cost nothing but the wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from benchmarks.setting import cpu, folder, opened, run_cases, workplace
from interlock.runtime.hosted import Hosted
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import Answer

TARGETS = "finished in under 4 s wall"
CASES = 1_000
DELAY_S = 2.0


class Slow:
    """The advisors behind a pause."""

    def answer(self, command: Command) -> Awaitable[Answer]:
        return self._answer()

    async def _answer(self) -> Answer:
        await asyncio.sleep(DELAY_S)
        return Answer({"amount": "12.00"}, 980_000, "slow")


async def _run(database: Any, path: Any) -> tuple[float, float]:
    async with opened(database, path) as (il, release):
        worker = il.worker
        held: Hosted = worker._hosted[release.name]
        worker.host(release.name, replace(held, advisors=Slow()))
        began, spent = time.perf_counter(), cpu()
        await run_cases(il, release, first=0, cases=CASES, in_flight=CASES)
        return time.perf_counter() - began, cpu() - spent


def run() -> dict[str, Any]:
    with folder() as path, workplace() as place:
        wall, spent = asyncio.run(_run(place / "w.db", path))
    return {"cases": CASES, "advisor_s": DELAY_S, "wall_s": round(wall, 2), "cpu_s": round(spent, 2)}
