"""Where blocking work runs: a thread for the store, a few per advisor or performer that is a plain function.

All threads are daemons: a performer that hangs for ever must not keep the process from ending, and nothing they do is
the only copy of anything.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")

Job = tuple[Callable[[], Any], "asyncio.Future[Any]", contextvars.Context]


class Pool:
    """At most `size` daemon threads, started as they are needed. Work beyond them waits in order.

    A caller that gives up (cancels the future) frees nothing: the thread is busy until the function returns. A
    dependency therefore has a pool of its own, so that one that hangs takes only its own threads.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._started = 0
        self._open = 0
        self._lock = threading.Lock()

    def run(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run `work` in a thread, in a copy of the caller's context."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._open += 1
            if self._open > self._started < self._size:
                self._started += 1
                threading.Thread(target=self._serve, name=f"{self._name}-{self._started}", daemon=True).start()
        self._jobs.put((work, future, contextvars.copy_context()))
        return cast("asyncio.Future[T]", future)

    async def blocking(self, work: Callable[[], T]) -> T:
        """The port `Spawn`. Work that was begun is finished even if the caller is cancelled."""
        return await asyncio.shield(self.run(work))

    def close(self) -> None:
        """Let the threads end after the work they were given."""
        with self._lock:
            started, self._started, self._size = self._started, 0, 0
        for _ in range(started):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, future, context = job
            if future.cancelled():
                self._done()
                continue
            result, error = None, None
            try:
                result = context.run(work)
            except BaseException as raised:  # noqa: BLE001 - handed over to the caller, not handled here
                error = raised
            self._done()
            try:
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)
            except RuntimeError:
                # The loop has been closed: nobody waits for this any more.
                continue

    def _done(self) -> None:
        with self._lock:
            self._open -= 1


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, StopIteration):
        future.set_exception(RuntimeError("StopIteration left the function."))
    else:
        future.set_exception(error)


class Inline:
    """The port `Spawn` without threads, for one deterministic order of things."""

    async def blocking(self, work: Callable[[], T]) -> T:
        return work()
