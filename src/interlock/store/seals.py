"""The keys of personal data: one per case, made before anything of the case is sealed, destroyed by an erasure.

A key's row outlives the key: what was sealed under it is then known to be erased, not damaged. Whom a case is about is
kept as a keyed hash, so that a name which is itself personal stands nowhere in the file, and is removed with the key.

SQLite leaves what it deletes where it was, and moves rows about when pages fill. Every transaction that touches a key
therefore runs with `secure_delete`, which overwrites what it frees.

INVARIANT: a case has at most one key that is not destroyed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from interlock.store.driver import Connection
from interlock.store.sql import queries
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.sealed import Seal, slot_of_seal

PEPPER_BYTES = 32

SCAN_BYTES = 1 << 20
"""Read at once when a file is searched for what is left of a key."""


def of_case(db: Connection, case: CaseId, slot: int) -> list[Seal]:
    """The keys that a case has had, oldest first."""
    return [
        Seal(id_, case, secret, made_at, erased_at)
        for id_, secret, made_at, erased_at in db.execute(queries["seals_of_case"], (slot, *case))
    ]


def by_id(db: Connection, id_: str) -> Seal | None:
    row = db.execute(queries["seal"], (slot_of_seal(id_), id_)).fetchone()
    return None if row is None else Seal(id_, CaseId(row[0], row[1]), row[2], row[3], row[4])


def put(db: Connection, seal: Seal, subjects: Iterable[str]) -> Seal:
    """Keep the key, unless its case has one, and that the case is about these persons. Returns the case's key."""
    live = next((one for one in of_case(db, seal.case, seal.slot) if not one.erased_at), None)
    if live is None:
        with_care(db)
        add(db, seal)
    for subject in subjects:
        db.execute(queries["seal_subject_add"], (seal.slot, _hidden(db, subject), *seal.case))
    return live or seal


def add(db: Connection, seal: Seal) -> None:
    db.execute(queries["seal_add"], (seal.slot, seal.id, *seal.case, seal.secret, seal.made_at))


def cases_of(db: Connection, subject: str, n_slots: int) -> list[CaseId]:
    """The cases that are about this person."""
    if db.execute(queries["pepper"]).fetchone() is None:
        return []
    hidden = _hidden(db, subject)
    found: list[CaseId] = []
    for slot in range(n_slots):
        found += [CaseId(*row) for row in db.execute(queries["seal_subjects"], (slot, hidden))]
    return found


def erase(db: Connection, case: CaseId, slot: int, now: int) -> None:
    """Destroy the keys of a case, and forget whom it is about."""
    with_care(db)
    db.execute(queries["seal_erase"], (slot, *case, now))
    db.execute(queries["seal_subject_drop"], (slot, *case))


def with_care(db: Connection) -> None:
    """What this connection frees from here on is overwritten."""
    db.execute(queries["care"])


def left_in(path: Path, secrets: Sequence[bytes]) -> bool:
    """Whether any of these keys stands anywhere in a file."""
    if not secrets or not path.is_file():
        return False
    overlap = max(len(secret) for secret in secrets)
    before = b""
    with path.open("rb") as file:
        while block := file.read(SCAN_BYTES):
            window = before + block
            if any(secret in window for secret in secrets):
                return True
            before = window[-overlap:]
    return False


def _hidden(db: Connection, subject: str) -> bytes:
    """A person's name under the store's own key: found by who knows it, not read by who does not."""
    row = db.execute(queries["pepper"]).fetchone()
    if row is None:
        db.execute(queries["pepper_add"], (os.urandom(PEPPER_BYTES),))
        row = db.execute(queries["pepper"]).fetchone()
    pepper: bytes = row[0]
    return hashlib.blake2b(subject.encode(), key=pepper, digest_size=16).digest()
