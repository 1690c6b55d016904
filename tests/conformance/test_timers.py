"""Timers are durable, and come as messages when they are due."""

from typing import Any

from interlock.ports import ReadySlots, TimerRow
from interlock.vocabulary.events import TimerBody, WakeBody
from interlock.vocabulary.ids import CaseId
from tests.conformance.building import CASE, NEIGHBOUR, SLOT, event, ids, look, one_unit, record


def timer(due: int, *, case: CaseId = CASE, kind: str = "timer", name: str = "Remind", generation: int = 1) -> TimerRow:
    return TimerRow(case, kind, name, due, generation, {"amount": "12.00"} if kind == "timer" else {})


def test_a_timer_is_a_message_from_the_interlock_once_it_is_due(store: Any) -> None:
    one_unit(store, timers_put=[timer(100, generation=3)])
    assert look(store, now=99) == []
    (due,) = look(store, now=120)
    message = due.envelope
    assert (message.case, message.id, message.source, message.principal) == (
        CASE,
        "Remind#3",
        "interlock.timer",
        "interlock",
    )
    assert (message.occurred_at, message.received_at) == (100, 120)
    assert message.body == TimerBody("Remind", 3, {"amount": "12.00"})
    assert (due.arrival, due.timer) == (None, ("timer", "Remind", "3"))


def test_a_deadline_of_the_kernel_wakes_with_what_it_is_about(store: Any) -> None:
    one_unit(store, timers_put=[timer(100, kind="review", name="4.0", generation=2)])
    (due,) = look(store, now=100)
    assert due.envelope.body == WakeBody("review", "4.0", 2)
    assert due.timer == ("review", "4.0", "2")


def test_messages_come_before_timers_and_timers_by_due(store: Any) -> None:
    one_unit(store, timers_put=[timer(5, name="b"), timer(4, name="c"), timer(5, name="a", case=NEIGHBOUR)])
    store.accept([event()], now=10)
    assert sorted(ids(look(store))[2:]) == ["a#1", "b#1"]
    assert ids(look(store))[:2] == ["e1", "c#1"]
    with store.units([SLOT], worker="w", now=10) as (unit,):
        assert ids(unit.messages(2)) == ["e1", "c#1"]


def test_setting_a_timer_again_replaces_it(store: Any) -> None:
    one_unit(store, timers_put=[timer(100)])
    one_unit(store, timers_put=[timer(200, generation=2)])
    assert look(store, now=199) == []
    assert ids(look(store, now=200)) == ["Remind#2"]


def test_a_turn_may_drop_a_timer_and_set_it_again(store: Any) -> None:
    one_unit(store, timers_put=[timer(100)])
    one_unit(store, timers_drop=[(CASE, "timer", "Remind")], timers_put=[timer(300, generation=2)])
    assert store.ready(now=10) == ReadySlots(frozenset(), 300)


def test_a_dropped_timer_never_comes(store: Any) -> None:
    one_unit(store, timers_put=[timer(100), timer(100, kind="budget")])
    one_unit(store, timers_drop=[(CASE, "timer", "Remind"), (CASE, "timer", "NeverSet")])
    assert [due.timer for due in look(store, now=100)] == [("budget", "Remind", "1")]


def test_a_timer_stays_until_it_is_dropped(store: Any) -> None:
    one_unit(store, timers_put=[timer(100)])
    assert look(store, now=100) == look(store, now=100) != []
    one_unit(store, now=100, timers_drop=[(CASE, "timer", "Remind")])
    assert look(store, now=10**9) == []


def test_ready_says_when_the_next_timer_is_due(store: Any) -> None:
    assert store.ready(now=10) == ReadySlots(frozenset(), None)
    one_unit(store, timers_put=[timer(100), timer(50, name="Earlier")])
    one_unit(store, slot=2, timers_put=[])
    assert store.ready(now=10) == ReadySlots(frozenset(), 50)
    assert store.ready(now=50).slots == {SLOT}
    one_unit(store, timers_drop=[(CASE, "timer", "Earlier")])
    assert store.ready(now=50) == ReadySlots(frozenset(), 100)


def test_timers_of_a_blocked_case_wait_and_do_not_keep_the_slot_ready(store: Any) -> None:
    one_unit(store, record(), record(NEIGHBOUR), timers_put=[timer(20), timer(90, case=NEIGHBOUR)])
    one_unit(store, record(version=2, blocked="q1"), before=1)
    assert look(store, now=50) == []
    assert store.ready(now=50) == ReadySlots(frozenset(), 90)
    assert [due.envelope.case for due in look(store, now=90)] == [NEIGHBOUR]
    one_unit(store, record(version=3), before=2)
    assert store.ready(now=50).slots == {SLOT}
    assert [due.envelope.case for due in look(store, now=50)] == [CASE]
