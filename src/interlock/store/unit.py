"""One slot in one writer's hands: what may be read under the claim, and the staging of what is to be written.

A unit reads when asked and writes nothing; `writes.apply` does, for all units of a transaction at once.

INVARIANT: every statement here binds the unit's slot.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec

from interlock.ports import Control, Due, Lease, Writes
from interlock.store import codec
from interlock.store.driver import Connection
from interlock.store.packing import Packing
from interlock.store.sql import queries
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.errors import InterlockBug, StoreVersion
from interlock.vocabulary.events import Envelope, TimerBody, WakeBody
from interlock.vocabulary.facts import SEMANTICS
from interlock.vocabulary.ids import CaseId

SLOT = queries["slot"]
SUSPECTS = queries["suspects"]
INBOX = queries["inbox"]
TIMERS_DUE = queries["timers_due"]
TIMERS_DUE_UNBLOCKED = queries["timers_due_unblocked"]
CASE = queries["case"]
ARCHIVE_CASE = queries["archive_case"]
COMMANDS_DUE = queries["commands_due"]
COMMANDS_DUE_EXCEPT = queries["commands_due_except"]

READY, LEASED, HELD, LOST = range(4)
"""States of a command, as stored."""

ALL = -1
"""As a LIMIT: no limit."""


class ClaimedUnit:
    """`ports.Unit` over a connection whose transaction holds the claim."""

    __slots__ = (
        "_archive", "_commands_due", "_db", "_now_asked", "_packing", "_timer_due", "_waiting", "archived",
        "blocked", "control", "epoch", "era", "head", "lost", "lsn", "now", "relayed", "sent", "slot", "solo",
        "solo_before", "statuses", "suspects", "worker", "writes",
    )  # fmt: skip

    def __init__(self, db: Connection, packing: Packing, slot: int, *, worker: str, now: int, row: Any = None) -> None:
        """`row`: what the statement `slot` would give, where the claim has read it already."""
        if row is None:
            row = db.execute(SLOT, (slot, now)).fetchone()
        if row is None:
            raise InterlockBug(f"slot {slot} does not exist in this store")
        stored_now: int
        semantics: int
        solo: int
        (
            self.epoch, self.era, self.lsn, self.head, stored_now, solo, self.suspects, self.sent, self.relayed,
            self._timer_due, generation, paused, semantics, self.blocked, self._waiting, self._commands_due,
            self._archive,
        ) = row  # fmt: skip
        if semantics > SEMANTICS:
            raise StoreVersion(
                f"A newer program (kernel semantics {semantics}, not {SEMANTICS}) has taken this database over.",
                hint="Stop this process and start the newer version.",
            )
        self._db = db
        self._packing = packing
        self._now_asked = now
        self.slot = slot
        self.worker = worker
        self.now = max(now, stored_now)
        self.control: Control = codec.control(generation, paused)
        self.solo_before = bool(solo)
        self.solo = self.solo_before and self.has_suspects()
        self.statuses: dict[tuple[str, str], str] = {}
        self.archived: set[CaseId] = set()
        self.lost: list[str] = []
        self.writes: Writes | None = None

    def has_suspects(self) -> bool:
        """Whether something that a dead worker can have had in hand is still undone."""
        return bool(self._db.execute(SUSPECTS, (self.slot, self.suspects)).fetchone()[0])

    def messages(self, limit: int) -> list[Due]:
        found: list[Due] = []
        if self._waiting:
            for arrival, nonce, attempts, body in self._db.execute(INBOX, (self.slot, limit)):
                found.append(Due(codec.envelope(body), (arrival, nonce), None, attempts))
        missing = limit - len(found)
        if missing > 0 and self._timer_due is not None and self._timer_due <= self.now:
            sql = TIMERS_DUE_UNBLOCKED if self.blocked else TIMERS_DUE
            found.extend(timer_message(row, self.now) for row in self._db.execute(sql, (self.slot, self.now, missing)))
        return found

    def cases(self, ids: Iterable[CaseId]) -> dict[CaseId, tuple[CaseRecord, int]]:
        found: dict[CaseId, tuple[CaseRecord, int]] = {}
        db, slot, unpack = self._db, self.slot, self._packing.unpack
        for id_ in ids:
            row = db.execute(CASE, (slot, id_[0], id_[1])).fetchone()
            if row is None and self._archive:
                row = db.execute(ARCHIVE_CASE, (slot, id_[0], id_[1])).fetchone()
                if row is not None:
                    self.archived.add(id_)
            if row is not None:
                _, lsn, status, dictionary, body = row
                found[id_] = (codec.case_record(unpack(db, dictionary, body)), lsn)
                self.statuses[id_] = status
        return found

    def commands(
        self, *, now: int, full: frozenset[str], limit: int, hosted: frozenset[str] | None = None
    ) -> list[Lease]:
        if not self._commands_due and now <= self._now_asked:
            return []
        most = limit if hosted is None else ALL
        if full:
            excepted = msgspec.json.encode(sorted(full)).decode()
            rows = self._db.execute(COMMANDS_DUE_EXCEPT, (self.slot, now, most, excepted))
        else:
            rows = self._db.execute(COMMANDS_DUE, (self.slot, now, most))
        if hosted is not None:  # The limit counts what the asker can take; the others stay unseen.
            rows = islice((row for row in rows if row[0].partition("/")[0] in hosted), limit)
        found: list[Lease] = []
        for id_, state, token, deaths, body in rows:
            if state == LEASED:  # Its lease ran out: noticed here for the first time, and counted if this unit commits.
                self.lost.append(id_)
                deaths += 1  # noqa: PLW2901 - what the row will say
            found.append(Lease(codec.command(body), self.slot, token + 1, state in (LEASED, LOST), deaths))
        return found

    def commit(self, writes: Writes) -> None:
        if self.writes is not None:
            raise InterlockBug(f"a unit of slot {self.slot} was committed twice")
        self.writes = writes


def timer_message(row: tuple[Any, ...], now: int) -> Due:
    """A due timer as the message that it is. A timer set again has another generation, and so another id."""
    automation, key, kind, name, due, generation, data = row
    body = TimerBody(name, generation, codec.data(data)) if kind == "timer" else WakeBody(kind, name, generation)
    message = Envelope(automation, key, f"{name}#{generation}", "interlock.timer", "interlock", due, now, body)
    return Due(message, None, (kind, name, str(generation)))
