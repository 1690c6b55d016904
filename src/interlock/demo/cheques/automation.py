"""Cheque clearing: two models read the amount box, the interlock decides whether money moves.

The amount box of a cheque is handwriting. A reader's answer is a claim with a score; the reducers below turn it into
a proposal, and whether the proposal becomes a payment is decided by `policy.yaml`, the certificates and the budget of
`release.toml`.

INVARIANT: only `read` proposes a payment because of a model, and it proposes exactly the amount that was read.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field

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

Status = Literal["expected", "presented", "held", "queried", "paid", "returned"]
Presentations = Annotated[int, Field(ge=0, le=1_000)]


class Cheque(Case):
    """What is known of one cheque. `altered`: it was presented again with another amount box."""

    status: Status = "expected"
    cheque: Name = ""
    box: Picture | None = None
    written_at: AwareDatetime | None = None
    funds: Money | None = None
    stopped: bool = False
    frozen: bool = False
    presentations: Presentations = 0
    altered: bool = False


# --- what we hear; a branch, the core system and a customer do not wait for each other, so each may be the first ------


class Presented(Event, opens=True):
    """A branch took in the cheque. `box` is the scan of its amount box; amounts are written in cents: `12345` is
    123.45.
    """

    cheque: Name
    box: Picture
    written_at: AwareDatetime


class StopPayment(Event, opens=True):
    """The drawer forbids payment."""

    cheque: Name


class AccountFrozen(Event, opens=True):
    """The drawer's account is frozen by order of a court or by compliance."""

    cheque: Name


class FundsReported(Event, opens=True):
    """What the drawer's account can cover."""

    cheque: Name
    available: Money


class HoldExpired(Timer):
    """The drawer had time to bring money."""


# --- what we ask; release.toml says whom ------------------------------------------------------------------------------


class Reading(BaseModel):
    """What a reader saw in the box."""

    amount: Money


class ReadAmount(Question[Reading]):
    """How much is written in this box?"""

    box: Picture


# --- what may happen --------------------------------------------------------------------------------------------------


class Transfer(BaseModel):
    """The bank's receipt."""

    id: Name


@action(reversible=False, kind="checkable", once_per="case")
class Pay(Action[Transfer]):
    """Move the money. The bank does not deduplicate: a second order under the same reference is a second transfer."""

    cheque: Name
    amount: Money


@action(reversible=False, kind="idempotent", once_per="case", not_after=(Pay,))
class ReturnUnpaid(Action[None]):
    """Send the cheque back to the branch."""

    cheque: Name
    why: Name


@action(reversible=True, kind="idempotent", undo="nothing")
class ReleaseHold(Action[None]):
    """Take a hold back."""

    cheque: Name


@action(reversible=True, kind="idempotent", undo=ReleaseHold)
class Hold(Action[None]):
    """Keep the cheque until the account covers it."""

    cheque: Name
    why: Name


@action(reversible=True, kind="once", undo="nothing")
class AskCustomer(Action[None]):
    """Write a letter to the customer.

    It cannot be found in any system afterwards, so it is never sent twice on a guess.
    """

    cheque: Name
    why: Name


FLOW: Flow[Status] = {
    "expected": status(to=("presented",)),
    "presented": status(Pay, ReturnUnpaid, Hold, AskCustomer, to=("held", "queried", "paid", "returned")),
    "held": status(Pay, ReturnUnpaid, ReleaseHold, AskCustomer, to=("queried", "paid", "returned")),
    "queried": status(Pay, ReturnUnpaid, to=("paid", "returned")),
    "paid": status(),
    "returned": status(),
}
app = Automation("cheques", case=Cheque, key="cheque", flow=FLOW)


def consider(case: Cheque) -> Requests:
    """Ask once picture and funds are both known. An unchanged question gets its recorded answer again."""
    if case.box is not None and case.funds is not None and case.status in ("presented", "held"):
        return ask(ReadAmount(box=case.box))
    return None


# --- reducers ---------------------------------------------------------------------------------------------------------


@app.on
def presented(case: Cheque, event: Presented) -> Requests:
    case.cheque = event.cheque
    case.presentations += 1
    if case.box is not None:
        if case.box != event.box:
            case.altered = True
            return flag("Presented again with another amount box.")
        if case.status != "presented":
            return flag(f"Presented again; it was already {case.status}.")
        return consider(case)
    case.status, case.box, case.written_at = "presented", event.box, event.written_at
    if case.stopped:
        return propose(ReturnUnpaid(cheque=case.cheque, why="stopped"), because=event)
    return consider(case)


@app.on
def funds_reported(case: Cheque, event: FundsReported) -> Requests:
    case.cheque, case.funds = event.cheque, event.available
    return consider(case)


@app.on
def stopped(case: Cheque, event: StopPayment) -> Requests:
    """A stop may come before the cheque, while it is being paid, or too late."""
    case.cheque, case.stopped = event.cheque, True
    if case.status == "paid":
        return flag("A stop arrived after the payment.")
    if case.status in ("expected", "returned"):
        return None
    return cancel(Pay), propose(ReturnUnpaid(cheque=case.cheque, why="stopped"), because=event)


@app.on
def frozen(case: Cheque, event: AccountFrozen) -> Requests:
    """What was decided without knowing this is taken back and judged again."""
    case.cheque, case.frozen = event.cheque, True
    if case.box is not None and case.funds is not None and case.status in ("presented", "held"):
        return cancel(Pay), ask(ReadAmount(box=case.box))
    return None


@app.on
def read(case: Cheque, answer: Answered[ReadAmount]) -> Requests:
    """Advice becomes a proposal by our rule, not by the model's wish."""
    amount = answer.value.amount
    if case.funds is not None and amount > case.funds and case.status == "presented":
        return propose(Hold(cheque=case.cheque, why="funds missing"), because=answer)
    return propose(Pay(cheque=case.cheque, amount=amount), because=answer)


@app.on
def unread(case: Cheque, nobody: Unanswered[ReadAmount]) -> Requests:
    """Every reader in the chain failed."""
    return propose(AskCustomer(cheque=case.cheque, why="illegible"), because=nobody)


@app.fallback
def ask_again(case: Cheque, refused: Pay) -> AskCustomer:
    """Named by the policy; judged again like any proposal."""
    return AskCustomer(cheque=refused.cheque, why="too old, please write a new one")


@app.on
def paid(case: Cheque, done: Done[Pay]) -> Requests:
    case.status = "paid"
    return cancel(HoldExpired)


@app.on
def payment_refused(case: Cheque, failed: Failed[Pay]) -> Requests:
    if case.status != "presented":
        return flag("The bank refused the payment.")
    return propose(Hold(cheque=case.cheque, why="the bank refused"), because=failed)


@app.on
def held(case: Cheque, done: Done[Hold]) -> Requests:
    if case.status != "presented":
        return None
    case.status = "held"
    return after(timedelta(days=2), HoldExpired())


@app.on
def released(case: Cheque, done: Done[ReleaseHold]) -> Requests:
    return cancel(HoldExpired)


@app.on
def hold_expired(case: Cheque, timer: HoldExpired) -> Requests:
    if case.status != "held":
        return None
    return propose(ReturnUnpaid(cheque=case.cheque, why="funds missing"), because=timer)


@app.on
def asked(case: Cheque, done: Done[AskCustomer]) -> Requests:
    if case.status in ("presented", "held"):
        case.status = "queried"
    return cancel(HoldExpired)


@app.on
def returned(case: Cheque, done: Done[ReturnUnpaid]) -> Requests:
    case.status = "returned"
    return cancel(HoldExpired)
