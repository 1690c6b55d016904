"""Purchases that several budgets cover at once: a shop desk on which all the ways of using one up can be tried."""

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
    Unanswered,
    action,
    ask,
    cancel,
    flag,
    propose,
    status,
)

Status = Literal["new", "open"]


class Purchase(Case):
    status: Status = "new"
    customer: Name = ""


class Wanted(Event, opens=True):
    purchase: Name
    customer: Name
    amount: Money


class Puzzling(Event, opens=True):
    """Somebody has to say what it costs."""

    purchase: Name
    customer: Name
    text: Name


class Dropped(Event):
    purchase: Name


class Price(BaseModel):
    amount: Money


class Estimate(Question[Price]):
    text: Name


class Bill(BaseModel):
    paid: Money


@action(reversible=False, kind="checkable")
class Buy(Action[Bill]):
    amount: Money


FLOW: Flow[Status] = {"new": status(to=("open",)), "open": status(Buy)}

app = Automation("purchases", case=Purchase, key="purchase", flow=FLOW)


@app.on
def wanted(case: Purchase, event: Wanted) -> Requests:
    case.status, case.customer = "open", event.customer
    return propose(Buy(amount=event.amount), because=event)


@app.on
def puzzling(case: Purchase, event: Puzzling) -> Requests:
    case.status, case.customer = "open", event.customer
    return ask(Estimate(text=event.text))


@app.on
def estimated(case: Purchase, answer: Answered[Estimate]) -> Requests:
    return propose(Buy(amount=answer.value.amount), because=answer)


@app.on
def puzzled(case: Purchase, silence: Unanswered[Estimate]) -> Requests:
    return flag(f"Nobody said what it costs: {silence.reason}")


@app.on
def dropped(case: Purchase, event: Dropped) -> Requests:
    return cancel(Buy)
