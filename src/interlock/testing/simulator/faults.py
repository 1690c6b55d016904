"""Which faults a run has, and how often: drawn once from its seed.

Each seed turns every kind of fault on or off by itself ("swarm testing": Groce et al., Swarm Testing, ISSTA 2012). A
run with all faults at once seldom gets far enough to do anything interesting; a run with three of them does.

All randomness of a run comes from `Dice`, one stream per purpose, so that a change in how often one part draws does not
change what happens in all others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

from interlock.vocabulary.errors import StoreBusy, StoreFull

T = TypeVar("T")


class Dice:
    """One stream of random numbers, named by what it is for. The same seed and name give the same stream everywhere."""

    def __init__(self, seed: int, purpose: str) -> None:
        # Text seeds go through SHA-512 in `random`, so neighbours have nothing in common and hash randomisation plays
        # no part.
        self._random = random.Random(f"interlock {seed} {purpose}")

    def chance(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def between(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def whole(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return self._random.randint(low, high)

    def one_of(self, things: Sequence[T]) -> T:
        return things[self._random.randrange(len(things))]

    def weighted(self, weights: Mapping[str, float]) -> str:
        names = sorted(weights)
        return self._random.choices(names, [weights[name] for name in names])[0]


class Crash(BaseException):
    """The end of a simulated process at this very place. Not an Exception: nothing that handles errors may survive
    it."""


@dataclass(frozen=True)
class Faults:
    """How often what goes wrong. Probabilities per occasion, or times per virtual hour where the name says so.

    The store's are per statement; those of advisors and of the outside per call; those of senders per message.
    """

    store_busy: float = 0.0
    store_full: float = 0.0
    crash_at_statement: float = 0.0
    crash_before_commit: float = 0.0
    crash_after_commit: float = 0.0
    crashes_per_hour: float = 0.0
    stalls_per_hour: float = 0.0
    slow_store: float = 0.0
    second_worker: bool = False
    advisor_slow: float = 0.0
    advisor_hangs: float = 0.0
    advisor_fails: float = 0.0
    advisor_garbage: float = 0.0
    advisor_nan: float = 0.0
    advisors_disagree: float = 0.0
    outside_refuses: float = 0.0
    outside_loses_reply: float = 0.0
    outside_fails_before: float = 0.0
    outside_hangs: float = 0.0
    outside_late: float = 0.0
    outside_lies_down_per_hour: float = 0.0
    check_fails: float = 0.0
    duplicates: float = 0.0
    conflicts: float = 0.0
    reordered: float = 0.0
    late_events: float = 0.0
    poison: float = 0.0
    repeated_results: float = 0.0
    clock_steps_per_hour: float = 0.0
    clock_jumps_per_hour: float = 0.0
    pauses_per_hour: float = 0.0

    def words(self) -> list[str]:
        """The faults that are on, with how often, in alphabetical order."""
        on = [(one.name, getattr(self, one.name)) for one in fields(self)]
        return [f"{name}={value:.4g}" for name, value in sorted(on) if value]


_RANGES: Mapping[str, tuple[float, float]] = {
    "store_busy": (0.001, 0.02),
    "store_full": (0.0005, 0.01),
    "crash_at_statement": (0.0005, 0.004),
    "crash_before_commit": (0.002, 0.02),
    "crash_after_commit": (0.002, 0.02),
    "crashes_per_hour": (5, 60),
    "stalls_per_hour": (2, 15),
    "slow_store": (0.05, 0.5),
    "advisor_slow": (0.1, 0.6),
    "advisor_hangs": (0.02, 0.3),
    "advisor_fails": (0.05, 0.4),
    "advisor_garbage": (0.05, 0.3),
    "advisor_nan": (0.05, 0.3),
    "advisors_disagree": (0.1, 0.6),
    "outside_refuses": (0.05, 0.3),
    "outside_loses_reply": (0.05, 0.4),
    "outside_fails_before": (0.05, 0.3),
    "outside_hangs": (0.02, 0.2),
    "outside_late": (0.05, 0.4),
    "outside_lies_down_per_hour": (1, 6),
    "check_fails": (0.05, 0.5),
    "duplicates": (0.05, 0.4),
    "conflicts": (0.02, 0.2),
    "reordered": (0.1, 0.6),
    "late_events": (0.05, 0.3),
    "poison": (0.01, 0.08),
    "repeated_results": (0.1, 0.8),
    "clock_steps_per_hour": (2, 20),
    "clock_jumps_per_hour": (0.5, 2),
    "pauses_per_hour": (1, 6),
}


def faults_of(seed: int) -> Faults:
    """The faults of this seed. Every eighth seed has none at all: the story without accidents must hold, too."""
    if seed % 8 == 0:
        return Faults()
    dice = Dice(seed, "faults")
    share = dice.between(0.15, 0.7)
    drawn: dict[str, float] = {}
    for name, (low, high) in _RANGES.items():
        on, often = dice.chance(share), dice.between(low, high)
        if on:
            drawn[name] = often
    return Faults(second_worker=dice.chance(0.4), **drawn)


class StoreFaults:
    """The store's hook: what happens before each statement and around each commit.

    `killed` ends the process that is writing and is told where. `on` is False while a run sets up and after it has
    healed.
    """

    def __init__(self, faults: Faults, dice: Dice, killed: Callable[[str], None]) -> None:
        self._faults = faults
        self._dice = dice
        self._killed = killed
        self.on = False

    def __call__(self, statement: str) -> None:
        if not self.on:
            return
        faults = self._faults
        if statement == "after COMMIT":
            self._maybe_crash(faults.crash_after_commit, statement)
        elif statement == "before COMMIT":
            self._maybe_crash(faults.crash_before_commit, statement)
            self._maybe_fail()
        else:
            self._maybe_crash(faults.crash_at_statement, statement)
            self._maybe_fail()

    def _maybe_crash(self, probability: float, where: str) -> None:
        if self._dice.chance(probability):
            self._killed(" ".join(where.split()[:3]))
            raise Crash(where)

    def _maybe_fail(self) -> None:
        if self._dice.chance(self._faults.store_busy):
            raise StoreBusy("The simulated store is held by another process.")
        if self._dice.chance(self._faults.store_full):
            raise StoreFull("The simulated disk is full.")
