"""The story of a new automation on PostgreSQL: every command by its program, a worker killed in the middle.

The database is named with a password, as it would be in production. No output of any command may show it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psutil
import pytest

from interlock.assembly.address import address
from interlock.cli.root import run
from tests import postgres_server
from tests.acceptance.cli_session import COMMAND, Told, environment, interlock, new_automation
from tests.postgres_server import External, Server

pytestmark = pytest.mark.xdist_group("postgres-story")

PASSWORD = "hunter2-is-no-password"
TICKETS = 20


@dataclass(frozen=True)
class World:
    """A folder with an automation, and a database of its own. `dsn` has a password that trust ignores."""

    folder: Path
    dsn: str

    def __call__(self, *arguments: str, code: int | None = 0) -> Told:
        told = interlock(self.folder, *arguments, code=code, INTERLOCK_DB=self.dsn)
        assert PASSWORD not in told.out + told.err, told
        return told


def with_password(dsn: str) -> str:
    return f"{dsn}{'&' if '?' in dsn else '?'}sslpassword={PASSWORD}"


@pytest.fixture(scope="module")
def world(postgres: Server | External, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Twenty small refunds beside the five tickets of the template; the worker was killed while it handled them."""
    folder = new_automation(tmp_path_factory.mktemp("postgres"))
    dsn = postgres.create_database()
    made = World(folder, with_password(dsn))
    made("cases", code=4)
    made("submit", "--file", "events.jsonl")
    lines = [
        {
            "type": "TicketOpened",
            "id": f"m{n}",
            "source": "helpdesk",
            "data": {"ticket": f"m{n}", "paid": "5.00", "message": "It arrived broken."},
        }
        for n in range(TICKETS)
    ]
    (folder / "many.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert f"{TICKETS} accepted" in made("submit", "--file", "many.jsonl").out
    assert f"{TICKETS} duplicate" in made("submit", "--file", "many.jsonl").out
    killed_in_the_middle(made)
    made("run", "--until-idle")
    yield made
    postgres.drop_database(dsn)


def settled(folder: Path) -> int:
    sent = folder / "sent" / "refunds.jsonl"
    return len(sent.read_text().splitlines()) if sent.exists() else 0


def killed_in_the_middle(made: World) -> None:
    """Let a worker begin, and kill it and its supervisor when it has paid something and has not paid everything."""
    worker = subprocess.Popen(
        [*COMMAND, "run", "--quiet", "--no-supervisor"],
        cwd=made.folder,
        env=environment(INTERLOCK_DB=made.dsn),
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 120
    while settled(made.folder) < 3:
        assert time.monotonic() < deadline, "nothing was paid"
        assert worker.poll() is None, worker.communicate()[1]
        time.sleep(0.001)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert PASSWORD not in (worker.stderr.read().decode() if worker.stderr else "")


def test_every_ticket_has_ended_and_no_refund_was_paid_twice(world: World) -> None:
    cases = world("cases", "--limit", "100", "--json").data["cases"]
    by_key = {row["key"]: row["status"] for row in cases}
    assert len(by_key) == TICKETS + 5
    doubts = world("doubts", "--json").data
    paid = [json.loads(line) for line in (world.folder / "sent" / "refunds.jsonl").read_text().splitlines()]
    names = [row["ticket"] if "ticket" in row else json.dumps(row, sort_keys=True) for row in paid]
    done = {key for key, status in by_key.items() if status == "refunded"}
    assert done | {"t2", "t3", "t4", "t5"} | in_doubt(doubts) == set(by_key)
    assert len(names) <= len(done) + len(in_doubt(doubts))


def in_doubt(doubts: object) -> set[str]:
    text = json.dumps(doubts)
    return {f"m{n}" for n in range(TICKETS) if f"/m{n}/" in text or f'"m{n}"' in text}


def test_what_the_killed_worker_left_is_on_record_and_everything_holds(world: World) -> None:
    assert world("verify").out.rstrip().endswith("OK")
    looked = world("doctor", "--all", code=None)
    assert looked.code in (0, 1) and "extra `postgres` is installed" in looked.out
    assert world("workers", "--json").data == {"workers": []}


def test_a_person_decides_and_the_effect_follows(world: World) -> None:
    assert {"tickets/t2", "tickets/t5"} <= {row["case"] for row in world("reviews", "--json").data["reviews"]}
    digest = interlock(world.folder, "reviews", "t5", "--json", INTERLOCK_DB=world.dsn).data["seen"]
    world("approve", "t5", "--as", "ann@example.com", "--seen", digest)
    world("run", "--until-idle")
    assert world("case", "t5", "--json").data["status"] == "refunded"


@pytest.mark.parametrize(
    "arguments",
    [
        ("cases",),
        ("case", "t1"),
        ("actions", "t3", "--json"),
        ("explain", "t1"),
        ("history", "t1"),
        ("report", "--since", "1d"),
        ("budgets",),
        ("tail", "-n", "5"),
        ("reviews",),
        ("doubts",),
        ("quarantine", "list"),
        ("pause", "--list"),
        ("recover", "--json"),
        ("ask", "t3"),
        ("db", "status"),
        ("db", "migrate", "--dry-run"),
        ("workers",),
    ],
    ids=" ".join,
)
def test_every_command_that_looks_works_there_and_writes_nothing(
    world: World, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # In this process: the program was started often enough above, and each start costs more than the look.
    monkeypatch.chdir(world.folder)
    code = run([*arguments, "--db", f"{world.dsn}&mode=ro"])
    told = capsys.readouterr()
    assert code == 0, told
    assert told.out or told.err
    assert PASSWORD not in told.out + told.err


def test_commands_that_change_something_work_there(world: World) -> None:
    assert world("pause", "--json").data["paused"] == ["all"]
    world("resume")
    world("submit", "TicketOpened", "--id", "x1", "--data", '{"ticket": "x1", "paid": "4.00", "message": "Broken."}')
    world("run", "--until-idle", "--json")
    assert world("do", "reply", "--key", "t3", "--args", '{"template":"sorry"}', "--json").data
    world("erase", "nobody@example.com", "--as", "ann", code=None)
    read_only = world("submit", "--file", "many.jsonl", "--db", f"{world.dsn}&mode=ro", "--json", code=4)
    assert read_only.data["error"]["code"] == "store_read_only"


def test_status_says_what_the_database_is(world: World) -> None:
    told = world("db", "status", "--json").data
    assert told["database"] == address(world.dsn).shown
    assert (told["slots"], told["durability"], told["locking"]) == (256, "fsync", "row")
    assert told["layout"] == told["layout_spoken"] and told["migrations"] == []
    assert told["entries"] > TICKETS and told["tables"]["ledger"] > 0
    assert told["bytes"] == sum(told["tables"].values())


def test_a_worker_is_shown_with_what_it_hosts(world: World) -> None:
    worker = subprocess.Popen(
        [*COMMAND, "run", "--quiet"],
        cwd=world.folder,
        env=environment(INTERLOCK_DB=world.dsn),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 120
        while not (found := world("workers", "--json").data["workers"]):
            assert time.monotonic() < deadline
        release = world("db", "status", "--json").data["workers"]
        while not found[0]["hosts"]:
            found = world("workers", "--json").data["workers"]
            assert time.monotonic() < deadline
        assert [one["worker"] for one in found] == release
        assert found[0]["alive"] and list(found[0]["hosts"]) == ["tickets"]
        # A supervisor passes the database's name on where other users of the machine cannot read it.
        every = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
        assert sum("interlock.cli run" in one for one in every) >= 2
        assert not [one for one in every if PASSWORD in one]
    finally:
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=120)
    assert worker.returncode == 0, err
    assert PASSWORD not in err.decode()


def test_an_exported_era_is_read_by_duckdb(world: World) -> None:
    world("db", "export", "archive", code=3)
    told = world("db", "export", "archive", "--finish", "--json").data
    [file] = told["files"]
    assert file["entries"] == world("db", "status", "--json").data["entries"]
    query = f"SELECT count(DISTINCT key) FROM '{world.folder / file['file']}' WHERE key LIKE 'm%'"
    answer = duckdb.sql(query)
    assert answer is not None and answer.fetchall() == [(TICKETS,)]
    assert world("db", "export", "archive", "--json").data["files"][0]["written"] is False


def test_a_backup_is_a_file_that_can_be_looked_at_and_worked_on(world: World, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    world("backup", str(file))
    assert world("cases", "--db", str(file)).out == world("cases").out
    world("verify", "--db", str(file))
    world("restore", str(file), "--db", str(tmp_path / "work.db"), "--as", "ann")
    refused = world("restore", str(file), "--as", "ann", "--json", code=1).data["error"]
    assert refused["code"] == "no_file" and "pg_restore" in refused["hint"]


def pg(program: str, *arguments: str) -> None:
    found = postgres_server.binaries() / program
    environ = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr


def test_a_dump_is_put_back_in_recovery_as_the_howto_says(
    world: World, postgres: Server | External, postgres_dsn: str, tmp_path: Path
) -> None:
    if not (postgres_server.binaries() / "pg_dump").exists():
        pytest.fail("pg_dump lies beside no server's programs")
    file = tmp_path / "claims.dump"
    plain = world.dsn.replace(f"&sslpassword={PASSWORD}", "")
    pg("pg_dump", "--format=custom", f"--file={file}", plain)
    pg("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={postgres_dsn}", str(file))
    there = World(tmp_path / "there", with_password(postgres_dsn))
    shutil.copytree(world.folder, there.folder)
    assert there("cases").out == world("cases").out
    assert there("run", "--until-idle", "--json", code=4).data["error"]["code"] == "store_estranged"
    there("recover", "--begin", "--as", "ann@example.com", "--comment", "disk failure")
    assert there("recover", "--json").data["recovering"] is True
    there("run", "--until-idle")
    there("recover", "--end", "--as", "ann@example.com", "--comment", "nothing was lost")
    there("submit", "TicketOpened", "--id", "y1", "--data", '{"ticket": "y1", "paid": "4.00", "message": "Broken."}')
    there("run", "--until-idle")
    assert there("case", "y1", "--json").data["status"] == "refunded"
    there("verify")


@pytest.mark.parametrize(
    "wrong", ["postgresql://ann:{}@/nowhere?host=/nonexistent", "postgresql://ann:{}@[bad/x", "postgresql://a:{}@h:x/y"]
)
def test_a_database_that_cannot_be_opened_is_told_without_its_password(tmp_path: Path, wrong: str) -> None:
    for more in ((), ("--debug",)):
        told = subprocess.run(
            [*COMMAND, "cases", "--json", "--db", wrong.format(PASSWORD), *more],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 4, told
        assert PASSWORD not in told.stdout + told.stderr
        assert json.loads(told.stdout)["error"]["message"]
