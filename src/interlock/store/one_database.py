"""What every store that is one database does alike: each of these calls is one role's function in one transaction.

How a transaction is made is what the databases differ in, so `_reading` and `_writing` are theirs; so is everything
that claims, and whatever depends on who is alive.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from interlock.ports import Caps, Control, Finished, Lease, Life, Quarantined
from interlock.store import archive, control, door, eras, lives, reading, seals
from interlock.store.driver import Connection
from interlock.store.packing import Packing
from interlock.store.sql import queries
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.ids import CaseId, slot_of
from interlock.vocabulary.review import Review
from interlock.vocabulary.sealed import Seal
from interlock.vocabulary.task import Task

BACKLOG_EXACT = 10_000
"""Up to here the backlog is counted at each call; above, only when it can have changed by a hundredth."""


class OneDatabase(ABC):
    """The part of `ports.Store` that needs a transaction and nothing else of its database."""

    _caps: Caps
    _packing: Packing
    _backlog: int = 0
    _accepted_since: int = BACKLOG_EXACT

    @abstractmethod
    def _reading(self, *, snapshot: bool = False) -> AbstractContextManager[Connection]:
        """A transaction that reads. `snapshot`: what several statements see is one state."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Connection]:
        """A transaction that writes: committed when the block ends, rolled back when it raises or wrote nothing."""

    # --- the door

    def put_payload(self, data: bytes, media_type: str) -> str:
        digest = door.digest_of(data)
        with self._writing() as db:
            door.put_payload(db, digest, data, media_type, self._caps.n_slots)
        return digest

    def payload(self, digest: str) -> tuple[bytes, str] | None:
        with self._reading() as db:
            return door.payload(db, digest, self._caps.n_slots)

    def backlog(self) -> int:
        """Accepted messages not yet consumed; above ten thousand at most a hundredth too many."""
        if self._backlog < BACKLOG_EXACT or self._accepted_since * 100 >= self._backlog:
            with self._reading() as db:
                self._backlog = db.execute(queries["inbox_count"]).fetchone()[0]
            self._accepted_since = 0
        return self._backlog + self._accepted_since

    # --- lives

    def lives(self) -> list[Life]:
        with self._reading() as db:
            return lives.every(db)

    # --- control and releases

    def control(self) -> Control:
        with self._reading() as db:
            return control.control(db)

    def put_release(self, id: str, automation: str, manifest: bytes, *, now: int) -> None:
        with self._writing() as db:
            control.put_release(db, id, automation, manifest, now)

    def releases(self) -> list[tuple[str, str, int]]:
        with self._reading() as db:
            return control.releases(db)

    def release(self, id: str) -> bytes | None:
        with self._reading() as db:
            return control.release(db, id)

    # --- eras of the ledger

    def eras(self) -> dict[int, int]:
        with self._reading() as db:
            return eras.eras(db)

    # --- finished cases

    def finished(self, automation: str, status: str, *, after: int, limit: int) -> list[Finished]:
        with self._reading() as db:
            return archive.candidates(db, automation, status, after, limit)

    def archived(self, automation: str, *, after: int, limit: int) -> list[tuple[int, CaseRecord]]:
        with self._reading(snapshot=True) as db:
            return archive.page(db, self._packing, automation, after, limit)

    # --- keys of personal data

    def seals(self, case: CaseId) -> list[Seal]:
        with self._reading() as db:
            return seals.of_case(db, case, slot_of(case, self._caps.n_slots))

    def seal(self, id: str) -> Seal | None:
        with self._reading() as db:
            return seals.by_id(db, id)

    def cases_about(self, subject: str) -> list[CaseId]:
        with self._reading(snapshot=True) as db:
            return seals.cases_of(db, subject, self._caps.n_slots)

    # --- reading

    def case(self, case: CaseId) -> CaseRecord | None:
        with self._reading(snapshot=True) as db:
            return reading.case(db, self._packing, case, self._caps.n_slots)

    def cases(
        self, *, automation: str | None, status: str | None, after: CaseId | None, limit: int
    ) -> list[CaseRecord]:
        with self._reading(snapshot=True) as db:
            return reading.cases(db, self._packing, automation, status, after, limit, self._caps.n_slots)

    def place_of(self, case: CaseId) -> int:
        with self._reading() as db:
            return reading.place_of(db, case, self._caps.n_slots)

    def placed(
        self, automation: str | None, status: str | None, *, after: int, limit: int
    ) -> list[tuple[int, CaseRecord]]:
        with self._reading(snapshot=True) as db:
            return reading.placed(db, self._packing, automation, status, after, limit)

    def ledger(self, slot: int, *, after: int, limit: int) -> list[tuple[Entry, bytes, bytes]]:
        with self._reading(snapshot=True) as db:
            return reading.ledger(db, self._packing, slot, after, limit)

    def entry(self, slot: int, lsn: int) -> Entry | None:
        with self._reading() as db:
            return reading.entry(db, self._packing, slot, lsn)

    def heads(self) -> dict[int, tuple[int, bytes]]:
        with self._reading() as db:
            return reading.heads(db)

    def newest(self, case: CaseId) -> int:
        with self._reading(snapshot=True) as db:
            return reading.newest(db, case, self._caps.n_slots)

    def open_reviews(self, *, automation: str | None, group: str | None, limit: int) -> list[tuple[CaseId, Review]]:
        with self._reading() as db:
            return reading.open_reviews(db, automation, group, limit)

    def open_tasks(self, *, automation: str | None, group: str | None, limit: int) -> list[tuple[CaseId, Task]]:
        with self._reading() as db:
            return reading.open_tasks(db, automation, group, limit)

    def open_commands(self) -> list[Lease]:
        with self._reading() as db:
            return reading.open_commands(db)

    def quarantine(self) -> list[Quarantined]:
        with self._reading() as db:
            return reading.quarantine(db)

    def sizes(self) -> dict[str, int]:
        with self._reading() as db:
            return reading.sizes(db)
