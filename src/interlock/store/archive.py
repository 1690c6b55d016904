"""Finished cases, out of the way of those that move.

A case that has ended is read by people, rarely, and written again only when something comes for it late. Its record
goes to a table of its own, packed, which no list and no unit walks over; its entries stay where they are. What is
accepted for it later is found there and brings it back.

INVARIANT: a case is in one of the two tables, never in both; it goes from one to the other in the transaction of a
unit on its slot.
"""

from __future__ import annotations

from collections.abc import Sequence

from interlock.ports import Finished
from interlock.store import codec
from interlock.store.driver import Connection
from interlock.store.packing import PLAIN, Packing
from interlock.store.sql import queries
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.errors import StoreConflict
from interlock.vocabulary.ids import CaseId

ARCHIVE_TAKE = queries["archive_take"]
ARCHIVE_ADD = queries["archive_add"]
ARCHIVE_CASE_DROP = queries["archive_case_drop"]
ARCHIVE_BACK = queries["archive_back"]
ARCHIVE_DROP = queries["archive_drop"]


def candidates(db: Connection, automation: str, status: str, after: int, limit: int) -> list[Finished]:
    """Cases in a status, by place, behind a place."""
    rows = db.execute(queries["archive_candidates"], (automation, status, after, limit))
    return [Finished(place, slot, CaseId(automation, key), at) for place, slot, key, at in rows]


def put_away(db: Connection, packing: Packing, slot: int, cases: Sequence[CaseId]) -> None:
    """Move these cases out of the way."""
    for case in cases:
        row = db.execute(ARCHIVE_TAKE, (slot, *case)).fetchone()
        if row is None:
            raise StoreConflict(f"Case {case} is not where it was.", hint="Nothing was written; run the unit again.")
        place, version, lsn, updated_at, status, dictionary, body = row
        if dictionary == PLAIN:
            dictionary, body = packing.current, packing.pack(body)
        db.execute(ARCHIVE_ADD, (slot, *case, place, version, lsn, updated_at, status, dictionary, body))
        db.execute(ARCHIVE_CASE_DROP, (slot, *case))


def bring_back(db: Connection, slot: int, case: CaseId) -> None:
    """The case moves again."""
    db.execute(ARCHIVE_BACK, (slot, *case))
    db.execute(ARCHIVE_DROP, (slot, *case))


def page(db: Connection, packing: Packing, automation: str, after: int, limit: int) -> list[tuple[int, CaseRecord]]:
    """Archived cases of an automation with their places, behind a place."""
    rows = db.execute(queries["archived"], (automation, after, limit)).fetchall()
    return [(place, codec.case_record(packing.unpack(db, dictionary, body))) for place, dictionary, body in rows]
