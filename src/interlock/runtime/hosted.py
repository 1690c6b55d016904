"""An automation as the runtime holds it: the kernel's program, and who carries out what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.kernel.program import Program
from interlock.ports import Advisors, Performers
from interlock.runtime.vault import StoreKeeper
from interlock.vocabulary import limits


@dataclass(frozen=True)
class Hosted:
    """One automation under one release, able to run.

    concurrency  calls in flight per dependency, where the release says so
    timeouts     microseconds one call to a dependency may take, where the release says so
    keeper       opens the vault around each turn, where a type of the automation holds personal data; else None
    """

    program: Program
    advisors: Advisors
    performers: Performers
    concurrency: Mapping[str, int] = field(default_factory=dict[str, int])
    timeouts: Mapping[str, int] = field(default_factory=dict[str, int])
    keeper: StoreKeeper | None = None


def concurrency_of(hosted: Mapping[str, Hosted], dependency: str) -> int:
    """Calls in flight that a dependency takes.

    One that two automations share by name is one dependency: the smaller number holds.
    """
    said = [one.concurrency[dependency] for one in hosted.values() if dependency in one.concurrency]
    if said:
        return min(said)
    return limits.ADVISOR_CONCURRENCY if dependency.startswith("advisor:") else limits.EFFECT_CONCURRENCY
