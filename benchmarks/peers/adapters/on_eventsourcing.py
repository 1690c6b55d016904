"""eventsourcing: the case is an aggregate, each point an event of it.

As its documents recommend: `Aggregate` with `@event`, `Application.save`, which takes many aggregates in one
transaction; so saves are grouped (benchmarks/peers/group.py), which is by far its fastest way. Advice and decision are
two events of one save. SQLite: it sets the write-ahead mode itself; synchronous is FULL, SQLite's default. The
transcoder and the topics are the defaults.

What it does not do at all: it is a library for events, not an engine. Grouping, asking, acting, finding unfinished
cases after a restart (here: reading the whole notification log) and going on with them are this adapter's code, and
every user writes theirs. It knows no effects, so nothing of its own says whether a payment was made: after a kill
between the payment and its event the adapter pays again. No policy, verdict, approval, budget or release; its records
are not hash-chained. One process: two of these would both find the same unfinished cases.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError

from benchmarks.peers.group import Group
from benchmarks.peers.line import Accepted, serve
from benchmarks.peers.outside import AVAILABLE_CENTS, Event, World, may_pay

PAGE = 1_000


class Payout(Aggregate):
    @event("Accepted")
    def __init__(self, number: int, customer: str, available_cents: int) -> None:
        self.number = number
        self.customer = customer
        self.available_cents = available_cents
        self.verdict = ""
        self.transfer = ""

    @staticmethod
    def create_id(number: int) -> UUID:
        return uuid5(NAMESPACE_URL, f"payout/{number}")

    @event("Advised")
    def advised(self, amount_cents: int, score_per_mille: int, rationale: str) -> None:
        self.amount_cents = amount_cents
        self.score_per_mille = score_per_mille
        self.rationale = rationale

    @event("Decided")
    def decided(self, verdict: str) -> None:
        self.verdict = verdict

    @event("Recorded")
    def recorded(self, transfer: str) -> None:
        self.transfer = transfer


class Payouts(Application[UUID]):
    pass


@dataclass
class Saving:
    """One aggregate on its way into a group. `known`: it was there already, under the same id."""

    payout: Any
    event: Event | None = None
    known: bool = False


def opened(event: Event) -> Payout:
    return Payout(number=event.number, customer=event.customer, available_cents=AVAILABLE_CENTS)


class EventSourcing:
    def __init__(self, database: str, world: World) -> None:
        self._world = world
        self._app = Payouts(env=environment(database))
        self._saves = Group(self._save)
        self._going_on: frozenset[int] = frozenset()

    async def start(self) -> None: ...

    def _save(self, group: Sequence[Saving]) -> None:
        """One transaction; where the same event came twice, one for each of the group, to find out which."""
        try:
            self._app.save(*(one.payout for one in group))
        except IntegrityError:
            for one in group:
                if one.event is None:
                    raise
                one.payout = opened(one.event)
                try:
                    self._app.save(one.payout)
                except IntegrityError:
                    one.known = True

    async def case(self, event: Event, accepted: Accepted) -> None:
        if event.number in self._going_on:
            accepted(event)
            return
        saving = Saving(opened(event), event)
        await self._saves.put(saving)
        accepted(event)
        payout = saving.payout
        if saving.known:
            payout = await self._saves.run(lambda: self._known(event.number))
        await self._go_on(payout)

    async def _go_on(self, payout: Any) -> None:
        case = f"c{payout.number}"
        if not payout.verdict:
            advice = await self._world.advise(case, payout.customer)
            payout.advised(advice.amount_cents, advice.score_per_mille, advice.rationale)
            pays = may_pay(payout.available_cents, payout.amount_cents, payout.score_per_mille)
            payout.decided("paid" if pays else "refused")
            await self._saves.put(Saving(payout))
        if payout.verdict == "paid" and not payout.transfer:
            payout.recorded(await self._world.pay(case, payout.amount_cents, case))
            await self._saves.put(Saving(payout))

    async def left(self) -> Sequence[int]:
        def read() -> list[int]:
            ids: dict[UUID, None] = {}
            start = 1
            while page := self._app.recorder.select_notifications(start, PAGE):
                ids.update(dict.fromkeys(one.originator_id for one in page))
                start = page[-1].id + 1
            found: list[Any] = [self._app.repository.get(id) for id in ids]
            return [one.number for one in found if not (one.transfer or one.verdict == "refused")]

        return await self._saves.run(read)

    async def go_on(self, numbers: Sequence[int]) -> None:
        self._going_on = frozenset(numbers)
        for number in numbers:
            await self._go_on(await self._saves.run(lambda number=number: self._known(number)))

    def _known(self, number: int) -> Any:
        return self._app.repository.get(Payout.create_id(number))

    async def stop(self) -> None:
        self._saves.close()
        self._app.close()


def environment(database: str) -> dict[str, str]:
    if not database.startswith("postgres"):
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": database}
    from psycopg.conninfo import conninfo_to_dict

    known = conninfo_to_dict(database)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(known["dbname"]),
        "POSTGRES_HOST": str(known["host"]),
        "POSTGRES_PORT": str(known.get("port", 5432)),
        "POSTGRES_USER": str(known["user"]),
        "POSTGRES_PASSWORD": str(known.get("password", "none")),
    }


if __name__ == "__main__":
    serve(EventSourcing)
