"""Several stores as one: what is carried between them, and what becomes of the others when one is not there.

On SQLite, where a cell is opened in a moment; the suite itself runs on cells of PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.ports import Accepted, Control, Duplicate, ReadySlots
from interlock.store.cells import Cell, Part, open_cells
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.errors import StoreBusy, StoreError
from tests.conformance.building import (
    CASE,
    ELSEWHERE,
    SLOT,
    command,
    event,
    ids,
    in_slot,
    internal,
    look,
    one_unit,
    record,
    turn,
)
from tests.conformance.stores import CELLS, N_SLOTS

THERE = 2
"""The slot of ELSEWHERE, in the other cell."""


class Crash(BaseException):
    """The process is gone."""


class Places:
    """Cells in files, each of which can be out of reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out_of_reach: set[str] = set()
        self.faults: Callable[[str], None] | None = None
        self.opened: list[Any] = []

    def open(self) -> Any:
        parts = [
            Part(name, slots, lambda name=name, slots=slots: self.cell(name, slots)) for name, slots in CELLS.items()
        ]
        store = open_cells(parts, n_slots=N_SLOTS)
        self.opened.append(store)
        return store

    def cell(self, name: str, slots: frozenset[int]) -> Cell:
        if name in self.out_of_reach:
            raise StoreError(f"{name} does not answer.", code="store_open")
        cell: Any = open_sqlite(self.folder / f"{name}.db", n_slots=N_SLOTS, slots=slots, faults=self.faults)
        reachable: Any = Reachable(cell, lambda: name not in self.out_of_reach)
        return reachable


class Reachable:
    """A cell whose server may be gone."""

    def __init__(self, cell: Any, there: Callable[[], bool]) -> None:
        self._cell = cell
        self._there = there

    def __getattr__(self, name: str) -> Any:
        if name not in ("caps", "close") and not self._there():
            raise StoreBusy("The connection was lost.")
        return getattr(self._cell, name)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    # A cell that is back is tried at once: no test waits for a clock.
    monkeypatch.setattr("interlock.store.cells.AWAY_MAX_S", 0.0)
    monkeypatch.setattr("interlock.store.cells.CARRY_AGAIN_S", 0.0)
    monkeypatch.setattr("interlock.store.cells.NAP_S", 0.0)
    made = Places(tmp_path)
    yield made
    for store in made.opened:
        store.close()


# --- one cell is not there


def test_the_slots_of_a_cell_that_is_not_there_are_busy_and_the_others_go_on(places: Places) -> None:
    store = places.open()
    store.accept([event(), event(ELSEWHERE)], now=10)
    places.out_of_reach.add("odd")
    for _ in range(4):
        with store.units([THERE, SLOT], worker="w", now=10) as units:
            assert [unit.slot for unit in units] == [SLOT]
        with store.units([THERE], worker="w", now=10) as units:
            assert list(units) == []
        assert store.ready(now=10) == ReadySlots(frozenset({SLOT}), None)
    one_unit(store, record(), consumed=look(store))
    assert store.case(CASE) == record()
    for ask in (
        lambda: store.case(ELSEWHERE),
        store.heads,
        lambda: store.cases(automation=None, status=None, after=None, limit=9),
    ):
        with pytest.raises(StoreBusy):
            ask()
    places.out_of_reach.clear()
    assert ids(look(store, THERE)) == ["e1"]


def test_of_a_batch_the_others_take_their_part_and_a_retry_finds_it(places: Places) -> None:
    store = places.open()
    batch = [event(ELSEWHERE), event(), event(id="e2")]
    places.out_of_reach.add("odd")
    with pytest.raises(StoreBusy, match="1 of 3 messages were not accepted"):
        store.accept(batch, now=10)
    assert ids(look(store)) == ["e1", "e2"]
    places.out_of_reach.clear()
    assert store.accept(batch, now=20) == [Accepted(THERE), Duplicate(SLOT), Duplicate(SLOT)]
    assert ids(look(store)) == ["e1", "e2"]


def test_what_is_sent_to_it_waits_in_order_and_holds_up_nothing_for_others(places: Places) -> None:
    store = places.open()
    places.out_of_reach.add("odd")
    for number in range(3):
        near, far = internal(in_slot(4), f"near{number}"), internal(ELSEWHERE, f"far{number}")
        one_unit(store, sends=[far, near, internal(ELSEWHERE, f"then{number}")])
    assert ids(look(store, 4)) == ["near0", "near1", "near2"]
    places.out_of_reach.clear()
    assert THERE in store.ready(now=10).slots
    assert ids(look(store, THERE)) == ["far0", "then0", "far1", "then1", "far2", "then2"]
    assert store.condition().between == 0


def test_messages_taken_along_to_it_are_left_to_the_door_and_the_units_stay(places: Places) -> None:
    store = places.open()
    places.out_of_reach.add("odd")
    with store.units([SLOT], worker="w", now=10, accept=[event(), event(ELSEWHERE)]) as units:
        units[0].commit(turn(units[0], record()))
    assert not units.receipts
    assert store.case(CASE) == record()


def test_a_store_is_opened_without_it_and_its_worker_joins_when_it_is_back(places: Places) -> None:
    places.open().close()
    places.out_of_reach.add("odd")
    store = places.open()
    store.join("w", now=1)
    store.tell("w", {"cheques": "r1"})
    store.beat("w", now=2)
    assert store.workers() == ["w"]
    places.out_of_reach.clear()
    store.beat("w", now=3)
    (found,) = store.condition().at_work
    assert (found.name, found.hosts) == ("w", {"cheques": "r1"})
    one_unit(
        store, slot=THERE, worker="w", commands_put=[command(case=ELSEWHERE)], leased={command(case=ELSEWHERE).id: 99}
    )
    store.declare_dead("w", now=4)
    assert [lease.lost for lease in store.open_commands()] == [True]


def test_none_is_there(places: Places) -> None:
    places.out_of_reach.update(CELLS)
    with pytest.raises(StoreBusy, match="does not answer"):
        places.open()


def test_a_pause_is_in_force_where_it_can_be_and_reaches_the_others_with_the_next_beat(places: Places) -> None:
    store = places.open()
    store.join("w", now=1)
    places.out_of_reach.add("odd")
    with pytest.raises(StoreBusy, match="odd"):
        store.set_control(["all"])
    with store.units([SLOT], worker="w", now=10) as (unit,):
        assert unit.control == Control(1, ("all",))
    store.put_release("r1", "cheques", b"{}", now=10)
    places.out_of_reach.clear()
    store.beat("w", now=2)
    for slot in range(N_SLOTS):
        with store.units([slot], worker="w", now=10) as (unit,):
            assert unit.control == Control(1, ("all",))
    places.out_of_reach.add("even")
    assert store.release("r1") == b"{}"


def test_pauses_that_differ_both_hold(places: Places) -> None:
    store = places.open()
    for away, paused in (("odd", "action:cheques/pay"), ("even", "cheques")):
        places.out_of_reach = {away}
        with pytest.raises(StoreBusy):
            store.set_control([paused])
    places.out_of_reach = set()
    store.join("w", now=1)
    store.beat("w", now=2)
    assert store.control() == Control(2, ("action:cheques/pay", "cheques"))


# --- a crash between two databases


def test_cut_at_any_statement_and_done_again_nothing_is_lost_and_nothing_twice(tmp_path: Path) -> None:
    batch = [event(), event(ELSEWHERE), event(id="e2")]
    finished = False
    cut = 0
    while not finished:
        places = Places(tmp_path / str(cut))
        places.folder.mkdir()
        places.open().close()
        left = cut

        def crash(_: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Crash

        places.faults = crash
        try:
            _work(places.open(), batch)
        except Crash:
            cut += 1
        else:
            finished = True
        places.opened.pop().close()  # As the end of its process would.
        places.faults = None
        store = places.open()
        _work(store, batch)
        store.beat("w", now=40)
        assert ids(look(store, THERE)) == ["e1", "a", "b"], f"cut {cut}"
        assert ids(look(store, 4)) == ["near"], f"cut {cut}"
        assert ids(look(store)) == [], f"cut {cut}"
        assert (store.case(CASE), store.condition().between) == (record(), 0)
        for one in places.opened:
            one.close()
    assert cut > 25, "there are fewer statements than this work has"


def _work(store: Any, batch: list[Any]) -> None:
    """What a worker does again after a crash, as far as it was not done."""
    store.accept(batch, now=10)
    store.join("w", now=20)
    waiting = look(store)
    if waiting:
        sends = [internal(ELSEWHERE, "a"), internal(in_slot(4), "near"), internal(ELSEWHERE, "b")]
        one_unit(store, record(), worker="w", consumed=waiting, sends=sends)
    store.relay(SLOT, limit=10)


# --- what a cell is


def test_a_cell_is_not_the_store_and_not_another_cell(places: Places) -> None:
    places.open().close()
    path = places.folder / "even.db"
    with pytest.raises(StoreError, match="is a cell: it keeps 0-1, 4-5 of 8 slots") as caught:
        open_sqlite(path)
    assert caught.value.code == "store_slots"
    with pytest.raises(StoreError, match="keeps the slots 0-1, 4-5, by its own record; it was named for 0-3"):
        open_sqlite(path, slots=range(4))
    open_sqlite(places.folder / "whole.db", n_slots=N_SLOTS).close()
    with pytest.raises(StoreError, match="keeps the slots 0-7, by its own record"):
        open_sqlite(places.folder / "whole.db", slots=range(4))


@pytest.mark.parametrize(
    ("cells", "wrong"),
    [
        ({"a": range(3), "b": range(4, 8)}, "no cell keeps 3"),
        ({"a": range(5), "b": range(4, 8)}, "a and b both keep 4"),
        ({"a": range(4), "b": range(4, 10)}, "8-9 is none of them"),
        ({"a": range(4), "b": range(4, 8), "c": range(4, 8)}, "b and c both keep 4-7"),
    ],
)
def test_every_slot_is_in_exactly_one_cell(cells: dict[str, range], wrong: str) -> None:
    def never() -> Cell:
        raise AssertionError("it was opened")

    with pytest.raises(StoreError, match=wrong):
        open_cells([Part(name, frozenset(slots), never) for name, slots in cells.items()], n_slots=8)


def test_a_life_of_the_whole_ends_with_that_of_a_cell(places: Places) -> None:
    store = places.open()
    (first,) = store.lives()
    assert first.incarnation == store.caps.incarnation
    store.begin_life("restored", now=first.began + 10)
    lives = store.lives()
    assert [life.number for life in lives] == [1, 2, 3]
    assert lives[-1].incarnation == store.caps.incarnation != first.incarnation
    assert (lives[-1].why, lives[-1].began) == ("restored", first.began + 10)


def test_cells_are_not_copied_as_one(places: Places, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="moment"):
        places.open().backup(str(tmp_path / "copy.db"))
