"""Everything that only looks: cases, ledger, reviews, commands, quarantine, sizes.

These run beside the writer, each on one consistent snapshot. Lists come in the order of creation and are paged by the
last value seen, so a page costs the same wherever it is.
"""

from __future__ import annotations

import heapq
from typing import Any

import msgspec

from interlock.ports import Lease, Quarantined
from interlock.store import codec
from interlock.store.driver import Connection
from interlock.store.packing import Packing
from interlock.store.sql import queries
from interlock.store.unit import LOST
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.entry import Entry, whole
from interlock.vocabulary.errors import NotFound, StoreCorrupt
from interlock.vocabulary.events import CitedBody
from interlock.vocabulary.ids import CaseId, slot_of
from interlock.vocabulary.review import Review
from interlock.vocabulary.task import Task


def case(db: Connection, packing: Packing, id_: CaseId, n_slots: int) -> CaseRecord | None:
    row = _row(db, id_, n_slots)
    return None if row is None else codec.case_record(packing.unpack(db, row[3], row[4]))


def newest(db: Connection, id_: CaseId, n_slots: int) -> int:
    row = _row(db, id_, n_slots)
    return 0 if row is None else row[1]


def _row(db: Connection, id_: CaseId, n_slots: int) -> Any:
    """A case's row, wherever it lies."""
    place = (slot_of(id_, n_slots), *id_)
    return db.execute(queries["case"], place).fetchone() or db.execute(queries["archive_case"], place).fetchone()


def cases(
    db: Connection,
    packing: Packing,
    automation: str | None,
    status: str | None,
    after: CaseId | None,
    limit: int,
    n_slots: int,
) -> list[CaseRecord]:
    place = 0 if after is None else place_of(db, after, n_slots)
    return [record for _, record in placed(db, packing, automation, status, place, limit)]


def place_of(db: Connection, case: CaseId, n_slots: int) -> int:
    """Where a case stands in lists. Raises NotFound."""
    where = (slot_of(case, n_slots), *case)
    row = db.execute(queries["case_place"], where).fetchone()
    row = row or db.execute(queries["archive_place"], where).fetchone()
    if row is None:
        raise NotFound(f"There is no case {case} to continue the list after.", hint="Start again without it.")
    return row[0]


def placed(
    db: Connection, packing: Packing, automation: str | None, status: str | None, place: int, limit: int
) -> list[tuple[int, CaseRecord]]:
    """Cases with their places, behind a place."""
    if status is not None:
        if automation is None:
            automations: list[str] = [name for (name,) in db.execute(queries["automations"])]
        else:
            automations = [automation]
        found = [
            db.execute(queries["cases_in_status"], (name, status, place, limit)).fetchall() for name in automations
        ]
        stored: list[tuple[int, int, bytes]] = list(heapq.merge(*found))[:limit]
    elif automation is not None:
        stored = db.execute(queries["cases_of_automation"], (automation, place, limit)).fetchall()
    else:
        stored = db.execute(queries["cases"], (place, limit)).fetchall()
    return [(at, codec.case_record(packing.unpack(db, dictionary, body))) for at, dictionary, body in stored]


def ledger(db: Connection, packing: Packing, slot: int, after: int, limit: int) -> list[tuple[Entry, bytes, bytes]]:
    found: list[tuple[Entry, bytes, bytes]] = []
    for dictionary, stored, hash_ in db.execute(queries["ledger"], (slot, after, limit)).fetchall():
        body = packing.unpack(db, dictionary, stored)
        found.append((_whole(db, codec.entry(body)), body, hash_))
    return found


def entry(db: Connection, packing: Packing, slot: int, lsn: int) -> Entry | None:
    row = db.execute(queries["entry"], (slot, lsn)).fetchone()
    return None if row is None else _whole(db, codec.entry(packing.unpack(db, row[0], row[1])))


def _whole(db: Connection, entry: Entry) -> Entry:
    """The entry with its message, where its bytes only cite it."""
    if entry.cause is None or not isinstance(entry.cause.body, CitedBody):
        return entry
    row = db.execute(queries["payload"], (entry.slot, entry.cause.body.digest)).fetchone()
    try:
        if row is None:
            raise ValueError("the message that it cites is missing")
        return whole(entry, row[0])
    except (ValueError, TypeError, msgspec.DecodeError) as error:
        raise StoreCorrupt(
            f"Entry {entry.lsn} of slot {entry.slot} cannot be read: {error}.",
            hint="Restore the database from a backup.",
        ) from error


def heads(db: Connection) -> dict[int, tuple[int, bytes]]:
    return {slot: (lsn, head) for slot, lsn, head in db.execute(queries["heads"])}


def open_reviews(db: Connection, automation: str | None, group: str | None, limit: int) -> list[tuple[CaseId, Review]]:
    """The first to expire first."""
    if group is None:
        rows = db.execute(queries["reviews"], (automation, limit))
    else:
        rows = db.execute(queries["reviews_of_group"], (automation, limit, group))
    return [(CaseId(name, key), codec.review(body)) for name, key, body in rows]


def open_tasks(db: Connection, automation: str | None, group: str | None, limit: int) -> list[tuple[CaseId, Task]]:
    """The longest open first."""
    rows = db.execute(queries["tasks"], (automation, group, limit))
    return [(CaseId(name, key), codec.task(body)) for name, key, body in rows]


def open_commands(db: Connection) -> list[Lease]:
    return [
        Lease(codec.command(body), slot, token, state == LOST, deaths)
        for slot, state, token, deaths, body in db.execute(queries["commands"])
    ]


def quarantine(db: Connection) -> list[Quarantined]:
    return [
        Quarantined(id_, CaseId(automation, key), codec.envelope(body), why, at, bool(blocks))
        for id_, automation, key, at, blocks, why, body in db.execute(queries["quarantine"])
    ]


def sizes(db: Connection) -> dict[str, int]:
    """Bytes per table, its indexes included, by pages: what the file really gives to each."""
    return dict(db.execute(queries["sizes"]).fetchall())
