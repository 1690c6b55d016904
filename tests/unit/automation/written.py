"""A small automation as text, and folders made of it: tests change one thing and look at what is said about it."""

from __future__ import annotations

from pathlib import Path

AUTOMATION = """\
from datetime import timedelta
from typing import Literal

from interlock import (
    Action, Answered, Automation, Called, Case, Done, Event, Flow, InDoubt, Money, Name, Question, Requests, Timer,
    Unanswered, action, after, ask, propose, status,
)

Status = Literal["open", "done"]


class Ticket(Case):
    status: Status = "open"
    total: Money | None = None


class Opened(Event, opens=True):
    ticket: Name
    total: Money


class Nudge(Timer): ...


class Amount(Question[Money]):
    total: Money


@action(reversible=False, kind="once")
class Pay(Action[None]):
    amount: Money


FLOW: Flow[Status] = {
    "open": status(Pay, to=("done",)),
    "done": status(),
}
app = Automation("tickets", case=Ticket, key="ticket", flow=FLOW)


def consider(case: Ticket) -> Requests:
    if case.total is None:
        return None
    return ask(Amount(total=case.total))


@app.on
def opened(case: Ticket, event: Opened) -> Requests:
    case.total = event.total
    return consider(case)


@app.on
def answered(case: Ticket, answer: Answered[Amount]) -> Requests:
    return propose(Pay(amount=answer.value), because=answer)


@app.on
def unanswered(case: Ticket, nobody: Unanswered[Amount]) -> Requests:
    return after(timedelta(hours=1), Nudge())


@app.on
def nudged(case: Ticket, timer: Nudge) -> Requests:
    return consider(case)


@app.on
def paid(case: Ticket, done: Done[Pay]) -> Requests:
    case.status = "done"
    return None
"""

EFFECTS = """\
from automation import Pay


@Pay.performer
async def pay(args: Pay, key: str) -> None:
    return None
"""

ADVISORS = """\
from decimal import Decimal

from automation import Amount
from interlock import Advice


@Amount.advisor("clerk")
def clerk(question: Amount) -> Advice[Decimal]:
    return Advice(question.total, score=1.0)
"""

POLICY = """\
policy: tickets
rules:
  - {id: small, for: pay, when: proposal.amount <= 100, then: allow, reason: Small.}
default: {verdict: escalate, to: desk}
"""

RELEASE = """\
[questions.Amount]
chain = ["clerk"]
"""

FILES = {
    "automation.py": AUTOMATION,
    "effects.py": EFFECTS,
    "advisors.py": ADVISORS,
    "policy.yaml": POLICY,
    "release.toml": RELEASE,
}


def write(folder: Path, changes: dict[str, tuple[str, str]] | None = None, **files: str) -> Path:
    """The automation in a folder. `changes`: file -> (text, what stands instead); `files`: whole files by stem."""
    texts = dict(FILES)
    for name, (old, new) in (changes or {}).items():
        assert old in texts[name], f"{old!r} is not in {name}"
        texts[name] = texts[name].replace(old, new)
    for stem, text in files.items():
        name = next((known for known in texts if known.startswith(f"{stem}.")), f"{stem}.py")
        texts[name] = text
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def line_of(folder: Path, file: str, text: str) -> int:
    """Line (from 1) where a text stands in a file."""
    lines = (folder / file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)
