"""interlock, embedded: the automation in benchmarks/peers/payout, its store and its worker in this process.

One event, one answer, one decision under a policy and a certificate, one effect whose start is recorded before it is
called, its result; each with its hash-chained entry in the ledger. Acceptance is grouped by the door, the rest by the
worker. After a kill the effects that were under way are looked up in the provider's books before anything else.

What it does not do at all: it is no workflow engine. There are no long procedures in plain Python with loops over
steps, no child workflows, no queues for arbitrary work; what a user writes must fit events, questions, rules and
actions. It needs a state machine and a policy where a function would do.

`Handle.settled` waits for one case by reading it again after every cycle of the worker, which is meant for a program
that waits for one case and not for a load generator that waits for each. So an end is learnt here as follows: what
the reducer makes of the result is noted together with the number of cycles so far, and the case has ended when a
higher number says that this cycle was committed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.line import Accepted, serve
from benchmarks.peers.outside import Event, World, number_of
from interlock.assembly import Interlock
from interlock.ports import Duplicate
from interlock.releases import load_release
from interlock.runtime.inbox import event_envelope
from interlock.vocabulary.ids import CaseId

FOLDER = Path(__file__).parent.parent / "payout"
ENDED = "paid"
LOOK_S = 0.05
PAGE = 1_000


class Ours:
    def __init__(self, database: str, world: World) -> None:
        self._il = Interlock.open(database)
        self._release = load_release(FOLDER)
        self._heard: deque[tuple[int, str]] = deque()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._il.__aenter__()
        self._note_ends()
        self._il.host(self._release)
        self._watching = asyncio.create_task(self._watch())

    def _note_ends(self) -> None:
        """Called in the unit of a turn, on the store's thread, before its commit."""
        reducers: Any = self._release.program.reducers
        reduce, tally = reducers.reduce, self._il.worker.tally

        def noting(state: Any, status: str, message: Any) -> Any:
            reduction = reduce(state, status, message)
            if reduction.status == ENDED:
                self._heard.append((tally.cycles, reduction.state["name"]))
            return reduction

        reducers.reduce = noting

    async def case(self, event: Event, accepted: Accepted) -> None:
        ended = self._waiting[event.case] = asyncio.get_running_loop().create_future()
        data = event.data()
        envelope = event_envelope(
            self._release.name,
            self._release.loaded.wire,
            "Requested",
            {"case": event.case, "customer": event.customer, "available": f"{int(data['available_cents']) / 100:.2f}"},
            id=event.id,
            source="bench",
            principal="bench",
            occurred_at=None,
            now=self._il.door.now,
        )
        receipt = await self._il.door.submit(envelope)
        accepted(event)
        if isinstance(receipt, Duplicate):  # An earlier process had it: its end may lie behind us.
            self._waiting.pop(event.case, None)
            await self.go_on([event.number])
        else:
            await ended

    async def _watch(self) -> None:
        worker = self._il.worker
        while True:
            await worker.changed()
            while self._heard and self._heard[0][0] < worker.tally.cycles:
                ended = self._waiting.pop(self._heard.popleft()[1], None)
                if ended is not None:
                    ended.set_result(None)

    async def left(self) -> Sequence[int]:
        """What was accepted but has had no turn yet is no case; it is waited for first."""
        while await self._il.blocking(lambda store: store.backlog()):  # noqa: ASYNC110 - after a restart, once
            await asyncio.sleep(LOOK_S)
        return [number_of(record.key) for record in await self._records() if record.status != ENDED]

    async def go_on(self, numbers: Sequence[int]) -> None:
        """The worker does it by itself; a case that waits for a person stays."""
        cases = [CaseId(self._release.name, f"c{number}") for number in numbers]

        def unended(store: Any) -> bool:
            records = [store.case(case) for case in cases]
            return any(record is None or (record.status != ENDED and not record.reviews) for record in records)

        while await self._il.blocking(unended):  # noqa: ASYNC110 - after a restart, once
            await asyncio.sleep(LOOK_S)

    async def _records(self) -> list[Any]:
        """Every case of the automation."""

        def read(store: Any) -> list[Any]:
            found: list[Any] = []
            last: CaseId | None = None
            while page := store.cases(automation=self._release.name, status=None, after=last, limit=PAGE):
                found += page
                last = CaseId(page[-1].automation, page[-1].key)
            return found

        return await self._il.blocking(read)

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        await self._il.__aexit__(None, None, None)


if __name__ == "__main__":
    serve(Ours)
