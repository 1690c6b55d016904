"""One dead advisor or effect beside healthy work: what the neighbours notice of it.

Two automations in one worker and one database. 200 cases of the sick one are under way (its advisor hangs, or raises;
its effect hangs, or raises) while the healthy one works through its cases, 32 in flight. Rounds are interleaved with
rounds in which the neighbour is healthy and idle; the figures are medians of the wall time, and how it compares.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.setting import folder, opened, presented, run_cases, workplace
from interlock.releases import load_release
from interlock.runtime.hosted import Hosted
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import Answer

TARGETS = "healthy cases take no longer than beside an idle neighbour, within the noise of the machine"
CASES = 600
SICK = 200
ROUNDS = 3
IN_FLIGHT = 32


class Advisors:
    """The sick one's advisors: `how` says what happens when they are asked."""

    def __init__(self, how: Callable[[], Awaitable[Any]]) -> None:
        self._how = how

    def answer(self, command: Command) -> Awaitable[Answer]:
        return self._how()


class Performers:
    """The sick one's performers."""

    def __init__(self, how: Callable[[], Awaitable[Any]]) -> None:
        self._how = how

    def perform(self, command: Command) -> Awaitable[Any]:
        return self._how()

    def check(self, command: Command) -> Awaitable[tuple[bool, Any]]:
        return self._how()

    def fence(self, command: Command) -> Awaitable[None]:
        return self._how()


async def hang() -> Any:
    """Never answers."""
    await asyncio.Event().wait()


async def fail() -> Any:
    """Answers with an error."""
    raise ConnectionError("nobody there")


ILLS: dict[str, Callable[[Hosted], Hosted] | None] = {
    "idle neighbour": None,
    "its advisor hangs": lambda held: replace(held, advisors=Advisors(hang)),
    "its advisor raises": lambda held: replace(held, advisors=Advisors(fail)),
    "its effect hangs": lambda held: replace(held, performers=Performers(hang)),
    "its effect raises": lambda held: replace(held, performers=Performers(fail)),
}


@contextmanager
def neighbour(path: Path) -> Iterator[Path]:
    """The same automation under another name."""
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as name:
        other = Path(name) / "neighbour"
        shutil.copytree(path, other, ignore=shutil.ignore_patterns("__pycache__"))
        text = (other / "automation.py").read_text()
        (other / "automation.py").write_text(text.replace('Automation("cheques"', 'Automation("neighbour"'))
        # An outside system of its own: what two automations call by one name is one dependency, with one breaker.
        said = (
            (other / "release.toml")
            .read_text()
            .replace('"stub"]', '"other"]')
            .replace("advisors.stub", "advisors.other")
        )
        (other / "release.toml").write_text(said.replace("[effects.pay]", '[effects.pay]\ndependency = "elsewhere"'))
        yield other


async def _round(database: Path, path: Path, other: Path, ill: Callable[[Hosted], Hosted] | None) -> float:
    # A hanging call would otherwise be waited for when the round is over.
    async with opened(database, path, drain_ms=1) as (il, release):
        sick = load_release(other)
        il.host(sick)
        await run_cases(il, release, first=0, cases=IN_FLIGHT, in_flight=IN_FLIGHT)
        if ill is not None:
            il.worker.host(sick.name, ill(il.worker._hosted[sick.name]))
            await asyncio.gather(*(il.door.submit(presented(sick, n, il.door.now)) for n in range(SICK)))
            await asyncio.sleep(0.2)
        before = il.worker._hosted[release.name].performers
        done = Counting(before)
        il.worker.host(release.name, replace(il.worker._hosted[release.name], performers=done))
        began = time.perf_counter()
        await done.cases(il, release)
        return time.perf_counter() - began


class Counting:
    """The healthy one's performers, counted: outcomes of the sick one must not count as progress here."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._done = 0
        self._more = asyncio.Event()

    async def perform(self, command: Command) -> Any:
        result = await self._inner.perform(command)
        self._done += 1
        self._more.set()
        return result

    def check(self, command: Command) -> Awaitable[tuple[bool, Any]]:
        return self._inner.check(command)

    def fence(self, command: Command) -> Awaitable[None]:
        return self._inner.fence(command)

    async def cases(self, il: Any, release: Any) -> None:
        """A closed loop until every healthy case has been performed."""
        sent = 0
        pending: set[asyncio.Task[object]] = set()
        while self._done < CASES:
            while sent < CASES and sent - self._done < IN_FLIGHT:
                task = asyncio.ensure_future(il.door.submit(presented(release, 10_000 + sent, il.door.now)))
                pending.add(task)
                task.add_done_callback(pending.discard)
                sent += 1
            self._more.clear()
            await self._more.wait()
        await asyncio.gather(*pending)


def run() -> dict[str, Any]:
    """Medians over interleaved rounds."""
    walls: dict[str, list[float]] = {name: [] for name in ILLS}
    with folder() as path, neighbour(path) as other, workplace() as place:
        for index in range(ROUNDS):
            for number, (name, ill) in enumerate(ILLS.items()):
                walls[name].append(asyncio.run(_round(place / f"{index}-{number}.db", path, other, ill)))
    least = statistics.median(walls["idle neighbour"])
    found: dict[str, Any] = {"healthy_cases": CASES, "sick_cases": SICK}
    for name, taken in walls.items():
        median = statistics.median(taken)
        found[name] = f"{CASES / median:.0f} cases/s, {median / least:.2f} of the time beside an idle one"
    return found
