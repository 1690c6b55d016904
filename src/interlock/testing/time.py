"""Time that stands still until somebody waits for it.

`ManualClock` is a clock that is moved by hand. `VirtualLoop` is an event loop on such a clock: instead of waiting for
the next timer it moves the clock there, so an hour passes in the time that the work of that hour takes, and two runs
of the same program do the same things in the same order.

INVARIANT: on a VirtualLoop no real time is waited for, unless real I/O or a thread is.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Any

START = 1_767_225_600_000_000
"""Where a manual clock begins when nothing else is said: 2026-01-01T00:00:00Z."""


class ManualClock:
    """The port `Clock`, moved by hand. Microseconds."""

    def __init__(self, start: int = START) -> None:
        self._now = start
        self._monotonic = 0

    def now(self) -> int:
        return self._now

    def monotonic(self) -> int:
        return self._monotonic

    def advance(self, micros: int) -> None:
        """Let time pass, on both clocks."""
        if micros < 0:
            raise ValueError("Time does not pass backwards; see `jump`.")
        self._now += micros
        self._monotonic += micros

    def jump(self, micros: int) -> None:
        """Set the wall clock forward or back, as an operator or a bad time server would.

        The monotonic clock does not notice.
        """
        self._now += micros


STILL_MAX = 1_000_000
"""Turns of a loop without time passing after which it is held to turn for ever."""


class Restless(AssertionError):
    """What runs on the loop makes work for itself without end: time does not pass any more."""


class _NoWait(selectors.BaseSelector):
    """A selector that moves the clock where it would wait; `waits` may stop that."""

    def __init__(self, clock: ManualClock) -> None:
        self._real = selectors.DefaultSelector()
        self._clock = clock
        self._still = 0
        self.waits: Callable[[], bool] = lambda: True

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready:
            return ready
        if timeout is not None and timeout <= 0:
            self._still += 1
            if self._still > STILL_MAX:
                raise Restless(f"Nothing came to rest in {STILL_MAX} turns of the loop.")
            return ready
        self._still = 0
        if not self.waits():
            return ready
        if timeout is None:
            # Nothing is due, ever: only a thread or a socket can go on.
            return self._real.select(None)
        # Rounded up: a timer must not be found early by the length of a rounding error.
        self._clock.advance(int(timeout * 1_000_000) + 1)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose waiting moves a ManualClock."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self._selecting = _NoWait(self.clock)
        super().__init__(self._selecting)

    def time(self) -> float:
        return self.clock.monotonic() / 1_000_000

    def run_while(self, going: Callable[[], bool]) -> None:
        """Run until `stop`, or until the loop would have to wait and `going` says that there is nothing to wait for."""

        def waits() -> bool:
            if going():
                return True
            self.stop()
            return False

        self._selecting.waits = waits
        try:
            self.run_forever()
        finally:
            self._selecting.waits = lambda: True
