"""Which slots have work now, and when the next deadline is.

A hint: a unit that then finds nothing has lost a few microseconds.

Asked after every unit, so its cost follows what is ready, not what is stored: one seek per slot with messages and per
dependency with commands, and one pass over the slots' rows for timers, however many cases wait.

INVARIANT: what is not ready for a unit is not ready here (messages and timers of blocked cases, commands of full
dependencies). Otherwise a worker would come for it again and again.
INVARIANT: commands of automations that the asking worker does not host never stand before those that it does.
"""

from __future__ import annotations

from itertools import islice

from interlock.ports import ReadySlots
from interlock.store.driver import Connection
from interlock.store.sql import queries

INBOX_READY = queries["inbox_ready"]
DEPENDENCIES = queries["dependencies"]
COMMANDS_READY = queries["commands_ready"]
COMMANDS_READY_NAMED = queries["commands_ready_named"]
COMMANDS_NEXT = queries["commands_next"]
TIMERS_READY = queries["timers_ready"]
TIMERS_NEXT = queries["timers_next"]

COMMANDS_MAX = 512
"""Commands of a dependency looked at, as in the statement: not more than a worker can take in hand before it asks
again."""


def ready(db: Connection, now: int, full: frozenset[str], hosted: frozenset[str] | None = None) -> ReadySlots:
    slots: set[int] = {slot for (slot,) in db.execute(INBOX_READY)}
    deadlines: list[int | None] = []
    for (dependency,) in db.execute(DEPENDENCIES).fetchall():
        if dependency not in full:
            if hosted is None:
                slots.update(slot for (slot,) in db.execute(COMMANDS_READY, (dependency, now)))
            else:
                slots.update(_hosted(db, dependency, now, hosted))
            deadlines.append(db.execute(COMMANDS_NEXT, (dependency, now)).fetchone()[0])
    slots.update(slot for (slot,) in db.execute(TIMERS_READY, (now,)))
    deadlines.append(db.execute(TIMERS_NEXT, (now,)).fetchone()[0])
    return ReadySlots(frozenset(slots), min((due for due in deadlines if due is not None), default=None))


def _hosted(db: Connection, dependency: str, now: int, hosted: frozenset[str]) -> list[int]:
    """Slots of the longest due commands that belong to one of these automations."""
    rows = db.execute(COMMANDS_READY_NAMED, (dependency, now))
    ours = (slot for slot, id_ in rows if id_.partition("/")[0] in hosted)
    return list(islice(ours, COMMANDS_MAX))
