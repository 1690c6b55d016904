"""A small order desk that uses every kind of thing an automation can have, so that a simulation reaches every path.

Two advisors are asked one question and a third stands behind them. Pay is checkable with a fence, Collect checkable
without one, Credit idempotent with a key that is soon forgotten, Letter happens once, Mark can be undone, Erase
always takes a person, happens once as well and can be looked for.
"""

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
from interlock.testing.simulator.world import ADVISORS, OUTSIDE

Status = Literal["new", "open", "paid", "credited", "closed"]


class Order(Case):
    """What is known of one order."""

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


class Asked(Event):
    """A person who looks at a review of the order asks something about it."""

    order: Name
    question: str


class Broken(Event):
    """Its reducer fails: a message that cannot be consumed."""

    order: Name


class Deadly(Event):
    """The process that consumes it dies: the simulation sees to that."""

    order: Name


class Nudge(Timer): ...


class Assessment(BaseModel):
    amount: Money
    advice: Literal["pay", "credit", "hold"]


class Assess(Question[Assessment]):
    total: Money
    risky: bool


class Receipt(BaseModel):
    id: Name


@action(reversible=False, kind="checkable", once_per="case")
class Pay(Action[Receipt]):
    amount: Money


@action(reversible=False, kind="idempotent", not_after=(Pay,), key_valid_for=timedelta(minutes=10))
class Credit(Action[Receipt]):
    amount: Money


@action(reversible=False, kind="checkable", settle_after=timedelta(minutes=10), once_per="case")
class Collect(Action[Receipt]):
    parcels: Count


@action(reversible=False, kind="once", consequence="minor")
class Letter(Action[None]):
    text: Name


@action(reversible=True, kind="idempotent", undo="nothing")
class Mark(Action[None]):
    colour: Literal["red", "green"]


@action(reversible=False, kind="once", consequence="final")
class Erase(Action[None]): ...


FLOW: Flow[Status] = {
    "new": status(to=("open",)),
    "open": status(Pay, Credit, Letter, Mark, Erase, to=("paid", "credited", "closed")),
    "paid": status(Letter, Collect, Mark, Erase, to=("closed",)),
    "credited": status(Letter, Collect, Mark, Erase, to=("closed",)),
    "closed": status(Letter, Mark),
}

app = Automation("desk", case=Order, key="order", flow=FLOW)


def assess(case: Order) -> Requests:
    return ask(Assess(total=case.total, risky=case.risky))


@app.on
def placed(case: Order, event: Placed) -> Requests:
    if case.status == "new":
        case.status, case.total, case.risky = "open", event.total, event.risky
    return assess(case)


@app.on
def changed(case: Order, event: Changed) -> Requests:
    case.total = event.total
    return None


@app.on
def poked(case: Order, event: Poked) -> Requests:
    case.pokes += 1
    if case.pokes % 3 == 0:
        return assess(case)
    return None


@app.on
def stopped(case: Order, event: Stopped) -> Requests:
    case.stopped = True
    return cancel(Pay), cancel(Credit)


@app.on
def asked(case: Order, event: Asked) -> Requests:
    return flag("Somebody asks about this order.")


@app.on
def broken(case: Order, event: Broken) -> Requests:
    raise ValueError("this message cannot be consumed")


@app.on
def deadly(case: Order, event: Deadly) -> Requests:
    return None


@app.on
def assessed(case: Order, answer: Answered[Assess]) -> Requests:
    said = answer.value
    if said.advice == "pay":
        return propose(Pay(amount=said.amount), because=answer)
    if said.advice == "credit":
        return propose(Credit(amount=said.amount), because=answer)
    return flag("The advisors would rather wait."), after(timedelta(minutes=20), Nudge())


@app.on
def nobody(case: Order, silence: Unanswered[Assess]) -> Requests:
    return propose(Letter(text="nobody"), because=silence)


@app.on
def paid(case: Order, done: Done[Pay]) -> Requests:
    case.status = "paid"
    return propose(Letter(text="paid"), because=done), after(timedelta(minutes=10), Nudge())


@app.on
def unpaid(case: Order, failed: Failed[Pay]) -> Requests:
    return propose(Credit(amount=failed.args.amount), because=failed)


@app.on
def credited(case: Order, done: Done[Credit]) -> Requests:
    if case.status == "open":
        case.status = "credited"
    return after(timedelta(minutes=15), Nudge())


@app.on
def nudge(case: Order, timer: Nudge) -> Requests:
    if case.status in ("paid", "credited"):
        return propose(Collect(parcels=1), because=timer)
    return propose(Letter(text="still_open"), because=timer)


@app.on
def collected(case: Order, done: Done[Collect]) -> Requests:
    if case.status in ("paid", "credited"):
        case.status = "closed"
    return cancel(Nudge)


@app.fallback
def credit_instead(case: Order, refused: Pay) -> Credit:
    return Credit(amount=refused.amount)


# The desk's hands and advisors: each call goes to the outside, or to the advisors, of the simulated run it belongs to.


@Pay.performer
async def pay(args: Pay, key: str) -> Receipt:
    return Receipt(id=await OUTSIDE.get().perform("pay", args, key))


@Pay.checker
async def was_paid(args: Pay, key: str) -> Receipt | None:
    found = await OUTSIDE.get().check("pay", args, key)
    return Receipt(id=found) if found else None


@Pay.fence
async def never_pay(args: Pay, key: str) -> None:
    await OUTSIDE.get().fence("pay", args, key)


@Credit.performer
async def credit(args: Credit, key: str) -> Receipt:
    return Receipt(id=await OUTSIDE.get().perform("credit", args, key))


@Collect.performer
async def collect(args: Collect, key: str) -> Receipt:
    return Receipt(id=await OUTSIDE.get().perform("collect", args, key))


@Collect.checker
async def was_collected(args: Collect, key: str) -> Receipt | None:
    found = await OUTSIDE.get().check("collect", args, key)
    return Receipt(id=found) if found else None


@Letter.performer
async def letter(args: Letter, key: str) -> None:
    await OUTSIDE.get().perform("letter", args, key)


@Mark.performer
async def mark(args: Mark, key: str) -> None:
    await OUTSIDE.get().perform("mark", args, key)


@Erase.performer
async def erase(args: Erase, key: str) -> None:
    await OUTSIDE.get().perform("erase", args, key)


@Erase.checker
async def was_erased(args: Erase, key: str) -> bool:
    return await OUTSIDE.get().check("erase", args, key) is not None


@Assess.advisor("first")
async def first(question: Assess) -> Advice[Assessment]:
    return await ADVISORS.get().answer("first", question)


@Assess.advisor("second")
async def second(question: Assess) -> Advice[Assessment]:
    return await ADVISORS.get().answer("second", question)


@Assess.advisor("rules")
async def rules(question: Assess) -> Advice[Assessment]:
    return await ADVISORS.get().answer("rules", question)
