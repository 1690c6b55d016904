"""A case's history, and its state as of any moment of it."""

from __future__ import annotations

import pytest

from interlock.ledger import history
from interlock.vocabulary.errors import NotFound
from interlock.vocabulary.ids import BUDGETS, CaseId
from tests.unit.ledger.driving import DAY, SECOND, START, Desk, a_week_of_cheques, desk

C1 = CaseId("cheques", "c1")


@pytest.fixture(scope="module")
def week() -> Desk:
    return a_week_of_cheques(desk())


def test_entries_are_told_oldest_first_and_in_words(week: Desk) -> None:
    told = history(week.store, C1)
    assert [moment.entry.version for moment in told.moments] == list(range(1, 9))
    assert told.moments[2].line == "svm answers ReadAmount: {amount 120.00} (score 0.98)"
    assert told.moments[3].then == ("cheques/c1/4.0: pay (amount 120.00) allowed, waiting for its budget by pay_small",)
    assert told.moments[5].then == ("pay (4.0) started, attempt 1",)
    assert told.moments[6].line == "pay (4.0), attempt 1: it took effect: {id tx-1}"
    assert told.moments[6].then == ("pay (4.0) is settled: it took effect", "status presented -> paid")


def test_the_newest_state_is_the_stored_record(week: Desk) -> None:
    for record in week.store.cases(automation=None, status=None, after=None, limit=100):
        told = history(week.store, record.case)
        assert told.newest
        assert told.record == record


def test_state_as_of_a_moment_knows_nothing_of_what_came_later(week: Desk) -> None:
    then = history(week.store, C1, at=START + SECOND)
    assert (then.record.version, then.record.status, then.record.state["funds"]) == (1, "presented", None)
    assert not then.newest
    by_version = history(week.store, C1, version=6)
    assert by_version.record.effects["4.0"].status == "started"
    assert "pay (amount 120.00) is started" in by_version.to_text()


def test_a_late_fact_is_marked_as_late() -> None:
    at = desk()
    at.hear("Presented", {"cheque": "c1", "box": {"digest": "0" * 64, "media_type": "image/png"}})
    at.hear("StopPayment", {"cheque": "c1"}, occurred_at=START - DAY)
    assert "LATE" in history(at.store, C1).to_text()


def test_a_budget_account_is_a_case_like_any_other(week: Desk) -> None:
    account = CaseId(BUDGETS, "cheques|payout||2026-01-01")
    told = history(week.store, account)
    assert told.moments[0].line == "cheques/c1 asks for 12000, where 10000000 is the limit"
    assert told.record.state["spent"] == {"0": 132_000}
    assert history(week.store, account, version=1).record.state["held_sum"] == 12_000


def test_what_nobody_has_heard_of_is_not_found(week: Desk) -> None:
    with pytest.raises(NotFound, match="no case cheques/nobody"):
        history(week.store, CaseId("cheques", "nobody"))
    with pytest.raises(NotFound, match="Its first entry is of 2026-01-01 00:00:01 UTC"):
        history(week.store, C1, at=START - 1)


def test_data_holds_the_entries_whole(week: Desk) -> None:
    data = history(week.store, C1).to_data()
    assert data["moments"][0]["entry"]["cause"]["body"]["type"] == "Presented"
    assert data["record"]["status"] == "paid"
