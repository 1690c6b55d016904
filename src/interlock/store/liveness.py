"""Who is alive: known from locks that the operating system takes away when a process ends, however it ends.

A worker holds a lock on a file beside the database. A worker killed at this moment is known to be dead at this
moment, without waiting for its leases to run out. A store in memory lives and dies with its process, so a list does
the same there.

The lock belongs to the open file, so two stores in one process see each other as two processes would. A child made by
fork without exec shares it: a worker that forks must end its children before it can be taken for dead.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from interlock.vocabulary.errors import NotNow


class Liveness(Protocol):
    """Registration of workers that shows their death."""

    def hold(self, worker: str) -> None:
        """Be alive under this name until `release`, `close` or the process's end. NotNow: somebody else is."""
        ...

    def release(self, worker: str) -> None:
        """Leave in an orderly way."""
        ...

    def holds(self, worker: str) -> bool:
        """Whether the worker lives here, in this store."""
        ...

    def is_dead(self, worker: str) -> bool:
        """Whether nobody holds the name."""
        ...

    def clear(self, worker: str) -> None:
        """Take away what a dead worker left."""
        ...

    def close(self) -> None:
        """Stop holding everything, as the end of the process would."""
        ...


class MemoryLiveness:
    """Within one process: a worker is alive while it is on the list."""

    def __init__(self) -> None:
        self._held: set[str] = set()

    def hold(self, worker: str) -> None:
        self._held.add(worker)

    def release(self, worker: str) -> None:
        self._held.discard(worker)

    def holds(self, worker: str) -> bool:
        return worker in self._held

    def is_dead(self, worker: str) -> bool:
        return worker not in self._held

    def clear(self, worker: str) -> None:
        pass

    def close(self) -> None:
        self._held.clear()


class FileLiveness:
    """Between the processes of one machine: a locked file per worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def _path(self, worker: str) -> Path:
        return self._folder / f"{quote(worker, safe='')}.lock"

    def hold(self, worker: str) -> None:
        if worker in self._held:
            return
        self._folder.mkdir(exist_ok=True)
        path = self._path(worker)
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            if not _lock(handle):
                os.close(handle)
                raise NotNow(
                    f"A worker named {worker!r} is running on this database.",
                    code="worker_name",
                    hint="Give this one another name.",
                )
            if _is_at(handle, path):
                self._held[worker] = handle
                return
            os.close(handle)  # Somebody took the file away between opening and locking it; what we locked has no name.

    def release(self, worker: str) -> None:
        handle = self._held.pop(worker, None)
        if handle is not None:
            self._path(worker).unlink(missing_ok=True)  # While it is locked: nobody else can be about to use it.
            os.close(handle)

    def holds(self, worker: str) -> bool:
        return worker in self._held

    def is_dead(self, worker: str) -> bool:
        if worker in self._held:
            return False
        try:
            handle = os.open(self._path(worker), os.O_RDONLY)
        except FileNotFoundError:
            return True
        try:
            return _lock(handle)
        finally:
            os.close(handle)

    def clear(self, worker: str) -> None:
        try:
            handle = os.open(self._path(worker), os.O_RDWR)
        except FileNotFoundError:
            return
        try:
            if _lock(handle) and _is_at(handle, self._path(worker)):
                self._path(worker).unlink(missing_ok=True)
        finally:
            os.close(handle)

    def close(self) -> None:
        for handle in self._held.values():
            os.close(handle)
        self._held.clear()


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(handle: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), there)
