"""The wall clock of a world: the machine's, plus what the driver makes it wrong by.

The error lies in memory that all processes of a world share, so a step reaches all of them at once, as a step of the
machine's own clock would. Monotonic time is the machine's and never wrong. Processes of one machine may still disagree
by a skew of their own, as machines do.
"""

from __future__ import annotations

import mmap
import struct
import time


class SharedError:
    """What every wall clock of a world is wrong by. Made before the first fork. Microseconds."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    @property
    def now(self) -> int:
        return struct.unpack_from("q", self._memory, 0)[0]

    @property
    def highest(self) -> int:
        """The furthest ahead that it ever was."""
        return struct.unpack_from("q", self._memory, 8)[0]

    def set(self, error: int) -> None:
        struct.pack_into("q", self._memory, 0, error)
        struct.pack_into("q", self._memory, 8, max(self.highest, error))


class WorldClock:
    """The port `Clock` of one process."""

    def __init__(self, error: SharedError, skew: int = 0) -> None:
        self._error = error
        self._skew = skew

    def now(self) -> int:
        return time.time_ns() // 1_000 + self._error.now + self._skew

    def monotonic(self) -> int:
        return time.monotonic_ns() // 1_000


def true_now() -> int:
    """The moment that no accident touches, by which calls, bookings and receipts are dated. Microseconds."""
    return time.time_ns() // 1_000
