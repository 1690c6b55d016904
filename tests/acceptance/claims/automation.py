"""Claims of insured persons: personal data in every place where an automation can have some.

For the tests of sealing and erasure, which look for its texts in every byte that is stored or printed.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from interlock import (
    Action,
    Answered,
    Automation,
    Called,
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
    Subject,
    Timer,
    Unanswered,
    action,
    after,
    ask,
    flag,
    propose,
    status,
)

Status = Literal["new", "open", "paid"]


class Person(BaseModel):
    name: Sensitive[Name] = ""
    town: Name = ""


class Claim(Case):
    status: Status = "new"
    person: Person = Field(default_factory=Person)
    iban: Sensitive[Name | None] = None
    amount: Money = Decimal(0)
    notes: Annotated[list[Sensitive[Name]], Field(max_length=20)] = Field(default_factory=list)


class Filed(Event, opens=True):
    claim: Name
    customer: Subject
    person: Person
    iban: Sensitive[Name]
    amount: Money
    story: Sensitive[Annotated[str, Field(max_length=100_000)]] = ""


class Remarked(Event):
    claim: Name
    remark: Sensitive[Name]


class Reminder(Timer):
    text: Sensitive[Name]


class Opinion(BaseModel):
    kind: Literal["water", "fire"]
    summary: Sensitive[Name]


class Read(Question[Opinion]):
    story: Sensitive[str]
    amount: Money


class Receipt(BaseModel):
    id: Name
    holder: Sensitive[Name]


@action(reversible=False, kind="checkable", once_per="case")
class Pay(Action[Receipt]):
    iban: Sensitive[Name]
    amount: Money


@action(reversible=True, kind="once", undo="nothing")
class Letter(Action[None]):
    to: Sensitive[Name]


FLOW: Flow[Status] = {
    "new": status(to=("open",)),
    "open": status(Pay, Letter, to=("paid",)),
    "paid": status(Letter),
}

app = Automation("claims", case=Claim, key="claim", flow=FLOW)


@app.on
def filed(case: Claim, event: Filed) -> Requests:
    case.status, case.person, case.iban, case.amount = "open", event.person, event.iban, event.amount
    return (
        ask(Read(story=event.story, amount=event.amount)),
        after(timedelta(days=30), Reminder(text=f"Ask {event.person.name}")),
        flag(f"{event.person.name} filed a claim."),
    )


@app.on
def read(case: Claim, answer: Answered[Read]) -> Requests:
    case.notes.append(answer.value.summary)
    case.notes.append(answer.rationale[:80])
    return propose(Pay(iban=case.iban or "", amount=case.amount), because=answer)


@app.on
def unread(case: Claim, silence: Unanswered[Read]) -> Requests:
    case.notes.append(silence.reason[:80])
    return None


@app.on
def remarked(case: Claim, event: Remarked) -> Requests:
    if event.remark.startswith("poison"):
        raise ValueError(f"cannot bear {event.remark}")
    case.notes.append(event.remark)
    return propose(Letter(to=case.person.name), because=f"{case.person.name} remarked something")


@app.on
def reminded(case: Claim, timer: Reminder) -> Requests:
    case.notes.append(timer.text)
    return None


@app.on
def asked_for(case: Claim, call: Called[Letter]) -> Requests:
    return propose(call.args, because=call)


@app.on
def paid(case: Claim, done: Done[Pay]) -> Requests:
    case.status = "paid"
    case.notes.append(done.result.holder)
    return None


@app.on
def not_written(case: Claim, failed: Failed[Letter]) -> Requests:
    case.notes.append(failed.reason[:80])
    return None
