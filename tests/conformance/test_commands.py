"""A command exists if and only if its unit committed, and is in one worker's hands at a time."""

from typing import Any

import pytest

from interlock.ports import ReadySlots, Writes
from interlock.vocabulary.action import Command
from interlock.vocabulary.errors import InterlockBug, StoreConflict
from interlock.vocabulary.ids import CaseId
from tests.conformance.building import CASE, ELSEWHERE, NEIGHBOUR, SLOT, command, free, one_unit, record, turn

NOBODY: frozenset[str] = frozenset()


def state(store: Any) -> dict[str, tuple[int, bool, int]]:
    return {lease.command.id: (lease.token, lease.lost, lease.deaths) for lease in store.open_commands()}


def write(store: Any, *, slot: int = SLOT, worker: str = "w", now: int = 10, **writes: Any) -> None:
    with store.units([slot], worker=worker, now=now) as (unit,):
        unit.commit(Writes(now=now, **writes))


def test_a_command_is_offered_once_it_is_due(store: Any) -> None:
    write(store, commands_put=[command(due=100)])
    assert free(store, now=99) == []
    (lease,) = free(store, now=100)
    assert (lease.command, lease.slot, lease.lost, lease.deaths) == (command(due=100), SLOT, False, 0)
    assert store.ready(now=99) == ReadySlots(frozenset(), 100)
    assert store.ready(now=100).slots == {SLOT}


def test_a_command_of_a_unit_that_failed_does_not_exist(store: Any) -> None:
    with pytest.raises(StoreConflict):
        one_unit(store, record(), before=7, commands_put=[command()])
    assert store.open_commands() == []


def test_the_longest_due_come_first_and_no_more_than_asked_for(store: Any) -> None:
    write(store, commands_put=[command(f"1.{number}", due=9 - number) for number in range(5)])
    assert [lease.command.due for lease in free(store, limit=3)] == [5, 6, 7]


def test_commands_of_full_dependencies_are_left_out_and_do_not_use_up_the_limit(store: Any) -> None:
    write(
        store,
        commands_put=[command("1.0", due=1), command("1.1", due=2), command("1.2", due=3, dependency="action:pay")],
    )
    full = frozenset({"advisor:svm"})
    assert [lease.command.id for lease in free(store, full=full, limit=1)] == [f"{CASE}/1.2"]
    assert store.ready(now=10, full=full).slots == {SLOT}
    assert store.ready(now=10, full=full | {"action:pay"}) == ReadySlots(frozenset(), None)


def test_a_leased_command_is_nobody_elses(store: Any) -> None:
    write(store, commands_put=[command()])
    write(store, leased={command().id: 500})
    assert free(store, now=499) == []
    assert store.ready(now=499) == ReadySlots(frozenset(), 500)


def test_a_command_may_be_leased_by_the_unit_that_puts_it(store: Any) -> None:
    write(store, commands_put=[command()], leased={command().id: 500})
    assert free(store, now=499) == []
    assert state(store) == {command().id: (1, False, 0)}


def test_the_token_grows_with_every_lease_and_is_told_in_advance(store: Any) -> None:
    write(store, commands_put=[command()])
    tokens: list[int] = []
    for until in (20, 30, 40):
        (offer,) = free(store, now=until)
        write(store, leased={command().id: until})
        assert state(store)[command().id][0] == offer.token
        tokens.append(offer.token)
    assert tokens == [1, 2, 3]


def test_a_lease_that_ran_out_is_lost_and_counted_once(store: Any) -> None:
    write(store, commands_put=[command()], leased={command().id: 500})
    for _ in range(2):  # Looking is not noticing: only a unit that commits counts it.
        (lease,) = free(store, now=500)
        assert (lease.lost, lease.deaths) == (True, 1)
    assert state(store) == {command().id: (1, False, 0)}
    with store.units([SLOT], worker="w", now=500) as (unit,):
        unit.commands(now=500, full=NOBODY, limit=10)
        unit.commit(Writes(now=500))
    for _ in range(2):
        (lease,) = free(store, now=501)
        assert (lease.lost, lease.deaths) == (True, 1)
    assert store.ready(now=501).slots == {SLOT}


def test_a_lost_command_can_be_taken_again_and_lost_again(store: Any) -> None:
    write(store, commands_put=[command()], leased={command().id: 20})
    for death, until in ((1, 30), (2, 40), (3, 50)):
        with store.units([SLOT], worker="w", now=until) as (unit,):
            (lease,) = unit.commands(now=until, full=NOBODY, limit=10)
            assert (lease.lost, lease.deaths) == (True, death)
            unit.commit(Writes(now=until, leased={lease.command.id: until + 10}))
        assert free(store, now=until + 9) == []


def test_put_again_it_is_ready_again_and_remembers_its_deaths(store: Any) -> None:
    write(store, commands_put=[command()], leased={command().id: 20})
    with store.units([SLOT], worker="w", now=20) as (unit,):
        (lease,) = unit.commands(now=20, full=NOBODY, limit=10)
        # A turn that asks for the same work again may say drop and put; it is the same work.
        unit.commit(Writes(now=20, commands_drop=[lease.command.id], commands_put=[command(attempt=2, due=70)]))
    assert free(store, now=69) == []
    (again,) = free(store, now=70)
    assert (again.command.attempt, again.lost, again.deaths) == (2, False, 1)


def test_a_dropped_command_is_gone(store: Any) -> None:
    write(store, commands_put=[command(), command("1.1")])
    write(store, commands_drop=[command().id])
    assert list(state(store)) == [f"{CASE}/1.1"]
    write(
        store, commands_drop=[command().id]
    )  # Dropping what is gone is not an error: its case says so again after a crash.


def test_leasing_what_does_not_exist_is_a_bug_and_writes_nothing(store: Any) -> None:
    with pytest.raises(InterlockBug, match="does not exist"):
        one_unit(store, record(), leased={"cheques/none/1.0": 99})
    assert store.case(CASE) is None


def test_renewing_prolongs_ones_own_leases_only(store: Any) -> None:
    write(store, worker="w", commands_put=[command()], leased={command().id: 20})
    write(store, worker="v", slot=2, commands_put=[command(case=ELSEWHERE)], leased={command(case=ELSEWHERE).id: 20})
    store.renew("w", {SLOT: [command().id], 2: [command(case=ELSEWHERE).id]}, until=100)
    assert free(store, now=50) == []
    assert [lease.lost for lease in free(store, 2, now=50)] == [True]


def test_renewing_what_was_settled_or_lost_does_nothing(store: Any) -> None:
    write(store, commands_put=[command()])
    store.renew("w", {SLOT: [command().id, "cheques/none/1.0"]}, until=100)
    assert [lease.lost for lease in free(store)] == [False]


def test_a_held_command_waits_for_the_next_change_of_control(store: Any) -> None:
    write(store, commands_put=[command(due=5), command("1.1")], held=[command().id])
    write(store, held=[f"{CASE}/1.1"])
    assert store.ready(now=10**15) == ReadySlots(frozenset(), None)
    assert free(store, now=10**15) == []
    store.set_control([])
    assert [lease.command.due for lease in free(store)] == [0, 5]
    assert store.ready(now=10).slots == {SLOT}


def test_a_held_command_that_was_not_due_yet_keeps_its_time(store: Any) -> None:
    write(store, commands_put=[command(due=900)], held=[command().id])
    store.set_control([])
    assert store.ready(now=10) == ReadySlots(frozenset(), 900)


def test_ready_names_every_slot_with_work_and_the_next_deadline_of_any(store: Any) -> None:
    write(store, commands_put=[command(due=5)])
    write(store, slot=2, commands_put=[command(case=ELSEWHERE, due=300, dependency="action:pay")])
    assert store.ready(now=10) == ReadySlots(frozenset({SLOT}), 300)
    assert store.ready(now=300).slots == {SLOT, 2}


def test_commands_of_one_slot_are_not_another_slots(store: Any) -> None:
    write(store, commands_put=[command(), command(case=NEIGHBOUR)])
    assert len(free(store)) == 2
    assert free(store, 2) == []


# --- automations that the asking worker does not host


def foreign(number: int) -> Any:
    """A command of an automation that another worker hosts, due before everything of ours."""
    case = CaseId("others", f"o{number}")
    return Command(f"{case}/1.0", case.automation, case.key, "ask", "advisor:svm", 0)


def test_work_of_other_automations_does_not_stand_before_ours(store: Any) -> None:
    """However much of it waits, and though it has waited longer."""
    with store.units([SLOT], worker="w", now=10) as units:
        units[0].commit(turn(units[0], record(), commands_put=[*map(foreign, range(600)), command(due=5)]))
    ours = frozenset({CASE.automation})
    with store.units([SLOT], worker="w", now=10) as units:
        unit = units[0]
        assert {one.command.automation for one in unit.commands(now=10, full=frozenset(), limit=256)} == {"others"}
        found = unit.commands(now=10, full=frozenset(), limit=256, hosted=ours)
        assert [one.command.id for one in found] == [command().id]
        assert not unit.commands(now=10, full=frozenset({"advisor:svm"}), limit=256, hosted=ours)
        both = unit.commands(now=10, full=frozenset(), limit=700, hosted=frozenset({"others"}) | ours)
        assert len(both) == 601


def test_slots_with_work_of_ours_are_ready_however_much_of_others_waits_elsewhere(store: Any) -> None:
    one_unit(store, record(), commands_put=[*map(foreign, range(600))])
    one_unit(store, record(ELSEWHERE), slot=2, commands_put=[command(case=ELSEWHERE, due=5)])
    assert store.ready(now=10, hosted=frozenset({CASE.automation})).slots == {2}
    assert store.ready(now=10, hosted=frozenset({"others"})).slots == {SLOT}
    assert SLOT in store.ready(now=10).slots
