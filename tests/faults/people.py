"""Everybody around the interlock in one process of its own: senders, reviewers and an operator with the books.

They come in through a door on a store of their own and behave as real ones do: they send again when no answer comes,
twice when in doubt, approve what they asked for themselves, and click on pages that have changed since. The process may
be killed like any other. What it has sent and heard stands in `submissions.jsonl`, each attempt before it is made, so
the next one goes on where it ended.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar

from msgspec import structs, to_builtins

from interlock.ports import Accepted, Clock, Store
from interlock.releases import Release
from interlock.runtime import control, inbox, restoring
from interlock.runtime.inbox import Door
from interlock.runtime.threads import Pool
from interlock.testing.records import every_case
from interlock.testing.simulator import Faults
from interlock.testing.simulator.faults import Dice
from interlock.vocabulary.errors import Conflict, NotFound, NotNow, StoreError
from interlock.vocabulary.events import Envelope, ResultBody
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.review import Review, asked_groups
from interlock.vocabulary.task import Task
from tests.faults import outside
from tests.faults.accidents import ACTIVE_S
from tests.faults.boundaries import append, lines
from tests.faults.clock import true_now

T = TypeVar("T")

AUTOMATION = "desk"
DOUBT_LOOK_US = 5_000_000
"""An operator believes the books about a doubt this long after seeing it: longer than any worker stands still between
recording a start and sending the request."""

HEALTHY_LOOK_US = 500_000
"""The same once nobody stands still any more: a request that leaves leaves at once."""

QUIET_LOOKS = 3
"""Looks in a row that find nothing left before the run counts as settled."""


@dataclass(frozen=True)
class Letter:
    """A message that somebody means to send: seconds from the start, and how often."""

    at: float
    envelope: Envelope
    times: int = 1


def plan(seed: int, faults: Faults, release: Release, start: int, orders: int) -> list[Letter]:
    """Everything that is sent, from the seed alone. `start`: microseconds, the moment that all times count from."""
    dice = Dice(seed, "plan")
    return [letter for number in range(orders) for letter in _story(dice, faults, release, start, f"o{number}")]


def _story(dice: Dice, faults: Faults, release: Release, start: int, order: str) -> list[Letter]:
    wire = release.loaded.wire
    letters: list[Letter] = []

    def send(at: float, type: str, id: str, **data: Any) -> None:
        occurred = start + int(at * 1_000_000)
        if dice.chance(faults.late_events):
            occurred -= dice.whole(1, 600) * 1_000_000
        if dice.chance(faults.reordered):
            at += dice.between(0, 1.5)
        made = inbox.event_envelope(
            AUTOMATION, wire, type, {"order": order, **data},
            id=id, source="shop", principal="shop", occurred_at=occurred, now=start,
        )  # fmt: skip
        times = 1 + (dice.whole(1, 2) if dice.chance(faults.duplicates) else 0)
        letters.append(Letter(max(0.0, at), made, times))

    def amount() -> str:
        return str(Decimal(dice.whole(100, 42_000)) / 100)

    placed = dice.between(0, ACTIVE_S * 0.7)
    send(placed, "Placed", "e0", total=amount(), risky=dice.chance(0.2))
    for number in range(1, 1 + dice.whole(0, 5)):
        at = placed + dice.between(-1, 2)
        kind = dice.weighted({"Changed": 3, "Poked": 5, "Stopped": 0.6, "Placed": 0.5})
        if kind in ("Changed", "Placed"):
            send(at, kind, f"e{number}", total=amount())
        else:
            send(at, kind, f"e{number}")
        if dice.chance(faults.conflicts):
            send(at + dice.between(0, 1), "Changed", f"e{number}", total="1.00")
    if dice.chance(faults.poison * 2):
        send(placed + dice.between(0, 1), "Broken", "broken")
    if dice.chance(faults.poison):
        send(placed + dice.between(0, 1), "Deadly", "deadly")
    for number in range(dice.whole(0, 2)):
        action = dice.weighted({"mark": 4, "letter": 2, "pay": 2, "credit": 1})
        args: dict[str, Any] = {"order": order}
        args |= {"mark": {"colour": "red"}, "letter": {"text": "hello"}}.get(action) or {"amount": amount()}
        by: Literal["person", "agent"] = "agent" if dice.chance(0.3) else "person"
        principal = "agent:bot" if by == "agent" else dice.one_of(("ann", "bob", "eve"))
        made = inbox.call_envelope(
            AUTOMATION, wire, action, args,
            key=order, id=f"c{number}", source="console", principal=principal, by=by, now=start,
        )  # fmt: skip
        letters.append(Letter(max(0.0, placed + dice.between(-0.5, 2)), made, 2 if dice.chance(0.2) else 1))
    return letters


@dataclass
class Town:
    """What all people of one process share.

    doubt_look   microseconds from seeing a doubt until the books are believed about it
    restored     a disk was lost: the outside may have done things under keys that nobody knows
    """

    folder: Path
    store: Store
    clock: Clock
    door: Door
    spawn: Pool
    dice: Dice
    faults: Faults
    start: int
    doubt_look: int = DOUBT_LOOK_US
    restored: bool = False
    sent: int = 0

    @property
    def name(self) -> str:
        """Of this process among all that were people: what it sends is numbered under it."""
        return f"p{os.getpid()}"

    def number(self) -> str:
        self.sent += 1
        return f"{self.name}.{self.sent}"

    async def operating(self, work: Callable[[Store], T]) -> T | None:
        """Work on the store by the hand of an operator; None when it failed, as it may now."""
        with suppress(StoreError, NotNow, NotFound):
            return await self.spawn.blocking(lambda: work(self.store))
        return None


async def send(town: Town, envelope: Envelope, letter: str = "") -> None:
    """Hand a message in. Without an answer, the same message is sent again."""
    path = town.folder / "submissions.jsonl"
    while True:
        attempt = town.number()
        name = (envelope.automation, envelope.key, envelope.source, envelope.id)
        message = structs.replace(envelope, received_at=town.clock.now())
        append(
            path, attempt=attempt, letter=letter, name=name, body=to_builtins(envelope.body),
            occurred_at=envelope.occurred_at, at=true_now(),
        )  # fmt: skip
        try:
            answer = await town.door.submit(message)
        except Conflict:
            receipt = "clash"
        except (NotNow, StoreError):
            await asyncio.sleep(town.dice.between(0.02, 0.3))
            continue
        else:
            receipt = "accepted" if isinstance(answer, Accepted) else "duplicate"
        append(path, attempt=attempt, letter=letter, receipt=receipt, at=true_now())
        return


def answered(folder: Path, lost_since: int) -> set[str]:
    """Letters that need not be sent again: answered, and not with a receipt that a lost disk took back."""
    return {
        str(line["letter"])
        for line in lines(folder / "submissions.jsonl")
        if line.get("receipt") and line["letter"] and (not lost_since or int(str(line["at"])) < lost_since)
    }


async def deliver(town: Town, letter: Letter, name: str, done: set[str]) -> None:
    """Send, each of its times that has not been answered."""
    for time in range(letter.times):
        this = f"{name}.{time}"
        if this in done:
            continue
        await asyncio.sleep(max(0.0, letter.at - (true_now() - town.start) / 1_000_000))
        await send(town, letter.envelope, this)
        await asyncio.sleep(Dice(0, this).between(0, 0.5))


# --- reviewers


async def review(town: Town, *, eager: bool) -> None:
    """Look at what is open now and then, and mostly do the right thing. `eager`: leave nothing to time."""
    dice = town.dice
    while True:
        await asyncio.sleep(0.2 if eager else dice.between(0.2, 1.2))
        found: list[tuple[CaseId, Review]] = (
            await town.operating(lambda store: store.open_reviews(automation=None, group=None, limit=50)) or []
        )
        for case, one in found:
            if dice.chance(0.3):
                continue
            if not eager and dice.chance(0.25):
                await _handle(town, case, one)
            else:
                await _decide(town, case, one)


async def _handle(town: Town, case: CaseId, one: Review) -> None:
    dice = town.dice
    act: Any = dice.weighted({"claim": 3, "release": 2, "assign": 1, "reassign": 1, "withdraw": 1})
    made = inbox.handling_envelope(
        case.automation, case.key, one.id, act,
        group=dice.one_of(asked_groups(one)), id=town.number(),
        principal=dice.one_of(("ann", "bob", "cid", "dan", *one.requesters)), now=town.clock.now(),
        to={"assign": "dan", "reassign": dice.one_of(("finance", "operations"))}.get(act, ""),
    )  # fmt: skip
    await send(town, made)


async def _decide(town: Town, case: CaseId, one: Review) -> None:
    dice = town.dice
    what = dice.weighted({"approve": 8, "reject": 2, "edit": 1.5, "stale": 1, "stranger": 0.5})
    group = dice.one_of(asked_groups(one)) if what != "stranger" else "nobody"
    args: dict[str, Any] | None = None
    verdict: Literal["approve", "reject", "edit", "propose"] = "approve"
    action = ""
    if one.question and what != "reject":
        verdict, action, args = "propose", "mark", {"order": case.key, "colour": "red"}
    elif what == "edit":
        verdict, args = "edit", dict(one.args)
        if "amount" in args:
            args["amount"] = str(Decimal(args["amount"]) / 2 // Decimal("0.01") * Decimal("0.01"))
    elif what == "reject":
        verdict = "reject"
    made = inbox.verdict_envelope(
        case.automation, case.key, one.id, verdict,
        group=group, seen="0" * 16 if what == "stale" else one.seen, args=args, comment="", id=town.number(),
        principal=dice.one_of(("ann", "bob", "cid", "dan", *one.requesters)), now=town.clock.now(), action=action,
    )  # fmt: skip
    await send(town, made)
    if dice.chance(0.3):
        # A second click, as another message: it must not count twice.
        await send(town, structs.replace(made, id=f"{made.id}b"))


# --- the operator


async def operate(town: Town, *, every: float) -> None:
    """End doubts by the books, and what is in quarantine; now and then tell again what became of an effect."""
    seen: dict[str, int] = {}
    while True:
        await asyncio.sleep(town.dice.between(every * 0.5, every * 1.5))
        records = await town.operating(lambda store: every_case(store, AUTOMATION)) or []
        for record in records:
            for effect in record.effects.values():
                await _end_doubt(town, record.key, effect, record.tasks, seen)
                await _echo(town, record.key, effect)
            for task in record.tasks.values():
                if task.kind == "contradiction":
                    await _end_contradiction(town, record.key, task)
        for one in await town.operating(lambda store: store.quarantine()) or ():
            type = getattr(one.envelope.body, "type", "")
            how: Literal["retry", "discard"] = "discard" if type in ("Broken", "Deadly") else "retry"
            now = town.clock.now()
            await town.operating(
                lambda store, one=one, how=how, now=now: control.release_message(store, one.id, how, "olga", now=now)
            )


async def _book(action: str, args: Any, key: str) -> dict[str, Any] | None:
    """What the outside's books say; None while they cannot be read."""
    with suppress(outside.Unreachable, OSError):
        return await outside.ask("book", action=action, args=args, key=key)
    return None


async def _end_doubt(town: Town, order: str, effect: Any, tasks: Any, seen: dict[str, int]) -> None:
    """Tell the truth about a doubt that a person is asked to end."""
    if effect.status != "in_doubt" or effect.id not in tasks:
        return
    if true_now() < seen.setdefault(effect.key, true_now()) + town.doubt_look:
        return
    book = await _book(effect.action, effect.args, effect.key)
    if book is None or book["travelling"]:
        return
    # A lost disk may have done it under another key: what it was is then found by what it says.
    booked = book["booked"] or (town.restored and book["alike"])
    made = inbox.resolve_envelope(
        AUTOMATION, order, effect.id, "happened" if booked else "not_happened",
        result={"id": "r"} if booked and effect.action in ("pay", "credit") else None,
        comment="looked at the books", id=town.number(), principal="olga", now=town.clock.now(),
    )  # fmt: skip
    await send(town, made)


async def _end_contradiction(town: Town, order: str, task: Task) -> None:
    """Two words of the outside, or of a person: the books are right."""
    book = await _book(task.action, {}, task.key)
    if book is None or book["travelling"]:
        return
    made = inbox.resolve_envelope(
        AUTOMATION, order, task.id, "happened" if book["booked"] else "not_happened",
        result=None, comment="looked at the books again", id=town.number(), principal="olga", now=town.clock.now(),
    )  # fmt: skip
    await send(town, made)


async def _echo(town: Town, order: str, effect: Any) -> None:
    """Tell of an effect that took place, again or for the first time: as a webhook would, or a worker that was thought
    dead."""
    if not town.dice.chance(town.faults.repeated_results):
        return
    book = await _book(effect.action, effect.args, effect.key)
    if book is None or not book["booked"]:
        return
    result = {"id": "r"} if effect.action in ("pay", "credit") else None
    body = ResultBody(effect.id, effect.attempt, "perform", "happened", result)
    now = town.clock.now()
    await send(town, Envelope(AUTOMATION, order, f"{effect.id}.{effect.attempt}", "bank", "bank", now, now, body))


# --- one life


async def live(town: Town, letters: list[Letter], *, lost_since: int, healing: bool) -> None:
    """Be everybody. `healing`: until nothing is left to do; else until killed."""
    done = answered(town.folder, lost_since)
    sending = [asyncio.ensure_future(deliver(town, letter, str(number), done)) for number, letter in enumerate(letters)]
    others = [
        asyncio.ensure_future(review(town, eager=healing)),
        asyncio.ensure_future(operate(town, every=0.3 if healing else 0.8)),
    ]
    failing = asyncio.gather(*others)
    if not healing:
        await asyncio.gather(failing, *sending)
    await asyncio.gather(*sending)
    quiet = 0
    while quiet < QUIET_LOOKS:
        await asyncio.sleep(0.1)
        if failing.done():
            failing.result()
        left = await town.operating(left_in)
        quiet = quiet + 1 if left == [] else 0
        (town.folder / "left.txt").write_text("\n".join(left or ["the store cannot be read"]))
    failing.cancel()
    await asyncio.gather(failing, *others, return_exceptions=True)
    await town.door.drain()


def left_in(store: Store) -> list[str]:
    """What is left to do, in words."""
    left = [f"{one.command.id} {one.command.what}" for one in store.open_commands()]
    left += [f"quarantined {one.id}" for one in store.quarantine()]
    left += [f"{store.backlog()} messages"] if store.backlog() else []
    for record in every_case(store, AUTOMATION):
        left += [f"review {record.key}/{name}" for name in record.reviews]
        left += [f"effect {record.key}/{effect.id} {effect.status}" for effect in record.effects.values()]
        left += [f"question {record.key}/{name}" for name in record.questions]
        left += [f"timer {record.key}/{name}" for name in record.timers]
        left += [f"task {record.key}/{name}" for name in record.tasks]
    return left


def end_recovery(store: Store, now: int) -> None:
    """An operator ends the mode in which a restored store is."""
    with suppress(NotNow):
        restoring.end(store, principal="olga", comment="compared with the books", now=now)


def mend(store: Store, now: int) -> None:
    """End all pauses and take the clock to be right."""
    control.resume(store, [])
    control.accept_clock(store, now)
