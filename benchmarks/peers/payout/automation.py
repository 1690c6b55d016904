"""The governed case of the comparison: one event, one question, one decision, one payment that cannot be taken back."""

from __future__ import annotations

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
    Flow,
    InDoubt,
    Money,
    Name,
    Question,
    Requests,
    action,
    ask,
    propose,
    status,
)

Status = Literal["expected", "asked", "paid"]


class Payout(Case):
    status: Status = "expected"
    name: Name = ""
    customer: Name = ""
    available: Money | None = None


class Requested(Event, opens=True):
    case: Name
    customer: Name
    available: Money


class Suggestion(BaseModel):
    amount: Money


class Assess(Question[Suggestion]):
    case: Name
    customer: Name


class Transfer(BaseModel):
    id: Name


@action(
    reversible=False,
    kind="checkable",
    once_per="case",
    in_doubt=InDoubt(first=timedelta(milliseconds=100), longest=timedelta(seconds=1)),
)
class Pay(Action[Transfer]):
    case: Name
    amount: Money


FLOW: Flow[Status] = {
    "expected": status(to=("asked",)),
    "asked": status(Pay, to=("paid",)),
    "paid": status(),
}
app = Automation("payout", case=Payout, key="case", flow=FLOW)


@app.on
def requested(case: Payout, event: Requested) -> Requests:
    case.status, case.name, case.customer, case.available = "asked", event.case, event.customer, event.available
    return ask(Assess(case=event.case, customer=event.customer))


@app.on
def suggested(case: Payout, answer: Answered[Assess]) -> Requests:
    return propose(Pay(case=case.name, amount=answer.value.amount), because=answer)


@app.on
def paid(case: Payout, done: Done[Pay]) -> Requests:
    case.status = "paid"
