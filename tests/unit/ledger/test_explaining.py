"""Why a decision was as it was, from the record alone."""

from __future__ import annotations

import json

import pytest

from interlock.ledger import explain
from interlock.vocabulary.advice import Silence
from interlock.vocabulary.errors import NotFound, Refused
from tests.unit.ledger.driving import BOX, DAY, SECOND, START, Desk, a_week_of_cheques, desk, reads


@pytest.fixture(scope="module")
def week() -> Desk:
    return a_week_of_cheques(desk())


def test_a_payment_is_told_from_its_event_to_its_effect(week: Desk) -> None:
    told = explain(week.store, "cheques/c2")
    assert told.id == "cheques/c2/5.0"
    assert told.headline == "pay (amount 120.00) was permitted."
    assert told.why == ("Rule pay_small (line 14) says so: Both readers agree and the account covers it.",)
    assert told.trigger is not None
    assert told.trigger.text.startswith("event FundsReported")
    assert told.trigger.principal == "branch"
    assert [one.id for one in told.earlier] == ["cheques/c2/4.0"]
    assert [(one.advisor, one.leads, one.score, one.same) for one in told.advice] == [
        ("svm", True, 980_000, True),
        ("trees", False, 930_000, True),
    ]
    assert dict(told.known)["case.funds"] == "500.00"
    assert [one.text for one in told.followed] == [
        "a worker has room for pay (4.0), attempt 1",
        "pay (4.0), attempt 1: it took effect: {id tx-1}",
    ]
    assert told.learned == ()
    assert told.status_now == "paid"


def test_every_rule_is_told_with_its_line_and_what_it_compared(week: Desk) -> None:
    told = explain(week.store, "cheques/waiting/4.0")
    results = {rule.id: rule.result for rule in told.rules}
    assert results["disagree"] == "matched"
    assert results["no_funds"] == "not_matched"
    assert results["harmless"] == "not_for_action"
    assert len(told.rules) == 13
    text = told.to_text()
    assert "+ disagree (line 11): matched, escalate: advice.agreed < 2 with advice.agreed = 1" in text
    assert "trees (asked beside): {amount 720.00}, score 0.81, ANOTHER answer" in text
    assert told.open_now == ("Review cheques/waiting/4.0 waits for clearing.",)


def test_a_certificate_is_cited_and_said_not_to_be_earned(week: Desk) -> None:
    text = explain(week.store, "cheques/c2").to_text(width=200)
    assert "covers scores from 0.9 and proposal.amount up to 5000.00" in text
    assert "head of clearing vouches for it until" in text
    assert "it has not been earned by evidence" in text


def test_budget_figures_are_in_money(week: Desk) -> None:
    (figure,) = explain(week.store, "cheques/c2").budgets
    assert (figure.state, figure.amount, figure.limit, figure.spent) == ("granted", "120.00", "100000.00", "120.00")


def test_people_and_their_changes_are_named(week: Desk) -> None:
    told = explain(week.store, "cheques/edited")
    assert told.why[0] == "Approved by dan (clearing)."
    assert [(one.text, one.more) for one in told.people] == [
        ("cora of clearing edits pay (4.0): looked at it", ("amount: 120.00 -> 720.00",)),
        ("dan of clearing approves pay (5.0): looked at it", ()),
    ]
    assert told.advised == "pay (amount 120.00)"  # what was advised is not what was done
    assert [one.id for one in told.earlier] == ["cheques/edited/4.0", "cheques/edited/5.0", "cheques/edited/6.0"]


def test_a_rejection_says_who_and_that_no_rule_was_asked(week: Desk) -> None:
    told = explain(week.store, "cheques/rejected")
    assert told.headline == "pay (amount 120.00) was denied."
    assert told.why == ("cora of clearing rejected it: looked at it",)
    assert told.rules == ()
    assert "Not evaluated: cora of clearing rejected it" in told.to_text()


def test_a_silent_advisor_is_told_with_the_reason(week: Desk) -> None:
    advice = explain(week.store, "cheques/silent/4.0").advice
    assert [(one.advisor, one.silent) for one in advice] == [("svm", ""), ("trees", "it did not answer in time")]


def test_what_was_learned_later_is_kept_from_what_was_known(week: Desk) -> None:
    told = explain(week.store, "cheques/c1/5.0")
    assert dict(told.known)["case.stopped"] == "false"
    (learned,) = told.learned
    assert learned.text.startswith("event StopPayment")
    assert "it had happened 2026-01-01 00:00:00 UTC, before the decision" in learned.more
    assert "! A stop arrived after the payment." in learned.more
    assert all("StopPayment" not in one.text for one in told.followed)


def test_an_earlier_decision_tells_what_later_ones_made_of_it(week: Desk) -> None:
    told = explain(week.store, "cheques/edited/4.0")
    assert [one.id for one in told.followed if one.id] == [
        "cheques/edited/5.0",
        "cheques/edited/6.0",
        "cheques/edited/7.0",
    ]


def test_a_doubt_and_its_end_are_told(week: Desk) -> None:
    told = explain(week.store, "cheques/doubt")
    lines = [one.text for one in told.followed]
    assert "pay (4.0), attempt 1: nobody knows whether it took effect (no reply within 30 s)" in lines
    assert "pay (4.0), attempt 1: the check found that it took effect: {id tx-9}" in lines


def test_a_denial_by_the_flow_names_the_decision_that_forbids_it(week: Desk) -> None:
    at = desk()
    at.hear("Presented", {"cheque": "c1", "box": BOX})
    at.hear("FundsReported", {"cheque": "c1", "available": "500.00"})
    at.call("c1", "pay", {"amount": "5.00"})
    told = explain(at.store, "cheques/c1")
    assert told.why == (
        "pay is not valid in status paid; it is in: held, presented.",
        "The earlier decision that forbids it: cheques/c1/5.0",
    )


def test_a_fallback_and_what_took_its_place() -> None:
    at = desk()
    at.hear("Presented", {"cheque": "old", "box": BOX}, occurred_at=START - 40 * DAY)
    at.hear("FundsReported", {"cheque": "old", "available": "500.00"})
    first = explain(at.store, "cheques/old/4.0")
    assert first.headline == "pay (amount 120.00) was not done; the fallback ask_again took its place."
    assert first.followed[0].text == "ask_customer (why cheque is too old) allowed by harmless"


def test_nobody_answered_and_the_rule_that_spoke_instead() -> None:
    at = desk()
    at.answers.update(svm=Silence("error", "boom"), trees=Silence("timeout"))
    at.hear("Presented", {"cheque": "c1", "box": BOX})
    at.hear("FundsReported", {"cheque": "c1", "available": "500.00"})
    told = explain(at.store, "cheques/c1")
    assert told.decision.proposal.because == "no answer to ReadAmount: svm: error, trees: timeout"
    assert [(one.advisor, one.silent) for one in told.advice] == [
        ("svm", "it failed (boom)"),
        ("trees", "it did not answer in time"),
    ]


def test_a_hold_and_its_timer_have_no_trigger_but_time() -> None:
    at = desk()
    at.answers.update(svm=reads("900.00"), trees=reads("900.00"))
    at.hear("Presented", {"cheque": "c1", "box": BOX})
    at.hear("FundsReported", {"cheque": "c1", "available": "500.00"})
    at.advance(3 * DAY)
    told = explain(at.store, "cheques/c1")
    assert told.headline == "return_unpaid (why funds missing) was permitted."
    assert told.trigger is not None
    assert told.trigger.text == "timer HoldExpired is due"


def test_without_its_release_a_decision_is_told_by_ids_and_says_so(week: Desk) -> None:
    at = desk()
    at.hear("Presented", {"cheque": "c1", "box": BOX})
    at.hear("FundsReported", {"cheque": "c1", "available": "500.00"})
    at.store._writer.execute("DELETE FROM releases")  # pyright: ignore[reportPrivateUsage]
    told = explain(at.store, "cheques/c1")
    assert told.rules == ()
    assert "is not stored in this database" in told.to_text()
    assert "Rule pay_small." in told.why


def test_data_is_plain_json(week: Desk) -> None:
    for id in ("cheques/c1", "cheques/edited", "cheques/rejected", "cheques/stopped", "cheques/silent"):
        data = explain(week.store, id).to_data()
        assert json.loads(json.dumps(data))["decision"]["id"] == data["id"]


def test_ids_that_name_nothing_are_refused_with_what_there_is(week: Desk) -> None:
    with pytest.raises(NotFound, match=r"is no decision .* Its decisions are: .*cheques/c1/5\.0"):
        explain(week.store, "cheques/c1/1.0")
    with pytest.raises(NotFound, match="no case"):
        explain(week.store, "cheques/nobody/4.0")
    with pytest.raises(Refused, match="names no case"):
        explain(week.store, "nonsense")
    at = desk()
    at.hear("FundsReported", {"cheque": "c1", "available": "5.00"})
    with pytest.raises(NotFound, match="Nothing was decided in case cheques/c1"):
        explain(at.store, "cheques/c1")


def test_a_key_that_looks_like_a_decision_is_a_key() -> None:
    at = desk()
    at.hear("Presented", {"cheque": "branch/3.0", "box": BOX})
    at.hear("FundsReported", {"cheque": "branch/3.0", "available": "500.00"})
    at.advance(SECOND)
    assert explain(at.store, "cheques/branch/3.0").id == "cheques/branch/3.0/5.0"


def test_the_smallest_change_that_would_have_flipped_the_rules_is_told() -> None:
    told = explain(a_week_of_cheques(desk()).store, "cheques/c1")
    text = told.to_text()
    assert "What would have made the rules say something else" in text
    (nearest,) = told.contrasts
    assert nearest.verdict.outcome == "allow" and not nearest.cut
    assert any("advice.agreed 1 instead of 2" in str(one) for one in nearest.found)
    assert told.to_data()["contrasts"][0]["inputs_changed"] == 1
