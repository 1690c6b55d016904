"""Refunds that customers ask for in the shop's web page. Rules alone: no AI is asked."""

from decimal import Decimal
from typing import Literal

from interlock import (
    Action,
    Automation,
    Case,
    Done,
    Event,
    Flow,
    Money,
    Name,
    Requests,
    action,
    flag,
    propose,
    status,
)

Status = Literal["new", "open", "refunded"]


class Ticket(Case):
    status: Status = "new"
    paid: Money = Decimal(0)
    refunded: Money = Decimal(0)


class RefundAsked(Event, opens=True):
    ticket: Name
    paid: Money
    amount: Money


@action(reversible=False, kind="idempotent", once_per="case", consequence="money")
class Refund(Action[None]):
    amount: Money


FLOW: Flow[Status] = {
    "new": status(to=("open",)),
    "open": status(Refund, to=("refunded",)),
    "refunded": status(),
}
app = Automation("refunds", case=Ticket, key="ticket", flow=FLOW)


@app.on
def asked(case: Ticket, event: RefundAsked) -> Requests:
    if case.status != "new":
        return flag("Asked for again.")
    case.status, case.paid = "open", event.paid
    return propose(Refund(amount=event.amount), because=event)


@app.on
def refunded(case: Ticket, done: Done[Refund]) -> Requests:
    case.status, case.refunded = "refunded", done.args.amount
    return None
