"""Which slots have work now, and when the next deadline is.

A hint: a unit that then finds nothing has lost a few microseconds.

Asked after every unit, so its cost follows what is ready, not what is stored: one seek per slot with messages and per
dependency with commands, and one pass over the slots' rows for timers, however many cases wait.

INVARIANT: what is not ready for a unit is not ready here (messages and timers of blocked cases, commands of full
dependencies). Otherwise a worker would come for it again and again.
"""

from __future__ import annotations

from interlock.ports import ReadySlots
from interlock.store.driver import Connection
from interlock.store.sql import queries

INBOX_READY = queries["inbox_ready"]
DEPENDENCIES = queries["dependencies"]
COMMANDS_READY = queries["commands_ready"]
COMMANDS_NEXT = queries["commands_next"]
TIMERS_READY = queries["timers_ready"]
TIMERS_NEXT = queries["timers_next"]


def ready(db: Connection, now: int, full: frozenset[str]) -> ReadySlots:
    slots: set[int] = {slot for (slot,) in db.execute(INBOX_READY)}
    deadlines: list[int | None] = []
    for (dependency,) in db.execute(DEPENDENCIES).fetchall():
        if dependency not in full:
            slots.update(slot for (slot,) in db.execute(COMMANDS_READY, (dependency, now)))
            deadlines.append(db.execute(COMMANDS_NEXT, (dependency, now)).fetchone()[0])
    slots.update(slot for (slot,) in db.execute(TIMERS_READY, (now,)))
    deadlines.append(db.execute(TIMERS_NEXT, (now,)).fetchone()[0])
    return ReadySlots(frozenset(slots), min((due for due in deadlines if due is not None), default=None))
