"""A short share of `./dev faults`: seeds that never change, one that nobody has seen, and proof that it can fail."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.accidents import MOMENTS, drawn
from tests.faults.plants import PLANTS

ROOT = Path(__file__).parents[2]
EVERYTHING = frozenset({"disk_full", "restore", "server_killed", "server_stopped", "disconnected"})
STORES = ("sqlite", "postgres")


def faults(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.faults", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )


def held(*arguments: str) -> None:
    told = faults(*arguments)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "every guarantee held" in told.stdout


@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", STORES)
def test_nothing_is_lost_and_nothing_happens_twice(store: str) -> None:
    held("--store", store, "--worlds", "4", "--seed", "1")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", STORES)
def test_of_a_seed_that_nobody_has_seen_either(store: str) -> None:
    seed = random.SystemRandom().randrange(1_000, 1_000_000)
    print(f"./dev faults --store {store} --seed {seed} --worlds 1")
    held("--store", store, "--worlds", "1", "--seed", str(seed))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", STORES)
def test_a_worker_may_end_between_any_two_statements(store: str) -> None:
    held("--store", store, "--boundaries", "10", "--seed", "1", "--jobs", "3")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", STORES)
def test_the_late_word_of_a_hung_worker_does_not_settle_what_another_has_begun(store: str) -> None:
    held("--store", store, "--hung")


CAUGHT = {
    "start_not_recorded": (1, "--worlds"),
    "once_is_tried_again": (5, "--worlds"),
    "a_stale_result_settles": (5, "--hung"),
    "a_lost_effect_did_not_happen": (5, "--worlds"),
    "the_door_forgets": (4, "--worlds"),
    "acknowledged_and_not_kept": (4, "--worlds"),
    "every_reservation_is_granted": (6, "--worlds"),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("plant", CAUGHT)
def test_a_planted_mistake_is_found(plant: str) -> None:
    guarantee, how = CAUGHT[plant]
    arguments = ["--store", "sqlite", "--plant", plant, "--seed", "1", "--jobs", "3"]
    told = faults(*arguments, *([how] if how == "--hung" else [how, "3"]))
    assert told.returncode == 1, told.stdout + told.stderr
    assert f"\n  guarantee {guarantee}: " in told.stdout, told.stdout
    assert "  repeat: ./dev faults --store sqlite --seed " in told.stdout


def test_every_planted_mistake_is_looked_for() -> None:
    assert CAUGHT.keys() == PLANTS.keys()


def test_a_seed_draws_the_same_accidents_again_and_hundred_seeds_draw_all() -> None:
    assert drawn(17, EVERYTHING) == drawn(17, EVERYTHING)
    assert frozenset().union(*(drawn(seed, EVERYTHING).has for seed in range(100))) == MOMENTS.keys()
    assert not any(drawn(seed, frozenset()).has & {"kill_server", "restore"} for seed in range(100))
