"""What a database holds for years: keys of personal data until they are destroyed, finished cases out of the way."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.ports import Writes
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.errors import StoreConflict
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.sealed import Seal, seal_id
from tests.conformance.building import CASE, ELSEWHERE, NEIGHBOUR, SLOT, in_slot, one_unit, record, turn


def seal(number: int, case: CaseId = CASE, slot: int = SLOT, *, made_at: int = 1) -> Seal:
    return Seal(seal_id(slot, number.to_bytes(8, "big")), case, bytes([number]) * 64, made_at)


# --- keys


def test_the_first_key_of_a_case_stays_its_key(store: Any) -> None:
    first, second = seal(1), seal(2)
    assert store.seals(CASE) == []
    assert store.put_seal(first, []) == first
    assert store.put_seal(second, []) == first
    assert store.seals(CASE) == [first]
    assert store.seal(first.id) == first
    assert store.seal(second.id) is None


def test_a_key_comes_with_the_unit_that_needs_it_or_not_at_all(store: Any) -> None:
    one_unit(store, record(), seals_put=[seal(1)])
    assert store.seals(CASE) == [seal(1)]
    with pytest.raises(StoreConflict), store.units([SLOT], worker="w", now=20) as (unit,):
        unit.commit(turn(unit, record(NEIGHBOUR, 2), before=1, seals_put=[seal(2, NEIGHBOUR)]))
    assert store.seals(NEIGHBOUR) == []


def test_a_destroyed_key_is_known_and_gone_and_another_may_follow(store: Any) -> None:
    store.put_seal(seal(1), ["ada"])
    one_unit(store, record(), now=50, seals_erase=[CASE])
    (left,) = store.seals(CASE)
    assert (left.id, left.secret, left.erased_at) == (seal(1).id, b"", 50)
    assert store.seal(left.id) == left
    assert store.cases_about("ada") == []
    assert store.put_seal(seal(2, made_at=60), []) == seal(2, made_at=60)
    assert [one.erased_at for one in store.seals(CASE)] == [50, 0]
    assert store.wipe([seal(1).secret]), "and nothing is left of it"


def test_persons_are_found_in_every_slot(store: Any) -> None:
    assert store.cases_about("ada") == []
    store.put_seal(seal(1), ["ada", "bob"])
    store.put_seal(seal(2, ELSEWHERE, 2), ["ada"])
    store.put_seal(seal(1), ["ada"])
    assert sorted(store.cases_about("ada")) == sorted([CASE, ELSEWHERE])
    assert store.cases_about("bob") == [CASE]
    assert store.cases_about("Ada") == []


def test_keys_may_be_read_within_a_unit(store: Any) -> None:
    store.put_seal(seal(1), [])
    with store.units([SLOT], worker="w", now=10) as (unit,):
        assert store.seals(CASE) == [seal(1)]
        unit.commit(turn(unit, record()))


# --- finished cases


def put_away(store: Any, *cases: CaseId, slot: int = SLOT) -> None:
    with store.units([slot], worker="w", now=20) as (unit,):
        unit.cases(cases)
        unit.commit(Writes(now=unit.now, head=unit.head, lsn=unit.lsn, archived=list(cases)))


def brought_back(store: Any, after: CaseRecord, *, before: int) -> None:
    with store.units([SLOT], worker="w", now=30) as (unit,):
        unit.cases([after.case])
        unit.commit(turn(unit, after, before=before))


def listed(store: Any, **what: Any) -> list[CaseRecord]:
    return store.cases(**{"automation": None, "status": None, "after": None, "limit": 10} | what)


def test_a_case_that_was_put_away_is_read_and_not_listed(store: Any) -> None:
    third = in_slot(SLOT, 2)
    one_unit(store, record(), record(NEIGHBOUR), record(third))
    (first, *_) = store.finished("cheques", "open", after=0, limit=10)
    assert (first.case, first.slot) == (CASE, SLOT)
    put_away(store, NEIGHBOUR)
    assert listed(store) == listed(store, status="open", automation="cheques") == [record(), record(third)]
    assert store.case(NEIGHBOUR) == record(NEIGHBOUR)
    assert store.newest(NEIGHBOUR) == 2
    ((_, away),) = store.archived("cheques", after=0, limit=10)
    assert away == record(NEIGHBOUR)
    assert [one.case for one in store.finished("cheques", "open", after=0, limit=10)] == [CASE, third]
    assert listed(store, after=NEIGHBOUR) == [record(third)], "a list goes on behind a case that was put away meanwhile"


def test_a_unit_finds_it_and_brings_it_back(store: Any) -> None:
    one_unit(store, record())
    put_away(store, CASE)
    with store.units([SLOT], worker="w", now=30) as (unit,):
        assert unit.cases([CASE]) == {CASE: (record(), 1)}
    assert listed(store) == [], "looking does not move it"
    brought_back(store, record(version=2, status="again"), before=1)
    assert listed(store, status="again") == [record(version=2, status="again")]
    assert store.archived("cheques", after=0, limit=10) == []
    assert store.newest(CASE) == 2
    put_away(store, CASE)
    assert store.case(CASE) == record(version=2, status="again")


def test_a_unit_that_fails_leaves_it_where_it_was(store: Any) -> None:
    one_unit(store, record())
    put_away(store, CASE)
    with pytest.raises(StoreConflict):
        brought_back(store, record(version=3), before=2)
    assert listed(store) == []
    assert store.case(CASE) == record()
    with pytest.raises(StoreConflict):
        put_away(store, CASE)


def test_what_is_put_away_is_seen_by_whoever_holds_the_slot_next(store: Any) -> None:
    one_unit(store, record())
    with store.units([SLOT], worker="w", now=30) as (unit,):
        before = unit.epoch
    put_away(store, CASE)
    with store.units([SLOT], worker="w", now=30) as (unit,):
        assert unit.epoch > before, "records that a worker remembers are forgotten"
