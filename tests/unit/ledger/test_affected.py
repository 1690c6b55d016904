"""How many recorded decisions a change of policy would have touched, and how much money."""

from __future__ import annotations

from decimal import Decimal

import pytest

from interlock.ledger import affected
from interlock.ledger.recorded import Recorded, Releases
from interlock.policy import Policy, load
from tests.unit.ledger.driving import SECOND, START, Desk, a_week_of_cheques, desk


@pytest.fixture(scope="module")
def week() -> Desk:
    return a_week_of_cheques(desk())


def live(week: Desk) -> Policy:
    release = next(
        release for _, release in ((id_, Releases(week.store).get(id_)) for id_, *_ in week.store.releases())
    )
    assert isinstance(release, Recorded)
    return release.policy


def other(policy: Policy, *pairs: tuple[str, str]) -> Policy:
    text = policy.source
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return load(text, schema=policy.schema, fallbacks=("ask_again",))


def test_the_same_policy_touches_nothing_and_every_decision_is_counted(week: Desk) -> None:
    found = affected(week.store, live(week), live(week), since=START)
    assert found.decisions > 10
    assert found.same == found.decisions and not found.changed and not found.not_judged


def test_what_changes_is_counted_by_class_with_its_money(week: Desk) -> None:
    stricter = other(live(week), ("has(proposal.score)", "has(proposal.score) && proposal.amount < 100"))
    found = affected(week.store, live(week), stricter, since=START)
    ((class_, touched),) = found.changed.items()
    assert class_ == ("pay", "allow", "escalate", True)
    assert touched.count == len(touched.examples) and touched.count > 0
    assert touched.amounts == {"amount": Decimal("120.00") * touched.count}
    assert found.same + touched.count == found.decisions
    later = affected(week.store, live(week), stricter, since=START + 1_000 * SECOND)
    assert later.decisions < found.decisions


def test_what_was_not_recorded_is_not_guessed(week: Desk) -> None:
    asks_more = other(live(week), ("has(proposal.score)", 'has(proposal.score) && breaker.pay == "closed"'))
    assert "breaker.pay" not in live(week).inputs("pay")
    found = affected(week.store, live(week), asks_more, since=START)
    assert found.not_judged["breaker.pay was not recorded"] > 0
    assert found.same + sum(one.count for one in found.changed.values()) + found.not_judged.total() == found.decisions
