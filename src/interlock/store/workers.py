"""Who works on this store, and what becomes of what a dead worker held.

When a death is noticed its commands are lost at once (whoever takes them next is told so), and every slot in which it
can have had a message in hand goes into solo mode: one message per unit, each attempt counted before it is made,
until the suspects are gone. A due timer can have been in hand as well; it becomes a message in the inbox, where its
attempts can be counted.

A worker that leaves in an orderly way gives its commands back, and nobody is suspected.
"""

from __future__ import annotations

from collections.abc import Mapping

from interlock.store import codec
from interlock.store.driver import Connection
from interlock.store.sql import queries
from interlock.store.unit import ALL, timer_message
from interlock.store.writes import inbox_row
from interlock.vocabulary.errors import StoreConflict

WORKER_PUT = queries["worker_put"]
WORKER_BEAT = queries["worker_beat"]
WORKER_HOSTS = queries["worker_hosts"]
WORKER_DROP = queries["worker_drop"]
WORKERS = queries["workers"]
WORKERS_CONDITION = queries["workers_condition"]
SLOTS_IN_DANGER = queries["slots_in_danger"]
SLOT_SOLO = queries["slot_solo"]
SLOT_TIMER_DUE = queries["slot_timer_due"]
WORKER_COMMANDS_LOST = queries["worker_commands_lost"]
TIMERS_DUE_UNBLOCKED = queries["timers_due_unblocked"]
TIMER_DROP = queries["timer_drop"]
INBOX_ADD = queries["inbox_add"]
ATTEMPT = queries["attempt"]
RENEW = queries["renew"]


def registered(db: Connection) -> list[str]:
    return [worker for (worker,) in db.execute(WORKERS)]


def register(db: Connection, worker: str, now: int) -> None:
    db.execute(WORKER_PUT, (worker, now, now))


def beat(db: Connection, worker: str, now: int) -> None:
    db.execute(WORKER_BEAT, (worker, now))


def tell(db: Connection, worker: str, hosts: Mapping[str, str]) -> None:
    db.execute(WORKER_HOSTS, (worker, codec.encode(dict(sorted(hosts.items()))).decode()))


def hosting(db: Connection) -> dict[str, frozenset[str]]:
    """Automations that each registered worker says it hosts."""
    return {worker: frozenset(codec.hosts(hosts.encode())) for worker, _, _, hosts in db.execute(WORKERS_CONDITION)}


def leave(db: Connection, worker: str) -> None:
    db.execute(WORKER_COMMANDS_LOST, (worker, 0))
    db.execute(WORKER_DROP, (worker,))


def bury(db: Connection, worker: str, now: int) -> None:
    """Record a worker's death and put the slots that it can have had in hand into solo mode."""
    for (slot,) in db.execute(SLOTS_IN_DANGER, (worker, now)).fetchall():
        timers = db.execute(TIMERS_DUE_UNBLOCKED, (slot, now, ALL)).fetchall()
        for row in timers:
            automation, key, kind, name, *_ = row
            db.execute(INBOX_ADD, inbox_row(slot, now, timer_message(row, now).envelope))
            db.execute(TIMER_DROP, (slot, automation, key, kind, name))
        if timers:
            db.execute(SLOT_TIMER_DUE, (slot,))
        db.execute(SLOT_SOLO, (slot,))
    db.execute(WORKER_COMMANDS_LOST, (worker, 1))
    db.execute(WORKER_DROP, (worker,))


def attempt(db: Connection, slot: int, arrival: tuple[int, str], known: int) -> int:
    if not db.execute(ATTEMPT, (slot, *arrival, known)).rowcount:
        raise StoreConflict(
            f"Message {arrival} of slot {slot} is no longer in the inbox, or another worker sets out to handle it.",
            hint="Look at the slot again.",
        )
    return known + 1


def renew(db: Connection, worker: str, slot: int, commands: list[str], until: int) -> None:
    db.executemany(RENEW, [(slot, id_, worker, until) for id_ in commands])
