"""Group commit for peers that write many things in one transaction when their caller hands them many.

While one write is under way, on a thread, the next group gathers. Nobody waits for a timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Group(Generic[T]):
    """Hands what is put to `write`, in groups, in order. `put` returns when its group has been written."""

    def __init__(self, write: Callable[[Sequence[T]], object]) -> None:
        self._write = write
        self._thread = ThreadPoolExecutor(1, "group")
        self._gathered: list[tuple[T, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def put(self, item: T) -> None:
        written = asyncio.get_running_loop().create_future()
        self._gathered.append((item, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        await written

    async def run(self, work: Callable[[], R]) -> R:
        """Something else, on the thread that writes."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        self._thread.shutdown()

    async def _write_all(self) -> None:
        while self._gathered:
            group, self._gathered = self._gathered, []
            try:
                await self.run(lambda group=group: self._write([item for item, _ in group]))
            except Exception as error:  # noqa: BLE001 - it is handed to everybody who waits for this group
                for _, written in group:
                    if not written.done():
                        written.set_exception(error)
            else:
                for _, written in group:
                    if not written.done():
                        written.set_result(None)
        self._writing = None
