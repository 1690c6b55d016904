"""The summary is computed: from books, truth and record, and it is honest about what went wrong."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from interlock.assembly.address import address
from interlock.demo.judge import Books, Transfer
from interlock.demo.record import Recorded
from interlock.demo.show import show_summary
from interlock.demo.summary import Summary, summarise
from interlock.demo.workspace import Workspace
from interlock.demo.world import Written
from interlock.vocabulary.action import Effect, Past
from interlock.vocabulary.advice import Answer, RecordedAnswer, Silence
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.decision import Decision, Validity
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.proposal import Proposal
from interlock.vocabulary.review import Approval, Review
from interlock.vocabulary.verdict import Group, Outcome

REASONS = {"stopped": "The drawer stopped this cheque.", "disagree": "The readers do not agree."}


def written(cheque: str, **more: Any) -> Written:
    return Written(**{"cheque": cheque, "amount": 1000, "covered": 9000, "written_at": "2026-01-01T00:00:00Z"} | more)


def decided(key: str, verdict: Outcome, by: str, *, approved: bool = False, action: str = "pay") -> Decision:
    proposal = Proposal(action, {"cheque": key, "amount": "10.00"}, "", "advice", "an answer")
    approvals = (Approval("amira", "clearing", 0),) if approved else ()
    return Decision(f"cheques/{key}/3.0", proposal, verdict, (by,), "", Validity(True), approvals=approvals)


def case(
    key: str, status: str = "presented", *, read: str = "10.00", score: int = 950_000, other: int = 0, **more: Any
):
    others: dict[str, Answer | Silence] = {"trees": Answer({"amount": read}, score=other)}
    answer = RecordedAnswer("ReadAmount", "svm", Answer({"amount": read}, score=score), 1, 2, others)
    return CaseRecord("cheques", key, status=status, answers={"q": answer}, last_decision=f"cheques/{key}/3.0", **more)


def paid(key: str, amount: int = 1000, order: int = 1) -> Transfer:
    return Transfer(order, key, amount, reply_lost=False)


@pytest.fixture
def compute(tmp_path: Path) -> Callable[..., Summary]:
    def compute(
        truth: list[Written], transfers: list[Transfer], cases: list[CaseRecord], decisions: list[Decision], **more: Any
    ) -> Summary:
        recorded = Recorded(cases={record.key: record for record in cases}, **more)
        for decision in decisions:
            recorded.decisions[decision.proposal.args["cheque"]].append(decision)
        workspace = Workspace(address(tmp_path / "a.db"), tmp_path / "demo", len(truth), 7, resumed=False)
        by_cheque = {one.cheque: one for one in truth}
        books = Books(tuple(transfers), (), ())
        return summarise(workspace, by_cheque, books, recorded, REASONS, leader="svm", events=9, seconds=1.0)

    return compute


def shown(summary: Summary) -> str:
    out = StringIO()
    show_summary(summary, Console(file=out, width=110))
    return out.getvalue()


def test_payments_without_and_after_a_person_stand_apart(compute: Callable[..., Summary]) -> None:
    past = {"pay": Past(1, "cheques/a/3.0", 0)}
    cases = [case("a", "paid", past=past), case("b", "paid", past={"pay": Past(1, "cheques/b/3.0", 0)})]
    decisions = [decided("a", "allow", "pay_small"), decided("b", "allow", "approval", approved=True)]
    summary = compute([written("a"), written("b")], [paid("a"), paid("b", order=2)], cases, decisions)
    assert (summary.paid_alone.count, summary.paid_by_people.count) == (1, 1)
    assert summary.ends == {"paid": 2}
    assert summary.unaccounted == ()
    assert "paid nothing wrongly" in shown(summary)


def test_a_wrong_payment_of_the_interlock_is_said(compute: Callable[..., Summary]) -> None:
    summary = compute(
        [written("a")], [paid("a", 1700)], [case("a", "paid", read="17.00")], [decided("a", "allow", "r")]
    )
    assert summary.ways[0].wrong.count == 1
    assert summary.ways[0].wrong.cents == 700
    assert summary.wrong_alone.count == 1
    text = shown(summary)
    assert "let wrong payments through: a" in text
    assert "7.00" in text


def test_direct_execution_is_judged_on_the_recorded_answers(compute: Callable[..., Summary]) -> None:
    cases = [case("a", score=990_000), case("b", read="17.00", score=899_999, other=900_000), case("c", score=900_000)]
    truth = [written("a", frozen=True), written("b"), written("c")]
    summary = compute(truth, [], cases, [decided(key, "deny", "stopped") for key in "abc"])
    assert [(way.paid.count, way.wrong.count, way.wrong.cents) for way in summary.ways] == [
        (0, 0, 0),
        (2, 1, 1000),
        (1, 1, 700),
        (3, 2, 1700),
    ]


def test_why_people_were_asked_is_counted_by_cheque_and_in_words(compute: Callable[..., Summary]) -> None:
    review = Review("3.0", "cheques/a/3.0", "pay", {}, "", (Group("clearing"),), {}, "", 0, 1)
    cases = [case("a", reviews={"3.0": review}), case("b")]
    decisions = [
        decided("a", "escalate", "disagree"),
        decided("a", "escalate", "disagree"),
        decided("b", "deny", "stopped"),
    ]
    summary = compute([written("a"), written("b")], [], cases, decisions, reviews=[(CaseId("cheques", "a"), review)])
    assert [(r.words, r.count, r.open) for r in summary.people] == [("The readers do not agree", 1, 1)]
    assert [(r.words, r.count) for r in summary.refused] == [("The drawer stopped this cheque", 1)]
    assert summary.ends == {"waiting for a person": 1, "refused by a rule": 1}


def test_a_cheque_that_nothing_explains_is_named(compute: Callable[..., Summary]) -> None:
    truth = [written("a"), written("b")]
    summary = compute(truth, [], [case("b")], [decided("b", "allow", "pay_small")])
    assert summary.unaccounted == ("a", "b")
    assert "This is a bug in interlock" in shown(summary)


def test_what_is_in_doubt_is_named_so_that_it_can_be_resolved(compute: Callable[..., Summary]) -> None:
    effect = Effect("4.0", "ask_customer", {}, "", "", "cheques/a/4.0", "in_doubt", 0, 0)
    summary = compute([written("a")], [], [case("a", effects={"4.0": effect})], [])
    assert [doubt.command for doubt in summary.in_doubt] == ["cheques/a/4.0"]
    assert summary.ends == {"in doubt": 1}
    assert any("resolve cheques/a/4.0" in step.command for step in summary.next)


def test_numbers_add_up_or_the_total_shows_it(compute: Callable[..., Summary]) -> None:
    summary = compute(
        [written("a")], [paid("a"), paid("a", order=2)], [case("a", "paid")], [decided("a", "allow", "r")]
    )
    assert [words for words, amount in summary.ways[0].causes.items() if amount.count] == ["paid twice"]
    assert replace(summary, seconds=0).to_data()["ways"][0]["wrong"] == {"count": 1, "cents": 1000}
