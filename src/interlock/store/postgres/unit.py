"""The claims of one transaction, read together.

A unit asks for its slot's row, its messages and its cases one after the other; with sixty units in a transaction that
would be hundreds of exchanges. The claim of all slots and what waits in them is one exchange here, and the cases that
the waiting messages are about another, when the first of the units asks for a case.

What may be read of a slot is read after its claim, in statements of their own: a statement that locks a row sees the
row as it is now and every other table as it was when the statement began.

INVARIANT: only whoever holds a slot's claim puts messages apart or back, so none is lost between a case that becomes
free and a door that took it for blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from interlock.ports import Due
from interlock.store import codec
from interlock.store.driver import Connection
from interlock.store.packing import Packing
from interlock.store.postgres.session import Answer, Session
from interlock.store.sql import queries
from interlock.store.unit import ARCHIVE_CASE, TIMERS_DUE, TIMERS_DUE_UNBLOCKED, ClaimedUnit, timer_message
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.errors import InterlockBug
from interlock.vocabulary.ids import CaseId

READ_AHEAD = 1_024
"""Messages read with the claims, over all slots; of each slot at least eight, as a worker asks for."""

SET_APART = queries["inbox_block"]

Message = tuple[int, str, int, bytes, str, str, bool]
"""Arrival, nonce, attempts, body, automation, key, whether the case is blocked."""


class Claims:
    """What the units of one transaction have read ahead."""

    def __init__(self, session: Session, slots: Sequence[int], now: int, faults: Callable[[str], None] | None) -> None:
        self._session = session
        self._faults = faults
        self.ahead = max(8, READ_AHEAD // len(slots)) if slots else 0
        asked = sorted(slots)
        claims = session.run("claim", asked)
        standing = session.run("standing", asked, now)
        waiting = session.run("waiting", asked, self.ahead)
        self.rows: dict[int, tuple[Any, ...]] = {}
        self.waiting: dict[int, list[Message]] = {}
        self._cases: dict[CaseId, Any] | None = None
        claimed = {row[0]: row[1:] for row in claims}
        if len(claimed) < len(asked):
            known = {slot for (slot,) in session.run("slots_known", asked)}
            for slot in asked:
                if slot not in known:
                    raise InterlockBug(f"slot {slot} does not exist in this store")
        self._take(waiting, claimed.keys())
        for slot, blocked, commands_due, archive in standing:
            if slot in claimed:
                self.rows[slot] = (*claimed[slot], blocked, slot in self.waiting, commands_due, archive)

    def _take(self, waiting: Answer, claimed: Iterable[int]) -> None:
        """Keep the messages of these slots, without those of blocked cases, which are put apart on the way."""
        ours = frozenset(claimed)
        stray: list[tuple[int, int, str]] = []
        for slot, *message in waiting:
            if slot in ours:
                if message[6]:
                    stray.append((slot, message[0], message[1]))
                else:
                    self.waiting.setdefault(slot, []).append(tuple(message))
        if stray:
            if self._faults is not None:
                self._faults(SET_APART)
            self._session.run("set_apart", *(list(column) for column in zip(*stray, strict=True)))
            again = sorted({slot for slot, _, _ in stray})
            for slot in again:
                self.waiting.pop(slot, None)
            self._take(self._session.run("waiting", again, self.ahead), again)

    def messages(self, slot: int, limit: int) -> list[Message]:
        found = self.waiting.get(slot, [])
        if limit > self.ahead <= len(found):
            self.waiting.pop(slot, None)
            self.ahead = limit
            self._take(self._session.run("waiting", [slot], limit), [slot])
            found = self.waiting.get(slot, [])
        return found[:limit]

    def cases(self, slot: int, ids: Iterable[CaseId]) -> dict[CaseId, Any]:
        """Rows of these cases; absent ones are None."""
        wanted = [(slot, *id_) for id_ in ids]
        if self._cases is None:
            self._cases = {}
            wanted += [(where, m[4], m[5]) for where, messages in self.waiting.items() for m in messages]
        known = self._cases
        missing = list(dict.fromkeys(one for one in wanted if one[1:] not in known))
        if missing:
            for _, automation, key in missing:
                known[CaseId(automation, key)] = None
            for row in self._session.run("cases_of", *(list(column) for column in zip(*missing, strict=True))):
                known[CaseId(row[1], row[2])] = row[3:]
        return known


class PostgresUnit(ClaimedUnit):
    """`ports.Unit` over what was read ahead."""

    __slots__ = ("_claims",)

    def __init__(self, db: Connection, packing: Packing, claims: Claims, slot: int, *, worker: str, now: int) -> None:
        self._claims = claims
        super().__init__(db, packing, slot, worker=worker, now=now, row=claims.rows[slot])

    def messages(self, limit: int) -> list[Due]:
        found = [
            Due(codec.envelope(body), (arrival, nonce), None, attempts)
            for arrival, nonce, attempts, body, _, _, _ in self._claims.messages(self.slot, limit)
        ]
        missing = limit - len(found)
        if missing > 0 and self._timer_due is not None and self._timer_due <= self.now:
            sql = TIMERS_DUE_UNBLOCKED if self.blocked else TIMERS_DUE
            found.extend(timer_message(row, self.now) for row in self._db.execute(sql, (self.slot, self.now, missing)))
        return found

    def cases(self, ids: Iterable[CaseId]) -> dict[CaseId, tuple[CaseRecord, int]]:
        found: dict[CaseId, tuple[CaseRecord, int]] = {}
        asked = list(ids)
        if not asked:
            return found
        rows = self._claims.cases(self.slot, asked)
        for id_ in asked:
            row = rows[id_]
            if row is None and self._archive:
                away = self._db.execute(ARCHIVE_CASE, (self.slot, id_[0], id_[1])).fetchone()
                if away is not None:
                    self.archived.add(id_)
                    row = away[1:]
            if row is not None:
                lsn, status, dictionary, body = row
                found[id_] = (codec.case_record(self._packing.unpack(self._db, dictionary, body)), lsn)
                self.statuses[id_] = status
        return found
