"""A unit is all or nothing on one slot, and the first to commit wins."""

import hashlib
from typing import Any

import pytest

from interlock.ports import Accepted, Duplicate, Quarantined, Writes
from interlock.vocabulary.entry import GENESIS
from interlock.vocabulary.errors import InterlockBug, StoreConflict
from tests.conformance.building import (
    BESIDE,
    CASE,
    ELSEWHERE,
    NEIGHBOUR,
    SLOT,
    command,
    event,
    everything,
    ids,
    in_slot,
    look,
    one_unit,
    record,
    turn,
)


class Broken(Exception):
    """What a test raises inside a unit."""


def test_a_new_slot_is_empty(store: Any) -> None:
    with store.units([SLOT], worker="w", now=10) as (unit,):
        assert (unit.slot, unit.lsn, unit.head, unit.now, unit.solo) == (SLOT, 0, GENESIS, 10, False)
        assert unit.messages(10) == []
        assert unit.cases([CASE]) == {}
        assert unit.commands(now=10, full=frozenset(), limit=10) == []


def test_a_committed_unit_is_there_for_all_to_see(store: Any) -> None:
    store.accept([event(), event(NEIGHBOUR)], now=10)
    waiting = look(store)
    one_unit(store, record(), record(NEIGHBOUR), consumed=waiting)
    assert look(store) == []
    assert store.case(CASE) == record()
    assert (store.newest(CASE), store.newest(NEIGHBOUR)) == (1, 2)
    with store.units([SLOT], worker="w", now=10) as (unit,):
        assert unit.cases([CASE, NEIGHBOUR, ELSEWHERE]) == {CASE: (record(), 1), NEIGHBOUR: (record(NEIGHBOUR), 2)}


def test_nothing_is_written_before_the_end_of_the_context(lasting_factory: Any) -> None:
    store, other = lasting_factory(), lasting_factory()
    with store.units([SLOT], worker="w", now=10) as (unit,):
        unit.commit(turn(unit, record()))
        assert other.case(CASE) is None
    assert other.case(CASE) == record()


def test_a_unit_that_was_not_committed_leaves_nothing(store: Any) -> None:
    store.accept([event()], now=10)
    before = everything(store)
    with store.units([SLOT, BESIDE], worker="w", now=99) as (unit, _):
        assert unit.messages(10)
    assert everything(store) == before


def test_the_committed_units_of_a_transaction_count_without_the_others(store: Any) -> None:
    with store.units([SLOT, BESIDE], worker="w", now=10) as (_, second):
        second.commit(turn(second, record(in_slot(BESIDE))))
    assert {slot: lsn for slot, (lsn, _) in store.heads().items() if lsn} == {BESIDE: 1}


def test_an_exception_in_the_context_leaves_nothing_of_any_unit(store: Any) -> None:
    store.accept([event(), event(in_slot(BESIDE))], now=10)
    before = everything(store)

    def fail() -> None:
        with store.units([SLOT, BESIDE], worker="w", now=10) as units:
            for unit, case in zip(units, (CASE, in_slot(BESIDE)), strict=True):
                unit.commit(turn(unit, record(case), consumed=unit.messages(10), commands_put=[command(case=case)]))
            raise Broken

    with pytest.raises(Broken):
        fail()
    assert everything(store) == before


def test_many_slots_commit_together(store: Any) -> None:
    cases = {slot: in_slot(slot) for slot in range(8)}
    missing = set(cases)
    while missing:  # What is in other databases is left out, and comes with the next call.
        with store.units(sorted(missing), worker="w", now=10) as units:
            for unit in units:
                unit.commit(turn(unit, record(cases[unit.slot])))
        assert len(units) > 1
        missing -= {unit.slot for unit in units}
    assert all(store.case(case) == record(case) for case in cases.values())


def test_a_slot_named_twice_is_one_unit(store: Any) -> None:
    with store.units([SLOT, BESIDE, SLOT], worker="w", now=10) as units:
        assert [unit.slot for unit in units] == [SLOT, BESIDE]


def test_a_slot_that_does_not_exist_is_a_bug(store: Any) -> None:
    with pytest.raises(InterlockBug, match="slot 8"), store.units([8], worker="w", now=10):
        pass


def test_the_slots_now_never_decreases(store: Any) -> None:
    one_unit(store, record(), now=1_000)
    with store.units([SLOT, BESIDE], worker="w", now=10) as (unit, other):
        assert (unit.now, other.now) == (1_000, 10)
        unit.commit(turn(unit, record(version=2), before=1))
    with store.units([SLOT], worker="w", now=2_000) as (unit,):
        assert unit.now == 2_000


def test_the_epoch_counts_units_that_wrote(store: Any) -> None:
    epochs: list[int] = []
    for version in (1, 2, 3):
        with store.units([SLOT], worker="w", now=10) as (unit,):
            epochs.append(unit.epoch)
            unit.commit(turn(unit, record(version=version), before=version - 1 or None))
    assert epochs == sorted(set(epochs))


# --- compare and set


def test_a_case_that_exists_cannot_be_made_again(store: Any) -> None:
    one_unit(store, record())
    before = everything(store)
    with pytest.raises(StoreConflict, match=r"cheques/"):
        one_unit(store, record(status="other"), commands_put=[command()])
    assert everything(store) == before


@pytest.mark.parametrize("stale", [0, 1, 3])
def test_a_case_of_another_version_is_not_overwritten(store: Any, stale: int) -> None:
    one_unit(store, record())
    one_unit(store, record(version=2), before=1)
    before = everything(store)
    with pytest.raises(StoreConflict):
        one_unit(store, record(version=4), before=stale)
    assert everything(store) == before


def test_a_conflict_on_one_slot_leaves_nothing_on_the_others(store: Any) -> None:
    one_unit(store, record())
    before = everything(store)

    def lose() -> None:
        with store.units([SLOT, BESIDE], worker="w", now=10) as (first, second):
            second.commit(turn(second, record(in_slot(BESIDE))))
            first.commit(turn(first, record(version=5), before=4))

    with pytest.raises(StoreConflict):
        lose()
    assert everything(store) == before


def test_a_message_cannot_be_consumed_twice(store: Any) -> None:
    store.accept([event()], now=10)
    waiting = look(store)
    one_unit(store, record(), consumed=waiting)
    with pytest.raises(StoreConflict):
        one_unit(store, record(version=2), before=1, consumed=waiting)
    assert store.case(CASE) == record()


# --- misuse is a bug, not damage


def test_a_unit_commits_once(store: Any) -> None:
    def twice() -> None:
        with store.units([SLOT], worker="w", now=10) as (unit,):
            unit.commit(turn(unit, record()))
            unit.commit(turn(unit, record()))

    with pytest.raises(InterlockBug, match="twice"):
        twice()
    assert store.case(CASE) is None


def test_entries_must_continue_the_chain(store: Any) -> None:
    def skip(change: Any) -> None:
        with store.units([SLOT], worker="w", now=10) as (unit,):
            writes = turn(unit, record(), record(NEIGHBOUR))
            change(writes)
            unit.commit(writes)

    for change in (
        lambda writes: writes.entries.pop(0),
        lambda writes: writes.entries.reverse(),
        lambda writes: setattr(writes, "head", b"\x01" * 32),
        lambda writes: setattr(writes, "lsn", 7),
    ):
        with pytest.raises(InterlockBug):
            skip(change)
        assert store.heads()[SLOT] == (0, GENESIS)


def test_a_case_of_another_slot_is_refused(store: Any) -> None:
    with pytest.raises(InterlockBug, match="does not belong"):
        one_unit(store, record(ELSEWHERE))


def test_writing_beside_an_open_unit_is_refused(store: Any) -> None:
    def nested() -> None:
        with store.units([SLOT], worker="w", now=10):
            store.accept([event()], now=10)

    with pytest.raises(InterlockBug, match="inside"):
        nested()
    assert look(store) == []


# --- the ledger


def test_the_ledger_is_gapless_chained_and_byte_for_byte_what_was_handed_in(store: Any) -> None:
    handed: list[bytes] = []
    for version in range(1, 6):
        with store.units([SLOT], worker="w", now=version) as (unit,):
            writes = turn(unit, record(version=version), before=version - 1 or None)
            handed += [body for _, body, _ in writes.entries]
            unit.commit(writes)
    rows = store.ledger(SLOT, after=0, limit=100)
    assert [entry.lsn for entry, _, _ in rows] == [1, 2, 3, 4, 5]
    assert [body for _, body, _ in rows] == handed
    head = GENESIS
    for _, body, hash_ in rows:
        head = hashlib.sha256(head + body).digest()
        assert hash_ == head
    assert store.heads()[SLOT] == (5, head)


def test_the_ledger_is_read_in_pages(store: Any) -> None:
    one_unit(store, *(record(in_slot(SLOT, ordinal)) for ordinal in range(5)))
    assert [entry.lsn for entry, _, _ in store.ledger(SLOT, after=1, limit=3)] == [2, 3, 4]
    assert store.ledger(SLOT, after=5, limit=3) == []
    assert store.entry(SLOT, 4).key == in_slot(SLOT, 3).key
    assert store.entry(SLOT, 6) is None
    assert store.entry(2, 1) is None


def test_a_unit_without_entries_keeps_the_head(store: Any) -> None:
    one_unit(store, record())
    head = store.heads()[SLOT]
    with store.units([SLOT], worker="w", now=10) as (unit,):
        unit.commit(Writes(now=unit.now, commands_put=[command()]))
    assert store.heads()[SLOT] == head
    assert len(store.open_commands()) == 1


# --- putting messages back and aside


def test_requeued_goes_behind_and_retried_before_what_waits(store: Any) -> None:
    store.accept([event(id="a"), event(id="b")], now=10)
    one_unit(store, requeued=[event(id="late")], retried=[event(id="first"), event(id="second")])
    assert ids(look(store)) == ["first", "second", "a", "b", "late"]


def test_retried_into_an_empty_inbox(store: Any) -> None:
    one_unit(store, retried=[event(id="first"), event(id="second")], requeued=[event(id="late")])
    assert ids(look(store)) == ["first", "second", "late"]


def test_a_message_set_aside_is_kept_whole(store: Any) -> None:
    store.accept([event()], now=10)
    aside = Quarantined("q1", CASE, event(), "the reducer raised", 10, blocks=True)
    one_unit(store, record(blocked="q1"), consumed=look(store), quarantined=[aside])
    assert store.quarantine() == [aside]
    one_unit(store, record(version=2), before=1, quarantine_drop=["q1"])
    assert store.quarantine() == []


def test_messages_of_a_blocked_case_wait_and_its_neighbours_do_not(store: Any) -> None:
    store.accept([event(id="poison"), event(id="behind"), event(NEIGHBOUR, "beside")], now=10)
    poison, *_ = look(store)
    one_unit(store, record(blocked="q1"), consumed=[poison])
    store.accept([event(id="later"), event(NEIGHBOUR, "beside2")], now=10)
    one_unit(store, requeued=[event(id="requeued")])
    assert ids(look(store)) == ["beside", "beside2"]
    assert store.backlog() == 5

    one_unit(store, record(version=2), before=1, retried=[event(id="poison")])
    assert ids(look(store)) == ["poison", "behind", "beside", "later", "beside2", "requeued"]


def test_a_slot_with_nothing_but_a_blocked_case_is_not_ready(store: Any) -> None:
    store.accept([event(id="poison"), event(id="behind")], now=10)
    poison, *_ = look(store)
    one_unit(store, record(blocked="q1"), consumed=[poison])
    assert store.ready(now=10).slots == frozenset()
    one_unit(store, record(version=2), before=1)
    assert store.ready(now=10).slots == {SLOT}


def test_messages_taken_along_are_durable_with_the_units_which_do_not_see_them(lasting_factory: Any) -> None:
    store, other = lasting_factory(), lasting_factory()
    with store.units([SLOT], worker="w", now=10, accept=[event(), event(ELSEWHERE), event()]) as units:
        (unit,) = units
        assert unit.messages(10) == []
        unit.commit(turn(unit, record()))
        assert other.backlog() == 0
    assert units.receipts == [Accepted(SLOT), Accepted(2), Duplicate(SLOT)]
    assert ids(look(other)) == ["e1"]
    assert other.case(CASE) == record()
    assert other.backlog() == 2


def test_messages_are_taken_along_where_no_slot_is_claimed(store: Any) -> None:
    with store.units([], worker="w", now=10, accept=[event()]) as units:
        assert list(units) == []
    assert units.receipts == [Accepted(SLOT)]
    assert ids(look(store)) == ["e1"]


def test_what_fails_takes_nothing_along(store: Any) -> None:
    def broken() -> None:
        with store.units([SLOT], worker="w", now=10, accept=[event()]) as (unit,):
            unit.commit(turn(unit, record()))
            raise Broken

    with pytest.raises(Broken):
        broken()
    assert look(store) == []
    assert store.accept([event()], now=10) == [Accepted(SLOT)]
