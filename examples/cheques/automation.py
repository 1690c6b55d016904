"""Cheque clearing: a model reads the amount box, the interlock decides whether money moves."""

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

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
    Picture,
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

Status = Literal["expected", "presented", "held", "paid", "returned"]


class Cheque(Case):
    """What is known of one cheque."""

    status: Status = "expected"
    box: Picture | None = None
    funds: Money | None = None
    stopped: bool = False
    frozen: bool = False


# What is heard. Each has the key, `cheque`; any of them may come first, and a cheque nobody has seen yet is "expected".
class Presented(Event, opens=True):
    cheque: Name
    box: Picture


class StopPayment(Event, opens=True):
    cheque: Name


class AccountFrozen(Event, opens=True):
    cheque: Name


class FundsReported(Event, opens=True):
    cheque: Name
    available: Money


class HoldExpired(Timer): ...


# What is asked; release.toml says whom.
class Reading(BaseModel):
    amount: Money


class ReadAmount(Question[Reading]):
    box: Picture


# What may happen.
class Transfer(BaseModel):
    id: Name


@action(reversible=False, kind="checkable", once_per="case")
class Pay(Action[Transfer]):
    amount: Money


@action(reversible=False, kind="idempotent", once_per="case", not_after=(Pay,))
class ReturnUnpaid(Action[None]):
    why: Name


@action(reversible=True, kind="idempotent", undo="nothing")
class ReleaseHold(Action[None]):
    why: Name


@action(reversible=True, kind="idempotent", undo=ReleaseHold)
class Hold(Action[None]):
    why: Name


@action(reversible=True, kind="once", undo="nothing")
class AskCustomer(Action[None]):
    why: Name


# Which actions are valid when, and where a case may go.
FLOW: Flow[Status] = {
    "expected": status(to=("presented",)),
    "presented": status(Pay, ReturnUnpaid, Hold, AskCustomer, to=("held", "paid", "returned")),
    "held": status(Pay, ReturnUnpaid, ReleaseHold, AskCustomer, to=("presented", "paid", "returned")),
    "paid": status(),
    "returned": status(),
}
app = Automation("cheques", case=Cheque, key="cheque", flow=FLOW)


def consider(case: Cheque) -> Requests:
    """Ask once picture and funds are both known. An unchanged question gets its recorded answer again."""
    if case.box and case.funds is not None and case.status in ("presented", "held"):
        return ask(ReadAmount(box=case.box))
    return None


@app.on
def presented(case: Cheque, event: Presented) -> Requests:
    if case.status == "expected":
        case.status = "presented"
    elif case.box != event.box:
        return flag("Presented again with another picture.")
    case.box = event.box
    return consider(case)


@app.on
def funds_reported(case: Cheque, event: FundsReported) -> Requests:
    case.funds = event.available
    return consider(case)


@app.on
def stopped(case: Cheque, event: StopPayment) -> Requests:
    """A stop may come before the cheque, or too late."""
    case.stopped = True
    if case.status == "paid":
        return flag("A stop arrived after the payment.")
    if case.status in ("presented", "held"):
        return cancel(Pay), propose(ReturnUnpaid(why="stopped"), because=event)  # a rule, no AI
    return None


@app.on
def frozen(case: Cheque, event: AccountFrozen) -> Requests:
    case.frozen = True
    return None


@app.on
def read(case: Cheque, answer: Answered[ReadAmount]) -> Requests:
    """From advice to proposal: our rule, not the model's. Score, evidence and rationale travel with `because`."""
    amount = answer.value.amount
    if case.funds is not None and amount > case.funds:
        return propose(Hold(why="funds missing"), because=answer)
    return propose(Pay(amount=amount), because=answer)


@app.fallback
def ask_again(case: Cheque, refused: Pay) -> AskCustomer:
    """Named by the policy; judged again like any proposal."""
    return AskCustomer(why="cheque is too old")


@app.on
def unread(case: Cheque, nobody: Unanswered[ReadAmount]) -> Requests:
    """Every advisor in the chain failed."""
    return propose(AskCustomer(why="illegible"), because=nobody)


@app.on
def held(case: Cheque, done: Done[Hold]) -> Requests:
    case.status = "held"
    return after(timedelta(days=2), HoldExpired())


@app.on
def released(case: Cheque, done: Done[ReleaseHold]) -> Requests:
    case.status = "presented"
    return cancel(HoldExpired)


@app.on
def hold_expired(case: Cheque, timer: HoldExpired) -> Requests:
    return propose(ReturnUnpaid(why="funds missing"), because=timer)


@app.on
def paid(case: Cheque, done: Done[Pay]) -> Requests:
    case.status = "paid"
    return cancel(HoldExpired)


@app.on
def refused(case: Cheque, failed: Failed[Pay]) -> Requests:
    return propose(Hold(why="bank refused"), because=failed)


@app.on
def returned(case: Cheque, done: Done[ReturnUnpaid]) -> Requests:
    case.status = "returned"
    return cancel(HoldExpired)
