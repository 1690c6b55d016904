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
    Count,
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
Mark = Literal["fraud_watch", "legal_hold"]


class Order(BaseModel):
    """As the shop's books had it when the customer wrote."""

    id: Name
    total: Money
    currency: Literal["EUR", "GBP", "USD"] = "EUR"
    refunded_before: Money = Decimal(0)  # through other tickets and channels
    delivered_at: AwareDatetime | None = None
    digital: bool = False
    downloaded: bool = False
    sold_in: Literal["shop", "marketplace"] = "shop"  # what a marketplace sold, our books do not know


class Standing(BaseModel):
    """What the risk system knows of a customer; amounts and counts are of the last 90 days."""

    as_of: AwareDatetime
    sanctions: Literal["clear", "possible", "confirmed"] = "clear"
    orders: Count = 0
    refunds: Count = 0
    refunded: Money = Decimal(0)
    vip: bool = False


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
    pictured: bool = False  # policies cannot look at a picture, but may ask whether there is one
    receipt: bool = False
    payout: Literal["as_paid", "elsewhere"] = "as_paid"
    returned: Literal["as_sold", "used", "empty"] | None = None
    standing: Standing | None = None
    refunded: Money = Decimal(0)
    credited: Money = Decimal(0)  # in place of a refund
    goodwill: Money = Decimal(0)  # on top of what was paid
    chargebacks: Count = 0
    flags: Annotated[list[Name], Field(max_length=20)] = Field(default_factory=list)


class RefundRequested(Event, opens=True):
    ticket: Name
    order: Order
    message: Sensitive[str]
    photo: Picture | None = None
    receipt: bool = False
    payout: Literal["as_paid", "elsewhere"] = "as_paid"
    standing: Standing | None = None


class CustomerReplied(Event):
    ticket: Name
    message: Sensitive[str]
    photo: Picture | None = None
    receipt: bool = False


class StandingReported(Event):
    ticket: Name
    standing: Standing


class ParcelReturned(Event):
    ticket: Name
    condition: Literal["as_sold", "used", "empty"]


class Marked(Event):
    """By colleagues or the fraud system."""

    ticket: Name
    mark: Mark


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
    purpose: Literal["refund", "goodwill"] = "refund"


@action(reversible=True, kind="once", undo="nothing")
class Reply(Action[None]):
    text: Sensitive[str]
    template: Literal["ask_photo", "ask_receipt", "ask_return", "where_is_it", "sorry"]


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


def mark(case: Ticket, word: Name) -> None:
    if word not in case.flags:
        case.flags.append(word)


@app.on
def requested(case: Ticket, event: RefundRequested) -> Requests:
    case.order, case.message, case.photo = event.order, event.message, event.photo
    case.pictured, case.receipt = event.photo is not None, event.receipt
    case.payout, case.standing = event.payout, event.standing or case.standing
    return triage(case)


@app.on
def replied_back(case: Ticket, event: CustomerReplied) -> Requests:
    case.status, case.message = "open", event.message
    case.photo = event.photo or case.photo
    case.pictured, case.receipt = case.photo is not None, case.receipt or event.receipt
    return triage(case)


@app.on
def standing_reported(case: Ticket, event: StandingReported) -> Requests:
    """Reports may overtake each other."""
    if case.standing is None or case.standing.as_of < event.standing.as_of:
        case.standing = event.standing
    return None


@app.on
def parcel_returned(case: Ticket, event: ParcelReturned) -> Requests:
    """What was asked for has come, so the question is asked again."""
    case.returned = event.condition
    if case.status == "closed":
        return flag("A parcel came back after the ticket was closed.")
    if case.status != "refunded":
        case.status = "open"
    return triage(case) if case.status == "open" else None


@app.on
def marked(case: Ticket, event: Marked) -> Requests:
    mark(case, event.mark)
    return None


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
    mark(case, "payment_failed")
    return triage(case)


@app.on
def credited(case: Ticket, done: Done[StoreCredit]) -> Requests:
    if done.args.purpose == "goodwill":
        case.goodwill += done.args.amount
    else:
        case.credited += done.args.amount
    return None


@app.on
def withdrawn(case: Ticket, done: Done[WithdrawCredit]) -> Requests:
    """In place of a refund first; the policy lets nobody take more than was given."""
    first = min(done.args.amount, case.credited)
    case.credited -= first
    case.goodwill -= min(done.args.amount - first, case.goodwill)
    return None


@app.on
def closed(case: Ticket, done: Done[Close]) -> Requests:
    case.status = "closed"
    return None


@app.fallback
def offer_store_credit(case: Ticket, refused: Refund) -> StoreCredit:
    return StoreCredit(amount=refused.amount)


@app.fallback
def ask_for_photo(case: Ticket, refused: Refund) -> Reply:
    return Reply(template="ask_photo", text="Could you send us a photo of what arrived?")


@app.fallback
def ask_for_receipt(case: Ticket, refused: Refund) -> Reply:
    return Reply(template="ask_receipt", text="Where did you buy it? Please send us the receipt.")


@app.fallback
def ask_for_return(case: Ticket, refused: Refund) -> Reply:
    return Reply(template="ask_return", text="Please send it back; we refund it as soon as it is here.")
