"""What the door takes in it keeps, once."""

import hashlib
from typing import Any

import pytest

from interlock.ports import Accepted, Clash, Duplicate
from interlock.vocabulary.errors import Refused
from interlock.vocabulary.events import EventBody
from interlock.vocabulary.limits import PAYLOAD_BYTES_MAX
from tests.conformance.building import (
    CASE,
    ELSEWHERE,
    NEIGHBOUR,
    SLOT,
    event,
    ids,
    in_slot,
    internal,
    look,
    one_unit,
    record,
)


def test_a_new_message_is_accepted_into_the_slot_of_its_case(store: Any) -> None:
    assert store.accept([event()], now=10) == [Accepted(SLOT)]
    (due,) = look(store)
    assert due.envelope == event()
    assert (due.timer, due.attempts) == (None, 0)


def test_the_same_message_again_is_a_duplicate_and_adds_nothing(store: Any) -> None:
    store.accept([event()], now=10)
    assert store.accept([event()], now=20) == [Duplicate(SLOT)]
    assert ids(look(store)) == ["e1"]


def test_it_is_a_duplicate_after_it_was_consumed_as_well(store: Any) -> None:
    store.accept([event()], now=10)
    one_unit(store, record(), consumed=look(store))
    assert store.accept([event()], now=10**15) == [Duplicate(SLOT)]
    assert look(store) == []


def test_who_delivers_and_when_does_not_make_it_another_message(store: Any) -> None:
    store.accept([event()], now=10)
    assert store.accept([event(principal="someone else", received_at=99)], now=20) == [Duplicate(SLOT)]


@pytest.mark.parametrize("changes", [{"body": EventBody("presented", {"amount": "12.01"})}, {"occurred_at": 7}])
def test_the_same_id_with_other_content_is_a_clash_and_adds_nothing(store: Any, changes: dict[str, Any]) -> None:
    store.accept([event()], now=10)
    assert store.accept([event(**changes)], now=20) == [Clash(SLOT)]
    assert [due.envelope for due in look(store)] == [event()]


def test_an_event_type_is_part_of_the_content(store: Any) -> None:
    store.accept([event()], now=10)
    assert store.accept([event(body=EventBody("stopped", {"amount": "12.00"}))], now=20) == [Clash(SLOT)]


@pytest.mark.parametrize("other", [event(NEIGHBOUR), event(source="branch"), event(id="e2")])
def test_another_case_source_or_id_is_another_message(store: Any, other: Any) -> None:
    store.accept([event()], now=10)
    assert store.accept([other], now=10) == [Accepted(SLOT)]


def test_a_batch_is_judged_message_by_message_in_order(store: Any) -> None:
    batch = [event(), event(), event(occurred_at=8), event(ELSEWHERE), event(NEIGHBOUR)]
    assert store.accept(batch, now=10) == [Accepted(1), Duplicate(1), Clash(1), Accepted(2), Accepted(1)]
    assert [due.envelope.key for due in look(store)] == [CASE.key, NEIGHBOUR.key]


def test_messages_wait_in_the_order_of_arrival_whatever_the_clock_says(store: Any) -> None:
    for number, now in enumerate((500, 100, 300, 100)):
        store.accept([event(id=f"e{number}a"), event(id=f"e{number}b")], now=now)
    assert ids(look(store)) == ["e0a", "e0b", "e1a", "e1b", "e2a", "e2b", "e3a", "e3b"]


def test_an_empty_batch_is_accepted(store: Any) -> None:
    assert store.accept([], now=10) == []


def test_messages_of_the_interlock_itself_are_not_remembered(store: Any) -> None:
    assert store.accept([internal(CASE, "r1"), internal(CASE, "r1")], now=10) == [Accepted(SLOT), Accepted(SLOT)]


def test_a_unit_gets_as_many_messages_as_it_asks_for(store: Any) -> None:
    store.accept([event(id=f"e{number}") for number in range(5)], now=10)
    with store.units([SLOT], worker="w", now=10) as (unit,):
        assert ids(unit.messages(3)) == ["e0", "e1", "e2"]


def test_accepted_means_there_when_opened_again(lasting_factory: Any) -> None:
    lasting_factory().accept([event(), event(ELSEWHERE)], now=10)
    again = lasting_factory()
    assert ids(look(again)) == ["e1"]
    assert again.accept([event(), event(occurred_at=9)], now=20) == [Duplicate(SLOT), Clash(SLOT)]


def test_the_backlog_is_what_waits(store: Any) -> None:
    assert store.backlog() == 0
    store.accept([event(in_slot(slot)) for slot in range(8)], now=10)
    assert store.backlog() == 8
    one_unit(store, record(), consumed=look(store))
    assert store.backlog() == 7


def test_a_payload_is_stored_once_under_its_content(store: Any) -> None:
    with pytest.raises(Refused, match="at most"):
        store.put_payload(bytes(PAYLOAD_BYTES_MAX + 1), "image/png")
    digest = store.put_payload(b"\x00scan", "image/png")
    assert digest == hashlib.sha256(b"\x00scan").hexdigest()
    assert store.put_payload(b"\x00scan", "image/png") == digest
    assert store.payload(digest) == (b"\x00scan", "image/png")


@pytest.mark.parametrize("digest", ["0" * 64, "", "not a digest"])
def test_an_unknown_payload_is_none(store: Any, digest: str) -> None:
    assert store.payload(digest) is None


def test_hostile_keys_and_ids_are_just_text(store: Any) -> None:
    names = ["", "'; DROP TABLE seen --", "a/b", "\x00", "é", "e\u0301", "%", "😀"]
    batch = [event(id=name) for name in names]
    assert store.accept(batch, now=10) == [Accepted(SLOT)] * len(names)
    assert ids(look(store)) == names
    assert store.accept(batch, now=10) == [Duplicate(SLOT)] * len(names)
