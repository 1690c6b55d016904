"""A small automation on disk, for tests of the bench and the laws. `write` may replace text, to plant a mistake."""

from __future__ import annotations

from pathlib import Path

AUTOMATION = """
from datetime import timedelta
from typing import Literal

from interlock import (
    Action, Answered, Automation, Case, Count, Done, Event, Failed, Flow, Money, Name, Question, Requests, Timer,
    action, after, ask, flag, propose, status,
)

Status = Literal["open", "paid"]


class Bill(Case):
    status: Status = "open"
    note: Name = ""
    seen: Count = 0


class Received(Event, opens=True):
    bill: Name
    text: Name


class Noted(Event):
    bill: Name
    note: Name


class Forgotten(Timer): ...


class Read(Question[Money]):
    text: Name


@action(reversible=False, kind="checkable", once_per="case")
class Pay(Action[Name]):
    amount: Money


@action(reversible=True, kind="once", undo="nothing")
class Remind(Action[None]):
    to: Name


FLOW: Flow[Status] = {"open": status(Pay, Remind, to=("paid",)), "paid": status(Remind)}
app = Automation("bills", case=Bill, key="bill", flow=FLOW)


@app.on
def received(case: Bill, event: Received) -> Requests:
    if case.status == "paid":
        return None
    return ask(Read(text=event.text)), after(timedelta(days=3), Forgotten())


@app.on
def noted(case: Bill, event: Noted) -> Requests:
    case.note = event.note
    # PLANT


@app.on
def forgotten(case: Bill, timer: Forgotten) -> Requests:
    if case.status == "open":
        return propose(Remind(to="owner"), because=timer)


@app.on
def read(case: Bill, answer: Answered[Read]) -> Requests:
    return propose(Pay(amount=answer.value), because=answer)


@app.on
def paid(case: Bill, done: Done[Pay]) -> Requests:
    case.status = "paid"


@app.on
def unpaid(case: Bill, failed: Failed[Pay]) -> Requests:
    return flag("not paid")
"""

EFFECTS = """
from automation import Pay, Remind


@Pay.performer
async def pay(args: Pay, key: str) -> str:
    raise AssertionError("a bench never calls this")


@Pay.checker
async def was_paid(args: Pay, key: str) -> str | None:
    raise AssertionError("a bench never calls this")


@Pay.fence
async def void(args: Pay, key: str) -> None:
    raise AssertionError("a bench never calls this")


@Remind.performer
async def remind(args: Remind, key: str) -> None:
    raise AssertionError("a bench never calls this")
"""

ADVISORS = """
from decimal import Decimal

from automation import Read
from interlock import Advice


@Read.advisor("counts")
def counts(q: Read) -> Advice[Decimal]:
    return Advice(Decimal(len(q.text)), score=0.9)
"""

POLICY = """
policy: bills
rules:
  - {id: nothing, for: pay, when: proposal.amount == 0, then: deny, reason: Nothing to pay.}
  - {id: large, for: pay, when: proposal.amount > 100, then: escalate, to: owners, reason: Large.}
  - {id: small, for: pay, when: 'true', then: allow, reason: Small.}
  - {id: harmless, for: remind, when: 'true', then: allow, reason: Harmless.}
default: {verdict: escalate, to: owners}
"""

RELEASE = """
[questions.Read]
chain = ["counts"]
timeout = "60s"

[budgets.day]
for = "pay"
sum = "proposal.amount"
max = 500.00
per = "day UTC"
"""


def write(folder: Path, plant: str = "", **changes: tuple[str, str]) -> Path:
    """The automation in a folder. `plant` goes into the reducer of Noted; `changes` replace text, by file."""
    texts = {
        "automation.py": AUTOMATION.replace("# PLANT", plant or "return None"),
        "effects.py": EFFECTS,
        "advisors.py": ADVISORS,
        "policy.yaml": POLICY,
        "release.toml": RELEASE,
    }
    for name, (old, new) in changes.items():
        file = next(one for one in texts if one.startswith(name))
        assert old in texts[file]
        texts[file] = texts[file].replace(old, new)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder
