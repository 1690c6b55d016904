"""What a second worker costs: governed cases on one PostgreSQL, by one worker process and by two, side by side.

Each process embeds the interlock, as a web application does: it submits cases at its own door, and its worker works
beside those of the others on all slots. Two workers have twice the cases and twice as many in flight, so each has as
much to do as one alone. Counted is the CPU of all that took part: the processes and the server, its children included.

Rounds are interleaved and each gives one ratio, since what a core is worth changes with its neighbours.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

from benchmarks.peers.databases import Cluster, cluster
from benchmarks.setting import OUTCOMES_PER_CASE, cpu, folder, opened, presented
from interlock.assembly import Interlock
from interlock.releases import Release

TARGETS = "CPU per case with two workers at most 1.15 times one worker's"

IN_FLIGHT = 32
UNEVEN = 4
WARM_UP = 200
ROUNDS = 3
LOOK_S = 0.005
PATIENCE_S = 120.0


@dataclass
class Shared:
    """What the processes of one run tell each other. Cells are written by one process each."""

    sent: Any
    done: Any
    conflicts: Any
    cycles: Any
    spent: Any
    barrier: Any

    @classmethod
    def among(cls, context: SpawnContext, workers: int) -> Shared:
        sent, done, conflicts, cycles = (context.Array("q", workers, lock=False) for _ in range(4))
        spent = context.Array("d", workers, lock=False)
        return cls(sent, done, conflicts, cycles, spent, context.Barrier(workers + 1))


async def _drive(number: int, workers: int, dsn: str, path: Path, cases: int, shared: Shared) -> None:
    async with opened(dsn, path) as (il, release):
        load = _Load(il, release, number, workers, shared)
        await load.until(WARM_UP)
        await _together(shared)
        tally = il.worker.tally
        cycles, conflicts, began = tally.cycles, tally.conflicts, cpu()
        await load.until(WARM_UP + cases)
        shared.spent[number] = cpu() - began
        shared.cycles[number] = tally.cycles - cycles
        shared.conflicts[number] = tally.conflicts - conflicts
        await _together(shared)
        await _together(shared)


class _Load:
    """A closed loop over all processes.

    Whose worker ends a case is not known beforehand, so what is in flight is counted together.
    """

    def __init__(self, il: Interlock, release: Release, number: int, workers: int, shared: Shared) -> None:
        self._il, self._release, self._number, self._workers, self._shared = il, release, number, workers, shared
        self._sent = 0
        self._pending: set[asyncio.Task[object]] = set()

    async def until(self, cases: int) -> None:
        """Send this process's share of so many cases per process, and return when all are done."""
        shared, worker, door = self._shared, self._il.worker, self._il.door
        while (done := sum(shared.done[:]) // OUTCOMES_PER_CASE) < cases * self._workers:
            room = min(IN_FLIGHT * self._workers - sum(shared.sent[:]) + done, self._room_here())
            for _ in range(min(room, cases - self._sent)):
                case = self._sent * self._workers + self._number
                task = asyncio.ensure_future(door.submit(presented(self._release, case, door.now)))
                self._pending.add(task)
                task.add_done_callback(self._pending.discard)
                self._sent += 1
                shared.sent[self._number] = self._sent
            with suppress(TimeoutError):
                await asyncio.wait_for(worker.changed(), LOOK_S)
            shared.done[self._number] = worker.tally.outcomes
        await asyncio.gather(*self._pending)

    def _room_here(self) -> int:
        """So that no process has nearly all of what is in flight. Cases that others took are not known of here."""
        ended = self._il.worker.tally.outcomes // OUTCOMES_PER_CASE
        return IN_FLIGHT + UNEVEN - self._sent + ended if self._workers > 1 else IN_FLIGHT


async def _together(shared: Shared) -> None:
    await asyncio.to_thread(shared.barrier.wait, PATIENCE_S)


def _process(number: int, workers: int, dsn: str, path: Path, cases: int, shared: Shared) -> None:
    asyncio.run(_drive(number, workers, dsn, path, cases, shared))


@contextmanager
def _at_work(workers: int, dsn: str, path: Path, cases: int) -> Iterator[Shared]:
    context = multiprocessing.get_context("spawn")
    shared = Shared.among(context, workers)
    processes: list[SpawnProcess] = [
        context.Process(target=_process, args=(number, workers, dsn, path, cases, shared)) for number in range(workers)
    ]
    for process in processes:
        process.start()
    try:
        yield shared
        for process in processes:
            process.join(PATIENCE_S)
    finally:
        for process in processes:
            process.kill()


def measured(place: Cluster, path: Path, *, workers: int, cases: int) -> dict[str, float]:
    """Milliseconds of CPU and physical transactions per case. `cases`: of each worker."""
    with place.fresh() as database, _at_work(workers, database.url, path, cases) as shared:
        shared.barrier.wait(PATIENCE_S)
        server, writes = database.server_cpu(), database.writes()
        shared.barrier.wait(PATIENCE_S)
        server, writes = database.server_cpu() - server, database.writes() - writes
        shared.barrier.wait(PATIENCE_S)
        total = cases * workers
        return {
            "client_ms": sum(shared.spent[:]) / total * 1000,
            "server_ms": server / total * 1000,
            "ms": (sum(shared.spent[:]) + server) / total * 1000,
            "transactions": writes / total,
            "cycles": sum(shared.cycles[:]) / total,
            "conflicts": float(sum(shared.conflicts[:])),
        }


def run(cases: int) -> dict[str, Any]:
    """One and two workers, round by round."""
    rounds: list[tuple[dict[str, float], dict[str, float]]] = []
    with folder() as path, cluster() as place:
        for _ in range(ROUNDS):
            one = measured(place, path, workers=1, cases=cases)
            rounds.append((one, measured(place, path, workers=2, cases=cases)))
    ratios = sorted(two["ms"] / one["ms"] for one, two in rounds)
    found: dict[str, Any] = {
        name: {key: round(statistics.median(round_[index][key] for round_ in rounds), 3) for key in rounds[0][index]}
        for index, name in enumerate(("one_worker", "two_workers"))
    }
    found["ratio"] = {
        "median": round(statistics.median(ratios), 3),
        "min": round(ratios[0], 3),
        "max": round(ratios[-1], 3),
    }
    return found
