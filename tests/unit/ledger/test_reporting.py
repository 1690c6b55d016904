"""What an automation did in a stretch of time."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from interlock.ledger import report
from tests.unit.ledger.driving import BOX, DAY, SECOND, START, Desk, a_week_of_cheques, desk


@pytest.fixture(scope="module")
def week() -> Desk:
    return a_week_of_cheques(desk())


def test_a_week_is_counted(week: Desk) -> None:
    told = report(week.store, since=START)
    assert told.events == {"Presented": 10, "FundsReported": 9, "StopPayment": 2}
    assert (told.cases_opened, told.cases_finished) == (10, 7)
    pay = told.actions["pay"]
    assert (pay.done, pay.doubts, pay.failed) == ({"certificate": 4, "people": 2}, 1, 0)
    assert pay.amounts == {("amount", "certificate"): Decimal("480.00"), ("amount", "people"): Decimal("840.00")}
    assert told.doubts_open == 0
    assert told.verdicts == {"approve": 2, "edit": 1, "reject": 1}
    assert told.reviewers == {"cora": 3, "dan": 1}
    assert told.reviews_waiting == 2
    assert told.silences == {"trees: timeout": 1}
    assert told.escalations["disagree: The readers do not agree or one is missing."] == 6
    assert told.budgets == {"cheques|payout||2026-01-01": (Decimal("1320.00"), 0)}


def test_what_was_learned_later_is_counted_apart(week: Desk) -> None:
    told = report(week.store, since=START)
    assert told.corrected == 1
    assert told.corrections[0].decision == "cheques/c1/5.0"
    assert told.flagged == [("cheques/c1", "A stop arrived after the payment.")]


def test_only_the_stretch_counts(week: Desk) -> None:
    first = report(week.store, since=START, until=START + 3 * SECOND)
    rest = report(week.store, since=START + 3 * SECOND)
    whole = report(week.store, since=START)
    assert first.entries and rest.entries
    assert first.entries + rest.entries == whole.entries
    assert first.events + rest.events == whole.events
    assert first.reviews_waiting is None  # what waits now says nothing of then
    assert report(week.store, since=START + 100 * DAY).entries == 0


def test_an_effect_that_began_before_the_stretch_is_known_by_its_arguments(week: Desk) -> None:
    """Only the check that ended the doubt lies in the stretch; the payment was decided before it."""
    told = report(week.store, since=START + 13 * SECOND, until=START + 15 * SECOND)
    assert told.actions["pay"].amounts == {("amount", "certificate"): Decimal("120.00")}


def test_a_doubt_that_lasts_is_open() -> None:
    at = desk()
    at.effects["perform:pay"] = lambda _: None
    at.effects["check:pay"] = lambda _: None
    at.hear("Presented", {"cheque": "c1", "box": BOX})
    at.hear("FundsReported", {"cheque": "c1", "available": "500.00"})
    told = report(at.store, since=START)
    assert (told.actions["pay"].doubts, told.doubts_open) == (1, 1)
    assert "still in doubt: 1 effect" in told.to_text()


def test_a_pause_and_a_quarantine_are_seen() -> None:
    at = desk()
    at.store.set_control(["action:cheques/pay"])
    at.hear("Presented", {"cheque": "c1", "box": BOX})
    at.hear("FundsReported", {"cheque": "c1", "available": "500.00"})
    told = report(at.store, since=START)
    assert told.actions["pay"].held == 1
    assert set(told.pauses) == {"action:cheques/pay"}


def test_another_automation_is_left_out(week: Desk) -> None:
    assert report(week.store, since=START, automation="refunds").entries == 0
    assert report(week.store, since=START, automation="cheques").entries == report(week.store, since=START).entries


def test_data_is_plain_json_and_text_names_the_sums(week: Desk) -> None:
    told = report(week.store, since=START)
    assert json.loads(json.dumps(told.to_data()))["actions"]["pay"]["amounts"]["amount"]["people"] == "840.00"
    assert "4 without a person, under a certificate: amount 480.00" in told.to_text()
