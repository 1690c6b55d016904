"""An era of the ledger ends once, for every slot, and nothing is added to it afterwards."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest

from interlock.vocabulary.errors import StoreConflict
from interlock.vocabulary.ids import CaseId, slot_of
from tests.conformance.building import NEIGHBOUR, SLOT, one_unit, record, turn
from tests.conformance.stores import N_SLOTS

CASES = [CaseId("cheques", f"{number:02}") for number in range(24)]


def written(store: Any, slot: int) -> list[int]:
    return [entry.era for entry, _, _ in store.ledger(slot, after=0, limit=100)]


def test_a_new_ledger_is_in_its_first_era_in_every_slot(store: Any) -> None:
    assert store.eras() == dict.fromkeys(range(N_SLOTS), 1)


def test_what_is_written_after_the_end_of_an_era_belongs_to_the_next_in_every_slot(store: Any) -> None:
    for case in CASES:
        one_unit(store, record(case), slot=slot_of(case, N_SLOTS))
    assert store.finish_era() == 1
    assert store.eras() == dict.fromkeys(range(N_SLOTS), 2)
    for case in CASES:
        one_unit(store, record(case, version=2), before=1, slot=slot_of(case, N_SLOTS))
    assert store.finish_era() == 2
    for slot in range(N_SLOTS):
        eras = written(store, slot)
        assert eras == sorted(eras)
        assert eras.count(1) == eras.count(2) == sum(slot_of(case, N_SLOTS) == slot for case in CASES) > 0


def test_a_unit_that_holds_its_slot_ends_before_the_era_or_is_refused(lasting_factory: Any) -> None:
    """Whatever a store does with two at once, no entry of a finished era may come after its end was reported."""
    store, other = lasting_factory(), lasting_factory()
    ended: list[int] = []
    finishing = threading.Thread(target=lambda: ended.append(other.finish_era()))
    with suppress(StoreConflict), store.units([SLOT], worker="w", now=10) as (unit,):
        finishing.start()
        finishing.join(0.2)
        ended_first = bool(ended)
        unit.commit(turn(unit, record()))
    finishing.join(60)
    assert ended == [1]
    assert not (ended_first and written(other, SLOT))
    one_unit(store, record(NEIGHBOUR))
    assert written(other, SLOT)[-1] == 2


@pytest.mark.parametrize("times", [1, 3])
def test_eras_outlive_the_process(lasting_factory: Any, times: int) -> None:
    store = lasting_factory()
    for _ in range(times):
        store.finish_era()
    store.close()
    assert set(lasting_factory().eras().values()) == {times + 1}
