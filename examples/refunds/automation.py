"""Support refunds: a language model proposes one of our actions; the interlock decides."""

from datetime import timedelta
from decimal import Decimal
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
    Sensitive,
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

Status = Literal["open", "waiting", "refunded", "closed"]


class Order(BaseModel):
    id: Name
    total: Money
    delivered_at: AwareDatetime | None = None


class TicketV1(Case):
    """Release 2026.8; kept for cases still stored so."""

    status: Status = "open"
    order_id: Name = ""
    total_cents: int = 0


class Ticket(Case):
    status: Status = "open"
    order: Order | None = None
    message: Sensitive[str] = ""  # erasable; unbounded, so policies can't see it
    photo: Picture | None = None
    refunded: Money = Decimal(0)
    chargebacks: Annotated[int, Field(ge=0, le=1000)] = 0
    flags: Annotated[list[Name], Field(max_length=20)] = Field(default_factory=list)


class RefundRequested(Event, opens=True):
    ticket: Name
    order: Order
    message: Sensitive[str]
    photo: Picture | None = None


class CustomerReplied(Event):
    ticket: Name
    message: Sensitive[str]


class Chargeback(Event):
    ticket: Name
    order: Name


class NoReply(Timer): ...


class Receipt(BaseModel):
    id: Name


@action(reversible=False, kind="idempotent", once_per="case")
class Refund(Action[Receipt]):
    amount: Money
    reason: Literal["damaged", "late", "wrong_item", "other"]


@action(reversible=True, kind="idempotent", undo="nothing")
class WithdrawCredit(Action[None]):
    amount: Money


@action(reversible=True, kind="idempotent", undo=WithdrawCredit, not_after=(Refund,), consequence="money")
class StoreCredit(Action[Receipt]):
    amount: Money


@action(reversible=True, kind="once", undo="nothing")
class Reply(Action[None]):
    text: Sensitive[str]
    template: Literal["ask_photo", "where_is_it", "sorry"]


@action(reversible=True, kind="idempotent", undo="nothing")
class Close(Action[None]): ...


class Triage(Question[Refund | StoreCredit | Reply | Close]):
    """The answer IS one of our actions."""

    message: Sensitive[str]
    order: Order
    refunded: Money
    photo: Picture | None


FLOW: Flow[Status] = {
    "open": status(Refund, StoreCredit, WithdrawCredit, Reply, Close, to=("waiting", "refunded", "closed")),
    "waiting": status(WithdrawCredit, Reply, Close, to=("open", "refunded", "closed")),
    "refunded": status(Reply, Close, to=("open", "waiting", "closed")),
    "closed": status(to=("open",)),
}
app = Automation("refunds", case=Ticket, key="ticket", flow=FLOW)


@app.upcast
def with_order(old: TicketV1) -> Ticket:
    return Ticket(status=old.status, order=Order(id=old.order_id, total=Decimal(old.total_cents) / 100))


def triage(case: Ticket) -> Requests:
    if case.order:
        return ask(Triage(message=case.message, order=case.order, refunded=case.refunded, photo=case.photo))
    return None


@app.on
def requested(case: Ticket, event: RefundRequested) -> Requests:
    case.order, case.message, case.photo = event.order, event.message, event.photo
    return triage(case)


@app.on
def replied_back(case: Ticket, event: CustomerReplied) -> Requests:
    case.status, case.message = "open", event.message
    return triage(case)


@app.on
def charged_back(case: Ticket, event: Chargeback) -> Requests:
    """May arrive after the refund."""
    case.chargebacks = min(case.chargebacks + 1, 1000)
    if case.status == "refunded":
        return flag("Chargeback after our refund: the customer may be paid twice.")
    return None


@app.on
def proposed(case: Ticket, answer: Answered[Triage]) -> Requests:
    """May be omitted: this is the default for answers that are actions."""
    return propose(answer.value, because=answer)


@app.on
def nobody(case: Ticket, silence: Unanswered[Triage]) -> Requests:
    """After model, cheaper model, rules."""
    return propose(Reply(template="sorry", text="A colleague will look at this today."), because=silence)


@app.on
def asked(case: Ticket, done: Done[Reply]) -> Requests:
    if case.status == "closed":
        return None
    case.status = "waiting"
    return after(timedelta(days=14), NoReply())


@app.on
def no_reply(case: Ticket, timer: NoReply) -> Requests:
    if case.status == "waiting":
        return propose(Close(), because=timer)  # rule-based, no AI
    return None


@app.on
def refunded(case: Ticket, done: Done[Refund]) -> Requests:
    case.refunded += done.args.amount
    if case.status == "closed":
        return flag("A refund took effect after the ticket was closed.")
    case.status = "refunded"
    return cancel(NoReply)


@app.on
def refund_failed(case: Ticket, failed: Failed[Refund]) -> Requests:
    if "payment_failed" not in case.flags:
        case.flags.append("payment_failed")
    return triage(case)


@app.on
def closed(case: Ticket, done: Done[Close]) -> Requests:
    case.status = "closed"
    return None


@app.fallback
def offer_store_credit(case: Ticket, refused: Refund) -> StoreCredit:
    return StoreCredit(amount=refused.amount)
