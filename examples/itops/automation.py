"""An agent's MCP tools behind the interlock: each tool is an action, each call a proposal, each incident a case."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from interlock import (
    Action,
    Automation,
    Called,
    Case,
    Count,
    Done,
    Event,
    Flow,
    Name,
    Requests,
    Timer,
    action,
    after,
    cancel,
    propose,
    status,
)

Status = Literal["open", "mitigating", "resolved"]
Severity = Annotated[int, Field(ge=1, le=4)]


class Incident(Case):
    status: Status = "open"
    service: Name = ""
    severity: Severity = 4
    restarts: Count = 0
    change_freeze: bool = False


class Alert(Event, opens=True):
    incident: Name
    service: Name
    severity: Severity


class Freeze(Event):
    incident: Name
    on: bool


class Recovered(Event):
    incident: Name


class StillDown(Timer): ...


class Text(BaseModel):
    text: Annotated[str, Field(max_length=20_000)]


@action(reversible=True, kind="idempotent", undo="nothing")
class ReadLogs(Action[Text]):
    host: Name
    lines: Count


@action(reversible=True, kind="once", undo="nothing")
class RestartService(Action[Text]):
    host: Name
    service: Name


@action(reversible=False, kind="checkable", consequence="final")
class DropPartition(Action[Text]):
    table: Name
    partition: Name


@action(reversible=True, kind="idempotent", undo="nothing")
class PageOnCall(Action[None]):
    why: Name


FLOW: Flow[Status] = {
    "open": status(ReadLogs, RestartService, DropPartition, PageOnCall, to=("mitigating", "resolved")),
    "mitigating": status(ReadLogs, RestartService, PageOnCall, to=("open", "resolved")),
    "resolved": status(ReadLogs, to=("open",)),
}
app = Automation("itops", case=Incident, key="incident", flow=FLOW)


@app.on
def alerted(case: Incident, event: Alert) -> Requests:
    case.status, case.service, case.severity = "open", event.service, event.severity
    return after(timedelta(minutes=30), StillDown())


@app.on
def frozen(case: Incident, event: Freeze) -> Requests:
    case.change_freeze = event.on
    return None


@app.on
def called(case: Incident, call: Called[RestartService]) -> Requests:
    """Optional: without it a call is simply proposed."""
    args = call.args if call.args.service else RestartService(host=call.args.host, service=case.service)
    return propose(args, because=call)


@app.on
def restarted(case: Incident, done: Done[RestartService]) -> Requests:
    case.restarts = min(case.restarts + 1, 1000)
    if case.status == "open":
        case.status = "mitigating"
    return None


@app.on
def still_down(case: Incident, timer: StillDown) -> Requests:
    if case.status != "resolved":
        return propose(PageOnCall(why="not resolved after 30 minutes"), because=timer)
    return None


@app.on
def recovered(case: Incident, event: Recovered) -> Requests:
    case.status = "resolved"
    return cancel(StillDown)
