"""The stores that the suite is run on, each as a place that can be made, opened, broken and mended."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from interlock.assembly.backups import restore
from interlock.ports import Store
from interlock.store.driver import StatementFaults
from interlock.store.sqlite import open_sqlite
from interlock.testing.simulator.faults import Dice
from tests.faults import postgres
from tests.faults.accidents import drawn
from tests.faults.sizes import SLOTS

DISK_MB = 24
"""Size of the small disk that becomes full: room for a run many times over, soon filled by a ballast file."""


class Place(Protocol):
    """A database of one world. The driver holds no connection: everything is opened in the process that uses it."""

    name: str
    breaks: frozenset[str]
    """What can be done to it: disk_full, restore, server_killed, server_stopped, disconnected."""
    excuses: frozenset[str]
    """Accidents in which a process may find no database to begin with. One that has begun must outlive all of them."""

    def make(self) -> None: ...
    def open(self, faults: StatementFaults | None = None) -> Store: ...
    def heads(self) -> Callable[[], Mapping[int, int]]:
        """A reader of each slot's newest entry, by SQL of its own."""
        ...

    def backup(self, path: Path) -> None: ...
    def restore(self, path: Path, now: int) -> None: ...
    def fill(self) -> None: ...
    def free(self) -> None: ...
    def happen(self, what: str, dice: Dice) -> None:
        """An accident that only this store has."""
        ...

    def remove(self) -> None: ...


class SqlitePlace:
    """A file. `small`: on a tmpfs of a few megabytes, mounted for it, which a ballast file fills (root only)."""

    name = "sqlite"
    excuses = frozenset({"disk_full"})

    def __init__(self, folder: Path, *, small: bool = False) -> None:
        self._folder = folder / "database"
        self._small = small
        self._mounted = False
        self.breaks = frozenset({"restore"} | ({"disk_full"} if small else set()))

    @property
    def path(self) -> Path:
        return self._folder / "interlock.db"

    def make(self) -> None:
        self._folder.mkdir()
        if self._small:
            mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "faults", str(self._folder)]
            subprocess.run(mounting, check=True, capture_output=True)
            self._mounted = True

    def open(self, faults: StatementFaults | None = None) -> Store:
        return open_sqlite(self.path, n_slots=None if self.path.exists() else SLOTS, faults=faults)

    def heads(self) -> Callable[[], Mapping[int, int]]:
        return lambda: _heads_of_file(self.path)

    def backup(self, path: Path) -> None:
        store = self.open()
        try:
            store.backup(str(path))
        finally:
            store.close()

    def restore(self, path: Path, now: int) -> None:
        restore(path, self.path, replace=True, principal="olga", comment="the suite lost a disk", now=now)

    def fill(self) -> None:
        """Take all that is left of the disk."""
        with suppress(OSError), (self._folder / "ballast").open("wb", buffering=0) as file:
            while file.write(bytes(4_096)) == 4_096:
                continue

    def free(self) -> None:
        (self._folder / "ballast").unlink(missing_ok=True)

    def happen(self, what: str, dice: Dice) -> None:
        raise AssertionError(f"{what} does not happen to a file")

    def remove(self) -> None:
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self._folder)], check=True, capture_output=True)
            self._mounted = False


def _heads_of_file(path: Path) -> Mapping[int, int]:
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)
    try:
        return dict(database.execute("SELECT slot, lsn FROM slots WHERE lsn > 0").fetchall())
    finally:
        database.close()


def can_mount(folder: Path) -> bool:
    """Whether this process may mount a small disk. Asked by trying, since neither root nor a namespace is a promise."""
    trial = folder / "trial"
    trial.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if libc.mount(b"faults", os.fsencode(trial), b"tmpfs", 0, b"size=1m") != 0:
            return False
        return libc.umount2(os.fsencode(trial), 2) == 0
    finally:
        trial.rmdir()


@contextmanager
def serving(names: Sequence[str], base: Path) -> Generator[Callable[[str, Path, int], Place]]:
    """What makes a place for a run: (store, folder, seed) -> place. Servers that the stores need live as long.

    A seed of SQLite that draws a full disk is given a small one, where one can be mounted.
    """
    small = can_mount(base)
    cluster = postgres.cluster() if "postgres" in names else None

    def make(name: str, folder: Path, seed: int) -> Place:
        if cluster is not None and name == "postgres":
            own = bool(drawn(seed, postgres.OWN).has & {"kill_server", "stop_server"})
            return postgres.PostgresPlace(folder, cluster, own=seed > 0 and own)
        full = "disk_full" in drawn(seed, frozenset({"disk_full"})).has
        return SqlitePlace(folder, small=small and full)

    try:
        yield make
    finally:
        if cluster is not None:
            cluster.end()
