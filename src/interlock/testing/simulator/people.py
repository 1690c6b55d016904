"""Everybody around the interlock: senders of events and calls, reviewers, and an operator with the outside's books.

All of them come in through the doors of living processes, and all of them behave as real ones do: they send again
when no answer comes, twice when in doubt, approve what they asked for themselves, and click on pages that have
changed since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, Protocol, cast

from msgspec import structs, to_builtins

from interlock.automation.wire import Wire
from interlock.ports import Accepted, Store
from interlock.runtime import control, inbox
from interlock.testing.checker import Submission
from interlock.testing.simulator.faults import Dice, Faults
from interlock.testing.simulator.process import Process
from interlock.testing.simulator.world import Outside
from interlock.vocabulary.errors import Conflict, NotNow, StoreBusy, StoreFull
from interlock.vocabulary.events import Envelope, HandlingAct, ResultBody
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.review import Review, asked_groups
from interlock.vocabulary.task import Task

AUTOMATION = "desk"
REPLY_S = 8.0
"""How long a sender waits for an answer before sending again."""

LOOK_AGAIN_US = 120_000_000
"""An operator believes the outside's books about a doubt this long after seeing it: longer than any worker stands
still between recording a start and sending the request."""


class Town(Protocol):
    """What people need of the run around them."""

    faults: Faults
    wire: Wire
    outside: Outside
    submitted: list[Submission]
    doubts_seen: dict[str, int]

    def door(self) -> Process | None:
        """A living process to talk to."""
        ...

    def operating(self, work: Callable[[Store], Any]) -> Any:
        """Work on the store by the hand of an operator; None when it failed."""
        ...

    def real_now(self) -> int: ...
    def wall_now(self) -> int: ...
    def trace(self, text: str) -> None: ...


@dataclass(frozen=True)
class Letter:
    """A message that somebody means to send: at a moment (seconds from the start), so often."""

    at: float
    envelope: Envelope
    times: int = 1


def plan(dice: Dice, faults: Faults, wire: Wire, start: int, seconds: float) -> list[Letter]:
    """Everything that is sent in a run, from the seed alone."""
    letters: list[Letter] = []
    for number in range(dice.whole(3, 7)):
        letters += _story(dice, faults, wire, start, seconds, f"o{number}")
    return letters


def _story(dice: Dice, faults: Faults, wire: Wire, start: int, seconds: float, key: str) -> list[Letter]:
    """One order: placed, and what else happens to it. Ids repeat from order to order, as they do outside."""
    letters: list[Letter] = []
    count = 0

    def send(at: float, type: str, **data: Any) -> None:
        nonlocal count
        count += 1
        occurred = start + int(at * 1_000_000)
        if dice.chance(faults.late_events):
            occurred -= dice.whole(1, 600) * 1_000_000
        made = inbox.event_envelope(
            AUTOMATION,
            wire,
            type,
            {"order": key, **data},
            id=f"e{count}",
            source="shop",
            principal="shop",
            occurred_at=max(0, occurred),
            now=start,
        )
        if dice.chance(faults.reordered):
            at += dice.between(0, 120)
        times = 1 + (dice.whole(1, 2) if dice.chance(faults.duplicates) else 0)
        letters.append(Letter(at, made, times))
        if dice.chance(faults.conflicts):
            other = inbox.event_envelope(
                AUTOMATION,
                wire,
                "Changed",
                {"order": key, "total": "1.00"},
                id=f"e{count}",
                source="shop",
                principal="shop",
                occurred_at=max(0, occurred),
                now=start,
            )
            letters.append(Letter(at + dice.between(-5, 30), other))

    def amount() -> str:
        return str(Decimal(dice.whole(100, 42_000)) / 100)

    placed = dice.between(0, seconds * 0.5)
    send(placed, "Placed", total=amount(), risky=dice.chance(0.2))
    for _ in range(dice.whole(0, 6)):
        at = placed + dice.between(-60, seconds * 0.3)
        kind = dice.weighted({"Changed": 3, "Poked": 4, "Stopped": 1, "Placed": 0.5})
        if kind == "Changed":
            send(max(0.0, at), kind, total=amount())
        elif kind == "Placed":
            send(max(0.0, at), kind, total=amount(), risky=False)
        else:
            send(max(0.0, at), kind)
    for _ in range(dice.whole(0, 3)):
        # While the advisors think and effects are about to start.
        if dice.chance(0.8):
            send(placed + dice.between(0, 3), "Changed", total=amount())
        else:
            send(placed + dice.between(0, 40), "Stopped")
    if dice.chance(faults.poison * 3):
        send(placed + dice.between(0, 300), "Broken")
    if dice.chance(faults.poison * 2):
        send(placed + dice.between(0, 300), "Deadly")
    calls = dice.whole(0, 3)
    moments = [placed + dice.between(-20, seconds * 0.4) for _ in range(calls)]
    return letters + [_call(dice, wire, start, key, at, number, amount()) for number, at in enumerate(moments)]


def _call(dice: Dice, wire: Wire, start: int, key: str, at: float, number: int, amount: str) -> Letter:
    action = dice.weighted({"mark": 4, "letter": 2, "erase": 1, "pay": 2, "credit": 1, "collect": 1})
    args: dict[str, Any] = {
        "mark": {"colour": "red"},
        "letter": {"text": "hello"},
        "erase": {},
        "pay": {"amount": amount},
        "credit": {"amount": amount},
        "collect": {"parcels": 1},
    }[action]
    by: Literal["person", "agent"] = "agent" if dice.chance(0.3) else "person"
    principal = "agent:bot" if by == "agent" else dice.one_of(("ann", "bob", "eve"))
    made = inbox.call_envelope(
        AUTOMATION,
        wire,
        action,
        args,
        key=key,
        id=f"c{number}",
        source="console",
        principal=principal,
        by=by,
        now=start,
    )
    return Letter(max(0.0, at), made, 2 if dice.chance(0.2) else 1)


async def deliver(town: Town, dice: Dice, letter: Letter) -> None:
    """Send until an answer comes, each of its times."""
    await asyncio.sleep(letter.at)
    for _ in range(letter.times):
        await send(town, dice, letter.envelope)
        await asyncio.sleep(dice.between(0, 60))


async def send(town: Town, dice: Dice, envelope: Envelope) -> None:
    """Hand a message in. Without an answer, the same message is sent again."""
    while True:
        process = town.door()
        if process is None:
            await asyncio.sleep(1)
            continue
        message = structs.replace(envelope, received_at=process.door.now)
        receipt: Literal["accepted", "duplicate", "clash", ""] = ""
        at = len(town.submitted)
        _note(town, message, "")
        try:
            answer = await asyncio.wait_for(process.door.submit(message), REPLY_S)
            receipt = "accepted" if isinstance(answer, Accepted) else "duplicate"
        except Conflict:
            receipt = "clash"
        except (TimeoutError, NotNow, StoreBusy, StoreFull):
            pass
        town.submitted[at] = replace(town.submitted[at], receipt=receipt)
        if receipt:
            town.trace(f"door {envelope.key} {envelope.id} {receipt}")
            return
        await asyncio.sleep(dice.between(0.5, 5))


def _note(town: Town, message: Envelope, receipt: Literal["accepted", "duplicate", "clash", ""]) -> None:
    name = (message.automation, message.key, message.source, message.id)
    town.submitted.append(Submission(name, to_builtins(message.body), message.occurred_at, receipt, town.real_now()))


async def echo(town: Town, dice: Dice) -> None:
    """Tell again, or for the first time, of effects that took place: as a webhook or a worker that was thought dead
    would."""
    while town.faults.repeated_results:
        await asyncio.sleep(dice.between(5, 60))
        records = town.operating(lambda store: store.cases(automation=AUTOMATION, status=None, after=None, limit=1_000))
        for record in records or ():
            for effect in record.effects.values():
                if town.outside.has(effect.key) is None or not dice.chance(town.faults.repeated_results):
                    continue
                result = {"id": "r"} if effect.action in ("pay", "credit", "collect") else None
                body = ResultBody(effect.id, effect.attempt, "perform", "happened", result)
                name = f"{effect.id}.{effect.attempt}"
                now = town.wall_now()
                await send(town, dice, Envelope(AUTOMATION, record.key, name, "bank", "bank", now, now, body))


# --- reviewers


async def review(town: Town, dice: Dice) -> None:
    """Look at what is open now and then, and mostly do the right thing."""
    count = 0
    while True:
        await asyncio.sleep(dice.between(20, 240))
        found: list[tuple[CaseId, Review]] | None = town.operating(
            lambda store: store.open_reviews(automation=None, group=None, limit=50)
        )
        for case, one in found or ():
            if dice.chance(0.4):
                continue
            count += 1
            if dice.chance(0.25):
                await _handle(town, dice, case, one, f"v{count}")
                continue
            approved = await _decide(town, dice, case, one, f"v{count}")
            if approved and dice.chance(0.3):
                # Second thoughts: before anybody else looked, before the start, or too late.
                await asyncio.sleep(0 if dice.chance(0.7) else dice.between(0, 4))
                name = f"v{count}w"
                made = handling(town, case, one, "withdraw", approved.principal, name, group=one.groups[0].name)
                town.trace(f"review {case.key} {one.id} withdrawn by {approved.principal}")
                await send(town, dice, made)


async def _handle(town: Town, dice: Dice, case: CaseId, one: Review, id: str) -> None:
    """Something beside deciding it, by anybody who might."""
    group = dice.one_of(asked_groups(one))
    principal = dice.one_of(("ann", "bob", "cid", "dan", *one.requesters))
    act = dice.weighted({"claim": 3, "release": 2, "assign": 1, "reassign": 1, "ask": 2, "answer": 1})
    to = {"assign": "dan", "reassign": dice.one_of(("finance", "operations", "kitchen"))}.get(act, "")
    text = "What is it about?" if act in ("ask", "answer") else ""
    made = handling(town, case, one, act, principal, id, group=group, to=to, text=text)
    town.trace(f"review {case.key} {one.id} {act} by {principal}")
    await send(town, dice, made)


def handling(
    town: Town, case: CaseId, one: Review, act: str, by: str, id: str, *, group: str, to: str = "", text: str = ""
) -> Envelope:
    return inbox.handling_envelope(
        case.automation,
        case.key,
        one.id,
        cast("HandlingAct", act),
        group=group,
        id=id,
        principal=by,
        now=town.wall_now(),
        to=to,
        text=text,
    )


async def _decide(town: Town, dice: Dice, case: CaseId, one: Review, id: str) -> Envelope | None:
    """A verdict; returned when it is an approval."""
    what = dice.weighted({"approve": 8, "reject": 2, "edit": 1.5, "stale": 1, "stranger": 0.5})
    group = dice.one_of(asked_groups(one)) if what != "stranger" else "nobody"
    principal = dice.one_of(("ann", "bob", "cid", "dan", *one.requesters))
    args: dict[str, Any] | None = None
    verdict: Literal["approve", "reject", "edit", "propose"] = "approve"
    action = ""
    if one.question and what != "reject":
        verdict = "propose"
        action, args = dice.weighted({"mark": 2, "credit": 1, "fly": 0.3}), {"colour": "red"}
        if action == "credit":
            args = {"amount": "10.00"}
    elif what == "edit":
        verdict, args = "edit", dict(one.args)
        if "amount" in args:
            args["amount"] = str(Decimal(args["amount"]) / 2 // Decimal("0.01") * Decimal("0.01"))
        elif dice.chance(0.5):
            args["surprise"] = 1
    elif what == "reject":
        verdict = "reject"
    seen = "0" * 16 if what == "stale" else one.seen
    if dice.chance(0.3):
        await asyncio.sleep(dice.between(1, 90))
    made = inbox.verdict_envelope(
        case.automation,
        case.key,
        one.id,
        verdict,
        group=group,
        seen=seen,
        args=args,
        comment="",
        id=id,
        principal=principal,
        now=town.wall_now(),
        action=action,
    )
    town.trace(f"review {case.key} {one.id} {what} by {principal}")
    await send(town, dice, made)
    if dice.chance(0.3):
        # A second click, as another message: it must not count twice.
        await send(town, dice, structs.replace(made, id=f"{id}b"))
    return made if verdict == "approve" else None


# --- the operator


async def operate(town: Town, dice: Dice, every: tuple[float, float]) -> None:
    """End doubts by the outside's books, and what is in quarantine."""
    count = 0
    while True:
        await asyncio.sleep(dice.between(*every))
        count += 1
        await resolve_doubts(town, dice, f"r{count}")
        for one in town.operating(lambda store: store.quarantine()) or ():
            if dice.chance(0.5):
                how = "retry" if dice.chance(0.5) else mending(one.envelope)
                town.operating(release_of(one.id, how, town.wall_now()))
                town.trace(f"operator {how} {one.case.key} {one.envelope.id}")
                wake(town)


def mending(message: Envelope) -> Literal["retry", "discard"]:
    """What ends a quarantine for good. A case waits for its own answers, results and deadlines: without them it would
    wait for ever, so only what came from outside is thrown away."""
    return "retry" if message.source.startswith("interlock.") else "discard"


def release_of(name: str, how: Literal["retry", "discard"], now: int) -> Callable[[Store], Any]:
    return lambda store: control.release_message(store, name, how, "operator", now=now)


async def resolve_doubts(town: Town, dice: Dice, id: str) -> None:
    """Tell the truth about everything that a person is asked to find out."""
    records = town.operating(lambda store: store.cases(automation=AUTOMATION, status=None, after=None, limit=1_000))
    for record in records or ():
        for effect in record.effects.values():
            if effect.status != "in_doubt" or effect.id not in record.tasks:
                continue
            seen = town.doubts_seen.setdefault(effect.key, town.real_now())
            if town.outside.on_the_way(effect.key) or town.real_now() < seen + LOOK_AGAIN_US:
                continue
            booked = town.outside.has(effect.key)
            made = inbox.resolve_envelope(
                AUTOMATION,
                record.key,
                effect.id,
                "happened" if booked else "not_happened",
                result={"id": "r"} if booked and effect.action in ("pay", "credit", "collect") else None,
                comment="looked at the books",
                id=f"{id}.{effect.id}",
                principal="operator",
                now=town.wall_now(),
            )
            town.trace(f"operator resolves {record.key} {effect.id}")
            await send(town, dice, made)
        for task in record.tasks.values():
            if task.kind == "contradiction":
                await _end_contradiction(town, dice, record.key, task, id)


async def _end_contradiction(town: Town, dice: Dice, key: str, task: Task, id: str) -> None:
    """Two words of the outside, or of a person: the books are right."""
    if town.outside.on_the_way(task.key):
        return
    booked = town.outside.has(task.key) is not None
    made = inbox.resolve_envelope(
        AUTOMATION,
        key,
        task.id,
        "happened" if booked else "not_happened",
        result=None,
        comment="looked at the books again",
        id=f"{id}.{task.id}",
        principal="operator",
        now=town.wall_now(),
    )
    town.trace(f"operator ends contradiction {key} {task.id}")
    await send(town, dice, made)


def wake(town: Town) -> None:
    process = town.door()
    if process is not None:
        process.worker.look_everywhere()
