"""A dead worker's commands are lost at once, and what it can have had in hand is tried alone."""

from typing import Any

import pytest

from interlock.ports import TimerRow, Writes
from interlock.vocabulary.errors import NotNow, StoreConflict
from interlock.vocabulary.limits import LEASE_TTL_MS
from tests.conformance.building import CASE, ELSEWHERE, SLOT, command, event, free, ids, look, one_unit, record

TTL = LEASE_TTL_MS * 1000


def with_a_dead_worker(store: Any, *, messages: int = 0, **writes: Any) -> None:
    """A worker joined, did something in SLOT, and died."""
    store.join("old", now=1)
    if messages:
        store.accept([event(id=f"e{number}") for number in range(messages)], now=10)
    if writes:
        one_unit(store, worker="old", **writes)
    store.declare_dead("old", now=20)


def is_solo(store: Any, slot: int = SLOT, now: int = 10) -> bool:
    with store.units([slot], worker="w", now=now) as (unit,):
        return unit.solo


def test_its_leases_are_lost_at_once_and_counted(store: Any) -> None:
    with_a_dead_worker(store, commands_put=[command()], leased={command().id: TTL})
    (lease,) = free(store, now=20)
    assert (lease.lost, lease.deaths) == (True, 1)
    assert store.ready(now=20).slots == {SLOT}


def test_the_leases_of_others_are_not(store: Any) -> None:
    store.join("living", now=1)
    one_unit(store, worker="living", commands_put=[command()], leased={command().id: TTL})
    with_a_dead_worker(store, messages=1)
    assert free(store, now=20) == []


def test_a_slot_without_anything_it_can_have_held_is_not_solo(store: Any) -> None:
    with_a_dead_worker(store, messages=1)
    assert [is_solo(store, slot) for slot in (1, 2)] == [True, False]


def test_in_solo_mode_the_messages_come_in_their_order(store: Any) -> None:
    with_a_dead_worker(store, messages=3)
    assert is_solo(store) and ids(look(store)) == ["e0", "e1", "e2"]


def test_an_attempt_is_counted_durably_before_it_is_made(store: Any) -> None:
    with_a_dead_worker(store, messages=2)
    due, _ = look(store)
    assert due.attempts == 0
    assert [store.attempt(SLOT, due.arrival, known) for known in range(3)] == [1, 2, 3]
    assert look(store)[0].attempts == 3


def test_attempts_survive_the_death_of_the_process(lasting_factory: Any) -> None:
    store = lasting_factory()
    with_a_dead_worker(store, messages=1)
    store.attempt(SLOT, look(store)[0].arrival, 0)
    store.close()
    assert look(lasting_factory())[0].attempts == 1


def test_an_attempt_at_a_message_that_was_consumed_is_a_conflict(store: Any) -> None:
    store.accept([event()], now=10)
    (due,) = look(store)
    one_unit(store, record(), consumed=[due])
    with pytest.raises(StoreConflict):
        store.attempt(SLOT, due.arrival, 0)


def test_solo_mode_ends_with_the_last_suspect(store: Any) -> None:
    with_a_dead_worker(store, messages=2)
    one_unit(store, record(), consumed=look(store)[:1])
    assert is_solo(store)
    one_unit(store, record(version=2), before=1, consumed=look(store))
    assert not is_solo(store)


def test_messages_that_came_after_the_death_are_no_suspects(store: Any) -> None:
    with_a_dead_worker(store, messages=1)
    store.accept([event(id="new1"), event(id="new2")], now=10)
    one_unit(store, record(), consumed=look(store)[:1])
    assert not is_solo(store)
    assert ids(look(store)) == ["new1", "new2"]


def test_solo_mode_lasts_while_a_lost_command_is_there(store: Any) -> None:
    with_a_dead_worker(store, commands_put=[command()], leased={command().id: TTL})
    assert is_solo(store)
    one_unit(store, commands_drop=[command().id])
    assert not is_solo(store)


def test_a_message_set_aside_ends_the_suspicion(store: Any) -> None:
    with_a_dead_worker(store, messages=2)
    one_unit(store, record(blocked="q1"), consumed=look(store))
    assert not is_solo(store)


def test_a_due_timer_can_have_been_in_hand_so_its_attempts_are_counted_too(store: Any) -> None:
    with_a_dead_worker(
        store, timers_put=[TimerRow(CASE, "timer", "Now", 15, 1), TimerRow(CASE, "timer", "Later", 90, 1)]
    )
    (due,) = look(store, now=20)
    assert (due.envelope.id, due.envelope.source, due.timer) == ("Now#1", "interlock.timer", None)
    assert store.attempt(SLOT, due.arrival, 0) == 1
    one_unit(store, record(), now=20, consumed=[due])
    assert not is_solo(store)
    assert [due.timer for due in look(store, now=90)] == [("timer", "Later", "1")]


def test_a_worker_that_leaves_gives_back_its_commands_and_nobody_is_suspected(store: Any) -> None:
    store.join("old", now=1)
    store.accept([event(), event(id="e2")], now=10)
    one_unit(store, worker="old", commands_put=[command()], leased={command().id: TTL})
    store.leave("old")
    store.join("new", now=20)
    (lease,) = free(store, now=20)
    assert (lease.lost, lease.deaths) == (True, 0)


def test_joining_under_the_name_of_a_dead_worker_buries_it(store: Any) -> None:
    with_a_dead_worker(store)
    store.join("old", now=1)
    one_unit(store, worker="old", commands_put=[command()], leased={command().id: TTL})
    store.join("old", now=20)
    assert [(lease.lost, lease.deaths) for lease in free(store, now=20)] == [(True, 1)]


def test_a_silent_worker_loses_its_leases_when_their_time_is_over(store: Any) -> None:
    store.join("w", now=1)
    one_unit(store, worker="w", commands_put=[command()], leased={command().id: TTL})
    store.beat("w", now=TTL - 1)
    assert free(store, now=TTL - 1) == []
    assert [lease.lost for lease in free(store, now=TTL)] == [True]


def test_the_living_are_listed(store: Any) -> None:
    assert store.workers() == []
    store.join("b", now=1)
    store.join("a", now=1)
    assert store.workers() == ["a", "b"]
    store.declare_dead("a", now=2)
    store.leave("b")
    assert store.workers() == []


# --- between processes


@pytest.mark.parametrize("notice", ["join", "beat"])
def test_a_death_is_noticed_by_the_next_join_or_beat(lasting_factory: Any, notice: str) -> None:
    watcher, dying = lasting_factory(), lasting_factory()
    watcher.join("watcher", now=1)
    dying.join("dying", now=1)
    watcher.accept([event(), event(id="e2")], now=10)
    one_unit(dying, worker="dying", commands_put=[command()], leased={command().id: TTL})
    watcher.beat("watcher", now=11)
    assert free(watcher, now=11) == []  # It lives.
    dying.close()  # As the end of its process would: it did not leave.
    if notice == "join":
        watcher.join("third", now=12)
    else:
        watcher.beat("watcher", now=12)
    assert [(lease.lost, lease.deaths) for lease in free(watcher, now=12)] == [(True, 1)]
    assert is_solo(watcher)
    watcher.beat("watcher", now=13)
    assert [lease.deaths for lease in free(watcher, now=13)] == [1]


def test_a_name_in_use_is_refused(lasting_factory: Any) -> None:
    first, second = lasting_factory(), lasting_factory()
    first.join("w", now=1)
    with pytest.raises(NotNow, match="'w'"):
        second.join("w", now=2)
    first.leave("w")
    second.join("w", now=3)


def test_a_stale_unit_of_the_dead_cannot_be_committed_over_the_living(lasting_factory: Any) -> None:
    old, new = lasting_factory(), lasting_factory()
    one_unit(old, record())
    one_unit(new, record(version=2), before=1)
    with pytest.raises(StoreConflict):
        one_unit(old, record(version=2, status="other"), before=1)
    with old.units([SLOT], worker="w", now=10) as (unit,):
        unit.commit(Writes(now=10))
    assert new.case(CASE) == record(version=2)


def test_a_look_at_the_workers_says_what_each_has_in_hand(store: Any) -> None:
    from interlock.ports import AtWork

    store.join("a", now=1)
    store.join("b", now=2)
    assert {one.name: one.hosts for one in store.condition().at_work} == {"a": {}, "b": {}}
    store.tell("a", {"cheques": "r2", "claims": "r7"})
    store.beat("a", now=30)
    mine = [command("1.0"), command("1.1", dependency="action:pay")]
    one_unit(store, worker="a", commands_put=mine, leased={one.id: TTL for one in mine})
    there = command("1.0", ELSEWHERE)
    one_unit(store, worker="a", slot=2, commands_put=[there, command("1.2", ELSEWHERE)], leased={there.id: TTL})
    first, second = store.condition().at_work
    assert (first.name, first.joined, first.alive, second.alive) == ("a", 1, True, True)
    assert first.hosts == {"cheques": "r2", "claims": "r7"}
    assert (first.calls, first.slots) == ({"action:pay": 1, "advisor:svm": 2}, (1, 2))
    assert second == AtWork("b", 2, 2, True)
    store.tell("a", {})
    store.leave("a")
    assert [one.name for one in store.condition().at_work] == ["b"]


def test_workers_that_live_say_what_they_host(store: Any) -> None:
    store.join("a", now=1)
    store.tell("a", {"cheques": "r2", "claims": "r7"})
    store.join("b", now=2)
    assert store.hosting() == {"a": {"cheques", "claims"}, "b": frozenset()}
    store.leave("a")
    assert store.hosting() == {"b": frozenset()}


def test_an_attempt_is_counted_by_one_of_those_who_set_out_at_once(store: Any) -> None:
    with_a_dead_worker(store, messages=1)
    (due,) = look(store)
    assert store.attempt(SLOT, due.arrival, due.attempts) == 1
    with pytest.raises(StoreConflict):
        store.attempt(SLOT, due.arrival, due.attempts)
    assert look(store)[0].attempts == 1
