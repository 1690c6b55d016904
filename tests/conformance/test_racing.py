"""Two stores at one place, at the same time: one of them wins, and nothing is lost or done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from interlock.ports import Accepted, Duplicate
from interlock.vocabulary.errors import StoreBusy, StoreConflict
from tests.conformance.building import BESIDE, CASE, SLOT, command, event, ids, in_slot, look, one_unit, record, turn

MANY = 40


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run all at once, from one starting line."""
    line = threading.Barrier(len(works))

    def start(work: Callable[[], Any]) -> Any:
        line.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(start, works))


def test_the_same_messages_through_two_doors_are_accepted_once(lasting_factory: Any) -> None:
    stores = [lasting_factory(), lasting_factory()]
    names = [f"e{number}" for number in range(MANY)]
    messages = [event(in_slot(number % 8), name) for number, name in enumerate(names)]
    batches = [messages[first : first + 10] for first in range(0, MANY, 10)]

    def send(store: Any) -> list[Any]:
        return [receipt for batch in batches for receipt in store.accept(batch, now=10)]

    for one, other in zip(*together(*(lambda store=store: send(store) for store in stores)), strict=True):
        assert {type(one), type(other)} == {Accepted, Duplicate}
    waiting = [name for slot in range(8) for name in ids(look(stores[0], slot))]
    assert sorted(waiting) == sorted(names)


def test_of_two_writers_of_a_case_each_version_has_one(lasting_factory: Any) -> None:
    stores = [lasting_factory(), lasting_factory()]
    one_unit(stores[0], record(state={"by": []}))

    def count(store: Any, name: str) -> int:
        conflicts = 0
        for number in range(MANY):
            while True:
                current = store.case(CASE)  # Read without a claim, so it may be stale when it is written.
                after = record(version=current.version + 1, state={"by": [*current.state["by"], f"{name}{number}"]})
                try:
                    one_unit(store, after, before=current.version)
                except StoreConflict:
                    conflicts += 1
                else:
                    break
        return conflicts

    together(lambda: count(stores[0], "a"), lambda: count(stores[1], "b"))
    by = stores[0].case(CASE).state["by"]
    assert [name for name in by if name[0] == "a"] == [f"a{number}" for number in range(MANY)]
    assert [name for name in by if name[0] == "b"] == [f"b{number}" for number in range(MANY)]
    entries = stores[1].ledger(SLOT, after=0, limit=1_000)
    assert [entry.version for entry, _, _ in entries] == list(range(1, 2 * MANY + 2))


def test_of_two_workers_one_gets_each_message_and_each_command(lasting_factory: Any) -> None:
    stores = {"a": lasting_factory(), "b": lasting_factory()}
    cases = [in_slot(SLOT, ordinal) for ordinal in range(MANY)]
    stores["a"].accept([event(case) for case in cases], now=10)
    one_unit(stores["a"], commands_put=[command(case=case) for case in cases])

    def work(worker: str) -> tuple[list[str], list[str]]:
        consumed: list[str] = []
        leased: list[str] = []
        while True:
            with stores[worker].units([SLOT], worker=worker, now=10) as units:
                if not units:
                    continue  # The other one holds it now.
                unit = units[0]
                dues = unit.messages(3)
                leases = unit.commands(now=10, full=frozenset(), limit=2)
                if not dues and not leases:
                    return consumed, leased
                unit.commit(
                    turn(
                        unit,
                        *(record(due.envelope.case) for due in dues),
                        consumed=dues,
                        leased={lease.command.id: 10**9 for lease in leases},
                    )
                )
            consumed += [due.envelope.key for due in dues]
            leased += [lease.command.id for lease in leases]

    (consumed_a, leased_a), (consumed_b, leased_b) = together(lambda: work("a"), lambda: work("b"))
    assert sorted(consumed_a + consumed_b) == sorted(case.key for case in cases)
    assert sorted(leased_a + leased_b) == sorted(command(case=case).id for case in cases)


def test_threads_may_share_one_store(store: Any) -> None:
    def send(name: str) -> None:
        for number in range(MANY):
            store.accept([event(id=f"{name}{number}")], now=10)
            store.ready(now=10)

    together(lambda: send("a"), lambda: send("b"))
    assert store.backlog() == 2 * MANY


def test_a_writer_that_waits_too_long_is_told_so_and_may_try_again(lasting_factory: Any) -> None:
    holder, waiting = lasting_factory(), lasting_factory(busy_ms=20)

    def pause_meanwhile() -> None:
        with holder.units([SLOT], worker="w", now=10):
            waiting.set_control(["all"])

    with pytest.raises(StoreBusy, match="another process"):
        pause_meanwhile()
    assert waiting.set_control(["all"]).paused == ("all",)


def test_a_slot_that_somebody_holds_is_left_out_and_its_door_stays_open(lasting_factory: Any) -> None:
    holder, other = lasting_factory(), lasting_factory(busy_ms=20)
    with holder.units([SLOT], worker="a", now=10) as (held,):
        if holder.caps.locking == "database":  # One writer at a time, whichever slot it has.
            with pytest.raises(StoreBusy):
                other.accept([event()], now=10)
            return
        with other.units([SLOT, BESIDE], worker="b", now=10) as units:
            assert [unit.slot for unit in units] == [BESIDE]
            units[0].commit(turn(units[0], record(in_slot(BESIDE))))
        assert other.accept([event()], now=10) == [Accepted(SLOT)]
        assert held.messages(10) == []
    assert ids(look(other)) == ["e1"]
