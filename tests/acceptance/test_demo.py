"""The demonstration as its user starts it, and what is left of it after `kill -9`.

The bank's own books are the judge: no cheque is paid twice and none is lost, whenever the process dies.
"""

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
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


def books(folder: Path) -> list[dict[str, Any]]:
    path = folder / "interlock-demo" / "bank" / "books.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


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
