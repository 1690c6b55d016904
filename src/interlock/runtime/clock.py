"""What time it is, and whether to believe it.

`SystemClock` reads the machine; `StoreClock` corrects it by how far a server's clock is from it. `ClockGuard` stands
between a clock and everything that is recorded or becomes due.

A wall clock that jumps ahead would fire every timer and expire every review at once; one that jumps back would run
records backwards. So the guard compares the wall with the monotonic clock on every reading:

    ahead by more than the limit   frozen: time goes on at the monotonic rate from the last believed moment, and
                                   whoever sees `frozen` stops timers, expiries and starts, until `accept` or until
                                   the wall has come back
    behind                         time goes on at half the monotonic rate until the wall has caught up, so that
                                   deadlines still come

INVARIANT: `now` never decreases, and no reading is further ahead of the last one than elapsed monotonic time plus the
limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from interlock.ports import Clock, Store
from interlock.vocabulary import limits


class SystemClock:
    """The machine's clocks, in microseconds."""

    def now(self) -> int:
        return time.time_ns() // 1_000

    def monotonic(self) -> int:
        return time.monotonic_ns() // 1_000


class StoreClock(SystemClock):
    """The store's time by this machine's clock, for workers that share a store from several machines."""

    def __init__(self, ahead: Callable[[], int]) -> None:
        """`ahead`: as `Store.ahead`."""
        self._ahead = ahead

    def now(self) -> int:
        return time.time_ns() // 1_000 + self._ahead()


def clock_of(store: Store) -> SystemClock:
    """The clock that what is written to a store goes by."""
    return SystemClock() if store.caps.locking == "database" else StoreClock(store.ahead)


class ClockGuard:
    """A clock that is believed within limits. One per worker; read from one thread at a time."""

    def __init__(self, clock: Clock, *, jump_max: int = limits.CLOCK_JUMP_MS_MAX * 1_000) -> None:
        self._clock = clock
        self._jump_max = jump_max
        self._last = clock.now()
        self._mark = clock.monotonic()
        self.frozen = False

    def now(self) -> int:
        """Microseconds, never less than the reading before."""
        wall, mark = self._clock.now(), self._clock.monotonic()
        elapsed = max(0, mark - self._mark)
        expected = self._last + elapsed
        if wall - expected > self._jump_max:
            self.frozen = True
            moment = expected
        elif wall >= self._last:
            self.frozen = False
            moment = wall
        else:
            self.frozen = False
            moment = self._last + elapsed // 2
        self._last, self._mark = moment, mark
        return moment

    def monotonic(self) -> int:
        return self._clock.monotonic()

    def accept(self) -> int:
        """An operator says that the wall clock is right after all; returns the moment now in force."""
        self._last, self._mark = max(self._last, self._clock.now()), self._clock.monotonic()
        self.frozen = False
        return self._last
