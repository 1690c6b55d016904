"""A store knows whether it is the newest state of itself: copies, backups and a file put back are noticed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.errors import StoreError, StoreReadOnly
from tests.conformance.building import CASE, event, everything, one_unit, record
from tests.conformance.stores import N_SLOTS


@pytest.fixture
def opened() -> Iterator[Any]:
    stores: list[Any] = []

    def open_one(path: Path, **options: Any) -> Any:
        stores.append(open_sqlite(path, **options))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def lived(opened: Any, path: Path, *, turns: int = 3) -> Any:
    """A store in which a worker has worked, and left."""
    store = opened(path, n_slots=N_SLOTS)
    store.join("w", now=1)
    one_unit(store, record())
    for version in range(2, turns + 1):
        one_unit(store, record(version=version), before=version - 1)
    store.beat("w", now=2)
    return store


@pytest.mark.one_database
def test_a_backup_is_one_state_and_is_the_same_store(store: Any, tmp_path: Path, opened: Any) -> None:
    store.accept([event()], now=10)
    one_unit(store, record())
    expected = everything(store)
    store.backup(str(tmp_path / "backup.db"))
    one_unit(store, record(version=2), before=1)
    copy = opened(tmp_path / "backup.db")
    assert everything(copy) == expected
    assert copy.caps.incarnation == store.caps.incarnation


@pytest.mark.one_database
def test_a_backup_overwrites_nothing(store: Any, tmp_path: Path) -> None:
    (tmp_path / "backup.db").write_bytes(b"precious")
    with pytest.raises(StoreError, match="never overwrites"):
        store.backup(str(tmp_path / "backup.db"))
    assert (tmp_path / "backup.db").read_bytes() == b"precious"
    assert not list(tmp_path.glob("*.part"))


def test_a_life_goes_on_through_restarts_and_a_rename(tmp_path: Path, opened: Any) -> None:
    lived(opened, tmp_path / "a.db").close()
    (tmp_path / "a.db").rename(tmp_path / "b.db")
    again = opened(tmp_path / "b.db")
    assert again.estranged() == ""
    again.join("w2", now=5)
    assert len(again.lives()) == 1


def test_a_copy_is_noticed_and_no_worker_joins_it(tmp_path: Path, opened: Any) -> None:
    lived(opened, tmp_path / "a.db").close()
    shutil.copy(tmp_path / "a.db", tmp_path / "copy.db")
    copy = opened(tmp_path / "copy.db")
    assert "copy" in copy.estranged()
    with pytest.raises(StoreError, match="newest state"):
        copy.join("w", now=9)
    assert copy.case(CASE).version == 3
    before = copy.caps.incarnation
    life = copy.begin_life("adopted", now=10)
    assert (life.number, life.why, life.began) == (2, "adopted", 10)
    assert copy.caps.incarnation == life.incarnation != before
    assert copy.estranged() == ""
    copy.join("w", now=11)
    assert [one.incarnation for one in opened(tmp_path / "copy.db").lives()] == [before, life.incarnation]


def test_a_file_written_over_with_an_earlier_state_is_noticed(tmp_path: Path, opened: Any) -> None:
    store = lived(opened, tmp_path / "a.db")
    store.backup(str(tmp_path / "earlier.db"))
    one_unit(store, record(version=4), before=3)
    store.beat("w", now=3)
    store.close()
    with (tmp_path / "a.db").open("r+b") as file:  # Into the same file: its number on the disk stays.
        file.write((tmp_path / "earlier.db").read_bytes())
        file.truncate()
    assert "earlier state" in opened(tmp_path / "a.db").estranged()


def test_a_file_written_over_with_the_backup_of_an_earlier_life_is_noticed(tmp_path: Path, opened: Any) -> None:
    store = lived(opened, tmp_path / "a.db")
    store.backup(str(tmp_path / "earlier.db"))
    store.begin_life("adopted", now=5)
    store.close()
    with (tmp_path / "a.db").open("r+b") as file:
        file.write((tmp_path / "earlier.db").read_bytes())
        file.truncate()
    assert "worker has seen" in opened(tmp_path / "a.db").estranged()


def test_a_database_made_anew_in_the_place_of_a_deleted_one_is_its_own(tmp_path: Path, opened: Any) -> None:
    lived(opened, tmp_path / "a.db").close()
    (tmp_path / "a.db").unlink()
    assert opened(tmp_path / "a.db").estranged() == ""


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"incarnation": 1, "epochs": "many"}'])
def test_a_witness_that_says_nothing_accuses_nobody(tmp_path: Path, opened: Any, left: bytes) -> None:
    lived(opened, tmp_path / "a.db").close()
    (tmp_path / "a.db.life").write_bytes(left)
    assert opened(tmp_path / "a.db").estranged() == ""


# --- read only


def test_one_who_only_looks_sees_everything_and_changes_nothing(tmp_path: Path, opened: Any) -> None:
    store = lived(opened, tmp_path / "a.db")
    expected = everything(store)
    looking = opened(tmp_path / "a.db", read_only=True)
    assert looking.case(CASE).version == 3
    assert looking.ledger(1, after=0, limit=10) == store.ledger(1, after=0, limit=10)
    assert looking.heads() == store.heads()
    one_unit(store, record(version=4), before=3)
    assert looking.case(CASE).version == 4
    for write in (
        lambda: looking.accept([event(id="e9")], now=10),
        lambda: looking.join("x", now=10),
        lambda: looking.begin_life("adopted", now=10),
        lambda: looking.set_control(["all"]),
    ):
        with pytest.raises(StoreReadOnly):
            write()
    assert expected["control"] == store.control()


def test_looking_leaves_nothing_beside_a_closed_file(tmp_path: Path, opened: Any) -> None:
    lived(opened, tmp_path / "a.db").close()
    before = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir() if file.is_file()}
    looking: Any = open_sqlite(tmp_path / "a.db", read_only=True)
    assert looking.case(CASE).version == 3
    looking.close()
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in before} == before
