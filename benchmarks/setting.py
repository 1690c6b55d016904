"""What the benchmarks share: the governed automation as a release folder, an Interlock on a fresh file, a closed
loop of cases.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from interlock.assembly import Interlock, settle_collector
from interlock.releases import Release, load_release
from interlock.runtime.inbox import event_envelope
from interlock.settings import Settings
from interlock.vocabulary.events import Envelope

HERE = Path(__file__).parent
DEMO = HERE.parent / "src" / "interlock" / "demo" / "cheques"
OUTCOMES_PER_CASE = 2
"""Of the calls that a case makes: one answer, one result."""

BUDGET = """
[budgets.payout]
for = "pay"
sum = "proposal.amount"
max = 1000000000.00
per = "ever"
"""


@contextmanager
def folder(*, budget: bool = False) -> Iterator[Path]:
    """A release folder: the benchmark's automation under the demo's policy, whose rule on two readers asks for one."""
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as name:
        path = Path(name) / "cheques"
        shutil.copytree(HERE / "governed", path, ignore=shutil.ignore_patterns("__pycache__"))
        policy = (DEMO / "policy.yaml").read_text()
        if "advice.agreed < 2" not in policy:
            raise SystemExit("The demo's policy has no rule on two readers any more; adapt benchmarks/setting.py.")
        (path / "policy.yaml").write_text(policy.replace("advice.agreed < 2", "advice.agreed < 1"))
        if budget:
            with (path / "release.toml").open("a") as release:
                release.write(BUDGET)
        yield path


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder on the disk that the tests run on (not in memory: fsync must cost what it costs)."""
    place = Path.cwd() / ".bench"
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as name:
        yield Path(name)


@asynccontextmanager
async def opened(database: Path | str, path: Path, **settings: int) -> AsyncIterator[tuple[Interlock, Release]]:
    async with Interlock.open(database, settings=replace(Settings(), **settings)) as il:
        release = load_release(path)
        il.host(release)
        settle_collector()  # As `interlock run` does.
        yield il, release


def presented(release: Release, number: int, now: int) -> Envelope:
    data = {"cheque": f"c{number}", "box": f"box{number}", "available": "500.00"}
    return event_envelope(
        release.name,
        release.loaded.wire,
        "Presented",
        data,
        id=f"e{number}",
        source="bench",
        principal="bench",
        occurred_at=None,
        now=now,
    )


async def run_cases(il: Interlock, release: Release, *, first: int, cases: int, in_flight: int) -> None:
    """A closed loop: `in_flight` cases at a time until `cases` have come to their end."""
    worker, door = il.worker, il.door
    began = worker.tally.outcomes
    sent = 0
    pending: set[asyncio.Task[object]] = set()
    while True:
        done = (worker.tally.outcomes - began) // OUTCOMES_PER_CASE
        if done >= cases:
            break
        while sent < cases and sent - done < in_flight:
            task = asyncio.ensure_future(door.submit(presented(release, first + sent, door.now)))
            pending.add(task)
            task.add_done_callback(pending.discard)
            sent += 1
        await worker.changed()
    await asyncio.gather(*pending)


def cpu() -> float:
    """CPU seconds of this process so far, all threads."""
    return time.process_time()
