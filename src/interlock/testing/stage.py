"""A whole interlock in one deterministic place: real kernel, runtime and store, virtual time, an outside with books.

Nothing here waits for real time and nothing runs in a thread, so a test that passes once passes always. Killing the
worker is killing it: its tasks end where they stand, nothing is said to the store, and another worker begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from interlock.automation.sealing import settle_for
from interlock.kernel.program import Program
from interlock.ports import Receipt
from interlock.releases import Release
from interlock.runtime.hosted import Hosted
from interlock.runtime.threads import Inline
from interlock.runtime.vault import SECRET_BYTES, CaseVault
from interlock.runtime.worker import Notice, Pace, Worker
from interlock.store.sqlite import SqliteStore, open_sqlite
from interlock.testing.outside import Booking, Outside
from interlock.testing.time import START, ManualClock, VirtualLoop
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.ids import CaseId, slot_of
from interlock.vocabulary.release import Certificate
from interlock.vocabulary.sealed import Seal

AGES = 1_000_000_000_000_000
"""A lease that does not run out by itself in any test: 30 years, in microseconds."""

BENCH = CaseId("interlock.bench", "every case")
BENCH_SEAL = Seal("0.0000000000000000", BENCH, bytes(range(SECRET_BYTES)), START)
"""On stage one key serves every case, so that answers can be given before there is one and runs repeat exactly."""

PACE = Pace(poll=None, ttl=AGES)


class Stage:
    """One automation on stage. Close it when it is no longer needed."""

    def __init__(self, release: Release, *, start: int = START, slots: int = 16) -> None:
        self.release = release
        self.program: Program = release.program
        self.clock = ManualClock(start)
        self.loop = VirtualLoop(self.clock)
        self.store: SqliteStore = open_sqlite(":memory:", n_slots=slots, durability="fsync")
        self.store.put_release(release.id, release.name, release.manifest.to_bytes(), now=start)
        self.notices: list[Notice] = []
        if release.loaded.definition.seals:
            settle_for(CaseVault(BENCH, [BENCH_SEAL]))
        self.outside = Outside(release, self._payload, booked=self._booked)
        self.dies_after: set[str] = set()
        self._dying = False
        self._generation = 0
        self._worker: Worker | None = None
        self._task: asyncio.Task[None] | None = None

    # --- the worker

    @property
    def worker(self) -> Worker:
        """The worker; one begins if there is none."""
        if self._worker is None:
            self._generation += 1
            name = f"stage-{self._generation}"
            self._worker = Worker(
                self.store,
                {self.release.name: self._hosted()},
                name=name,
                clock=self.clock,
                spawn=Inline(),
                pace=PACE,
                report=self.notices.append,
            )
            self._task = self.loop.create_task(self._worker.run())
        return self._worker

    def _hosted(self) -> Hosted:
        return Hosted(self.program, self.outside, self.outside)

    def grant(self, certificates: Iterable[Certificate]) -> None:
        """Put certificates into force beside those of the release, strictest last."""
        table = dict(self.program.certificates)
        for one in certificates:
            table[one.action] = (*table.get(one.action, ()), one)
        self.program = replace(self.program, certificates=table)
        if self._worker is not None:
            self._worker.host(self.release.name, self._hosted())

    def crash(self) -> None:
        """Kill the worker where it stands. The next use of the stage starts another."""
        worker, task = self._worker, self._task
        self._worker = self._task = None
        self._dying = False
        if worker is None or task is None:
            return
        task.cancel()
        self._drop_tasks()
        self.store.declare_dead(worker.name, now=self.clock.now())

    def _drop_tasks(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def _booked(self, booking: Booking) -> bool:
        if booking.action in self.dies_after:
            self.dies_after.discard(booking.action)
            self._dying = True
            self.loop.stop()
        return self._dying

    # --- running

    def tick(self) -> bool:
        """One turn of the event loop, in which no time passes; False when everything is at rest."""
        worker = self.worker
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        return self._look() or self._moving(worker)

    def settle(self) -> None:
        """Run until nothing moves and nothing is due. Time passes only as far as somebody waits for it."""
        while True:
            worker = self.worker
            self.loop.run_while(lambda worker=worker: self._moving(worker))
            if not self._look() and not self._moving(worker):
                return

    def advance(self, micros: int) -> None:
        """Let time pass, doing everything that becomes due on the way."""
        self.settle()
        until = self.clock.monotonic() + micros
        while self.clock.monotonic() < until:
            alarm = self.loop.call_at(until / 1_000_000, self.loop.stop)
            self.loop.run_forever()
            alarm.cancel()
            self._look()
            self.worker  # noqa: B018 - one begins if the last one has died
        self.settle()

    def _moving(self, worker: Worker) -> bool:
        """Whether anything moves. An advisor that thinks until its timeout is waited for by nobody but `advance`."""
        return worker.working() or len(worker.dispatcher) > len(self.outside.thinking)

    def _look(self) -> bool:
        """Whether the worker has just died; raises what ended it if it was not a death."""
        if self._dying:
            self.crash()
            return True
        if self._task is not None and self._task.done():
            self._task.result()
        return False

    # --- in and out

    def accept(self, *envelopes: Envelope) -> list[Receipt]:
        """Put messages through the store's door."""
        receipts = self.store.accept(envelopes, now=self.clock.now())
        self.worker.wake([receipt.slot for receipt in receipts])
        return receipts

    def entries(self, case: CaseId) -> list[Entry]:
        """The case's ledger, oldest first."""
        slot = slot_of(case, self.store.caps.n_slots)
        lsn = self.store.newest(case)
        found: list[Entry] = []
        while lsn:
            entry = self.store.entry(slot, lsn)
            if entry is None:
                break
            found.append(entry)
            lsn = entry.prev
        return found[::-1]

    def _payload(self, digest: str) -> bytes:
        found = self.store.payload(digest)
        return found[0] if found else b""

    def close(self) -> None:
        """End everything."""
        if self.loop.is_closed():
            return
        self._drop_tasks()
        self.loop.close()
        self.store.close()
