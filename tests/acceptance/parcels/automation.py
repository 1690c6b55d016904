"""Parcels: one effect of each kind, and an event for every way in which a turn can go wrong. For the acceptance tests.

`Ordered` asks an advisor and proposes a label (idempotent), a charge (checkable, fenced) and a letter (once).
`Damaged` is poison: what it does to its reducer stands in `how`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, Field

from interlock import (
    Action,
    Answered,
    Automation,
    Case,
    Done,
    Event,
    Failed,
    Flow,
    Money,
    Name,
    Question,
    Requests,
    Timer,
    Unanswered,
    action,
    after,
    ask,
    flag,
    propose,
    status,
)

Status = Literal["new", "open", "ended"]


class Parcel(Case):
    status: Status = "new"
    price: Money = Decimal(0)
    grams: Annotated[int, Field(ge=0, le=100_000)] = 0
    note: str = ""
    done: Annotated[list[Name], Field(max_length=10)] = Field(default_factory=list)


# --- what we hear


class Ordered(Event, opens=True):
    """`advice` says what the advisor does, `effect` what the performers do."""

    parcel: Name
    price: Money
    advice: Name = "good"
    effect: Name = "good"
    copies: Annotated[int, Field(ge=1, le=10)] = 1


class Noted(Event):
    """Harmless; it opens nothing."""

    parcel: Name
    text: Annotated[str, Field(max_length=1_000_000)] = ""


class Damaged(Event):
    parcel: Name
    how: Name


class Later(Timer):
    note: str = ""


# --- what we ask


class Weight(BaseModel):
    grams: Annotated[int, Field(ge=0, le=100_000)]


class Weigh(Question[Weight]):
    parcel: Name
    advice: Name
    effect: Name


# --- what may happen


class Receipt(BaseModel):
    id: Name
    words: str = ""


@action(reversible=True, kind="idempotent", undo="nothing")
class Label(Action[None]):
    parcel: Name
    effect: Name


@action(reversible=False, kind="checkable", once_per="case")
class Charge(Action[Receipt]):
    parcel: Name
    amount: Money
    effect: Name


@action(reversible=True, kind="once", undo="nothing")
class Letter(Action[None]):
    parcel: Name
    effect: Name


FLOW: Flow[Status] = {
    "new": status(to=("open",)),
    "open": status(Label, Charge, Letter, to=("ended",)),
    "ended": status(),
}

app = Automation("parcels", case=Parcel, key="parcel", flow=FLOW)


@app.on
def ordered(case: Parcel, event: Ordered) -> Requests:
    case.status, case.price = "open", event.price
    return ask(Weigh(parcel=event.parcel, advice=event.advice, effect=event.effect))


@app.on
def weighed(case: Parcel, answer: Answered[Weigh]) -> Requests:
    case.grams = answer.value.grams
    parcel, effect = answer.question.parcel, answer.question.effect
    return (
        propose(Label(parcel=parcel, effect=effect), because=answer),
        propose(Charge(parcel=parcel, amount=case.price, effect=effect), because=answer),
        propose(Letter(parcel=parcel, effect=effect), because=answer),
    )


@app.on
def not_weighed(case: Parcel, silence: Unanswered[Weigh]) -> Requests:
    return flag("Nobody weighed it.")


@app.on
def labelled(case: Parcel, done: Done[Label]) -> Requests:
    case.done.append("label")
    return None


@app.on
def charged(case: Parcel, done: Done[Charge]) -> Requests:
    case.done.append("charge")
    return None


@app.on
def written(case: Parcel, done: Done[Letter]) -> Requests:
    case.done.append("letter")
    return None


@app.on
def not_written(case: Parcel, failed: Failed[Letter]) -> Requests:
    case.done.append("no letter")
    return None


@app.on
def noted(case: Parcel, event: Noted) -> Requests:
    return None


@app.on
def later(case: Parcel, timer: Later) -> Requests:
    return None


@app.on
def damaged(case: Parcel, event: Damaged) -> Requests:
    case.grams = 1
    match event.how:
        case "raise":
            raise ValueError("no reducer likes a damaged parcel \ud800" + "!" * 5_000)
        case "rude":
            raise Rude
        case "exit":
            raise SystemExit(0)
        case "loop":
            while True:
                pass
        case "deaf":
            while True:
                try:
                    while True:
                        pass
                except Exception:  # noqa: BLE001 - the point: not even this keeps a loop alive
                    continue
        case "sum":
            sum(range(10**12))
        case "regex":
            re.match(r"(a+)+$", "a" * 60 + "b")
        case "segfault":
            # Iterators in iterators are unwound by C code that calls itself, until the stack of the thread ends.
            inner: Any = iter(())
            for _ in range(300_000):
                inner = map(int, inner)
            list(inner)
        case "recursion":
            damaged(case, event)
        case "memory":
            bytearray(2**62)
        case "move":
            case.status = "new"
        case "nonsense":
            return cast("Requests", 17)
        case "too heavy":
            case.grams = 100_001
        case "wrong type":
            case.grams = cast("Any", "much")
        case "huge state":
            case.note = "x" * 5_000_000
        case "unwritable state":
            case.note = "\ud800"
        case "unwritable flag":
            return flag("\ud800")
        case "odd flag":
            return flag(cast("Any", 17))
        case "odd reason":
            return propose(Label(parcel="p", effect="good"), because=cast("Any", 17))
        case "unwritable reason":
            return propose(Label(parcel="p", effect="good"), because="\ud800")
        case "far timer":
            return after(timedelta.max, Later())
        case "unwritable timer":
            return after(timedelta(days=1), Later(note="\ud800"))
        case "odd timer":
            return after(cast("Any", 5), Later())
        case "long flag":
            return flag("x" * 5_000_000)
        case "unwritable action":
            return propose(Label(parcel="\ud800", effect="good"), because=event)
        case "many requests":
            return tuple(flag(f"{n}") for n in range(100_000))
        case _:
            pass
    return None


class Rude(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even my name")
