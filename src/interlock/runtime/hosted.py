"""An automation as the runtime holds it: the kernel's program, and who carries out what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.kernel.program import Program
from interlock.ports import Advisors, Performers
from interlock.vocabulary import limits


@dataclass(frozen=True)
class Hosted:
    """One automation under one release, able to run.

    concurrency  calls in flight per dependency, where the release says so
    timeouts     microseconds per action, where the release says so
    """

    program: Program
    advisors: Advisors
    performers: Performers
    concurrency: Mapping[str, int] = field(default_factory=dict[str, int])
    timeouts: Mapping[str, int] = field(default_factory=dict[str, int])


def concurrency_of(hosted: Mapping[str, Hosted]) -> dict[str, int]:
    """Calls in flight per dependency over several automations.

    A dependency that two share by name is one dependency: the smaller number holds.
    """
    least: dict[str, int] = {}
    for one in hosted.values():
        for dependency, most in one.concurrency.items():
            least[dependency] = min(most, least.get(dependency, most))
    return least


def default_concurrency(dependency: str) -> int:
    """What a dependency gets that no release says anything of."""
    return limits.ADVISOR_CONCURRENCY if dependency.startswith("advisor:") else limits.EFFECT_CONCURRENCY
