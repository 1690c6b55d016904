"""Every kind of effect, cut off at every moment, with everything that the outside can say of it afterwards.

The table is docs/reference/doubts.md: it says how each cell ends, and this test plays each cell, the real kernel,
runtime and store on virtual time, and reads off how it ended. A cell with a dash cannot happen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest

from interlock.ledger.standing import differences, standing
from interlock.releases import Release, load_release
from interlock.runtime import control
from interlock.runtime.dispatch import local_of
from interlock.runtime.inbox import event_envelope, resolve_envelope
from interlock.testing.outside import Conduct
from interlock.testing.stage import Stage
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import Envelope, ResultBody
from interlock.vocabulary.ids import BUDGETS, CaseId

pytestmark = pytest.mark.scenarios

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "reference" / "doubts.md"
DAY = 86_400_000_000
CASE = CaseId("office", "j")
ACCOUNT = CaseId(BUDGETS, "office|jobs||ever")

ACTIONS = {
    "idempotent": "charge",
    "checkable, fenced": "pay",
    "checkable, no fence": "collect",
    "once": "letter",
    "once, with a checker": "fax",
}
Said = Literal["happened", "not_happened"]


@cache
def office() -> Release:
    return load_release(HERE / "doubts")


class Played:
    """One cell on stage."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.stage = Stage(office())
        self.outside = self.stage.outside
        self._sent = 0

    # --- the world

    def conduct(self, mode: Any = "happens", *, mute: bool = False) -> None:
        self.outside.conduct[self.action] = Conduct(mode, mute=mute)

    def ask(self, *, settle: bool = True) -> None:
        made = event_envelope(
            "office",
            office().loaded.wire,
            "Asked",
            {"job": "j", "what": self.action},
            id="e1",
            source="shop",
            principal="shop",
            occurred_at=self.stage.clock.now(),
            now=self.stage.clock.now(),
        )
        self.stage.accept(made)
        if settle:
            self.stage.settle()

    def until(self, there: Callable[[], Any]) -> None:
        for _ in range(10_000):
            if there():
                return
            self.stage.tick()
        raise AssertionError("it never came to that")

    def late(self, outcome: Said) -> None:
        """The reply of the first attempt, from a worker that was given up."""
        self._sent += 1
        now = self.stage.clock.now()
        body = ResultBody(local_of(self.outside.called[0]), 1, "perform", outcome, reason="late")
        self.stage.accept(Envelope(*CASE, f"late{self._sent}", "worker", "worker", now, now, body))
        self.stage.settle()

    def person_says(self, outcome: Said) -> None:
        (task,) = [task for task in self.record.tasks.values() if task.kind == "doubt"]
        now = self.stage.clock.now()
        made = resolve_envelope(*CASE, task.about, outcome, result=None, comment="", id="p1", principal="ann", now=now)
        self.stage.accept(made)
        self.stage.settle()

    # --- what came of it

    @property
    def record(self) -> CaseRecord:
        record = self.stage.store.case(CASE)
        assert record is not None
        return record

    @property
    def status(self) -> str:
        record = self.stage.store.case(CASE)
        return next((effect.status for effect in record.effects.values()), "") if record else ""

    def end(self) -> str:
        """How it ended: the effect, who is asked, how often it was tried, and what the outside and the budget hold."""
        record = self.record
        self._is_whole(record)
        said = [effect.status.replace("_", " ") for effect in record.effects.values()]
        said += ["done" if how == "happened" else "failed" for how in record.closed.values()]
        for task in record.tasks.values():
            said.append(f"{task.group} asked" if task.kind == "doubt" else "contradiction")
        tries = len(self.outside.called)
        if tries > 1:
            said.append(f"{tries} tries")
        account = self.stage.store.case(ACCOUNT)
        assert account is not None
        held, spent = account.state["held_sum"], sum(account.state["spent"].values())
        budget = {(1, 0): "held", (0, 1): "spent", (0, 0): "free"}[held, spent]
        assert budget == {"in doubt": "held", "done": "spent", "failed": "free"}[said[0]], "the budget follows"
        times = len(self.outside.books)
        said.append(("never outside", "once outside", "TWICE OUTSIDE")[times])
        return ", ".join(said)

    def _is_whole(self, record: CaseRecord) -> None:
        """Nothing is forgotten: whoever is in doubt is probed or asked about, and the lists agree."""
        assert not differences(record, standing(self.stage.store).of[CASE])
        for effect in record.effects.values():
            assert effect.status == "in_doubt"
            assert effect.id in record.tasks, "after days somebody is asked"


# --- the moments: how far it had come when the worker died


def before_start(cell: Played, answer: str) -> None:
    paused = [control.scope("office/" + cell.action)]
    control.pause(cell.stage.store, paused)
    cell.ask()
    assert cell.status == "held"
    cell.stage.crash()
    mode = {"happened": "happens", "not happened": "refuses", "contradicting reply": "refuses"}.get(answer, "fails")
    cell.conduct(mode, mute=answer == "cannot say")
    control.resume(cell.stage.store, paused)
    cell.stage.worker.look_everywhere()
    cell.stage.settle()


def before_the_call(cell: Played, answer: str) -> None:
    cell.ask(settle=False)
    cell.until(lambda: cell.status == "started")
    assert not cell.outside.called, "it has started, and nobody has been called"
    cell.stage.crash()
    cell.conduct("fails" if answer == "cannot say" else "happens", mute=answer == "cannot say")
    cell.stage.settle()


def during_the_call(cell: Played, answer: str) -> None:
    cell.conduct("hangs")
    cell.ask(settle=False)
    cell.until(lambda: cell.outside.called)
    cell.stage.crash()
    if answer in ("happened", "late reply"):
        cell.outside.book(cell.outside.called[0])  # It was on its way and has landed.
    cell.conduct("fails" if answer == "cannot say" else "happens", mute=answer == "cannot say")
    cell.stage.settle()


def before_it_is_stored(cell: Played, answer: str) -> None:
    cell.ask(settle=False)
    cell.until(lambda: cell.stage.worker.dispatcher.pending and cell.outside.called)
    assert cell.status == "started"
    cell.stage.crash()
    cell.conduct("fails" if answer == "cannot say" else "happens", mute=answer == "cannot say")
    cell.stage.settle()


def after_it_is_stored(cell: Played, answer: str) -> None:
    cell.ask()
    assert cell.status == ""
    cell.stage.crash()


MOMENTS = {
    "before the start": before_start,
    "after the start, before the call": before_the_call,
    "during the call": during_the_call,
    "after the call, before its result is stored": before_it_is_stored,
    "after its result is stored": after_it_is_stored,
}


# --- what the outside says then


def play(cell: Played, moment: str, answer: str) -> None:
    MOMENTS[moment](cell, answer)
    known = moment == "after its result is stored"
    if answer in ("happened", "late reply") and known:
        cell.late("happened")
    elif answer == "late reply":
        if moment == "before the start":
            cell.outside.book(cell.outside.called[0])
        cell.late("happened")
    elif answer == "contradicting reply":
        cell.stage.advance(DAY)
        if cell.status == "in_doubt":
            # Nobody can be asked but a person, who looks too early or into the wrong book.
            cell.person_says("not_happened")
        cell.late("not_happened" if known else "happened")
    cell.stage.advance(3 * DAY)
    if answer in ("happened", "not happened") and cell.status == "in_doubt":
        cell.person_says("happened" if answer == "happened" else "not_happened")


# --- the table


@dataclass(frozen=True)
class Cell:
    kind: str
    moment: str
    answer: str
    end: str

    def __str__(self) -> str:
        return f"{self.kind} | {self.moment} | {self.answer}"


def cells() -> Iterator[Cell]:
    kind, answers = "", list[str]()
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("### "):
            kind = line.removeprefix("### ").strip()
        elif kind and line.startswith("|") and not re.match(r"\|[-|]+$", line):
            first, *rest = [part.strip() for part in line.strip("|").split("|")]
            if first == "the worker died":
                answers = rest
            else:
                yield from (Cell(kind, first, answer, end) for answer, end in zip(answers, rest, strict=True))


CELLS = list(cells())
PLAYED = [cell for cell in CELLS if cell.end != "—"]


@pytest.mark.parametrize("cell", PLAYED, ids=str)
def test_a_cell_ends_as_the_table_says(cell: Cell) -> None:
    played = Played(ACTIONS[cell.kind])
    try:
        play(played, cell.moment, cell.answer)
        assert played.end() == cell.end, str(cell)
    finally:
        played.stage.close()


def test_the_table_is_whole() -> None:
    answers = ["happened", "not happened", "cannot say", "late reply", "contradicting reply"]
    wanted = [(kind, moment, answer) for kind in ACTIONS for moment in MOMENTS for answer in answers]
    assert [(cell.kind, cell.moment, cell.answer) for cell in CELLS] == wanted
    assert len(PLAYED) > 60
