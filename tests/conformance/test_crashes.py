"""A crash at any statement of any call leaves all of it or nothing, and what went on before goes on after.

The store is cut at every boundary between two statements, one boundary per run, and opened again as the next process
would.

INVARIANT: before the commit nothing is there, from the commit on everything is; there is no third state.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from interlock.ports import Quarantined, TimerRow
from interlock.store.driver import AFTER_COMMIT, BEFORE_COMMIT
from tests.conformance.building import (
    CASE,
    ELSEWHERE,
    NEIGHBOUR,
    command,
    event,
    everything,
    in_slot,
    internal,
    look,
    one_unit,
    record,
    review,
    task,
    turn,
)
from tests.conformance.stores import IMPLEMENTATIONS, Implementation


class Crash(BaseException):
    """The end of the process: nothing catches it to go on."""


@dataclass
class Cutter:
    """Counts the boundaries since it was armed, and crashes at one of them."""

    at: int | None = None
    armed: bool = False
    passed: list[str] = field(default_factory=list[str])

    def __call__(self, place: str) -> None:
        if self.armed:
            self.passed.append(place)
            if len(self.passed) == self.at:
                raise Crash


def prepare(store: Any) -> None:
    store.join("w", now=1)
    store.accept([event(id="a"), event(id="b"), event(NEIGHBOUR), event(ELSEWHERE)], now=10)
    one_unit(
        store,
        record(NEIGHBOUR),
        commands_put=[command(case=NEIGHBOUR), command("1.1", NEIGHBOUR)],
        held=[f"{NEIGHBOUR}/1.1"],
        leased={f"{NEIGHBOUR}/1.0": 5_000},
        timers_put=[TimerRow(NEIGHBOUR, "timer", "Remind", 15, 1)],
        reviews_put=[(NEIGHBOUR, review("1.0", "tellers", "fraud"))],
        tasks=[(NEIGHBOUR, (task("1.0"),))],
        sends=[internal(in_slot(4), "early"), internal(in_slot(5), "early")],
        relay=False,
    )


def accept(store: Any) -> None:
    store.accept([event(id="c"), event(id="a"), event(in_slot(6)), event(in_slot(7))], now=20)


def units(store: Any) -> None:
    with store.units([1, 2], worker="w", now=30) as (first, second):
        waiting = first.messages(10)
        first.commands(now=6_000, full=frozenset(), limit=10)
        first.commit(
            turn(
                first,
                record(CASE, blocked="q1"),
                consumed=waiting[:2],
                quarantined=[Quarantined("q1", CASE, waiting[0].envelope, "raised", 30)],
                commands_drop=[f"{NEIGHBOUR}/1.1"],
                commands_put=[command()],
                leased={command().id: 9_000},
                timers_drop=[(NEIGHBOUR, "timer", "Remind")],
                timers_put=[TimerRow(CASE, "review", "1.0", 700, 1)],
                reviews_drop=[(NEIGHBOUR, "1.0")],
                reviews_put=[(CASE, review("3.0"))],
                tasks=[(CASE, (task("1.0"), task("2.0")))],
                sends=[internal(in_slot(4), "x"), internal(in_slot(6), "y")],
                requeued=[event(id="again")],
                retried=[event(NEIGHBOUR, "retried")],
            )
        )
        second.commit(turn(second, record(ELSEWHERE), consumed=second.messages(10)))


def send(store: Any) -> None:
    one_unit(store, record(ELSEWHERE), slot=2, sends=[internal(in_slot(slot), f"m{slot}") for slot in (4, 5, 4)])


CALLS: dict[str, Callable[[Any], Any]] = {
    "accept": accept,
    "units": units,
    "send": send,
    "relay": lambda store: store.relay(1, limit=10),
    "attempt": lambda store: store.attempt(1, look(store)[0].arrival, 0),
    "renew": lambda store: store.renew("w", {1: [f"{NEIGHBOUR}/1.0"]}, until=99_000),
    "death": lambda store: store.declare_dead("w", now=40),
    "leave": lambda store: store.leave("w"),
    "control": lambda store: store.set_control(["all"]),
    "release": lambda store: store.put_release("r1", "cheques", b"{}", now=1),
    "payload": lambda store: store.put_payload(b"scan", "image/png"),
}


def run(
    implementation: Implementation, place: Path, call: Callable[[Any], Any], at: int | None
) -> tuple[Cutter, Any, Any]:
    """State before and after a call that is cut at a boundary (None: it is not), as the next process sees it."""
    place.mkdir()
    cutter = Cutter(at)
    store = implementation.open(place, faults=cutter)
    prepare(store)
    before = everything(store)
    cutter.armed = True
    with contextlib.suppress(Crash):
        call(store)
    cutter.armed = False
    store.close()
    again = implementation.open(place)
    after = everything(again)
    again.close()
    return cutter, before, after


LASTING = [implementation for implementation in IMPLEMENTATIONS if implementation.lasting]


@pytest.mark.one_database
@pytest.mark.parametrize("implementation", LASTING, ids=lambda implementation: implementation.name)
@pytest.mark.parametrize("name", CALLS)
def test_cut_at_any_statement_a_call_leaves_all_or_nothing(
    implementation: Implementation, name: str, tmp_path: Path
) -> None:
    whole, before, complete = run(implementation, tmp_path / "whole", CALLS[name], None)
    assert whole.passed[-2:] == [BEFORE_COMMIT, AFTER_COMMIT]
    assert complete != before
    for at, place in enumerate(whole.passed, 1):
        cut, start, after = run(implementation, tmp_path / str(at), CALLS[name], at)
        assert cut.passed[-1] == place
        assert after == (complete if place == AFTER_COMMIT else start), f"cut at {at}: {place}"


@pytest.mark.one_database
@pytest.mark.parametrize("implementation", LASTING, ids=lambda implementation: implementation.name)
def test_after_a_crash_the_same_work_can_be_done(implementation: Implementation, tmp_path: Path) -> None:
    _, _, complete = run(implementation, tmp_path / "whole", units, None)
    statements = len(run(implementation, tmp_path / "count", units, None)[0].passed)
    for at in range(1, statements, 5):
        place = tmp_path / str(at)
        run(implementation, place, units, at)
        store = implementation.open(place)
        units(store)
        assert everything(store) == complete
        store.close()


@pytest.mark.one_database
def test_a_crash_in_the_running_process_leaves_the_store_usable(store_factory: Any) -> None:
    cutter = Cutter()
    store = store_factory(faults=cutter)
    prepare(store)
    before = everything(store)
    for at in (1, 5, 9):
        cutter.at, cutter.passed, cutter.armed = at, [], True
        with pytest.raises(Crash):
            units(store)
        cutter.armed = False
        assert everything(store) == before
    units(store)
    assert everything(store) != before
