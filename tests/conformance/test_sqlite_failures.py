"""What the operator must act on: a full disk, files that cannot be written or read, two versions of the program."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.ports import Accepted
from interlock.store import handshake
from interlock.store.sqlite import SqliteStore, open_sqlite
from interlock.vocabulary.errors import (
    InterlockError,
    NotFound,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreVersion,
)
from interlock.vocabulary.facts import SEMANTICS
from tests.conformance.building import CASE, SLOT, command, event, everything, free, one_unit, record, turn
from tests.conformance.stores import N_SLOTS

BIG = {"note": random.Random(1).randbytes(250_000).hex()}  # nothing that a store could make small


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[..., SqliteStore]]:
    stores: list[SqliteStore] = []

    def open_one(**options: Any) -> SqliteStore:
        stores.append(open_sqlite(path, **options))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def change(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()


# --- no space


def test_on_a_full_disk_nothing_is_half_done_and_work_goes_on_when_there_is_space(opened: Any) -> None:
    store = opened(n_slots=N_SLOTS)
    store.accept([event()], now=10)
    before = everything(store)
    store.bound(1)  # Not below what the file has.
    with pytest.raises(StoreFull, match="No space"):
        one_unit(store, record(state=BIG), commands_put=[command()])
    with pytest.raises(StoreFull):
        store.accept([event(id=f"e{number}", principal="p" * 50_000) for number in range(9)], now=10)
    assert everything(store) == before
    store.bound(0)
    one_unit(store, record(state=BIG), commands_put=[command()])
    assert store.case(CASE).state == BIG
    assert len(free(store)) == 1


# --- no permission


def in_a_process_without_rights(work: Callable[[], None]) -> str:
    """The code of the error that `work` ends with where file permissions count, which they do not for root."""
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)

    def run() -> None:
        if os.geteuid() == 0:
            os.setegid(65_534)
            os.seteuid(65_534)
        try:
            work()
        except InterlockError as error:
            sender.send(error.code)
        else:
            sender.send("")

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(30)
    assert receiver.poll(), "the process ended without an answer"
    return receiver.recv()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_file_that_may_not_be_written(public_folder: Path) -> None:
    path = public_folder / "store.db"
    open_sqlite(path).close()
    path.chmod(0o444)
    public_folder.chmod(0o555)
    assert in_a_process_without_rights(lambda: open_sqlite(path).close()) == StoreReadOnly.code


def test_a_folder_that_may_not_be_written(public_folder: Path) -> None:
    public_folder.chmod(0o555)
    path = public_folder / "new.db"
    assert in_a_process_without_rights(lambda: open_sqlite(path).close()) == "store_open"


def test_a_database_that_becomes_read_only_while_in_use(opened: Any) -> None:
    store = opened(n_slots=N_SLOTS)
    store._writer.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreReadOnly, match="cannot be written"):
        store.accept([event()], now=10)
    store._writer.execute("PRAGMA query_only = OFF")
    assert store.accept([event()], now=10) == [Accepted(SLOT)]


def test_a_transaction_left_open_by_an_exception_thrown_into_the_thread_is_rolled_back(opened: Any) -> None:
    store = opened(n_slots=N_SLOTS)
    before = everything(store)
    store._writer.execute("BEGIN IMMEDIATE")
    store._writer.execute("DELETE FROM slots")
    store._reader.execute("BEGIN")
    assert store.accept([], now=10) == []
    assert everything(store) == before


# --- not what it should be


def test_a_missing_database_is_not_made_unless_asked(path: Path) -> None:
    with pytest.raises(NotFound, match=r"store\.db"):
        open_sqlite(path, create=False)
    assert not path.exists()


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        open_sqlite(tmp_path / "none" / "store.db")


@pytest.mark.parametrize("content", [b"a letter\n" * 1_000, b"\x00" * 8_192, b"SQLite format 3\x00" + b"\xff" * 5_000])
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt):
        open_sqlite(path)
    assert path.read_bytes() == content


def test_the_database_of_another_program(path: Path) -> None:
    change(path, "CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(StoreCorrupt, match="not of interlock"):
        open_sqlite(path)


def test_an_empty_file_becomes_a_database(path: Path, opened: Any) -> None:
    path.touch()
    assert opened().caps.durability == "fsync"


def test_a_truncated_database(path: Path) -> None:
    store = open_sqlite(path, n_slots=N_SLOTS)
    one_unit(store, record(state=BIG))
    store.close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(StoreCorrupt, match="damaged"):
        open_sqlite(path).case(CASE)


def test_a_damaged_page_is_reported_when_it_is_met(path: Path, opened: Any) -> None:
    store = open_sqlite(path, n_slots=N_SLOTS)
    for number in range(40):
        one_unit(store, record(version=number + 1, state=BIG), before=number or None)
    (root,) = store._reader.execute("SELECT rootpage FROM sqlite_master WHERE name = 'cases'").fetchone()
    store.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xab" * 4096)
    store = opened()
    with pytest.raises(StoreCorrupt, match="damaged"):
        store.case(CASE)


def test_a_row_that_cannot_be_decoded_is_damage(path: Path, opened: Any) -> None:
    one_unit(opened(n_slots=N_SLOTS), record())
    change(path, "UPDATE cases SET dictionary = 0, body = x'7b22'")
    with pytest.raises(StoreCorrupt, match="stored case"):
        opened().case(CASE)


def test_another_number_of_slots_is_refused(opened: Any) -> None:
    opened(n_slots=8)
    with pytest.raises(StoreError, match="8 slots"):
        opened(n_slots=16)
    assert opened().caps.n_slots == 8


# --- two versions of the program


@pytest.mark.parametrize("schema", [handshake.SCHEMA + 1, handshake.FIRST - 1])
def test_another_schema_is_refused(path: Path, opened: Any, schema: int) -> None:
    opened().close()
    change(path, f"PRAGMA user_version = {schema}")
    with pytest.raises(StoreVersion, match=f"schema {schema}"):
        open_sqlite(path)


def test_newer_semantics_are_refused(path: Path, opened: Any) -> None:
    opened().close()
    change(path, f"UPDATE meta SET semantics = {SEMANTICS + 1}")
    with pytest.raises(StoreVersion, match=f"semantics {SEMANTICS + 1}"):
        open_sqlite(path)


def test_a_newer_program_takes_over_and_the_older_stops_with_its_next_unit(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = opened(n_slots=N_SLOTS)
    one_unit(older, record())
    with monkeypatch.context() as newer:
        newer.setattr(handshake, "SEMANTICS", SEMANTICS + 1)
        opened()
    with pytest.raises(StoreVersion, match="taken this database over"):
        one_unit(older, record(version=2), before=1)
    assert older.case(CASE).version == 1


# --- the end of a process


def test_a_killed_process_is_dead_at_once_and_what_it_committed_is_there(path: Path, opened: Any) -> None:
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)

    def work() -> None:
        store = open_sqlite(path)
        store.join("killed", now=1)
        store.accept([event()], now=10)
        one_unit(store, worker="killed", commands_put=[command()], leased={command().id: 10**15})
        with store.units([SLOT], worker="killed", now=10) as (unit,):
            unit.commit(turn(unit, record()))
            sender.send("staged")
            signal.pause()

    watcher = opened(n_slots=N_SLOTS)
    watcher.join("watcher", now=1)
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    assert receiver.poll(30)
    watcher_sees = watcher.case(CASE)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(30)
    watcher.beat("watcher", now=20)
    assert watcher_sees is None
    assert watcher.case(CASE) is None
    assert [(lease.lost, lease.deaths) for lease in free(watcher, now=20)] == [(True, 1)]
    with watcher.units([SLOT], worker="watcher", now=20) as (unit,):
        assert unit.solo
        assert [due.envelope for due in unit.messages(10)] == [event()]
    assert [file.name for file in Path(f"{path}.workers").iterdir()] == ["watcher.lock"]


def replaced(path: Path) -> None:
    other = open_sqlite(path.with_name("other.db"))
    other.close()
    path.with_name("other.db").rename(path)


@pytest.mark.parametrize("lose", [Path.unlink, replaced])
def test_a_file_that_is_deleted_or_replaced_while_it_is_open_takes_nothing_more(
    path: Path, opened: Callable[..., SqliteStore], lose: Callable[[Path], None]
) -> None:
    store = opened(n_slots=N_SLOTS)
    store.join("w1", now=0)
    store.accept([event(id="e1")], now=1_000_000)
    lose(path)
    for call in (
        lambda now: store.accept([event(id="e2")], now=now),
        lambda now: store.beat("w1", now=now),
    ):
        with pytest.raises(StoreError) as raised:
            call(10_000_000)
        assert raised.value.code == "store_gone"
    assert store.backlog() == 1
