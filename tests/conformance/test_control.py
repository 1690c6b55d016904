"""Pauses reach every slot at once; releases never change."""

from typing import Any

import pytest

from interlock.ports import Control
from interlock.vocabulary.errors import Conflict, StoreConflict
from tests.conformance.stores import N_SLOTS


def test_nothing_is_paused_at_first(store: Any) -> None:
    assert store.control() == Control(0, ())


def test_a_change_is_in_every_slot_when_the_call_returns(store: Any) -> None:
    control = store.set_control(["action:cheques/pay", "all"])
    assert control == store.control() == Control(1, ("action:cheques/pay", "all"))
    for slot in range(N_SLOTS):
        with store.units([slot], worker="w", now=10) as (unit,):
            assert unit.control == control


def test_every_change_has_its_generation(store: Any) -> None:
    assert [store.set_control(paused).generation for paused in (["all"], ["all"], [])] == [1, 2, 3]
    assert store.control() == Control(3, ())


def test_a_change_made_from_an_older_state_is_refused(store: Any) -> None:
    store.set_control(["all"], expected=0)
    with pytest.raises(StoreConflict):
        store.set_control([], expected=0)
    assert store.control() == Control(1, ("all",))


def test_control_lasts(lasting_factory: Any) -> None:
    lasting_factory().set_control(["all"])
    assert lasting_factory().control() == Control(1, ("all",))


def test_a_release_is_kept_whole_and_listed_by_age(store: Any) -> None:
    store.put_release("r2", "cheques", b'{"b":2}', now=20)
    store.put_release("r1", "cheques", b'{"a":1}', now=10)
    assert store.release("r1") == b'{"a":1}'
    assert store.release("unknown") is None
    assert store.releases() == [("r1", "cheques", 10), ("r2", "cheques", 20)]


def test_registering_a_release_again_changes_nothing(store: Any) -> None:
    store.put_release("r1", "cheques", b"{}", now=10)
    store.put_release("r1", "cheques", b"{}", now=99)
    assert store.releases() == [("r1", "cheques", 10)]


def test_a_release_never_changes(store: Any) -> None:
    store.put_release("r1", "cheques", b"{}", now=10)
    # The same id with other bytes: a comment, or the manifest layout, which the id leaves out. The first one stays.
    store.put_release("r1", "cheques", b"[]", now=20)
    assert store.release("r1") == b"{}"
    with pytest.raises(Conflict, match="r1"):
        store.put_release("r1", "refunds", b"{}", now=20)


def test_a_store_keeps_its_identity(lasting_factory: Any) -> None:
    assert lasting_factory().caps == lasting_factory().caps
    assert lasting_factory().caps.n_slots == N_SLOTS
