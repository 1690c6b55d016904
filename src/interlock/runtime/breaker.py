"""The circuit breaker of one dependency: after failures in a row nothing is sent for a while, then one call may try.

    closed --(failures in a row)--> open --(time)--> half_open --(success)--> closed
                                      ^------------------(failure)------+

Its state is a fact that policies can read; it is recorded with every unit.
"""

from __future__ import annotations

from typing import Literal

BreakerState = Literal["closed", "open", "half_open"]


class Breaker:
    """Times in microseconds, given by the caller."""

    __slots__ = ("_failures", "_failures_max", "_open_for", "_opened_at", "_trying")

    def __init__(self, *, failures_max: int, open_for: int) -> None:
        self._failures_max = failures_max
        self._open_for = open_for
        self._failures = 0
        self._opened_at: int | None = None
        self._trying = False

    @property
    def reopens_at(self) -> int:
        """When a call may try again; 0 while closed."""
        return 0 if self._opened_at is None else self._opened_at + self._open_for

    def state(self, now: int) -> BreakerState:
        if self._opened_at is None:
            return "closed"
        return "half_open" if now >= self._opened_at + self._open_for else "open"

    def room(self, now: int, room: int) -> int:
        """How many of `room` calls may be sent now."""
        state = self.state(now)
        if state == "closed":
            return room
        return 0 if state == "open" or self._trying else min(1, room)

    def sent(self, now: int) -> None:
        self._trying = self._opened_at is not None

    def given_up(self) -> None:
        """A call was withdrawn before it said anything; another may try."""
        self._trying = False

    def succeeded(self) -> None:
        self._failures, self._opened_at, self._trying = 0, None, False

    def failed(self, now: int) -> None:
        self._failures += 1
        self._trying = False
        if self._opened_at is not None or self._failures >= self._failures_max:
            self._opened_at = now
