"""Deterministic simulation: hours of a whole system with faults, from one integer, in a fraction of a second.

    faults.py      which faults a run has and how often; all randomness
    world.py       the outside with its own books, and advisors
    process.py     a worker and its door, which can die and stand still
    people.py      senders, reviewers, an operator
    simulation.py  one run, from the seed to the judgement
    workload/      the automation that is simulated, written as a user writes one

`python -m interlock.testing.simulator --seed 17 --trace` shows a run again.
"""

from interlock.testing.simulator.faults import Crash, Dice, Faults, faults_of
from interlock.testing.simulator.simulation import Outcome, simulate

__all__ = ["Crash", "Dice", "Faults", "Outcome", "faults_of", "simulate"]
