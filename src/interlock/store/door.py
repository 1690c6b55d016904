"""Take messages in: durable when the call returns, and each (automation, key, source, id) once for ever.

What a sender sent is remembered by a hash of its body and the moment it says it happened. Who delivered it and when
is not part of that: the same event through another door, or a second time, is the same event. Messages of the
interlock itself (budget replies, timers) come exactly once by construction and are not remembered.

INVARIANT: one batch is one transaction. A batch that fails leaves nothing, so the sender may send all of it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from interlock.ports import Accepted, Clash, Duplicate, Receipt
from interlock.store import codec
from interlock.store.driver import Connection
from interlock.store.sql import queries
from interlock.vocabulary import canonical
from interlock.vocabulary.errors import Refused
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.ids import slot_of
from interlock.vocabulary.limits import PAYLOAD_BYTES_MAX

SEEN_ADD = queries["seen_add"]
SEEN_HASH = queries["seen_hash"]
INBOX_ADD = queries["inbox_add"]
PAYLOAD_ADD = queries["payload_add"]
PAYLOAD = queries["payload"]

INTERNAL = "interlock."
"""Sources that begin so are the interlock's own: their messages are not remembered."""

PEOPLE = "interlock.review"
"""What people say comes from outside all the same: an approval that is sent again after it was taken back, because its
sender had no answer, must not count again."""

Prepared = tuple[int, Envelope, bytes, bytes]
"""Slot, message, hash of what the sender said (empty: not remembered), encoded message."""


def prepare(batch: Sequence[Envelope], n_slots: int) -> list[Prepared]:
    """All that accepting needs and can be done before the database is claimed."""
    encode, canonical_bytes, blake2b, encoded = codec.encode, canonical.encode, hashlib.blake2b, list[Prepared]()
    for message in batch:
        said = b""
        if not message.source.startswith(INTERNAL) or message.source == PEOPLE:
            # A sender who names no moment gets that of receipt, which is not its word and differs when it sends again.
            happened = None if message.occurred_at == message.received_at else message.occurred_at
            said = blake2b(canonical_bytes((message.body, happened)), digest_size=16).digest()
        encoded.append((slot_of(message.case, n_slots), message, said, encode(message)))
    return encoded


def accept(db: Connection, batch: Sequence[Prepared], now: int) -> list[Receipt]:
    """Remember and queue what is new. Receipts are in the order of the batch, whose own repetitions count too."""
    receipts: list[Receipt] = []
    rows: list[tuple[int, int, str, str, str, bytes]] = []
    execute = db.execute
    for slot, message, said, body in batch:
        automation, key, id_ = message.automation, message.key, message.id
        if said:
            place = (slot, automation, key, message.source, id_)
            if not execute(SEEN_ADD, (*place, said)).rowcount:
                known: bytes = execute(SEEN_HASH, place).fetchone()[0]
                receipts.append(Duplicate(slot) if known == said else Clash(slot))
                continue
        rows.append((slot, now, id_, automation, key, body))
        receipts.append(Accepted(slot))
    if rows:
        db.executemany(INBOX_ADD, rows)
    return receipts


def digest_of(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def put_payload(db: Connection, digest: str, payload: bytes, media_type: str, n_slots: int) -> None:
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Refused(
            f"{len(payload)} bytes of {media_type}; at most {PAYLOAD_BYTES_MAX} are taken.",
            code="too_large",
            hint="Keep it elsewhere and send its name.",
        )
    db.execute(PAYLOAD_ADD, (slot_of_digest(digest, n_slots), digest, media_type, payload))


def payload(db: Connection, digest: str, n_slots: int) -> tuple[bytes, str] | None:
    row = db.execute(PAYLOAD, (slot_of_digest(digest, n_slots), digest)).fetchone()
    return None if row is None else (row[0], row[1])


def slot_of_digest(digest: str, n_slots: int) -> int:
    try:
        return int(digest[:8], 16) % n_slots
    except ValueError:
        return 0  # Not a digest, so in no slot: the look-up in any of them says that there is none.
