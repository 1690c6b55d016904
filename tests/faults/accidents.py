"""What goes wrong in a run and when: drawn once from its seed.

Each seed turns every kind of accident on or off by itself, as the simulation does ("swarm testing": Groce et al., Swarm
Testing, ISSTA 2012). The seed repeats what is sent and what goes wrong and when. It does not repeat in which order the
machine runs the processes: a failing seed is run again until it shows itself again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from interlock.testing.simulator import Faults
from interlock.testing.simulator.faults import Dice

ACTIVE_S = 6.0
"""How long accidents go on."""

MOMENTS: Mapping[str, tuple[float, float, float]] = {
    # how likely a seed has it at all, and how often it then happens within the active time
    "kill_worker": (0.6, 1, 6),
    "stop_worker": (0.35, 1, 3),
    "kill_people": (0.3, 1, 2),
    "step_clock": (0.3, 1, 4),
    "jump_clock": (0.25, 1, 1),
    "pause": (0.3, 1, 3),
    "disk_full": (0.3, 1, 3),
    "kill_server": (0.35, 1, 2),
    "stop_server": (0.25, 1, 2),
    "disconnect": (0.4, 1, 8),
    "restore": (0.15, 1, 1),
}

NEEDS = {
    "disk_full": "disk_full",
    "kill_server": "server_killed",
    "stop_server": "server_stopped",
    "disconnect": "disconnected",
    "restore": "restore",
}
"""Accidents that not every store can have, by what `Place.breaks` calls them."""

OUTSIDE: Mapping[str, tuple[float, float, float]] = {
    # how likely a seed has it at all, and the range of its probability per call
    "outside_refuses": (0.4, 0.05, 0.25),
    "outside_loses_reply": (0.5, 0.05, 0.35),
    "outside_fails_before": (0.4, 0.05, 0.25),
    "outside_hangs": (0.25, 0.02, 0.1),
    "outside_late": (0.5, 0.05, 0.35),
    "check_fails": (0.4, 0.05, 0.3),
    "advisor_slow": (0.3, 0.05, 0.3),
    "advisor_hangs": (0.25, 0.02, 0.15),
    "advisor_fails": (0.4, 0.05, 0.3),
    "advisor_garbage": (0.3, 0.05, 0.2),
    "advisors_disagree": (0.4, 0.1, 0.5),
    "duplicates": (0.5, 0.1, 0.4),
    "conflicts": (0.4, 0.05, 0.2),
    "reordered": (0.5, 0.1, 0.6),
    "late_events": (0.4, 0.1, 0.3),
    "poison": (0.3, 0.03, 0.1),
    "repeated_results": (0.5, 0.1, 0.6),
}


@dataclass(frozen=True)
class Accidents:
    """A run's plan.

    workers         processes at work at once
    orders          how many orders are placed
    crash_points    share of processes that end at a boundary between two statements
    slow_disk       seconds that each COMMIT waits; 0: as fast as the disk is
    outside         what goes wrong in every call, as probabilities
    moments         (seconds from the start, what happens then)
    """

    workers: int = 1
    orders: int = 8
    crash_points: float = 0.0
    slow_disk: float = 0.0
    outside: Faults = field(default_factory=Faults)
    moments: tuple[tuple[float, str], ...] = ()

    @property
    def has(self) -> frozenset[str]:
        return frozenset(what for _, what in self.moments)

    def words(self) -> list[str]:
        """What goes wrong, in words, with how often."""
        said = [f"{self.workers} workers", f"{self.orders} orders"]
        if self.crash_points:
            said.append(f"crash_points={self.crash_points:.2f}")
        if self.slow_disk:
            said.append(f"slow_disk={self.slow_disk * 1_000:.0f}ms")
        happens = [what for _, what in self.moments]
        said += [f"{what}×{happens.count(what)}" for what in sorted(set(happens))]
        return said + self.outside.words()


def rough(seed: int) -> Accidents:
    """Enough of everything that a mistake in the program needs to show itself soon."""
    dice = Dice(seed, "rough accidents")
    moments = [(dice.between(0.3, ACTIVE_S), what) for what in ("kill_worker",) * 6 + ("stop_worker",) * 3]
    outside = Faults(
        outside_loses_reply=0.35, outside_fails_before=0.2, outside_late=0.3, outside_refuses=0.1, check_fails=0.1,
        advisors_disagree=0.2, duplicates=0.5,
    )  # fmt: skip
    return Accidents(workers=2, orders=16, crash_points=0.9, outside=outside, moments=tuple(sorted(moments)))


def drawn(seed: int, breaks: frozenset[str]) -> Accidents:
    """The accidents of this seed on a store that can be broken in these ways. Every tenth seed has none."""
    dice = Dice(seed, "real accidents")
    orders = dice.whole(6, 14)
    if seed % 10 == 0:
        return Accidents(workers=2, orders=orders)
    moments: list[tuple[float, str]] = []
    for what, (likely, least, most) in MOMENTS.items():
        on, times = dice.chance(likely), dice.whole(int(least), int(most))
        when = [dice.between(0.3, ACTIVE_S) for _ in range(times)]
        if on and NEEDS.get(what, what) in breaks | (MOMENTS.keys() - NEEDS.keys()):
            moments += [(at, what) for at in when]
    outside: dict[str, Any] = {}
    for name, (likely, low, high) in OUTSIDE.items():
        on, often = dice.chance(likely), dice.between(low, high)
        if on:
            outside[name] = often
    assert outside.keys() <= {one.name for one in fields(Faults)}
    return Accidents(
        workers=dice.whole(1, 3),
        orders=orders,
        crash_points=dice.between(0.3, 0.95) if dice.chance(0.7) else 0.0,
        slow_disk=dice.between(0.005, 0.06) if dice.chance(0.25) else 0.0,
        outside=Faults(**outside),
        moments=tuple(sorted(moments)),
    )
