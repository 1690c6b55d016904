"""Facts: all that a turn may know besides the case and the message. Recorded once per unit; every entry cites them."""

from __future__ import annotations

from msgspec import Struct

SEMANTICS = 1
"""Version of the kernel's meaning. It changes when the same inputs could give another decision; records name the
one they were made under.
"""


class Facts(Struct, frozen=True, omit_defaults=True):
    """The recorded environment of one unit.

    now      microseconds; never decreases within a slot
    control  control generation read under the slot's claim; paused: scopes `all`, `automation:NAME`,
             `action:NAME/ACTION`
    breaker  dependencies whose circuit is not closed, with their state
    frozen_clock  True while an operator has not accepted a jump of the wall clock: timers, expiries and starts
                  stand still
    """

    now: int
    semantics: int = SEMANTICS
    control: int = 0
    paused: tuple[str, ...] = ()
    breaker: dict[str, str] = {}
    frozen_clock: bool = False

    def is_paused(self, automation: str, action: str) -> bool:
        """Whether a pause in force covers this action."""
        scopes = self.paused
        return bool(scopes) and (
            "all" in scopes or f"automation:{automation}" in scopes or f"action:{automation}/{action}" in scopes
        )
