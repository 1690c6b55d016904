"""Hundreds of seeds: the whole runtime with faults, judged by the independent checker.

`INTERLOCK_SIM_SEEDS=5000` runs more of them. A seed that fails prints itself, how to see it again, and what was broken.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from interlock.testing.simulator import faults_of, simulate

pytestmark = pytest.mark.simulation

SEEDS = int(os.environ.get("INTERLOCK_SIM_SEEDS", "300"))
CHUNK = 10


@pytest.mark.parametrize("first", range(1, SEEDS + 1, CHUNK))
def test_every_guarantee_holds(first: int) -> None:
    reports = [
        outcome.report() for seed in range(first, min(first + CHUNK, SEEDS + 1)) if (outcome := simulate(seed)).broken
    ]
    assert not reports, "\n" + "\n".join(reports)


def test_a_file_behaves_as_memory_does(tmp_path) -> None:
    """The same seed on a file does the same things in the same order."""
    for seed in (3, 8):
        assert simulate(seed, path=tmp_path / f"{seed}.db").digest == simulate(seed).digest


def test_a_seed_replays_exactly() -> None:
    seed = next(seed for seed in range(1, 100) if faults_of(seed).crashes_per_hour and faults_of(seed).second_worker)
    assert simulate(seed).trace == simulate(seed).trace


def test_a_seed_replays_exactly_in_another_process() -> None:
    """Nothing depends on the order of sets of text, which differs from process to process."""
    digests = {
        subprocess.run(
            [sys.executable, "-m", "interlock.testing.simulator", "--seed", "5"],
            env={**os.environ, "PYTHONHASHSEED": hashing},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hashing in ("1", "2")
    }
    assert len(digests) == 1


REACHED = (
    "is in doubt",
    "which ends the doubt",
    "was found to have happened",
    "making the earlier attempt impossible",
    "looking again while the earlier attempt can still show itself",
    "trying again with the same key",
    "of the chain",
    "gave no answer: timeout",
    "gave no answer: garbage",
    "gave no answer: error",
    "is stale; asked again",
    "was answered before; the recorded answer is used",
    "was parked until the case was opened",
    "is held: a pause is in force",
    "not started in time after its decision",
    "cancelled before its start",
    "exhausted",
    "still needed",
    "edited pay",
    "does not fit",
    "what was shown has changed since",
    "cannot approve it",
    "another person must",
    " returns: ",
    "expired",
    "is superseded by",
    "discard by operator",
    "retry by operator",
    "The process died 3 times",
    "says letter happened",
    '"fallback":"credit_instead"',
    '"late":true',
)
"""Words that ledgers are to hold somewhere: a simulation that never gets there proves nothing about it."""


def test_the_seeds_reach_every_path() -> None:
    missing = set(REACHED)
    seed = 0
    while missing and seed < 60:
        seed += 1
        for rows in simulate(seed).history.ledger.values():
            text = b"\n".join(body for body, _ in rows).decode()
            missing = {words for words in missing if words not in text}
    assert not missing, f"not reached in {seed} seeds: {sorted(missing)}"
