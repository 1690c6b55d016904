"""Messages between slots arrive exactly once and in order per pair of slots."""

from typing import Any

import pytest

from tests.conformance.building import ELSEWHERE, NEIGHBOUR, SLOT, ids, in_slot, internal, look, one_unit, record, turn

THIRD = in_slot(3)


def test_what_a_unit_sends_arrives_with_it(store: Any) -> None:
    units = one_unit(store, sends=[internal(ELSEWHERE, "a"), internal(THIRD, "b"), internal(ELSEWHERE, "c")])
    assert units.relayed == {2, 3}
    assert (ids(look(store, 2)), ids(look(store, 3))) == (["a", "c"], ["b"])
    assert store.ready(now=10).slots == {2, 3}


def test_a_unit_that_sends_nothing_relays_nothing(store: Any) -> None:
    assert one_unit(store, record()).relayed == frozenset()
    assert store.relay(SLOT, limit=10) == frozenset()


def test_a_message_to_its_own_slot_arrives_too(store: Any) -> None:
    assert one_unit(store, sends=[internal(NEIGHBOUR, "a")]).relayed == {SLOT}
    assert ids(look(store)) == ["a"]


def test_a_unit_that_fails_sends_nothing(store: Any) -> None:
    one_unit(store, record())
    with pytest.raises(Exception, match="first"):
        one_unit(store, record(), sends=[internal(ELSEWHERE, "a")])
    assert store.relay(SLOT, limit=10) == frozenset()
    assert look(store, 2) == []


def test_without_relaying_messages_wait_until_they_are_carried(store: Any) -> None:
    units = one_unit(store, sends=[internal(ELSEWHERE, str(number)) for number in range(5)], relay=False)
    assert units.relayed == frozenset()
    assert look(store, 2) == []
    assert store.relay(SLOT, limit=2) == {2}
    assert ids(look(store, 2)) == ["0", "1"]
    assert store.relay(SLOT, limit=10) == {2}
    assert store.relay(SLOT, limit=10) == frozenset()
    assert ids(look(store, 2)) == ["0", "1", "2", "3", "4"]


def test_what_was_sent_earlier_arrives_earlier(store: Any) -> None:
    one_unit(store, sends=[internal(ELSEWHERE, "early")], relay=False)
    one_unit(store, sends=[internal(ELSEWHERE, "late")])
    assert ids(look(store, 2)) == ["early", "late"]


def test_many_units_send_at_once_in_order_per_pair(store: Any) -> None:
    for round_ in range(3):
        with store.units([0, 1, 5], worker="w", now=10, relay=round_ != 1) as units:
            for unit in units:
                unit.commit(turn(unit, sends=[internal(in_slot(6), f"{unit.slot}.{round_}{part}") for part in "ab"]))
    names = ids(look(store, 6))
    for slot in (0, 1, 5):
        wanted = [f"{slot}.{round_}{part}" for round_ in range(3) for part in "ab"]
        assert [name for name in names if name[0] == str(slot)] == wanted


def test_equal_messages_from_two_slots_both_arrive(store: Any) -> None:
    one_unit(store, sends=[internal(THIRD, "a")])
    one_unit(store, slot=2, sends=[internal(THIRD, "a")])
    assert ids(look(store, 3)) == ["a", "a"]


def test_delivery_repeated_after_a_crash_delivers_once(lasting_factory: Any) -> None:
    class Crash(Exception):
        pass

    armed = False

    def crash(place: str) -> None:
        if armed and place == "after COMMIT":
            raise Crash

    store = lasting_factory(faults=crash)
    one_unit(store, sends=[internal(ELSEWHERE, "a"), internal(ELSEWHERE, "b")], relay=False)
    armed = True
    with pytest.raises(Crash):
        store.relay(SLOT, limit=1)
    store.close()
    again = lasting_factory()
    assert again.relay(SLOT, limit=10) == {2}
    assert ids(look(again, 2)) == ["a", "b"]
