"""Every option of a running interlock, in one record.

What influences a decision is part of a release and not here: these say how much, how often and how long, never what.
The defaults and their reasons stand in `vocabulary.limits`. Only the assembly and the command line read settings;
everything below gets plain arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from interlock.vocabulary import limits
from interlock.vocabulary.errors import Refused

ENVIRONMENT_PREFIX = "INTERLOCK_"


@dataclass(frozen=True)
class Settings:
    """Milliseconds, days, counts, and places by name.

    poll_ms             how often a worker looks for what other processes have accepted
    lease_ttl_ms        how long a silent worker keeps its commands
    drain_ms            how long calls in flight may go on after SIGTERM
    step_ms_max         longest turn of one message
    step_kill_ms        when the process ends if a turn does not
    inbox_max           accepted, unconsumed messages before the door refuses
    inbox_automation_max  accepted, unconsumed messages of one automation, so that one cannot take all the room
    disk_free_min_mb    room on the disk below which the door takes no events or calls; 0 for no bound
    breaker_failures    failures in a row that open a dependency's breaker
    breaker_open_ms     how long an open breaker stays open before one call tries again
    clock_jump_ms_max   how far the wall clock may run ahead of the monotonic one
    threads_max         threads per advisor or performer that is a plain function
    slots               slots of a store that is created
    retain_days         days for which a finished case stays among those that are listed; then it is put away
    anchor_to           where a worker keeps anchors of the ledger: a file's folder or a URL; empty: nowhere
    anchor_key          what a worker signs anchors with: a file in PEM, or env:NAME; empty: they are not signed
    anchor_every_ms     time between two anchors
    """

    poll_ms: int = 100
    lease_ttl_ms: int = limits.LEASE_TTL_MS
    drain_ms: int = 20_000
    step_ms_max: int = limits.STEP_MS_MAX
    step_kill_ms: int = limits.STEP_KILL_MS
    inbox_max: int = limits.INBOX_MAX
    inbox_automation_max: int = limits.INBOX_MAX
    disk_free_min_mb: int = limits.DISK_FREE_MIN_MB
    breaker_failures: int = limits.BREAKER_FAILURES
    breaker_open_ms: int = limits.BREAKER_OPEN_MS
    clock_jump_ms_max: int = limits.CLOCK_JUMP_MS_MAX
    threads_max: int = 32
    slots: int = limits.SLOTS
    retain_days: int = limits.RETAIN_DAYS
    anchor_to: str = ""
    anchor_key: str = ""
    anchor_every_ms: int = limits.ANCHOR_EVERY_MS

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(one.default, str):
                if not isinstance(value, str):
                    raise Refused(f"Setting {one.name} is {value!r}; it is text.", code="bad_setting")
                continue
            least = 0 if one.name == "disk_free_min_mb" else 1
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise Refused(
                    f"Setting {one.name} is {value!r}; it is a whole number from {least}.", code="bad_setting"
                )


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Settings with what `INTERLOCK_<NAME>` says, e.g.

    INTERLOCK_POLL_MS=50. Raises Refused naming a variable that is no number.
    """
    given: dict[str, Any] = {}
    for one in fields(Settings):
        name = ENVIRONMENT_PREFIX + one.name.upper()
        text = environment.get(name)
        if text is None:
            continue
        if isinstance(one.default, str):
            given[one.name] = text
            continue
        if not text.strip().isdigit():
            raise Refused(f"{name} is {text!r}; it is a whole number.", code="bad_setting")
        given[one.name] = int(text)
    return Settings(**given)
