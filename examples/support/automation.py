"""A bank's support desk: a classifier says what a customer wants; the interlock decides what is done about it.

One case per message. The classifier only names an intent; `handling` turns it into one of our actions, from an article
that answers the question up to closing the account, and the policy judges that action by what it can do.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from intents import (
    ARTICLES,
    DISPUTES,
    FEES,
    FREEZES,
    ORDERS,
    TRACES,
    Article,
    DisputeKind,
    FreezeWhy,
    Intent,
    OrderWhy,
    Team,
)
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
    Sensitive,
    Unanswered,
    action,
    ask,
    cancel,
    flag,
    propose,
    status,
)

Status = Literal["new", "open", "withdrawn", "closed"]


class Account(BaseModel):
    """What the bank's core system knew of the customer when the message came."""

    id: Name = ""
    verified: bool = False
    vulnerable: bool = False
    card: Literal["none", "ordered", "active", "frozen"] = "none"
    balance: Money = Decimal(0)
    last_fee: Money = Decimal(0)
    last_payment: Money = Decimal(0)
    transfer: Literal["none", "pending", "settled"] = "none"
    contact_changed_days: Annotated[int, Field(ge=0, le=36_500)] = 36_500


class Message(Case):
    status: Status = "new"
    account: Account = Field(default_factory=Account)
    text: Sensitive[str] = ""


# What is heard. The key is the message's own number.
class Received(Event, opens=True):
    message: Name
    account: Account
    text: Sensitive[str]


class Withdrawn(Event):
    """The customer writes: never mind."""

    message: Name


# What is asked; release.toml says whom.
class Understood(BaseModel):
    intent: Intent


class Understand(Question[Understood]):
    text: Sensitive[str]


# What may happen, from harmless to final.
@action(reversible=True, kind="once", undo="nothing")
class SendArticle(Action[None]):
    account: Name
    article: Article


@action(reversible=True, kind="idempotent", undo="nothing")
class HandOver(Action[None]):
    """Put the message into a team's queue."""

    account: Name
    team: Team


@action(reversible=True, kind="idempotent", undo="nothing")
class TracePayment(Action[None]):
    account: Name


@action(reversible=False, kind="idempotent", consequence="security")
class UnfreezeCard(Action[None]):
    """Irreversible: whoever holds the card can spend at once."""

    account: Name


@action(reversible=True, kind="idempotent", undo=UnfreezeCard, consequence="security")
class FreezeCard(Action[None]):
    account: Name
    why: FreezeWhy


@action(reversible=True, kind="idempotent", undo=FreezeCard, consequence="security")
class ActivateCard(Action[None]):
    account: Name


@action(reversible=False, kind="idempotent", once_per="case", consequence="security")
class UnblockPin(Action[None]):
    account: Name


@action(reversible=False, kind="once", once_per="case", consequence="security")
class ChangePin(Action[None]):
    """A new PIN goes out by post."""

    account: Name


@action(reversible=False, kind="once", once_per="case", consequence="security")
class ResetPasscode(Action[None]):
    """A link that opens the app goes out; whoever reads the mail is in."""

    account: Name


@action(reversible=False, kind="idempotent", once_per="case", consequence="money")
class OrderCard(Action[None]):
    account: Name
    why: OrderWhy


@action(reversible=False, kind="idempotent", once_per="case", consequence="money")
class RefundFee(Action[None]):
    account: Name
    amount: Money


@action(reversible=False, kind="checkable", once_per="case", consequence="money", settle_after=timedelta(hours=1))
class OpenDispute(Action[None]):
    """Claims the money back through the card scheme, which charges for a claim that does not hold."""

    account: Name
    about: DisputeKind
    amount: Money


@action(reversible=False, kind="checkable", once_per="case", consequence="money", settle_after=timedelta(hours=1))
class CancelTransfer(Action[None]):
    account: Name


@action(reversible=False, kind="idempotent", once_per="case", consequence="final")
class CloseAccount(Action[None]):
    account: Name


FLOW: Flow[Status] = {
    "new": status(to=("open",)),
    "open": status(
        SendArticle,
        HandOver,
        TracePayment,
        FreezeCard,
        UnfreezeCard,
        ActivateCard,
        UnblockPin,
        ChangePin,
        ResetPasscode,
        OrderCard,
        RefundFee,
        OpenDispute,
        CancelTransfer,
        CloseAccount,
        to=("withdrawn", "closed"),
    ),
    "withdrawn": status(SendArticle, HandOver, UnfreezeCard, to=("closed",)),
    "closed": status(),
}
app = Automation("support", case=Message, key="message", flow=FLOW)


def handling(account: Account, intent: Intent) -> Action[None]:
    """What the bank does about this intent. Amounts come from the account's facts, never from the message."""
    match intent:
        case "activate_my_card":
            return ActivateCard(account=account.id)
        case "pin_blocked":
            return UnblockPin(account=account.id)
        case "change_pin":
            return ChangePin(account=account.id)
        case "passcode_forgotten":
            return ResetPasscode(account=account.id)
        case "cancel_transfer":
            return CancelTransfer(account=account.id)
        case "terminate_account":
            return CloseAccount(account=account.id)
        case "edit_personal_details" | "unable_to_verify_identity":
            return HandOver(account=account.id, team="identity")
        case _:
            return by_table(account, intent)


def by_table(account: Account, intent: Intent) -> Action[None]:
    if intent in ARTICLES:
        return SendArticle(account=account.id, article=ARTICLES[intent])
    if intent in FREEZES:
        return FreezeCard(account=account.id, why=FREEZES[intent])
    if intent in ORDERS:
        return OrderCard(account=account.id, why=ORDERS[intent])
    if intent in DISPUTES:
        return OpenDispute(account=account.id, about=DISPUTES[intent], amount=account.last_payment)
    if intent in FEES:
        return RefundFee(account=account.id, amount=account.last_fee)
    if intent in TRACES:
        return TracePayment(account=account.id)
    return HandOver(account=account.id, team="payments")


@app.on
def received(case: Message, event: Received) -> Requests:
    if case.status != "new":
        return flag("The same message number came with another event.")
    case.status, case.account, case.text = "open", event.account, event.text
    return ask(Understand(text=event.text))


@app.on
def understood(case: Message, answer: Answered[Understand]) -> Requests:
    """From an intent to a proposal: our rule, not the classifier's."""
    if case.status != "open":
        return None
    return propose(handling(case.account, answer.value.intent), because=answer)


@app.on
def not_understood(case: Message, nobody: Unanswered[Understand]) -> Requests:
    """No classifier answered: people read it."""
    return propose(HandOver(account=case.account.id, team="payments"), because=nobody)


@app.on
def withdrawn(case: Message, event: Withdrawn) -> Requests:
    """What is decided and has not started is taken back; what has happened stays."""
    if case.status == "open":
        case.status = "withdrawn"
    return cancel(RefundFee), cancel(OpenDispute), cancel(CancelTransfer), cancel(OrderCard), cancel(CloseAccount)


@app.on
def dispute_refused(case: Message, failed: Failed[OpenDispute]) -> Requests:
    return propose(HandOver(account=case.account.id, team="payments"), because=failed)


@app.on
def not_cancelled(case: Message, failed: Failed[CancelTransfer]) -> Requests:
    return propose(HandOver(account=case.account.id, team="payments"), because=failed)


@app.on
def closed(case: Message, done: Done[CloseAccount]) -> Requests:
    case.status = "closed"
    return None


@app.fallback
def explain_transfers(case: Message, refused: CancelTransfer) -> SendArticle:
    """The money has left: all that remains is to say how transfers work."""
    return SendArticle(account=refused.account, article="pending transfers")


@app.fallback
def look_for_the_fee(case: Message, refused: RefundFee) -> HandOver:
    return HandOver(account=refused.account, team="payments")
