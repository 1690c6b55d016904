"""A fresh database for each process of a peer, and what the database itself says of the work done on it.

SQLite: the number of committed write transactions stands in the index of its write-ahead log (`iChange` in the header
of the -shm file, https://www.sqlite.org/walformat.html#the_wal_index_header), so it is read from outside, at no cost
to the peer. PostgreSQL: transaction ids are given to transactions that write, so their difference is the number of
those; `pg_stat_database` counts all, once a connection has reported, which is certain only after it has been closed.
The server's CPU is that of all its processes, those that have ended included.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

import psutil

from tests.postgres_server import Server, servers

WAL_INDEX_CHANGES = 8
"""Where `iChange` begins in the -shm file, in bytes; four of the machine's own byte order."""


class Database(Protocol):
    """One database, made for one process of one peer."""

    @property
    def url(self) -> str: ...

    def writes(self) -> int:
        """Write transactions committed so far. While a process has it open."""
        ...

    def transactions(self) -> int | None:
        """All transactions so far, those that read included; None where nobody counts them. After all have left."""
        ...

    def size(self) -> int:
        """Bytes of its files. After all have left."""
        ...

    def server_cpu(self) -> float:
        """CPU seconds of the server so far; nothing where there is none."""
        ...


class Place(Protocol):
    """Where fresh databases come from."""

    def fresh(self) -> AbstractContextManager[Database]: ...


class Sqlite:
    def __init__(self, path: Path) -> None:
        self.url = str(path)

    def writes(self) -> int:
        with Path(f"{self.url}-shm").open("rb") as index:
            index.seek(WAL_INDEX_CHANGES)
            return struct.unpack("=I", index.read(4))[0]

    def transactions(self) -> int | None:
        return None

    def size(self) -> int:
        with closing(sqlite3.connect(self.url)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Path(self.url).stat().st_size

    def server_cpu(self) -> float:
        return 0.0


class Files:
    """SQLite files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

    @contextmanager
    def fresh(self) -> Iterator[Database]:
        self._made += 1
        folder = self._folder / f"d{self._made}"
        folder.mkdir()
        try:
            yield Sqlite(folder / "peer.db")
        finally:
            shutil.rmtree(folder)


class Postgres:
    def __init__(self, server: Server, url: str) -> None:
        self.url = url
        self._server = server
        self._name = url.partition("?")[0].rpartition("/")[2]

    def writes(self) -> int:
        return self._asked("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")

    def transactions(self) -> int | None:
        return self._asked("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s", self._name)

    def size(self) -> int:
        return self._asked("SELECT pg_database_size(%s)", self._name)

    def server_cpu(self) -> float:
        return cpu_of(self._server.pid)

    def _asked(self, question: str, *values: str) -> int:
        """Asked in another database, so that the asking is not counted."""
        with self._server.connect() as db:
            row = db.execute(question, values).fetchone()  # pyright: ignore[reportArgumentType, reportCallIssue]
        assert row is not None
        return int(row[0])


class Cluster:
    """Databases on a PostgreSQL server of our own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        with server.connect() as db:
            self.version = str((db.execute("SHOW server_version").fetchone() or ("?",))[0])

    @contextmanager
    def fresh(self) -> Iterator[Database]:
        url = self._server.create_database()
        try:
            yield Postgres(self._server, url)
        finally:
            self._server.drop_database(url)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """One server for a whole run: fsync and synchronous_commit on, everything else as PostgreSQL comes."""
    with servers() as made:
        yield Cluster(made.new("peers"))


def cpu_of(pid: int | None) -> float:
    """CPU seconds of a process, of its children, and of those of them that have ended."""
    if pid is None:
        return 0.0
    root = psutil.Process(pid)
    own = root.cpu_times()
    spent = own.user + own.system + own.children_user + own.children_system
    for child in root.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue  # It has ended meanwhile: its parent counts it from now on.
        spent += times.user + times.system
    return spent
