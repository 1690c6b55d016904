"""Apply what the units of one transaction staged.

One list of rows per kind of statement, over all units: the cost of a statement is then mostly its rows. Order between
kinds matters where one sees what another wrote: the claim first, since a lost race must show before anything else is
looked at; drops before puts, so that a unit may replace; what is consumed before its case is blocked, and that before
anything is put back.

INVARIANT: a slot's `lsn` and `head` are those of its newest ledger row. Entries that do not continue the chain are a
bug and stop here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from interlock.ports import Writes
from interlock.store import archive, codec, relay, seals
from interlock.store.driver import Connection, must_change
from interlock.store.packing import PLAIN, Packing
from interlock.store.sql import queries
from interlock.store.unit import HELD, LEASED, READY, ClaimedUnit
from interlock.vocabulary.errors import InterlockBug, StoreConflict
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.ids import slot_of
from interlock.vocabulary.review import asked_groups

SLOT_ADVANCE = queries["slot_advance"]
LEDGER_ADD = queries["ledger_add"]
PAYLOAD_ADD = queries["payload_add"]
CASE_ADD = queries["case_add"]
CASE_CHANGE = queries["case_change"]
CASE_CHANGE_STATUS = queries["case_change_status"]
INBOX_ADD = queries["inbox_add"]
INBOX_ADD_FIRST = queries["inbox_add_first"]
INBOX_DROP = queries["inbox_drop"]
INBOX_BLOCK = queries["inbox_block"]
INBOX_UNBLOCK = queries["inbox_unblock"]
BLOCKED_ADD = queries["blocked_add"]
BLOCKED_DROP = queries["blocked_drop"]
COMMAND_LOST = queries["command_lost"]
COMMAND_DROP = queries["command_drop"]
COMMAND_PUT = queries["command_put"]
COMMAND_LEASE = queries["command_lease"]
COMMAND_HOLD = queries["command_hold"]
TIMER_DROP = queries["timer_drop"]
TIMER_PUT = queries["timer_put"]
SLOT_TIMER_DUE = queries["slot_timer_due"]
SLOT_SOLO_END = queries["slot_solo_end"]
REVIEW_PUT = queries["review_put"]
REVIEW_DROP = queries["review_drop"]
REVIEW_GROUP_PUT = queries["review_group_put"]
REVIEW_GROUP_DROP = queries["review_group_drop"]
TASKS_DROP = queries["tasks_drop"]
TASK_PUT = queries["task_put"]
QUARANTINE_PUT = queries["quarantine_put"]
QUARANTINE_DROP = queries["quarantine_drop"]

MESSAGE = "application/vnd.interlock.message+json"
"""What is stored by its content because an entry cites it."""

AGAIN = "Nothing was written; run the unit again."

Rows = list[tuple[Any, ...]]
Staged = Sequence[tuple[ClaimedUnit, Writes]]


def apply(db: Connection, packing: Packing, staged: Staged, *, relaying: bool, n_slots: int) -> frozenset[int]:
    """Write all of it. Returns the slots that got messages from other slots."""
    _claims(db, packing, staged)
    _cases(db, staged, n_slots)
    _commands(db, staged)
    _consumed(db, staged)
    _set_aside(db, staged)
    _blocking(db, staged)
    _timers(db, staged)
    _reviews(db, staged)
    _tasks(db, staged)
    _put_back(db, staged)
    _seals(db, staged)
    for unit, writes in staged:
        if writes.archived:
            archive.put_away(db, packing, unit.slot, writes.archived)
    relayed = _sends(db, staged, relaying=relaying, n_slots=n_slots)
    for unit, _ in staged:
        if unit.solo_before:
            _end_solo(db, unit)
    return relayed


def _claims(db: Connection, packing: Packing, staged: Staged) -> None:
    slots: Rows = []
    entries: Rows = []
    bodies: Rows = []
    pack, dictionary = packing.pack, packing.current
    for unit, writes in staged:
        lsn, head = unit.lsn, unit.head
        for entry, body, hash_ in writes.entries:
            lsn += 1
            if entry.lsn != lsn or entry.slot != unit.slot:
                raise InterlockBug(
                    f"entry {entry.slot}/{entry.lsn} does not continue the chain of slot {unit.slot} at {lsn}"
                )
            head = hash_
            entries.append((unit.slot, entry.era, lsn, hash_, dictionary, pack(body)))
        if writes.entries and (writes.lsn != lsn or writes.head != head):
            raise InterlockBug(
                f"slot {unit.slot} would have a head ({writes.lsn}) that is not its newest entry ({lsn})"
            )
        slots.append((unit.slot, unit.epoch, lsn, head, max(unit.now, writes.now)))
        if writes.bodies:
            bodies += [(unit.slot, digest, MESSAGE, message) for digest, message in writes.bodies]
    must_change(
        db,
        SLOT_ADVANCE,
        slots,
        lambda: StoreConflict(
            f"Another writer changed one of the slots {sorted(unit.slot for unit, _ in staged)} first.", hint=AGAIN
        ),
    )
    if bodies:
        db.executemany(PAYLOAD_ADD, bodies)
    if entries:
        db.executemany(LEDGER_ADD, entries)


def _cases(db: Connection, staged: Staged, n_slots: int) -> None:
    added: Rows = []
    changed: Rows = []
    changed_status: Rows = []
    encode = codec.encode
    for unit, writes in staged:
        slot, statuses, same = unit.slot, unit.statuses, writes.same_status
        if unit.archived:
            for record, _, _ in writes.cases:
                if record.case in unit.archived:
                    archive.bring_back(db, slot, record.case)
        for record, before, lsn in writes.cases:
            automation, key, status = record.automation, record.key, record.status
            body = encode(record)
            if before is None:
                if slot_of(record.case, n_slots) != slot:
                    raise InterlockBug(f"case {record.case} does not belong to slot {slot}")
                added.append((slot, automation, key, record.version, lsn, record.updated_at, status, PLAIN, body))
                statuses[automation, key] = status
            else:
                row = (slot, automation, key, before, record.version, lsn, record.updated_at, PLAIN, body)
                if (automation, key) in same or statuses.get((automation, key)) == status:
                    changed.append(row)
                else:
                    changed_status.append((*row, status))
    for sql, rows in ((CASE_ADD, added), (CASE_CHANGE, changed), (CASE_CHANGE_STATUS, changed_status)):
        if rows:
            must_change(db, sql, rows, partial(_changed_first, rows))


def _changed_first(cases: Rows) -> StoreConflict:
    names = ", ".join(f"{row[1]}/{row[2]}" for row in cases)
    return StoreConflict(f"Another writer changed one of the cases {names} first.", hint=AGAIN)


def _commands(db: Connection, staged: Staged) -> None:
    lost: Rows = []
    drops: Rows = []
    puts: Rows = []
    leases: Rows = []
    holds: Rows = []
    encode = codec.encode
    for unit, writes in staged:
        slot, leased, held = unit.slot, writes.leased, writes.held
        put: set[str] = set()
        for command in writes.commands_put:
            id_ = command.id
            put.add(id_)
            if id_ in leased:
                state, due, worker, token = LEASED, leased[id_], unit.worker, 1
            elif id_ in held:
                state, due, worker, token = HELD, None, "", 0
            else:
                state, due, worker, token = READY, command.due, "", 0
            puts.append((slot, id_, command.dependency, due, state, worker, token, encode(command)))
        if unit.lost:
            lost += [(slot, id_) for id_ in unit.lost]
        if writes.commands_drop:
            drops += [(slot, id_) for id_ in writes.commands_drop if id_ not in put]
        if leased:
            leases += [(slot, id_, unit.worker, until) for id_, until in leased.items() if id_ not in put]
        if held:
            holds += [(slot, id_) for id_ in held if id_ not in put]
    for sql, rows in ((COMMAND_LOST, lost), (COMMAND_DROP, drops), (COMMAND_PUT, puts)):
        if rows:
            db.executemany(sql, rows)
    for sql, rows in ((COMMAND_LEASE, leases), (COMMAND_HOLD, holds)):
        # The claim is ours, so nobody else can have dropped them.
        if rows:
            must_change(db, sql, rows, partial(_without, rows))


def _without(commands: Rows) -> InterlockBug:
    return InterlockBug(f"one of the commands {[row[1] for row in commands]} was leased or held but does not exist")


def _blocking(db: Connection, staged: Staged) -> None:
    """A case with a message in quarantine keeps its later messages and timers waiting; released, it gets them back."""
    for unit, writes in staged:
        for record, _, _ in writes.cases:
            place = (unit.slot, record.automation, record.key)
            if record.blocked:
                if db.execute(BLOCKED_ADD, place).rowcount:
                    db.execute(INBOX_BLOCK, place)
                    unit.blocked = True
            elif unit.blocked and db.execute(BLOCKED_DROP, place).rowcount:
                db.execute(INBOX_UNBLOCK, place)


def _timers(db: Connection, staged: Staged) -> None:
    drops: Rows = []
    puts: Rows = []
    slots: Rows = []
    for unit, writes in staged:
        slot = unit.slot
        for case, kind, name in writes.timers_drop:
            drops.append((slot, case[0], case[1], kind, name))
        for row in writes.timers_put:
            place = (slot, row.case[0], row.case[1], row.kind, row.name)
            puts.append((*place, row.due, row.generation, codec.encode(row.data)))
        if writes.timers_drop or writes.timers_put or unit.blocked:
            slots.append((slot,))
    for sql, rows in ((TIMER_DROP, drops), (TIMER_PUT, puts), (SLOT_TIMER_DUE, slots)):
        if rows:
            db.executemany(sql, rows)


def _reviews(db: Connection, staged: Staged) -> None:
    for unit, writes in staged:
        for case, id_ in writes.reviews_drop:
            place = (unit.slot, case[0], case[1], id_)
            db.execute(REVIEW_DROP, place)
            db.execute(REVIEW_GROUP_DROP, place)
        for case, review in writes.reviews_put:
            place = (unit.slot, case[0], case[1], review.id)
            db.execute(REVIEW_PUT, (*place, review.expires_at, codec.encode(review)))
            db.execute(REVIEW_GROUP_DROP, place)
            names = asked_groups(review)
            db.executemany(REVIEW_GROUP_PUT, [(*place, name, review.expires_at) for name in names])


def _tasks(db: Connection, staged: Staged) -> None:
    for unit, writes in staged:
        for case, tasks in writes.tasks:
            place = (unit.slot, case[0], case[1])
            db.execute(TASKS_DROP, place)
            db.executemany(TASK_PUT, [(*place, t.id, t.group, t.opened_at, codec.encode(t)) for t in tasks])


def _consumed(db: Connection, staged: Staged) -> None:
    rows: Rows = []
    for unit, writes in staged:
        if writes.consumed:
            rows += [(unit.slot, arrival, nonce) for arrival, nonce in writes.consumed]
    if rows:
        must_change(
            db,
            INBOX_DROP,
            rows,
            lambda: StoreConflict("A message was consumed that is no longer in the inbox.", hint=AGAIN),
        )


def _set_aside(db: Connection, staged: Staged) -> None:
    for unit, writes in staged:
        for set_aside in writes.quarantined:
            where = (unit.slot, set_aside.id, set_aside.case[0], set_aside.case[1])
            what = (set_aside.at, set_aside.blocks, set_aside.why, codec.encode(set_aside.envelope))
            db.execute(QUARANTINE_PUT, (*where, *what))
        for id_ in writes.quarantine_drop:
            db.execute(QUARANTINE_DROP, (unit.slot, id_))


def _seals(db: Connection, staged: Staged) -> None:
    for unit, writes in staged:
        if writes.seals_put or writes.seals_erase:
            seals.with_care(db)
            for seal in writes.seals_put:
                seals.add(db, seal)
            for case in writes.seals_erase:
                seals.erase(db, case, unit.slot, writes.now)


def _put_back(db: Connection, staged: Staged) -> None:
    for unit, writes in staged:
        for message in writes.requeued:
            db.execute(INBOX_ADD, inbox_row(unit.slot, unit.now, message))
        for message in reversed(writes.retried):
            db.execute(INBOX_ADD_FIRST, inbox_row(unit.slot, unit.now, message))


def inbox_row(slot: int, least_arrival: int, message: Envelope) -> tuple[int, int, str, str, str, bytes]:
    return (slot, least_arrival, message.id, message.automation, message.key, codec.encode(message))


def _sends(db: Connection, staged: Staged, *, relaying: bool, n_slots: int) -> frozenset[int]:
    relayed: set[int] = set()
    at_once: list[tuple[int, int, list[Envelope]]] = []
    for unit, writes in staged:
        if not writes.sends:
            continue
        if relaying and unit.sent == unit.relayed:
            at_once.append((unit.slot, unit.sent, writes.sends))
            continue
        relay.send(db, unit.slot, unit.sent, writes.sends, n_slots)
        if relaying:  # Behind what still waits in its outbox.
            relayed |= relay.relay(db, unit.slot, limit=len(writes.sends) + unit.sent - unit.relayed)
    if at_once:
        relayed |= relay.deliver(db, at_once, n_slots)
    return frozenset(relayed)


def _end_solo(db: Connection, unit: ClaimedUnit) -> None:
    if not unit.has_suspects():
        db.execute(SLOT_SOLO_END, (unit.slot,))
