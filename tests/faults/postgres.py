"""A PostgreSQL that is killed, stopped and cut off: servers of our own, from `tests/postgres_server.py`.

One server serves all runs that leave it alone. A run in whose plan it dies or stands still has one of its own, on a
copy of a data folder that was made once.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from interlock.ports import Store
from interlock.store.driver import StatementFaults
from interlock.store.postgres import open_postgres
from interlock.testing.simulator.faults import Dice
from tests.faults.sizes import SLOTS
from tests.postgres_server import Server, Servers, open_servers

SILENT_MS = 3_000
"""When a worker that says nothing is taken for dead: a little more than a lease, as in production."""

SESSIONLESS_MS = 1_000

OWN = frozenset({"server_killed", "server_stopped"})
SHARED = frozenset({"disconnected"})


@dataclass(frozen=True)
class Cluster:
    """What all runs share: the template, and a server for those that leave it alone."""

    servers: Servers
    template: Path
    shared: Server

    def end(self) -> None:
        self.servers.end()


def cluster() -> Cluster:
    servers = open_servers()
    first = servers.new("template")
    first.stop()
    return Cluster(servers, first.data, servers.restored(first.data, "shared"))


class PostgresPlace:
    """A database of its own. `own`: on a server of its own."""

    name = "postgres"
    excuses = frozenset({"kill_server", "stop_server", "disconnect"})

    def __init__(self, folder: Path, cluster: Cluster, *, own: bool) -> None:
        self._name = folder.name
        self._cluster = cluster
        self._server = cluster.shared
        self._own = own
        self._dsn = ""
        self.breaks = SHARED | (OWN if own else frozenset())

    def make(self) -> None:
        servers = self._cluster.servers
        if self._own:
            self._server = servers.restored(self._cluster.template, f"own{self._name}")
        self._dsn = self._server.create_database()

    def open(self, faults: StatementFaults | None = None) -> Store:
        return open_postgres(
            self._dsn, n_slots=SLOTS, faults=faults, silent_ms=SILENT_MS, sessionless_ms=SESSIONLESS_MS
        )

    def heads(self) -> Callable[[], Mapping[int, int]]:
        dsn = self._dsn

        def read() -> Mapping[int, int]:
            with psycopg.connect(dsn, connect_timeout=2) as database:
                return dict(database.execute("SELECT slot, lsn FROM slots WHERE lsn > 0").fetchall())

        return read

    def backup(self, path: Path) -> None:
        raise AssertionError("a server's backups are its own: they are tested with its own tools")

    def restore(self, path: Path, now: int) -> None:
        raise AssertionError("a server's backups are its own: they are tested with its own tools")

    def fill(self) -> None:
        raise AssertionError("no server of ours has a small disk")

    def free(self) -> None:
        """Whatever was done to the server, it runs afterwards."""
        if self._own:
            self._signal(signal.SIGCONT)
            self._server.start()

    def happen(self, what: str, dice: Dice) -> None:
        match what:
            case "kill_server":
                self._server.kill9()
                time.sleep(dice.between(0.05, 0.8))
                self._server.start()
            case "stop_server":
                self._signal(signal.SIGSTOP)
                time.sleep(dice.between(0.2, 2.5))
                self._signal(signal.SIGCONT)
            case "disconnect":
                share = dice.between(0.3, 1)
                with suppress(psycopg.OperationalError), psycopg.connect(self._dsn, connect_timeout=5) as database:
                    database.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < %s",
                        (share,),
                    )
            case other:
                raise AssertionError(f"{other} does not happen to a server")

    def _signal(self, number: signal.Signals) -> None:
        pid = self._server.pid
        if pid is None:
            return
        with suppress(psutil.NoSuchProcess):
            postmaster = psutil.Process(pid)
            for one in [postmaster, *postmaster.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess, ProcessLookupError):
                    os.kill(one.pid, number)

    def remove(self) -> None:
        if self._own:
            self._signal(signal.SIGCONT)
            self._server.stop("immediate")
            shutil.rmtree(self._server.folder, ignore_errors=True)
        elif self._dsn:
            self._server.drop_database(self._dsn)
