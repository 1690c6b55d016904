"""An order desk with an effect of every kind, small times and advisors that fail: what the fault suite works on.

Pay is checkable with a fence and happens once per order, Credit is idempotent, Letter happens once, Mark can be undone.
The outside is another process (tests/faults/outside.py); each action names its order, so that an operator finds it in
the outside's books without the key.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel

from interlock import (
    Action,
    Advice,
    Answered,
    Automation,
    Case,
    Count,
    Done,
    Event,
    Failed,
    Flow,
    InDoubt,
    Money,
    Name,
    Question,
    Requests,
    Timer,
    Unanswered,
    action,
    after,
    ask,
    cancel,
    flag,
    propose,
    status,
)
from tests.faults import advisors, outside

Status = Literal["new", "open", "paid", "credited", "closed"]

SOON = InDoubt(first=timedelta(milliseconds=300), longest=timedelta(seconds=3))


class Order(Case):
    status: Status = "new"
    total: Money = Decimal(0)
    risky: bool = False
    stopped: bool = False
    pokes: Count = 0


class Placed(Event, opens=True):
    order: Name
    total: Money
    risky: bool = False


class Changed(Event):
    order: Name
    total: Money


class Poked(Event):
    order: Name


class Stopped(Event):
    order: Name


class Broken(Event):
    """Its reducer fails: a message that cannot be consumed."""

    order: Name


class Deadly(Event):
    """The process that consumes it dies: the suite's worker sees to that."""

    order: Name


class Nudge(Timer):
    order: Name


class Assessment(BaseModel):
    amount: Money
    advice: Literal["pay", "credit", "hold"]


class Assess(Question[Assessment]):
    order: Name
    total: Money
    risky: bool


class Receipt(BaseModel):
    id: Name


@action(reversible=False, kind="checkable", once_per="case", in_doubt=SOON)
class Pay(Action[Receipt]):
    order: Name
    amount: Money


@action(reversible=False, kind="idempotent", not_after=(Pay,))
class Credit(Action[Receipt]):
    order: Name
    amount: Money


@action(reversible=False, kind="once", consequence="minor")
class Letter(Action[None]):
    order: Name
    text: Name


@action(reversible=True, kind="idempotent", undo="nothing")
class Mark(Action[None]):
    order: Name
    colour: Literal["red", "green"]


FLOW: Flow[Status] = {
    "new": status(to=("open",)),
    "open": status(Pay, Credit, Letter, Mark, to=("paid", "credited")),
    "paid": status(Letter, Mark, to=("closed",)),
    "credited": status(Letter, Mark, to=("closed",)),
    "closed": status(),
}

app = Automation("desk", case=Order, key="order", flow=FLOW)


@app.on
def placed(case: Order, event: Placed) -> Requests:
    if case.status == "new":
        case.status, case.total, case.risky = "open", event.total, event.risky
    return ask(Assess(order=event.order, total=case.total, risky=case.risky))


@app.on
def changed(case: Order, event: Changed) -> Requests:
    case.total = event.total
    return None


@app.on
def poked(case: Order, event: Poked) -> Requests:
    case.pokes += 1
    if case.pokes % 2 == 0:
        return propose(Mark(order=event.order, colour="green"), because=event)
    return None


@app.on
def stopped(case: Order, event: Stopped) -> Requests:
    case.stopped = True
    return cancel(Pay), cancel(Credit)


@app.on
def broken(case: Order, event: Broken) -> Requests:
    raise ValueError("this message cannot be consumed")


@app.on
def deadly(case: Order, event: Deadly) -> Requests:
    return None


@app.on
def assessed(case: Order, answer: Answered[Assess]) -> Requests:
    said, order = answer.value, answer.question.order
    if said.advice == "pay":
        return propose(Pay(order=order, amount=said.amount), because=answer)
    if said.advice == "credit":
        return propose(Credit(order=order, amount=said.amount), because=answer)
    return flag("The advisors would rather wait."), after(timedelta(seconds=1), Nudge(order=order))


@app.on
def nobody(case: Order, silence: Unanswered[Assess]) -> Requests:
    return propose(Letter(order=silence.question.order, text="nobody"), because=silence)


@app.on
def paid(case: Order, done: Done[Pay]) -> Requests:
    case.status = "paid"
    order = done.args.order
    return propose(Letter(order=order, text="paid"), because=done), after(timedelta(seconds=1), Nudge(order=order))


@app.on
def unpaid(case: Order, failed: Failed[Pay]) -> Requests:
    return propose(Credit(order=failed.args.order, amount=failed.args.amount), because=failed)


@app.on
def credited(case: Order, done: Done[Credit]) -> Requests:
    if case.status == "open":
        case.status = "credited"
    return after(timedelta(seconds=1), Nudge(order=done.args.order))


@app.on
def nudge(case: Order, timer: Nudge) -> Requests:
    if case.status in ("paid", "credited"):
        return propose(Mark(order=timer.order, colour="red"), because=timer)
    return propose(Letter(order=timer.order, text="still_open"), because=timer)


@app.fallback
def credit_instead(case: Order, refused: Pay) -> Credit:
    return Credit(order=refused.order, amount=refused.amount)


@Pay.performer
async def pay(args: Pay, key: str) -> Receipt:
    return Receipt(id=await outside.perform("pay", args, key))


@Pay.checker
async def was_paid(args: Pay, key: str) -> Receipt | None:
    found = await outside.check("pay", args, key)
    return Receipt(id=found) if found else None


@Pay.fence
async def never_pay(args: Pay, key: str) -> None:
    await outside.fence("pay", args, key)


@Credit.performer
async def credit(args: Credit, key: str) -> Receipt:
    return Receipt(id=await outside.perform("credit", args, key))


@Letter.performer
async def letter(args: Letter, key: str) -> None:
    await outside.perform("letter", args, key)


@Mark.performer
async def mark(args: Mark, key: str) -> None:
    await outside.perform("mark", args, key)


@Assess.advisor("first")
async def first(question: Assess) -> Advice[Assessment]:
    return await advisors.answer("first", question)


@Assess.advisor("second")
async def second(question: Assess) -> Advice[Assessment]:
    return await advisors.answer("second", question)


@Assess.advisor("rules")
async def rules(question: Assess) -> Advice[Assessment]:
    return await advisors.answer("rules", question)
