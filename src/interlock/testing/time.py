"""Time that stands still until somebody waits for it.

`ManualClock` is a clock that is moved by hand. `VirtualLoop` is an event loop on such a clock: instead of waiting for
the next timer it moves the clock there, so an hour passes in the time that the work of that hour takes, and two runs
of the same program do the same things in the same order.

INVARIANT: on a VirtualLoop no real time is waited for, unless real I/O or a thread is.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
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


class _NoWait(selectors.BaseSelector):
    """A selector that moves the clock where it would wait."""

    def __init__(self, clock: ManualClock) -> None:
        self._real = selectors.DefaultSelector()
        self._clock = clock
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout is None or self.threads:
            return ready or self._real.select(timeout if not self.threads else 0.001)
        if timeout > 0:
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
        super().__init__(_NoWait(self.clock))

    def time(self) -> float:
        return self.clock.monotonic() / 1_000_000
