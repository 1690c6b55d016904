"""Facts: all that a turn may know besides the case and the message. Recorded once per unit; every entry cites them."""

from __future__ import annotations

from msgspec import Struct

SEMANTICS = 1
"""Version of the kernel's meaning. It changes when the same inputs could give another decision; records name the
one they were made under.
"""


RECOVERING = "recovering"
"""Among the pauses: the store was put back to an earlier state, and no effect starts until an operator ends that."""

RECOVERED = "recovered:"
"""Among the pauses, and pausing nothing: what happened before this moment (microseconds) may have been handled in a
life of the store that was lost.
"""


class Facts(Struct, frozen=True, gc=False, omit_defaults=True):
    """The recorded environment of one unit.

    now      microseconds; never decreases within a slot
    control  control generation read under the slot's claim; paused: scopes `all`, `automation:NAME`,
             `action:NAME/ACTION`; and the marks of a recovery, below
    breaker  dependencies whose circuit is not closed, with their state
    frozen_clock  True while an operator has not accepted a jump of the wall clock: timers, expiries and starts
                  stand still
    starts   True when every action has room for all that this unit's answers may lead to: what an answer's decision
             permits may then start in the same turn
    """

    now: int
    semantics: int = SEMANTICS
    control: int = 0
    paused: tuple[str, ...] = ()
    breaker: dict[str, str] = {}
    frozen_clock: bool = False
    starts: bool = False

    @property
    def recovering(self) -> bool:
        return RECOVERING in self.paused

    @property
    def forgotten_until(self) -> int:
        """Until when things may have happened that the store does not know of; 0: nothing was ever lost."""
        said = [int(one.removeprefix(RECOVERED)) for one in self.paused if one.startswith(RECOVERED)]
        return max(said, default=0)

    def is_paused(self, automation: str, action: str) -> bool:
        """Whether a pause in force covers this action."""
        scopes = self.paused
        return bool(scopes) and (
            "all" in scopes
            or RECOVERING in scopes
            or f"automation:{automation}" in scopes
            or f"action:{automation}/{action}" in scopes
        )
