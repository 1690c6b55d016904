"""How a database is: what waits in it, since when, who works on it, and how much room it has.

For an operator who looks (`interlock doctor`), not for the path of a case: some of this walks over everything that
waits.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path

from interlock.ports import AtWork, Condition, Undone, Waiting
from interlock.store import codec
from interlock.store.driver import Connection
from interlock.store.sql import queries

LOG = "-wal"


def condition(db: Connection, path: Path | None, alive: frozenset[str]) -> Condition:
    """`path`: the database's file, None in memory. `alive`: workers that live."""
    calls: defaultdict[str, Counter[str]] = defaultdict(Counter)
    slots: defaultdict[str, set[int]] = defaultdict(set)
    for name, slot, dependency, count in db.execute(queries["workers_in_hand"]):
        calls[name][dependency] += count
        slots[name].add(slot)
    newest, solo, between = db.execute(queries["slots_condition"]).fetchone()
    return Condition(
        waiting=tuple(Waiting(*row) for row in db.execute(queries["inbox_condition"])),
        undone=tuple(Undone(*row) for row in db.execute(queries["commands_condition"])),
        at_work=tuple(
            AtWork(
                name,
                joined,
                beat,
                name in alive,
                codec.hosts(hosts.encode()),
                dict(sorted(calls[name].items())),
                tuple(sorted(slots[name])),
            )
            for name, joined, beat, hosts in db.execute(queries["workers_condition"])
        ),
        newest=newest or 0,
        solo=solo or 0,
        between=between or 0,
        bytes=_size(path),
        log_bytes=_size(path.with_name(path.name + LOG)) if path else 0,
        free_bytes=room(path),
    )


def room(path: Path | None) -> int | None:
    """Bytes that this user may still write where the database is; None in memory, and where nobody can say."""
    if path is None:
        return None
    try:
        disk = os.statvfs(path)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize


def _size(path: Path | None) -> int:
    try:
        return path.stat().st_size if path else 0
    except OSError:
        return 0
