"""An automation that has what every key of release.toml speaks of. It is read, never run."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel

from interlock import (
    Action,
    Answered,
    Automation,
    Case,
    Event,
    Flow,
    Money,
    Name,
    Question,
    Requests,
    action,
    ask,
    propose,
    status,
)

Status = Literal["new", "asked", "refunded"]


class Ticket(Case):
    status: Status = "new"
    customer: Name = ""
    asked: Money = Decimal(0)


class Asked(Event, opens=True):
    ticket: Name
    customer: Name
    amount: Money


class NeedInfo(Event):
    """What a reviewer's question becomes."""

    ticket: Name
    question: str


class Replied(Event):
    ticket: Name
    text: Name


class Judgement(BaseModel):
    amount: Money


class Assess(Question[Judgement]):
    customer: Name


class Receipt(BaseModel):
    refunded: Money


@action(reversible=False, kind="once", once_per="case")
class Refund(Action[Receipt]):
    amount: Money


@action(reversible=True, kind="once", undo="nothing")
class Reply(Action[None]):
    text: Name


FLOW: Flow[Status] = {
    "new": status(to=("asked",)),
    "asked": status(Refund, Reply, to=("refunded",)),
    "refunded": status(Reply),
}

app = Automation("desk", case=Ticket, key="ticket", flow=FLOW)


@app.on
def asked(case: Ticket, event: Asked) -> Requests:
    case.status = "asked"
    case.customer, case.asked = event.customer, event.amount
    return ask(Assess(customer=event.customer))


@app.on
def more_is_asked(case: Ticket, event: NeedInfo) -> Requests:
    return propose(Reply(text="Please tell us more."), because=event)


@app.on
def replied(case: Ticket, event: Replied) -> Requests:
    return None


@app.on
def assessed(case: Ticket, answer: Answered[Assess]) -> Requests:
    return propose(Refund(amount=answer.value.amount), because=answer)
