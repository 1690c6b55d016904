"""Lists, and what may be read beside the writer."""

import random
from typing import Any

import pytest
from msgspec import structs

from interlock.ports import ReadySlots
from interlock.vocabulary.errors import NotFound
from interlock.vocabulary.ids import CaseId, slot_of
from tests.conformance.building import AUTOMATION, CASE, NEIGHBOUR, SLOT, event, one_unit, record, review, task
from tests.conformance.stores import N_SLOTS

CASES = [CaseId(automation, f"{number:02}") for number in range(12) for automation in (AUTOMATION, "refunds")]


def fill(store: Any) -> None:
    for number, case in enumerate(CASES):
        one_unit(store, record(case, status=("open", "closed", "paid")[number % 3]), slot=slot_of(case, N_SLOTS))


def pages(store: Any, automation: str | None, status: str | None, limit: int) -> list[CaseId]:
    found: list[CaseId] = []
    while True:
        page = store.cases(automation=automation, status=status, after=found[-1] if found else None, limit=limit)
        found += [record.case for record in page]
        if len(page) < limit:
            return found


@pytest.mark.parametrize("automation", [None, AUTOMATION, "unknown"])
def test_paging_gives_every_case_once_in_the_same_order(store: Any, automation: str | None) -> None:
    fill(store)
    statuses = dict(zip(CASES, ("open", "closed", "paid") * len(CASES), strict=False))
    for status in (None, "open", "paid", "unknown"):
        wanted = [case for case in CASES if automation in (None, case.automation) and status in (None, statuses[case])]
        for limit in (1, 5, 100):
            assert pages(store, automation, status, limit) == wanted  # In the order of creation.


def test_a_case_is_listed_in_the_status_it_has_now(store: Any) -> None:
    one_unit(store, record())
    one_unit(store, record(version=2, status="closed"), before=1)
    assert store.cases(automation=AUTOMATION, status="open", after=None, limit=10) == []
    assert store.cases(automation=AUTOMATION, status="closed", after=None, limit=10) == [
        record(version=2, status="closed")
    ]


def test_a_status_that_was_read_and_did_not_change_stays_listed(store: Any) -> None:
    one_unit(store, record())
    with store.units([SLOT], worker="w", now=10) as (unit,):
        unit.cases([CASE])
    one_unit(store, record(version=2), before=1)
    assert len(store.cases(automation=AUTOMATION, status="open", after=None, limit=10)) == 1


def test_paging_after_an_unknown_case_is_refused(store: Any) -> None:
    with pytest.raises(NotFound, match="cheques/none"):
        store.cases(automation=None, status=None, after=CaseId("cheques", "none"), limit=10)


def test_what_is_not_there(store: Any) -> None:
    assert store.case(CASE) is None
    assert store.newest(CASE) == 0
    assert store.ledger(SLOT, after=0, limit=10) == []
    assert store.ready(now=10) == ReadySlots(frozenset(), None)
    assert store.open_reviews(automation=None, group=None, limit=10) == []
    assert store.quarantine() == []
    assert set(store.heads()) == set(range(N_SLOTS))


def test_open_reviews_by_group_the_first_to_expire_first(store: Any) -> None:
    late = review("1.0", "tellers", "fraud", expires_at=900)
    soon = review("1.1", "tellers", expires_at=100)
    other = review("2.0", "fraud", expires_at=500)
    one_unit(store, reviews_put=[(CASE, late), (CASE, soon), (NEIGHBOUR, other)])

    def opened(group: str | None, automation: str | None = None, limit: int = 10) -> list[str]:
        return [found.id for _, found in store.open_reviews(automation=automation, group=group, limit=limit)]

    assert opened(None) == ["1.1", "2.0", "1.0"]
    assert opened("tellers") == ["1.1", "1.0"]
    assert opened("fraud", limit=1) == ["2.0"]
    assert opened("nobody") == opened("fraud", "refunds") == opened(None, "refunds") == []
    assert opened("fraud", AUTOMATION) == ["2.0", "1.0"]


def test_a_review_changes_groups_and_ends(store: Any) -> None:
    one_unit(store, reviews_put=[(CASE, review("1.0", "tellers", "fraud"))])
    changed = review("1.0", "fraud", expires_at=77)
    one_unit(store, reviews_put=[(CASE, changed)])
    assert store.open_reviews(automation=None, group="tellers", limit=10) == []
    assert store.open_reviews(automation=None, group="fraud", limit=10) == [(CASE, changed)]
    one_unit(store, reviews_drop=[(CASE, "1.0")])
    assert store.open_reviews(automation=None, group="fraud", limit=10) == []
    assert store.open_reviews(automation=None, group=None, limit=10) == []


def test_a_review_stands_in_the_lists_of_those_who_were_asked_instead(store: Any) -> None:
    handed = structs.replace(review("1.0", "tellers", "fraud"), handled={"tellers": ("seniors", "owners")})
    one_unit(store, reviews_put=[(CASE, handed)])
    for group, found in {"tellers": [], "fraud": [(CASE, handed)], "seniors": [(CASE, handed)]}.items():
        assert store.open_reviews(automation=None, group=group, limit=10) == found
    one_unit(store, reviews_drop=[(CASE, "1.0")])
    assert store.open_reviews(automation=None, group="owners", limit=10) == []


def test_sizes_are_bytes_per_table(store: Any) -> None:
    before = store.sizes()
    # Nothing that a store could make small.
    one_unit(store, record(state={"note": random.Random(1).randbytes(50_000).hex()}))
    after = store.sizes()
    assert after["cases"] - before["cases"] > 45_000  # in whole pages
    assert after["ledger"] >= before["ledger"] > 0


def test_reading_runs_beside_a_unit(lasting_factory: Any) -> None:
    store = lasting_factory()
    store.accept([event()], now=10)
    with store.units([SLOT], worker="w", now=10):
        assert store.ready(now=10).slots == {SLOT}
        assert store.backlog() == 1
        assert store.heads()[SLOT][0] == 0


def test_tasks_are_listed_the_longest_open_first(store: Any) -> None:
    one_unit(store, record(), tasks=[(CASE, (task("1.0", opened_at=30), task("2.0", "bank", opened_at=10)))])
    one_unit(store, record(NEIGHBOUR), tasks=[(NEIGHBOUR, (task("1.0", opened_at=20),))])

    def listed(automation: str | None = None, group: str | None = None, limit: int = 10) -> list[tuple[CaseId, str]]:
        found = store.open_tasks(automation=automation, group=group, limit=limit)
        return [(case, one.id) for case, one in found]

    assert listed() == [(CASE, "2.0"), (NEIGHBOUR, "1.0"), (CASE, "1.0")]
    assert listed(limit=1) == [(CASE, "2.0")]
    assert listed(group="operations") == [(NEIGHBOUR, "1.0"), (CASE, "1.0")]
    assert listed(automation="unknown") == []


def test_the_tasks_of_a_case_are_those_it_was_last_said_to_have(store: Any) -> None:
    one_unit(store, record(), tasks=[(CASE, (task("1.0"), task("2.0")))])
    one_unit(store, record(version=2), before=1)
    assert len(store.open_tasks(automation=None, group=None, limit=10)) == 2
    one_unit(store, record(version=3), before=2, tasks=[(CASE, (task("2.0", "bank"),))])
    assert store.open_tasks(automation=None, group=None, limit=10) == [(CASE, task("2.0", "bank"))]
    one_unit(store, record(version=4), before=3, tasks=[(CASE, ())])
    assert store.open_tasks(automation=None, group=None, limit=10) == []
