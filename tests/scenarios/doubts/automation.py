"""An office with one effect of each kind, for what becomes of doubts. Its hands are the test's outside."""

from datetime import timedelta
from typing import Literal

from interlock import (
    Action,
    Automation,
    Case,
    Done,
    Event,
    Failed,
    Flow,
    InDoubt,
    Name,
    Requests,
    action,
    propose,
    status,
)

Status = Literal["open", "ended"]
What = Literal["charge", "pay", "collect", "letter", "fax"]


class Job(Case):
    status: Status = "open"
    told: Name = ""


class Asked(Event, opens=True):
    job: Name
    what: What


class Complained(Event):
    """The customer wants the money back, whether or not anybody knows where it is."""

    job: Name


@action(reversible=False, kind="idempotent", key_valid_for=timedelta(minutes=10))
class Charge(Action[None]):
    job: Name


@action(reversible=False, kind="checkable", once_per="case")
class Pay(Action[None]):
    job: Name


@action(reversible=False, kind="checkable", settle_after=timedelta(minutes=10))
class Collect(Action[None]):
    job: Name


@action(reversible=False, kind="once", in_doubt=InDoubt(to="post room"))
class Letter(Action[None]):
    job: Name


@action(
    reversible=False,
    kind="once",
    settle_after=timedelta(minutes=5),
    in_doubt=InDoubt(first=timedelta(seconds=10), longest=timedelta(minutes=2), probes=6, to="post room"),
)
class Fax(Action[None]):
    job: Name


@action(reversible=False, kind="idempotent", not_after=(Letter,))
class GiveBack(Action[None]):
    job: Name


FLOW: Flow[Status] = {
    "open": status(Charge, Pay, Collect, Letter, Fax, GiveBack, to=("ended",)),
    "ended": status(GiveBack),
}

app = Automation("office", case=Job, key="job", flow=FLOW)


@app.on
def asked(case: Job, event: Asked) -> Requests:
    kinds: dict[What, type[Charge] | type[Pay] | type[Collect] | type[Letter] | type[Fax]] = {
        "charge": Charge,
        "pay": Pay,
        "collect": Collect,
        "letter": Letter,
        "fax": Fax,
    }
    return propose(kinds[event.what](job=event.job), because=event)


@app.on
def complained(case: Job, event: Complained) -> Requests:
    return propose(GiveBack(job=event.job), because=event, compensates=Pay)


@app.on
def paid(case: Job, done: Done[Pay]) -> Requests:
    case.told = "paid"
    return None


@app.on
def unpaid(case: Job, failed: Failed[Pay]) -> Requests:
    case.told = "not paid"
    return None


# The test's outside takes their place.


@Charge.performer
async def charge(args: Charge, key: str) -> None: ...


@Pay.performer
async def pay(args: Pay, key: str) -> None: ...


@Pay.checker
async def was_paid(args: Pay, key: str) -> bool:
    return False


@Pay.fence
async def never_pay(args: Pay, key: str) -> None: ...


@Collect.performer
async def collect(args: Collect, key: str) -> None: ...


@Collect.checker
async def was_collected(args: Collect, key: str) -> bool:
    return False


@Letter.performer
async def letter(args: Letter, key: str) -> None: ...


@Fax.performer
async def fax(args: Fax, key: str) -> None: ...


@Fax.checker
async def was_faxed(args: Fax, key: str) -> bool:
    return False


@GiveBack.performer
async def give_back(args: GiveBack, key: str) -> None: ...
