"""The end of a recovery, on a clock that is behind."""

from __future__ import annotations

from contextlib import closing

from interlock.runtime import restoring
from interlock.store.sqlite import open_sqlite
from tests.conformance.building import one_unit, record


def test_a_clock_that_is_behind_does_not_make_the_lost_time_end_before_what_the_store_has_seen() -> None:
    with closing(open_sqlite(":memory:", n_slots=4)) as store:
        one_unit(store, record())
        restoring.begin(store, "restored", principal="ann", now=5)
        newest = store.condition().newest
        assert newest > 1
        restoring.end(store, principal="ann", now=1)
        assert restoring.standing(store).forgotten_until == newest


def test_a_clock_that_is_right_ends_it_now() -> None:
    with closing(open_sqlite(":memory:", n_slots=4)) as store:
        one_unit(store, record())
        restoring.begin(store, "restored", principal="ann", now=5)
        restoring.end(store, principal="ann", now=10**15)
        assert restoring.standing(store).forgotten_until == 10**15
