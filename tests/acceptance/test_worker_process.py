"""A worker as a process: it works, drains on SIGTERM, survives kill -9, and ends when nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from interlock.assembly import open_store
from interlock.vocabulary.events import Envelope, EventBody
from interlock.vocabulary.ids import CaseId
from tests.unit.assembly.test_embedding import EFFECTS
from tests.unit.testing.small import write

RELEASE = """
[questions.Read]
chain = ["counts"]
timeout = "20s"

[[autonomy.pay.vouched]]
rung = 0.1
max = 1000.00
by = "owner"
until = 2099-12-31
reason = "a test"
"""

RUN = """
    import sys
    from interlock.assembly import run_worker
    ended = run_worker(sys.argv[1], [sys.argv[2]], until_idle=sys.argv[3] == "idle", on_notice=print)
    print("turns", ended.tally.turns, "killed", ended.killed)
"""


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "bills"
    folder.mkdir()
    write(folder)
    (folder / "release.toml").write_text(RELEASE)
    # The books are a file, appended to once per transfer, so that they outlive the process and count honestly.
    books = tmp_path / "books"
    text = EFFECTS.replace(
        "    paid[key] = args.amount\n", f"    open({str(books)!r}, 'a').write(key + '\\n')\n    time.sleep(0.02)\n"
    )
    text = text.replace("if key in paid else", f"if key in open({str(books)!r}).read() else")
    (folder / "effects.py").write_text("import time\n" + text)
    return tmp_path


def start(place, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(RUN), str(place / "b.db"), str(place / "bills"), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def fill(place, cases: int) -> None:
    store = open_store(place / "b.db")
    body = [EventBody("Received", {"bill": f"b{n}", "text": "abc"}) for n in range(cases)]
    store.accept([Envelope("bills", f"b{n}", "e1", "t", "t", 1, 1, body[n]) for n in range(cases)], now=1)
    store.close()


def paid(place) -> int:
    store = open_store(place / "b.db")
    found = store.cases(automation="bills", status="paid", after=None, limit=1000)
    store.close()
    return len(found)


def test_it_ends_by_itself_when_nothing_is_left(place):
    fill(place, 30)
    process = start(place, "idle")
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert paid(place) == 30
    assert len((place / "books").read_text().split()) == 30


def test_sigterm_drains(place):
    fill(place, 200)
    process = start(place, "on")
    end = time.monotonic() + 120
    while not (place / "books").exists() and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert "killed False" in out
    keys = (place / "books").read_text().split()
    store = open_store(place / "b.db")
    done = [store.case(CaseId("bills", f"b{n}")) for n in range(200)]
    assert sum(1 for record in done if record and "pay" in record.past) == len(keys)  # nothing was left in the air
    assert not any(effect.attempt for record in done if record for effect in record.effects.values())
    store.close()


def test_kill_9_at_some_moments_pays_nobody_twice_and_nobody_never(place):
    fill(place, 60)
    for pause in (0.05, 0.15, 0.3):
        process = start(place, "on")
        end = time.monotonic() + 120
        before = (place / "books").read_text() if (place / "books").exists() else ""
        while (not (place / "books").exists() or (place / "books").read_text() == before) and time.monotonic() < end:
            if process.poll() is not None or paid(place) == 60:
                break
            time.sleep(0.02)
        time.sleep(pause)
        process.kill()
        process.communicate()
    process = start(place, "idle")
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    keys = (place / "books").read_text().split()
    assert sorted(set(keys)) == sorted(keys)
    assert len(keys) == 60
    assert paid(place) == 60


def test_the_worker_ends_when_its_supervisor_was_killed(place):
    fill(place, 1)
    command = [sys.executable, "-m", "interlock.cli", "run", str(place / "bills"), "--db", str(place / "b.db")]
    supervisor = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 120
    while not paid(place):
        assert time.monotonic() < deadline, "the worker never began"
        time.sleep(0.05)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(supervisor.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(children) == 1
    supervisor.kill()
    supervisor.wait()
    while subprocess.run(["ps", "-p", children[0]], capture_output=True, check=False).returncode == 0:
        assert time.monotonic() < deadline, "the worker outlived its supervisor"
        time.sleep(0.1)


def test_a_worker_ends_when_its_database_is_taken_away(place):
    """It would work on for ever on a file that nobody else can ever read."""
    worker = start(place, "on")
    try:
        while not list((place / "b.db.workers").glob("*.lock")):
            time.sleep(0.05)
        for left in place.glob("b.db*"):
            if left.is_file():
                left.unlink()
        said, _ = worker.communicate(timeout=120)
    finally:
        worker.kill()
    assert worker.returncode not in (0, None)
    assert "has been deleted or replaced" in said
