"""What goes wrong between a store and its server: lost connections and answers, a server that may not be written, two
versions of the program, and processes that stop and wake.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from interlock.ports import Accepted, Duplicate
from interlock.runtime.clock import clock_of
from interlock.store.driver import AFTER_COMMIT
from interlock.store.postgres import PostgresStore, handshake, open_postgres
from interlock.vocabulary.errors import (
    NotFound,
    StoreBusy,
    StoreConflict,
    StoreCorrupt,
    StoreError,
    StoreReadOnly,
    StoreVersion,
)
from interlock.vocabulary.facts import SEMANTICS
from tests.conformance.building import (
    CASE,
    NEIGHBOUR,
    SLOT,
    command,
    event,
    everything,
    free,
    ids,
    internal,
    look,
    one_unit,
    record,
    turn,
)
from tests.conformance.proxies import Line, line_to
from tests.conformance.stores import N_SLOTS, postgres_dsn
from tests.conformance.test_crashes import CALLS, prepare
from tests.conformance.test_lasting import seal
from tests.postgres_server import Servers

PATIENCE_S = 60.0


@pytest.fixture
def dsn(tmp_path: Path) -> str:
    return postgres_dsn(tmp_path)


@pytest.fixture
def opened(dsn: str) -> Iterator[Callable[..., PostgresStore]]:
    stores: list[PostgresStore] = []

    def open_one(name: str = dsn, **options: Any) -> PostgresStore:
        stores.append(open_postgres(name, **{"n_slots": N_SLOTS, **options}))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def schema_of(dsn: str) -> str:
    return dsn.rpartition("schema=")[2]


def change(dsn: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement as an operator would, in the tables of the store."""
    plain = dsn.partition("&schema=")[0].partition("?schema=")[0]
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'SET search_path TO "{schema_of(dsn)}"'.encode())
        cursor = connection.execute(sql.encode(), values)
        return cursor.fetchall() if cursor.description else []


def session_of(store: Any) -> int:
    return store._writer._conn.backend_pid


def end_session(dsn: str, process: int) -> None:
    change(dsn, "SELECT pg_terminate_backend(%s, 10000)", process)


def until(done: Callable[[], bool], what: str) -> None:
    patience = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < patience, f"not {what} within {PATIENCE_S:.0f} s"
        time.sleep(0.02)


# --- a connection that is lost


class Killer:
    """Ends the store's session at one of the boundaries that it counts."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.store: Any = None
        self.at = 0
        self.passed: list[str] = []

    def __call__(self, place: str) -> None:
        if self.at:
            self.passed.append(place)
            if len(self.passed) == self.at:
                end_session(self.dsn, session_of(self.store))

    def run(self, call: Callable[[Any], Any], at: int) -> bool:
        """Whether the call says that it was done."""
        self.passed, self.at = [], at
        try:
            call(self.store)
        except StoreBusy:
            return False
        finally:
            self.at = 0
        return True


@pytest.mark.parametrize("name", [name for name in CALLS if name != "attempt"])
def test_a_connection_lost_at_any_statement_leaves_all_or_nothing(dsn: str, opened: Any, name: str) -> None:
    killer = Killer(dsn)
    killer.store = opened(faults=killer)
    prepare(killer.store)
    before = everything(killer.store)
    at = 1
    while not killer.run(CALLS[name], at):
        assert killer.passed[-1] != AFTER_COMMIT
        assert everything(killer.store) == before, f"lost at {at}: {killer.passed[-1]}"
        at += 1
    assert killer.passed[-1] == AFTER_COMMIT, "a call that was cut before its commit says that it was done"
    assert everything(killer.store) != before


def test_a_session_that_ended_between_two_calls_is_opened_anew(dsn: str, opened: Any) -> None:
    store = opened()
    store.join("w", now=1)
    old = session_of(store)
    end_session(dsn, old)
    store.ready(now=10)  # As a worker that waits for work: nothing is written.
    assert session_of(store) != old
    assert change(dsn, "SELECT process FROM workers") == [(session_of(store),)]
    end_session(dsn, store._reader._conn.backend_pid)
    assert len(store.heads()) == N_SLOTS


def test_an_exchange_that_an_exception_interrupted_is_not_gone_on_with(opened: Any) -> None:
    store = opened()
    store.accept([event()], now=10)
    old = session_of(store)

    def interrupted() -> None:
        with store.units([SLOT], worker="w", now=10) as (unit,):
            unit.commit(turn(unit, record()))
            store._writer._inside = True  # What an exception thrown into the thread leaves behind.

    with pytest.raises(StoreBusy):
        interrupted()
    assert ids(look(store)) == ["e1"]
    assert session_of(store) != old
    assert store.case(CASE) is None


# --- an answer that is lost


@pytest.fixture
def line(dsn: str) -> Iterator[Line]:
    with tempfile.TemporaryDirectory(prefix="il") as folder, line_to(dsn, Path(folder)) as one:
        yield one


def test_a_unit_whose_commit_was_not_answered_is_known_to_be_done(dsn: str, opened: Any, line: Line) -> None:
    store = opened(line.through(dsn))
    store.accept([event()], now=10)
    dues = look(store)
    line.armed = b"\0commit\0"
    one_unit(store, record(), consumed=dues, commands_put=[command()])
    assert line.cuts == 1
    assert store.case(CASE) == record()
    assert look(store) == []
    assert [lease.command.id for lease in store.open_commands()] == [command().id]


def test_a_unit_whose_commit_never_arrived_is_known_to_be_undone(dsn: str, opened: Any, line: Line) -> None:
    store = opened(line.through(dsn))
    store.accept([event()], now=10)
    dues, before = look(store), everything(store)
    line.armed, line.before = b"\0commit\0", True
    with pytest.raises(StoreBusy, match="lost"):
        one_unit(store, record(), consumed=dues)
    assert line.cuts == 1
    assert everything(store) == before
    one_unit(store, record(), consumed=dues)
    assert store.case(CASE) == record()


def test_what_was_accepted_without_an_answer_is_a_duplicate_when_it_is_sent_again(
    dsn: str, opened: Any, line: Line
) -> None:
    store = opened(line.through(dsn))
    line.armed = b"\0accept\0"
    with pytest.raises(StoreBusy):
        store.accept([event()], now=10)
    assert store.accept([event()], now=20) == [Duplicate(SLOT)]
    assert ids(look(store)) == ["e1"]


def test_a_message_of_our_own_is_accepted_once_though_the_answer_was_lost(dsn: str, opened: Any, line: Line) -> None:
    store = opened(line.through(dsn))
    line.armed = b"\0commit\0"
    assert store.accept([internal(CASE, "r1")], now=10) == [Accepted(SLOT)]
    assert line.cuts == 1
    assert ids(look(store)) == ["r1"]


# --- a server that may not be written, or is not there


def test_one_who_only_looks_may_not_write(opened: Any) -> None:
    opened().accept([event()], now=10)
    looking = opened(read_only=True)
    assert looking.backlog() == 1
    for call in (
        lambda: looking.accept([event(id="e2")], now=10),
        lambda: looking.join("w", now=10),
        lambda: look(looking),
        lambda: looking.set_control(["all"]),
    ):
        with pytest.raises(StoreReadOnly):
            call()
    assert looking.backlog() == 1


def test_sessions_that_are_read_only_by_default(dsn: str, opened: Any) -> None:
    store = opened()
    with pytest.raises(StoreReadOnly, match="cannot be written"):
        opened(f"{dsn}&options=-c%20default_transaction_read_only%3Don").accept([event()], now=10)
    assert store.backlog() == 0


def test_a_role_without_the_right_to_write(dsn: str, opened: Any) -> None:
    opened()
    role = f"r_{schema_of(dsn)}"
    change(dsn, f'CREATE ROLE "{role}" LOGIN')
    try:
        change(dsn, f'GRANT USAGE ON SCHEMA "{schema_of(dsn)}" TO "{role}"')
        change(dsn, f'GRANT SELECT ON ALL TABLES IN SCHEMA "{schema_of(dsn)}" TO "{role}"')
        as_role = f"{dsn}&user={role}"
        assert opened(as_role, read_only=True).backlog() == 0
        with pytest.raises(StoreReadOnly, match="permission denied"):
            opened(as_role).accept([event()], now=10)
    finally:
        change(dsn, f'DROP OWNED BY "{role}"')
        change(dsn, f'DROP ROLE "{role}"')


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised:
        open_postgres(f"postgresql:///db?host={tmp_path}")
    assert raised.value.code == "store_open"


def test_a_database_that_is_not_there(dsn: str) -> None:
    with pytest.raises(NotFound, match="createdb"):
        open_postgres(f"{dsn}&dbname=none_of_that_name")


def test_tables_that_are_not_there_are_not_made_unless_asked(dsn: str) -> None:
    with pytest.raises(NotFound, match="no database of interlock"):
        open_postgres(dsn, create=False)
    assert change(dsn, "SELECT 1 FROM pg_namespace WHERE nspname = %s", schema_of(dsn)) == []


def test_the_tables_of_another_program(dsn: str) -> None:
    change(dsn, f'CREATE SCHEMA "{schema_of(dsn)}"')
    change(dsn, "CREATE TABLE meta (url text)")
    with pytest.raises(StoreCorrupt, match="not of interlock"):
        open_postgres(dsn)


def test_a_name_of_no_database() -> None:
    for name in ("postgresql://host/db?schema=a;b", "postgresql://host/db?no_such_option=1"):
        with pytest.raises(StoreError) as raised:
            open_postgres(name)
        assert raised.value.code == "store_open"


def test_passwords_are_checked_and_never_shown(postgres_servers: Servers) -> None:
    server = postgres_servers.new(fsync="off")
    with server.connect() as db:
        db.execute("CREATE ROLE teller LOGIN PASSWORD 'right'")
    rules = server.data / "pg_hba.conf"
    rules.write_text(f"local all teller scram-sha-256\n{rules.read_text()}")
    with server.connect() as db:
        db.execute("SELECT pg_reload_conf()")
    name = server.dsn(user="teller").replace("teller@", "teller:wr0ng@")

    def refused() -> bool:
        with pytest.raises((StoreError, NotFound)) as raised:
            open_postgres(name, create=False)
        assert "wr0ng" not in str(raised.value)
        # Until the server has read its rules anew, everybody may come in, and finds no tables.
        return raised.value.code == "store_open" and "password" in str(raised.value)

    until(refused, "refused")
    # Without fsync a commit is worth nothing when the machine goes down.
    store = open_postgres(server.dsn(), n_slots=2)
    assert store.caps.durability == "lazy"
    store.close()


# --- two versions of the program


@pytest.mark.parametrize("layout", [handshake.LAYOUT + 1, 0])
def test_another_layout_is_refused(dsn: str, opened: Any, layout: int) -> None:
    opened().close()
    change(dsn, "UPDATE meta SET layout = %s", layout)
    with pytest.raises(StoreVersion, match=f"layout {layout}"):
        open_postgres(dsn)


@pytest.fixture
def next_layout(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The program of the day after."""
    monkeypatch.setattr(handshake, "LAYOUT", handshake.LAYOUT + 1)
    steps = {handshake.LAYOUT: ("ALTER TABLE workers ADD COLUMN mood text", "ALTER TABLE outbox ADD COLUMN size int4")}
    monkeypatch.setattr(handshake, "postgres_migrations", steps)
    return monkeypatch


def test_an_older_layout_is_migrated_once_by_whoever_comes_first(dsn: str, opened: Any, request: Any) -> None:
    one_unit(opened(), record())
    request.getfixturevalue("next_layout")
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: opened(), range(4)))
    assert {store.case(CASE).version for store in stores} == {1}
    assert change(dsn, "SELECT layout FROM meta") == [(handshake.LAYOUT,)]


def test_nothing_is_migrated_while_an_older_program_is_at_work(dsn: str, opened: Any, request: Any) -> None:
    older = opened()
    older.join("w", now=1)
    request.getfixturevalue("next_layout")
    with pytest.raises(StoreVersion, match=r"using it \(w\)"):
        opened()
    older.leave("w")
    opened()


def test_a_migration_that_fails_leaves_nothing(dsn: str, opened: Any, next_layout: pytest.MonkeyPatch) -> None:
    with next_layout.context() as today:
        today.setattr(handshake, "LAYOUT", handshake.LAYOUT - 1)
        opened()
    broken = {
        handshake.LAYOUT: ("ALTER TABLE workers ADD COLUMN mood text", "ALTER TABLE nothing ADD COLUMN size int4")
    }
    next_layout.setattr(handshake, "postgres_migrations", broken)
    with pytest.raises(StoreError):
        opened()
    assert change(dsn, "SELECT layout FROM meta") == [(handshake.LAYOUT - 1,)]
    assert not change(dsn, "SELECT 1 FROM pg_attribute WHERE attrelid = 'workers'::regclass AND attname = 'mood'")


def test_newer_semantics_are_refused(dsn: str, opened: Any) -> None:
    opened().close()
    change(dsn, "UPDATE meta SET semantics = %s", SEMANTICS + 1)
    with pytest.raises(StoreVersion, match=f"semantics {SEMANTICS + 1}"):
        open_postgres(dsn)


def test_a_newer_program_takes_over_and_the_older_stops_with_its_next_unit(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = opened()
    one_unit(older, record())
    with monkeypatch.context() as newer:
        newer.setattr(handshake, "SEMANTICS", SEMANTICS + 1)
        newer.setattr("interlock.store.handshake.SEMANTICS", SEMANTICS + 1)
        opened()
    with pytest.raises(StoreVersion, match="taken this database over"):
        one_unit(older, record(version=2), before=1)
    assert older.case(CASE).version == 1


def test_many_who_come_to_a_new_database_make_it_once(dsn: str, opened: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: opened(), range(4)))
    assert len({store.caps.incarnation for store in stores}) == 1
    assert change(dsn, "SELECT count(*) FROM lives") == [(1,)]
    with pytest.raises(StoreError, match=f"{N_SLOTS} slots"):
        opened(n_slots=16)


# --- another state of the database


def test_a_database_that_was_lived_elsewhere_takes_no_worker_until_it_is_taken_into_use(dsn: str, opened: Any) -> None:
    store = opened()
    ((here,),) = change(dsn, "SELECT place FROM lives")
    server, database, schema, timeline, worth = here.split("/")
    for place, why in (
        (f"{server}/1/{schema}/{timeline}/{worth}", "copy"),
        (f"{server}/{database}/{schema}/{int(timeline) - 1}/fsync", "standby"),
    ):
        change(dsn, "UPDATE lives SET place = %s", place)
        assert why in store.estranged()
        with pytest.raises(StoreError) as raised:
            store.join("w", now=1)
        assert raised.value.code == "store_estranged"
    # A standby that had every commit before it was acknowledged may go on.
    change(dsn, "UPDATE lives SET place = %s", f"{server}/{database}/{schema}/{int(timeline) - 1}/quorum")
    assert store.estranged() == ""
    change(dsn, "UPDATE lives SET place = 'elsewhere/1/2/3/fsync'")
    life = store.begin_life("adopted", now=10)
    assert (life.number, store.estranged()) == (2, "")
    store.join("w", now=11)


def test_a_worker_notices_that_its_database_was_put_back(dsn: str, opened: Any) -> None:
    store = opened()
    store.join("w", now=1)
    one_unit(store, record())
    store.beat("w", now=2)
    change(dsn, "UPDATE slots SET epoch = 0")
    end_session(dsn, session_of(store))
    for _ in range(2):
        with pytest.raises(StoreError) as raised:
            store.accept([event()], now=3)
        assert raised.value.code == "store_estranged"
    assert change(dsn, "SELECT count(*) FROM inbox") == [(0,)]


# --- processes that end, stop and wake


@pytest.fixture
def in_a_process() -> Iterator[Callable[[Callable[[Any], None]], tuple[Any, Any]]]:
    """Starts a process that works, and gives it and the end of a pipe that it talks through."""
    started: list[Any] = []

    def start(work: Callable[[Any], None]) -> tuple[Any, Any]:
        ours, theirs = multiprocessing.get_context("fork").Pipe()
        process = multiprocessing.get_context("fork").Process(target=work, args=(theirs,))
        process.start()
        started.append(process)
        return process, ours

    yield start
    for process in started:
        process.kill()
        process.join(PATIENCE_S)


def test_a_killed_process_is_noticed_within_seconds_and_what_it_committed_is_there(
    dsn: str, opened: Any, in_a_process: Any
) -> None:
    def work(pipe: Any) -> None:
        store = open_postgres(dsn)
        store.join("killed", now=1)
        store.accept([event()], now=10)
        one_unit(store, worker="killed", commands_put=[command()], leased={command().id: 10**15})
        with store.units([SLOT], worker="killed", now=10) as (unit,):
            unit.commit(turn(unit, record()))
            pipe.send("staged")
            signal.pause()

    watcher = opened(sessionless_ms=300)
    watcher.join("watcher", now=1)
    process, pipe = in_a_process(work)
    assert pipe.poll(PATIENCE_S)
    with watcher.units([SLOT], worker="watcher", now=11) as units:
        assert units == [], "it holds the slot"
    watcher.beat("watcher", now=12)
    assert watcher.workers() == ["killed", "watcher"]
    os.kill(process.pid, signal.SIGKILL)
    process.join(PATIENCE_S)

    def buried() -> bool:
        watcher.beat("watcher", now=20)
        return change(dsn, "SELECT worker FROM workers") == [("watcher",)]

    until(buried, "buried")
    assert watcher.case(CASE) is None
    assert [(lease.lost, lease.deaths) for lease in free(watcher, now=20)] == [(True, 1)]
    with watcher.units([SLOT], worker="watcher", now=20) as (unit,):
        assert unit.solo
        assert [due.envelope for due in unit.messages(10)] == [event()]


def test_a_stopped_process_that_wakes_late_settles_nothing(dsn: str, opened: Any, in_a_process: Any) -> None:
    def work(pipe: Any) -> None:
        store = open_postgres(dsn)
        store.join("stopped", now=1)
        one_unit(store, worker="stopped", commands_put=[command()], leased={command().id: 10**15})
        try:
            with store.units([SLOT], worker="stopped", now=10) as (unit,):
                unit.commit(turn(unit, record(), commands_drop=[command().id]))
                pipe.send("in a unit")
                os.kill(os.getpid(), signal.SIGSTOP)
        except StoreBusy:
            pipe.send("lost")
        else:
            pipe.send("committed")
        store.beat("stopped", now=30)
        pipe.send(store.workers())
        pipe.recv()
        store.leave("stopped")

    watcher = opened(silent_ms=500)
    watcher.join("watcher", now=1)
    process, pipe = in_a_process(work)
    assert pipe.poll(PATIENCE_S)
    assert pipe.recv() == "in a unit"

    def buried() -> bool:
        watcher.beat("watcher", now=20)
        return change(dsn, "SELECT worker FROM workers") == [("watcher",)]

    until(buried, "buried")
    (lease,) = free(watcher, now=20)
    assert (lease.lost, lease.deaths, lease.token) == (True, 1, 2)
    one_unit(watcher, record(), worker="watcher", leased={command().id: 10**15})
    os.kill(process.pid, signal.SIGCONT)
    assert pipe.poll(PATIENCE_S)
    assert pipe.recv() == "lost"
    assert pipe.recv() == ["stopped", "watcher"], "it lives again, with nothing in its hands"
    assert [lease.token for lease in watcher.open_commands()] == [2]
    assert watcher.case(CASE) == record()
    pipe.send("leave")
    process.join(PATIENCE_S)
    assert watcher.workers() == ["watcher"]


def test_a_worker_goes_by_the_clock_of_its_server(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hour = 3_600_000_000
    behind = SimpleNamespace(time_ns=lambda: time.time_ns() - hour * 1_000)
    monkeypatch.setattr("interlock.store.postgres.store.time", behind)
    monkeypatch.setattr("interlock.runtime.clock.time", behind)
    store = opened()
    seen = store.clock()
    assert seen <= clock_of(store).now() + PATIENCE_S * 1_000_000
    assert clock_of(store).now() <= store.clock() + PATIENCE_S * 1_000_000
    measured = store.ahead()
    store._ahead += hour  # The server's clock has been put back since.
    store.join("w", now=1)
    store.beat("w", now=2)
    assert abs(store.ahead() - measured) < PATIENCE_S * 1_000_000


# --- doors and claims at the same time


def test_messages_that_a_door_took_for_a_blocked_case_are_put_apart_and_come_back(dsn: str, opened: Any) -> None:
    store = opened()
    store.accept([event(id="poison")], now=10)
    one_unit(store, record(blocked="q1"), consumed=look(store))
    store.accept([event(id=f"behind{number:03}") for number in range(150)], now=10)
    assert store.ready(now=10).slots == {SLOT}, "too many to look through: somebody is to come and put them apart"
    assert look(store) == []
    assert change(dsn, "SELECT blocked, count(*) FROM inbox GROUP BY 1") == [(1, 150)]
    assert store.ready(now=10).slots == frozenset()
    store.accept([event(id="late"), event(NEIGHBOUR, "beside")], now=10)
    assert store.ready(now=10).slots == {SLOT}
    assert ids(look(store)) == ["beside"]
    one_unit(store, record(version=2), before=1)
    assert len(look(store)) == 100
    with store.units([SLOT], worker="w", now=10) as (unit,):
        found = ids(unit.messages(1_000))
    assert found == [*(f"behind{number:03}" for number in range(150)), "late", "beside"]


def test_a_unit_does_not_bring_a_second_key_beside_one_that_a_door_has_made(opened: Any) -> None:
    store, door = opened(), opened()

    def come_second() -> None:
        with store.units([SLOT], worker="w", now=10) as (unit,):
            assert store.seals(CASE) == []
            door.put_seal(seal(1), [])
            unit.commit(turn(unit, record(), seals_put=[seal(2)]))

    with pytest.raises(StoreConflict):
        come_second()
    assert store.seals(CASE) == [seal(1)]
    assert store.case(CASE) is None


def test_a_number_given_in_another_life_of_the_server_says_nothing(opened: Any) -> None:
    """A killed server gives the number of a transaction that it lost to another one, which commits."""
    session = opened()._writer
    session.begin()
    number: str = session.run("transaction").fetchone()[0]
    session.commit()

    def fate(of: str) -> str:
        session.begin()
        try:
            return session.run("transaction_fate", of).fetchone()[0]
        finally:
            session.rollback()

    assert fate(number) == "committed"
    assert fate(f"{number.partition('@')[0]}@0") == "aborted"
