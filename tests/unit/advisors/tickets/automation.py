"""An automation whose advisors are models: one question whose answer is an action, one whose answer is a record."""

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
    Picture,
    Question,
    Requests,
    action,
    ask,
    flag,
    propose,
    status,
)

Status = Literal["open", "closed"]


class Order(BaseModel):
    id: Name
    total: Money


class Ticket(Case):
    status: Status = "open"
    message: str = ""
    refunded: Money = Decimal(0)


class Opened(Event, opens=True):
    ticket: Name
    message: str
    order: Order
    photo: Picture | None = None


@action(reversible=False, kind="idempotent", consequence="money")
class Refund(Action[None]):
    amount: Money
    reason: Literal["damaged", "late", "other"]


@action(reversible=True, kind="idempotent", undo="nothing")
class Reply(Action[None]):
    text: str


class Reading(BaseModel):
    amount: Money
    note: str = ""


class Triage(Question[Refund | Reply]):
    message: str
    order: Order
    photo: Picture | None


class Read(Question[Reading]):
    message: str


FLOW: Flow[Status] = {"open": status(Refund, Reply, to=("closed",)), "closed": status()}
app = Automation("tickets", case=Ticket, key="ticket", flow=FLOW)


@app.on
def opened(case: Ticket, event: Opened) -> Requests:
    case.message = event.message
    return ask(Triage(message=event.message, order=event.order, photo=event.photo))


@app.on
def triaged(case: Ticket, answer: Answered[Triage]) -> Requests:
    match answer.value:
        case Refund():
            return propose(answer.value, because=answer), ask(Read(message=case.message))
        case _:
            return propose(answer.value, because=answer)


@app.on
def was_read(case: Ticket, answer: Answered[Read]) -> Requests:
    return flag(f"It says {answer.value.amount}.")
