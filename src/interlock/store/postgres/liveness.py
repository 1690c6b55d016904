"""Who works here and who has died, as the server sees it.

A worker reports that it lives with every beat; the moment is the server's, so machines need not agree on the time. It
is dead when it has been silent for `SILENT_US`, or for `SESSIONLESS_US` if the session that it writes from has ended
as well: a process that is killed takes its session with it, one that is stopped does not. A store that loses its
connection takes another and says so (`worker_moved`), so that its workers live on.

Whoever notices a death buries the worker: its session is ended first, since a process that was stopped in a unit still
holds slots, then its slots are claimed and marked, as on SQLite (`workers`). Of several who notice, one buries.

A worker that wakes after its burial finds its session gone, so nothing of its unit commits; with its next beat it
registers anew, and what it held has been lost like that of any dead worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.store import workers
from interlock.store.driver import Connection
from interlock.store.postgres.session import Session
from interlock.vocabulary.errors import NotNow
from interlock.vocabulary.limits import LEASE_TTL_MS

SILENT_US = LEASE_TTL_MS * 1_000
"""Three beats."""

SESSIONLESS_US = 3_000_000
"""Longer than a living worker takes to connect again."""


@dataclass(frozen=True)
class State:
    """A registered worker. `ours`: it lives in this store."""

    name: str
    ours: bool
    dead: bool


def states(session: Session, silent: int, sessionless: int) -> list[State]:
    return [State(*row) for row in session.run("worker_states", silent, sessionless)]


def join(session: Session, db: Connection, worker: str, known: Sequence[State], now: int) -> None:
    """Register, and bury who is dead. Raises NotNow if the name is a living worker's in another store."""
    holder = next((one for one in known if one.name == worker), None)
    if holder is not None and not holder.ours and not holder.dead:
        raise _taken(worker)
    bury(session, db, [one.name for one in known if one.dead or one.name == worker], now)
    if not _register(db, worker, now):
        raise _taken(worker)


def beat(session: Session, db: Connection, worker: str, known: Sequence[State], now: int) -> bool:
    """Report that a worker lives, and bury who is dead. False: it was taken for dead, and is registered anew."""
    bury(session, db, [one.name for one in known if one.dead and one.name != worker], now)
    if db.execute(workers.WORKER_BEAT, (worker, now)).rowcount:
        return True
    _register(db, worker, now)
    return False


def bury(session: Session, db: Connection, dead: Sequence[str], now: int) -> None:
    if not dead:
        return
    taken = [name for (name,) in session.run("worker_take", sorted(dead))]
    if taken:
        session.run("worker_end", taken).fetchall()
    for name in taken:
        workers.bury(db, name, now)


def _register(db: Connection, worker: str, now: int) -> bool:
    return bool(db.execute(workers.WORKER_PUT, (worker, now, now)).rowcount)


def _taken(worker: str) -> NotNow:
    return NotNow(
        f"A worker named {worker!r} is running on this database.",
        code="worker_name",
        hint="Give this one another name.",
    )
