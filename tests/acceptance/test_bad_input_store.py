"""What the machine does to `interlock`: a full disk, files that cannot be written or read, two versions of the program
on one database, and a clock that jumps. Exit code 4, one sentence about what to do, nothing lost, no traceback.
"""

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interlock.store import handshake
from tests.acceptance.cli_session import COMMAND, Told, environment, interlock
from tests.acceptance.parcel_office import book, cases, event, office, ordered, parcels, submit, work

OPERATOR = 4
ROOT = Path(__file__).parents[2]


def started(folder: Path, *arguments: str, prepare: Callable[[], None] | None = None) -> Told:
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        preexec_fn=prepare,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Told(done.returncode, done.stdout, done.stderr)


# --- no space


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A file system of 2 MB of its own, where this user may mount one."""
    folder, disk = office(tmp_path), tmp_path / "disk"
    disk.mkdir()
    submit(folder, *(ordered(f"p{n}") for n in range(3)))
    (folder / "big.jsonl").write_text(
        "".join(json.dumps(event("Noted", f"n{n}", parcel="p0", text="x" * 100_000)) + "\n" for n in range(60))
    )
    python, db = f"{sys.executable} -m interlock.cli", disk / "i.db"
    script = f"""
        set -e
        export INTERLOCK_DISK_FREE_MIN_MB=0  # the bound itself is asked elsewhere; here nothing stands before the disk
        mount -t tmpfs -o size=2m none {disk}
        {python} submit --file events.jsonl --db {db} >&2
        set +e
        {python} submit --file big.jsonl --db {db}; echo "full $?"
        {python} cases --db {db} >&2; echo "cases $?"
        head -c 4000000 /dev/zero > {disk}/filler 2>/dev/null
        {python} run --until-idle --db {db} >&2; echo "run $?"
        rm {disk}/filler; mount -o remount,size=64m {disk}
        {python} run --until-idle --no-supervisor --db {db} >&2
        {python} submit --file big.jsonl --db {db} >&2; echo "again $?"
        {python} run --until-idle --no-supervisor --db {db} >&2
        {python} verify --db {db} >&2; echo "verify $?"
        {python} cases --json --db {db} > cases.json
    """
    unshared = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    may = shutil.which("unshare") and subprocess.run([*unshared, "true"], check=False, capture_output=True)
    if not may or may.returncode:
        pytest.skip("this user may not mount a file system")
    done = subprocess.run(
        [*unshared, "bash", "-c", script], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    said = dict(line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)
    assert said["full"] == str(OPERATOR), done.stderr
    assert "No space" in done.stderr and "nothing" in done.stderr.lower()
    assert said["run"] == str(OPERATOR), "a disk without a free byte is the operator's, not another worker's"
    assert (said["cases"], said["again"], said["verify"]) == ("0", "0", "0"), done.stderr
    found = {row["key"]: row for row in json.loads((folder / "cases.json").read_text())["cases"]}
    assert sorted(found) == ["p0", "p1", "p2"]
    for name in ("labels", "charges", "letters"):
        assert parcels(folder, name) == ["p0", "p1", "p2"], name


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    folder = office(tmp_path)
    submit(folder, ordered("p0"))
    size = (folder / "interlock.db").stat().st_size

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    (folder / "more.jsonl").write_text(
        "".join(json.dumps(event("Noted", f"n{n}", parcel="p0", text="x" * 50_000)) + "\n" for n in range(40))
    )
    told = started(folder, "submit", "--file", "more.jsonl", prepare=limit)
    assert told.code == OPERATOR, told
    assert "interlock.db" in told.err or "space" in told.err.lower() or "disk" in told.err.lower(), told
    work(folder)
    assert parcels(folder, "charges") == ["p0"]
    assert interlock(folder, "submit", "--file", "more.jsonl", "--json").data["accepted"] == 40
    interlock(folder, "verify")


# --- no permission, no database


def nobody() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setegid(65_534)
        os.seteuid(65_534)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """One that every user may look into, which the folders of the tests are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_database_that_may_only_be_read(public_folder: Path) -> None:
    folder = office(public_folder)
    submit(folder, ordered("p0"))
    work(folder)
    before = (folder / "interlock.db").read_bytes()
    shutil.rmtree(folder / "interlock.db.workers", ignore_errors=True)
    (folder / "interlock.db").chmod(0o444)
    folder.chmod(0o555)
    try:
        for arguments in (("submit", "--file", "events.jsonl"), ("pause",), ("approve", "p0", "--seen", "x")):
            told = started_as_nobody(folder, *arguments)
            assert told.code == OPERATOR, told
            assert "interlock.db" in told.err, told
    finally:
        folder.chmod(0o755)
        (folder / "interlock.db").chmod(0o644)
    assert (folder / "interlock.db").read_bytes() == before
    interlock(folder, "verify")


def started_as_nobody(folder: Path, *arguments: str) -> Told:
    # The interpreter starts with its own rights, loads what it may not be able to read later, and gives them up.
    code = """
import sys, encodings.utf_8_sig, getpass, click, uuid_utils
import interlock.assembly.running, interlock.policy.load, interlock.releases, interlock.runtime.inbox
import interlock.cli.control, interlock.cli.reviews, interlock.cli.sending, interlock.runtime.control
from interlock.cli.root import run
from tests.acceptance.test_bad_input_store import nobody
nobody()
sys.exit(run(sys.argv[1:]))
"""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment(INTERLOCK_PRINCIPAL="ann", PYTHONPATH=paths),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Told(done.returncode, done.stdout, done.stderr)


def test_no_database_and_no_folder(tmp_path: Path) -> None:
    folder = office(tmp_path)
    for arguments in (("cases",), ("verify",), ("explain", "p0"), ("reviews",), ("pause",), ("quarantine", "list")):
        told = interlock(folder, *arguments, code=OPERATOR)
        assert "There is no database at interlock.db." in told.err, told
    assert not (folder / "interlock.db").exists(), "looking makes nothing"
    submit(folder, ordered("p0"))
    told = interlock(folder, "submit", "--file", "events.jsonl", "--db", "none/i.db", code=None)
    assert told.code in (1, OPERATOR) and "There is no folder none." in told.err, told


# --- not what it should be


@pytest.mark.parametrize("content", [b"a letter\n" * 1_000, b"\0" * 8_192, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    folder = office(tmp_path)
    (folder / "events.jsonl").write_text(json.dumps(ordered("p0")) + "\n")
    (folder / "interlock.db").write_bytes(content)
    for arguments in (("submit", "--file", "events.jsonl"), ("cases",), ("run", "--until-idle"), ("verify",)):
        told = interlock(folder, *arguments, code=OPERATOR)
        assert "interlock.db" in told.err, told
        assert told.err.count("error:") == 1, "said once, and no worker is started again"
    assert (folder / "interlock.db").read_bytes() == content


def test_a_damaged_database_is_named_and_verify_says_where(tmp_path: Path) -> None:
    folder = office(tmp_path)
    submit(folder, *(ordered(f"p{n}") for n in range(40)))
    work(folder)
    path = folder / "interlock.db"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    told = interlock(folder, "cases", code=None)
    assert told.code in (0, OPERATOR)
    told = interlock(folder, "verify", code=None)
    assert told.code in (1, OPERATOR), told
    assert "damaged" in told.err + told.out
    pages = bytearray(whole)
    for start in range(8 * 4096, len(pages) - 4096, 3 * 4096):
        pages[start + 100 : start + 3_000] = b"\xab" * 2_900
    path.write_bytes(bytes(pages))
    told = interlock(folder, "verify", code=None)
    assert told.code in (1, OPERATOR), told
    assert "bug" not in told.err, told
    assert interlock(folder, "run", "--until-idle", code=None).code in (0, OPERATOR)


# --- two versions of the program


def change(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("schema", "hint"), [(handshake.SCHEMA + 1, "newer version"), (handshake.FIRST - 1, "version that made it")]
)
def test_a_database_of_another_version(tmp_path: Path, schema: int, hint: str) -> None:
    folder = office(tmp_path)
    submit(folder, ordered("p0"))
    change(folder / "interlock.db", f"PRAGMA user_version = {schema}")
    before = (folder / "interlock.db").read_bytes()
    for arguments in (("submit", "--file", "events.jsonl"), ("run",), ("cases",), ("verify",)):
        told = interlock(folder, *arguments, code=OPERATOR)
        assert f"schema {schema}" in told.err and hint in told.err, told
    assert (folder / "interlock.db").read_bytes() == before


def test_a_worker_stops_when_a_newer_program_has_taken_over(tmp_path: Path) -> None:
    folder = office(tmp_path)
    submit(folder, ordered("p0"))
    work(folder)
    process = subprocess.Popen([*COMMAND, "run", "--quiet"], cwd=folder, env=environment(), stderr=subprocess.PIPE)
    until(lambda: list(folder.glob("interlock.db.workers/*")))
    for table in ("meta", "slots"):
        change(folder / "interlock.db", f"UPDATE {table} SET semantics = semantics + 1")
    # Somebody else's event: the old program must not be the one that decides it.
    connection = sqlite3.connect(folder / "interlock.db")
    waiting = connection.execute("SELECT count(*) FROM inbox").fetchone()[0]
    connection.close()
    assert waiting == 0
    told = interlock(folder, "submit", "--file", "events.jsonl", code=OPERATOR)
    assert "newer version" in told.err
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode in (0, OPERATOR), err
    assert b"Traceback" not in err
    assert parcels(folder, "charges") == ["p0"]


def until(condition: Callable[[], object], within_s: float = 120) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


# --- a clock that jumps

CLOCKED = """
import sys, time
from pathlib import Path
real, offset = time.time_ns, Path(sys.argv[1])
def time_ns():
    return real() + int(float(offset.read_text() or 0) * 1_000_000_000)
time.time_ns = time_ns
from interlock.cli.root import run
sys.exit(run(sys.argv[2:]))
"""


class Clocked:
    """`interlock` on a machine whose wall clock the test sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.offset = folder / "offset"
        self.jump(0)

    def jump(self, seconds: float) -> None:
        whole = self.offset.with_suffix(".new")
        whole.write_text(str(seconds))
        whole.replace(self.offset)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", CLOCKED, str(self.offset), *arguments]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def send(self, parcel: str) -> None:
        (self.folder / "one.jsonl").write_text(json.dumps(ordered(parcel)) + "\n")
        self.run("submit", "--file", "one.jsonl")


def test_a_clock_that_jumps_both_ways(tmp_path: Path) -> None:
    folder = office(tmp_path)
    machine = Clocked(folder)
    machine.send("p0")
    told = folder / "told.txt"
    with told.open("w") as err:
        worker = subprocess.Popen(machine.command("run", "--no-supervisor"), cwd=folder, env=environment(), stderr=err)
    try:
        until(lambda: parcels(folder, "letters") == ["p0"])
        machine.jump(-7_200)
        machine.send("p1")
        until(lambda: parcels(folder, "letters") == ["p0", "p1"])  # it does not wait for two hours

        machine.jump(86_400)
        until(lambda: "clock" in told.read_text())
        machine.send("p2")
        time.sleep(1.5)
        assert parcels(folder, "letters") == ["p0", "p1"], "nothing starts on a clock that nobody has accepted"
        machine.run("clock", "accept")
        until(lambda: parcels(folder, "letters") == ["p0", "p1", "p2"])
        assert len(book(folder, "begun")) == 9
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=120)
    assert worker.returncode == 0, told.read_text()
    assert "Traceback" not in told.read_text()
    moments = [json.loads(line)["at"] for line in machine.run("tail", "-n", "500", "--json").splitlines()]
    assert moments
    machine.run("verify")
    assert {key: row["status"] for key, row in cases(folder).items()} == dict.fromkeys(("p0", "p1", "p2"), "open")
