"""Deadlines in memory: one heap and one loop timer for all of them.

Thousands of calls in flight each have a timeout, and almost none of them fires. A heap of tuples costs a fraction of
a loop timer per call, and a cancelled deadline is simply skipped when its moment comes. Durable timers are the
store's; these are only the process's own.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count


class Deadline:
    """One moment at which something is to be done, until it is cancelled."""

    __slots__ = ("act", "when")

    def __init__(self, when: float, act: Callable[[], None]) -> None:
        self.when = when
        self.act: Callable[[], None] | None = act

    def cancel(self) -> None:
        self.act = None


class Deadlines:
    """Deadlines on one event loop, in its own time. Not for use from other threads."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Deadline]] = []
        self._order = count()
        self._armed: asyncio.TimerHandle | None = None

    def after(self, seconds: float, act: Callable[[], None]) -> Deadline:
        """Call `act` once, `seconds` from now, unless the deadline is cancelled before."""
        loop = asyncio.get_running_loop()
        deadline = Deadline(loop.time() + max(0.0, seconds), act)
        heapq.heappush(self._heap, (deadline.when, next(self._order), deadline))
        if self._armed is None or deadline.when < self._armed.when():
            self._arm(loop)
        return deadline

    def close(self) -> None:
        if self._armed is not None:
            self._armed.cancel()
        self._heap.clear()

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._armed is not None:
            self._armed.cancel()
        while self._heap and self._heap[0][2].act is None:
            heapq.heappop(self._heap)
        self._armed = loop.call_at(self._heap[0][0], self._fire, loop) if self._heap else None

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._armed = None
        now = loop.time()
        try:
            while self._heap and self._heap[0][0] <= now:
                act = heapq.heappop(self._heap)[2].act
                if act is not None:
                    act()
        finally:
            self._arm(loop)
