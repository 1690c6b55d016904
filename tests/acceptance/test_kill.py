"""`kill -9` and SIGTERM, with effects of all three kinds and an outside that keeps its own books.

The books are the judge. Whenever the process dies: no effect happens twice (an idempotent one may be asked for again,
and is deduplicated outside), no letter (`once`) is even begun twice, everything accepted ends, and what nobody can know
is in doubt until a person has looked.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.cli_session import COMMAND, environment, interlock
from tests.acceptance.parcel_office import book, case, office, ordered, parcels, submit, work

ROOT = Path(__file__).parents[2]
KILLS = Path(__file__).with_name("parcel_kills.py")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1_000, 2_000])
def test_kill_9_at_random_moments_repeats_nothing_and_loses_nothing(tmp_path: Path, seed: int) -> None:
    told = subprocess.run(
        [sys.executable, str(KILLS), str(tmp_path), str(seed), "2", "9"],
        cwd=ROOT,
        env=environment(PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])),
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    rounds = [json.loads(line) for line in told.stdout.splitlines()]
    assert len(rounds) == 2
    for one in rounds:
        assert one["lost"] == [], one
        assert one["incomplete"] == {}, one
        assert one["charged"], one
        assert one["twice"] == {"labels": [], "charges": [], "letters": []}, one
        assert one["letters_begun_twice"] == [], one
        assert one["told_wrong"] == [], one
        assert one["doubts_left"] == 0, one
        assert one["verified"], one
    assert sum(one["kills"] for one in rounds) >= 13, rounds
    assert sum(one["doubts"] for one in rounds) > 0, "some death came between a letter and its reply"


def until(condition: Callable[[], object], within_s: float = 120) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def worker(folder: Path, **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "run", "--quiet"], cwd=folder, env=environment(**env), stderr=subprocess.PIPE, start_new_session=True
    )


def test_sigterm_finishes_what_is_in_flight_and_leaves_the_rest(tmp_path: Path) -> None:
    folder = office(tmp_path)
    submit(folder, *(ordered(f"p{n}") for n in range(80)))
    process = worker(folder, PARCELS_PACE_S="2")
    until(lambda: len(book(folder, "begun")) >= 30)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    begun = {line["key"] for line in book(folder, "begun")}
    ended = {line["key"] for name in ("labels", "charges", "letters") for line in book(folder, name)}
    assert begun == ended, "what had begun was waited for"
    assert interlock(folder, "resolve", "--json").data["in_doubt"] == []
    assert len(begun) < 240, "and nothing more was begun"
    work(folder)
    for name in ("labels", "charges", "letters"):
        assert parcels(folder, name) == sorted(f"p{n}" for n in range(80)), name
    interlock(folder, "verify")


def test_a_letter_cut_off_from_its_reply_is_in_doubt_until_a_person_looks(tmp_path: Path) -> None:
    """A letter is `once`: after a death between the effect and its result nobody sends another one on a guess."""
    folder = office(tmp_path)
    submit(folder, ordered("p0", effect="mute"))
    process = worker(folder)
    until(lambda: parcels(folder, "letters") and parcels(folder, "charges"))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=120)

    work(folder)
    assert parcels(folder, "letters") == ["p0"], "nobody sent one again"
    assert parcels(folder, "charges") == ["p0"], "this one was looked for, and found"
    (effect,) = case(folder, "p0")["effects"]
    assert (effect["action"], effect["status"]) == ("letter", "in_doubt")
    assert "letter" not in case(folder, "p0")["state"]["done"]

    interlock(folder, "resolve", effect["id"], "--happened", "--as", "olga")
    work(folder)
    assert case(folder, "p0")["effects"] == []
    assert sorted(case(folder, "p0")["state"]["done"]) == ["charge", "label", "letter"]
    assert parcels(folder, "letters") == ["p0"]
    assert "olga" in interlock(folder, "history", "p0").out
    interlock(folder, "verify")


def test_a_worker_whose_supervisor_was_killed_ends_by_itself(tmp_path: Path) -> None:
    folder = office(tmp_path)
    process = worker(folder)
    until(lambda: list(folder.glob("interlock.db.workers/*")))
    process.kill()
    process.wait()
    until(lambda: not list(folder.glob("interlock.db.workers/*")))


def test_a_worker_that_is_killed_is_started_again_by_its_supervisor(tmp_path: Path) -> None:
    folder = office(tmp_path)
    submit(folder, ordered("p0", effect="die"), ordered("p1"))
    told = work(folder)
    assert told.err.count("The worker died with exit code 99") == 1
    assert parcels(folder, "charges") == ["p0", "p1"]
    assert parcels(folder, "labels") == ["p0", "p1"]
    begun = [line["parcel"] for line in book(folder, "begun") if line["what"] == "letter"]
    assert sorted(begun) == ["p0", "p1"], "a once effect that killed its process is not begun again"
    (doubt, *others) = (one for one in interlock(folder, "resolve", "--json").data["in_doubt"])
    assert {doubt["action"], *(one["action"] for one in others)} == {"letter"}
    interlock(folder, "verify")
