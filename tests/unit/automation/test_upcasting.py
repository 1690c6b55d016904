"""What was stored in the shape of an older type is read as the present one, or the definition says why it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.automation.modules import forget
from interlock.kernel.program import MessageView
from interlock.releases import Release, check_folder, load_release
from tests.unit.automation.written import AUTOMATION, write

V1_EVENT = """
class OpenedV1(Event):
    ticket: Name
    cents: Count


@app.upcast
def opened_v1(old: OpenedV1) -> Opened:
    return Opened(ticket=old.ticket, total=Money.__origin__(old.cents) / 100)
"""
V1_ACTION = """
class PayV1(BaseModel):
    cents: Count


@app.upcast
def pay_v1(old: PayV1) -> Pay:
    return Pay(amount=Money.__origin__(old.cents) / 100)
"""
V1_QUESTION = """
class AmountV1(BaseModel):
    cents: Count


class AmountV2(BaseModel):
    euros: Count


@app.upcast
def amount_v2(old: AmountV1) -> AmountV2:
    return AmountV2(euros=old.cents // 100)


@app.upcast
def amount_v3(old: AmountV2) -> Amount:
    return Amount(total=old.euros)
"""
HEAD = "from pydantic import BaseModel\n" + AUTOMATION.replace("Case, Done", "Case, Count, Done")


def release(tmp_path: Path, more: str) -> Release:
    folder = write(tmp_path / "tickets", automation=HEAD + more)
    forget(folder)
    return load_release(folder)


def view(kind: str, type: str, data: dict[str, object], **more: object) -> MessageView:
    return MessageView(kind, type, "e1", "test", "p", 1, 1, data, **more)  # pyright: ignore[reportArgumentType]


def test_an_old_event_reaches_its_reducer_as_the_present_one(tmp_path: Path) -> None:
    reducers = release(tmp_path, V1_EVENT).program.reducers
    state, status, _ = reducers.initial()
    after = reducers.reduce(state, status, view("event", "Opened", {"ticket": "t1", "cents": 250}))
    assert after.state["total"] == "2.5"
    assert reducers.reduce(state, status, view("event", "Opened", {"ticket": "t1", "total": "9"})).state["total"] == "9"
    with pytest.raises(ValueError, match="total"):
        reducers.reduce(state, status, view("event", "Opened", {"ticket": "t1", "pence": 250}))


def test_old_arguments_are_brought_up_to_date_where_they_are_judged_and_carried_out(tmp_path: Path) -> None:
    made = release(tmp_path, V1_ACTION)
    assert made.program.reducers.action_args("pay", {"cents": 250}) == {"amount": "2.5"}
    assert str(made.loaded.wire.action("pay", {"cents": 250}).amount) == "2.5"  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
    state, status, _ = made.program.reducers.initial()
    done = made.program.reducers.reduce(state, status, view("done", "pay", {"cents": 250}, result=None))
    assert done.status == "done"


def test_a_chain_of_upcasters_is_followed(tmp_path: Path) -> None:
    made = release(tmp_path, V1_QUESTION)
    state, status, _ = made.program.reducers.initial()
    silent = view("unanswered", "Amount", {}, question={"cents": 500}, reason="nobody")
    assert made.program.reducers.reduce(state, status, silent).requests
    assert made.loaded.wire.question("Amount", {"cents": 500}).total == 5  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def test_an_old_type_that_reads_as_the_present_one_is_refused(tmp_path: Path) -> None:
    same = V1_ACTION.replace("cents: Count", "amount: Count").replace("old.cents", "old.amount")
    folder = write(tmp_path / "tickets", automation=HEAD + same)
    forget(folder)
    (problem,) = check_folder(folder)
    assert "a stored PayV1 would be read as Pay" in problem.message and "another name" in problem.suggestion
    assert problem.line > 60


def test_the_digest_of_a_question_covers_the_type_of_its_answer(tmp_path: Path) -> None:
    before = release(tmp_path, "").program.questions["Amount"].component
    folder = write(
        tmp_path / "tickets",
        automation=HEAD.replace("Question[Money]", "Question[Count]"),
        advisors="from automation import Amount\nfrom interlock import Advice\n\n\n"
        '@Amount.advisor("clerk")\ndef clerk(question: Amount) -> Advice[int]:\n    return Advice(3, score=1.0)\n',
    )
    forget(folder)
    assert load_release(folder).program.questions["Amount"].component != before
