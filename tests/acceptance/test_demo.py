"""The demonstration as its user starts it, and what is left of it after `kill -9`.

The bank's own books are the judge: no cheque is paid twice and none is lost, whenever the process dies.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

INTERLOCK = [sys.executable, "-m", "interlock.cli"]
KILLS = Path(__file__).with_name("demo_kills.py")
QUIET = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def run(*arguments: str, folder: Path, expect: int = 0) -> str:
    done = subprocess.run(
        [*INTERLOCK, *arguments], cwd=folder, env=QUIET, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def until(condition: Callable[[], bool], within_s: float = 120) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def books(folder: Path) -> list[dict[str, Any]]:
    path = folder / "interlock-demo" / "bank" / "books.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.xdist_group("demo")
def test_a_small_demonstration_end_to_end(tmp_path: Path) -> None:
    summary = json.loads(run("demo", "--cheques", "80", "--json", folder=tmp_path))
    booked = Counter(line["cheque"] for line in books(tmp_path) if line["what"] == "booked")
    assert set(booked.values()) == {1}, "nobody was paid twice"
    paid = summary["paid_alone"]["count"] + summary["paid_by_people"]["count"]
    assert paid == len(booked) == summary["ends"]["paid"] > 40
    assert sum(summary["ends"].values()) == 80
    assert summary["unaccounted"] == []
    interlock, *_, everything = summary["ways"]
    assert interlock["paid"]["count"] == paid
    assert interlock["wrong"]["cents"] < everything["wrong"]["cents"]
    assert sum(reason["count"] for reason in summary["people"]) > 0

    for step in summary["next"]:
        program, *arguments = shlex.split(step["command"])
        assert program == "interlock"
        if arguments[0] != "resolve":  # that one is a statement, not a look
            assert run(*arguments, folder=tmp_path).strip()

    # Once more: everything is known already, so nothing happens but the summary.
    entries, before = summary["entries"], books(tmp_path)
    again = json.loads(run("demo", "--json", folder=tmp_path))
    assert (again["entries"], again["resumed"]) == (entries, True)
    assert books(tmp_path) == before
    refused = run("demo", "--cheques", "81", folder=tmp_path, expect=1)
    assert not refused


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [pytest.param(n, marks=pytest.mark.xdist_group(f"kills{n}")) for n in (100, 200)])
def test_kill_9_at_random_moments_pays_nothing_twice_and_loses_nothing(tmp_path: Path, seed: int) -> None:
    kills = subprocess.run(
        [sys.executable, str(KILLS), str(tmp_path), str(seed), "4"],
        env=QUIET,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert kills.returncode == 0, kills.stderr
    rounds = [json.loads(line) for line in kills.stdout.splitlines()]
    assert len(rounds) == 4
    for one in rounds:
        assert one["status"] == 0, (one, kills.stderr)
        assert one["paid_twice"] == [], one
        assert one["letters_twice"] == [], one
        assert one["unaccounted"] == [], one
        assert one["cheques"] == 30, one
        assert one["paid"] > 5, one
        assert one["verified"], one
    assert sum(one["kills"] for one in rounds) >= 4
    assert {one["completed_by"] for one in rounds} == {"interlock demo", "interlock run"}


@pytest.mark.xdist_group("demo")
def test_a_letter_cut_off_from_its_reply_is_in_doubt_until_a_person_looks(tmp_path: Path) -> None:
    """A letter is `once`: after a death between the effect and its result nobody sends another one on a guess."""
    run("demo", "--cheques", "10", "--json", folder=tmp_path)
    db, demo = tmp_path / "interlock-demo.db", tmp_path / "interlock-demo"
    # A bank that takes its time to answer; the letter is sent at once.
    (demo / "bank" / "bank.json").write_text(json.dumps({"letters_lose": 0, "fails": 0, "reply_ms": 60_000}))
    # Cheques that are too old get a letter, if both readers agree on the amount: at least one of these ten does.
    morning = [json.loads(line) for line in (demo / "events" / "morning.jsonl").read_text().splitlines()]
    old = [
        {"type": type, "id": f"old-{type}-{n}", "source": "branch", "data": {"cheque": f"old{n}", **data}}
        for n, event in enumerate(event for event in morning if event["type"] == "Presented")
        for type, data in (
            ("Presented", {"box": event["data"]["box"], "written_at": "2020-01-01T00:00:00Z"}),
            ("FundsReported", {"available": "10000.00"}),
        )
    ]
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(event) + "\n" for event in old))
    where = ["--db", str(db), "--app", str(demo / "cheques")]
    run("submit", "--file", "old.jsonl", *where, folder=tmp_path)

    def letters() -> list[str]:
        sent = [line["cheque"] for line in books(tmp_path) if line["what"] == "letter"]
        return sorted(cheque for cheque in sent if cheque.startswith("old"))

    worker = subprocess.Popen(
        [*INTERLOCK, "run", str(demo / "cheques"), "--db", str(db)], env=QUIET, start_new_session=True
    )
    try:
        until(lambda: bool(letters()) or worker.poll() is not None)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    sent = letters()
    (demo / "bank" / "bank.json").write_text(json.dumps({"letters_lose": 0, "fails": 0, "reply_ms": 0}))
    run("run", str(demo / "cheques"), "--db", str(db), "--until-idle", folder=tmp_path)
    assert sorted(set(letters())) == letters(), "nobody sent one again"
    case = json.loads(run("case", sent[0], "--json", *where, folder=tmp_path))
    effect = next(effect for effect in case["effects"] if effect["action"] == "ask_customer")
    assert effect["status"] == "in_doubt"

    run("resolve", effect["id"], "--happened", "--as", "olga", *where, folder=tmp_path)
    run("run", str(demo / "cheques"), "--db", str(db), "--until-idle", folder=tmp_path)
    case = json.loads(run("case", sent[0], "--json", *where, folder=tmp_path))
    assert case["effects"] == []
    assert case["status"] == "queried"
    assert letters().count(sent[0]) == 1
    assert "olga" in run("history", f"cheques/{sent[0]}", "--db", str(db), folder=tmp_path)
    run("verify", "--db", str(db), folder=tmp_path)
