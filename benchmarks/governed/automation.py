"""The governed case in its smallest whole form: one event, one question, one decision under the demo's policy, one
effect.

State, actions and policy are the demonstration's (cheque clearing), so that the policy binds and judges what it
does there. What differs: funds
come with the cheque (one event), and one stub reads the box.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field

from interlock import (
    Action,
    Answered,
    Automation,
    Case,
    Done,
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

Status = Literal["expected", "presented", "held", "queried", "paid", "returned"]
Presentations = Annotated[int, Field(ge=0, le=1_000)]


class Cheque(Case):
    status: Status = "expected"
    cheque: Name = ""
    box: Name = ""
    written_at: AwareDatetime | None = None
    funds: Money | None = None
    stopped: bool = False
    frozen: bool = False
    presentations: Presentations = 0
    altered: bool = False


class Presented(Event, opens=True):
    cheque: Name
    box: Name
    available: Money


class Reading(BaseModel):
    amount: Money


class ReadAmount(Question[Reading]):
    box: Name


class Transfer(BaseModel):
    id: Name


@action(reversible=False, kind="checkable", once_per="case")
class Pay(Action[Transfer]):
    cheque: Name
    amount: Money


@action(reversible=False, kind="idempotent", once_per="case", not_after=(Pay,))
class ReturnUnpaid(Action[None]):
    cheque: Name
    why: Name


@action(reversible=True, kind="idempotent", undo="nothing")
class ReleaseHold(Action[None]):
    cheque: Name


@action(reversible=True, kind="idempotent", undo=ReleaseHold)
class Hold(Action[None]):
    cheque: Name
    why: Name


@action(reversible=True, kind="once", undo="nothing")
class AskCustomer(Action[None]):
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


@app.on
def presented(case: Cheque, event: Presented) -> Requests:
    case.status, case.cheque, case.box, case.funds = "presented", event.cheque, event.box, event.available
    return ask(ReadAmount(box=event.box))


@app.on
def read(case: Cheque, answer: Answered[ReadAmount]) -> Requests:
    return propose(Pay(cheque=case.cheque, amount=answer.value.amount), because=answer)


@app.fallback
def ask_again(case: Cheque, refused: Pay) -> AskCustomer:
    return AskCustomer(cheque=refused.cheque, why="too old")


@app.on
def paid(case: Cheque, done: Done[Pay]) -> Requests:
    case.status = "paid"
