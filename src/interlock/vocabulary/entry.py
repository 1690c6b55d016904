"""The ledger entry: one per consumed message, chained per slot.

Bytes are canonical JSON of `Entry`; `hash` = sha256(previous hash || bytes), and the bytes hold slot, era and
sequence number, so an entry
can be neither changed, moved nor dropped without breaking the chain. `prev` links a case's entries backwards, which
finds a case's
history without an index of random keys.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from msgspec import Struct, structs

from interlock.vocabulary import canonical
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.events import Body, CitedBody, Envelope
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.limits import BODY_INLINE_BYTES_MAX

GENESIS = b"\x00" * 32
"""Head of an empty slot."""


class Entry(Struct, frozen=True, gc=False, omit_defaults=True):
    """What one turn did.

    kind      turn | quarantined | released (a quarantined message was discarded or retried) | erased | control
    facts     in the first entry of a unit; the others cite it by lsn in `facts_at`
    release   under which the turn ran; version: the case's after it
    cause     the message consumed
    late      the event happened before one already applied
    decisions in order; notes: what else happened, in words (answer stale, asked again, observation kept, ...)
    delta     from the record before to the record after (`kernel.fold`)
    """

    slot: int
    era: int
    lsn: int
    at: int
    automation: str
    key: str
    version: int
    kind: str
    prev: int = 0
    facts: Facts | None = None
    facts_at: int = 0
    release: str = ""
    cause: Envelope | None = None
    late: bool = False
    decisions: tuple[Decision, ...] = ()
    notes: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    delta: dict[str, Any] = {}


def chain(head: bytes, body: bytes) -> bytes:
    """The head after an entry: sha256 over the head before it and the entry's bytes."""
    return hashlib.sha256(head + body).digest()


_body: msgspec.json.Decoder[Body] = msgspec.json.Decoder(Body)


def citing(entry: Entry) -> tuple[Entry, CitedBody | None, bytes]:
    """The entry with a large message cited by its content, the citation, and the message's canonical bytes.

    None where the message is small enough to stand in the entry, or there is none.
    """
    if entry.cause is None or isinstance(entry.cause.body, CitedBody):
        return entry, None, b""
    body = canonical.encode(entry.cause.body)
    if len(body) <= BODY_INLINE_BYTES_MAX:
        return entry, None, b""
    citation = CitedBody(hashlib.sha256(body).hexdigest(), len(body))
    return structs.replace(entry, cause=structs.replace(entry.cause, body=citation)), citation, body


def whole(entry: Entry, body: bytes) -> Entry:
    """The entry with the message that it cites. Raises ValueError for bytes that are not those."""
    if entry.cause is None or not isinstance(entry.cause.body, CitedBody):
        return entry
    if hashlib.sha256(body).hexdigest() != entry.cause.body.digest:
        raise ValueError("its message is not the one that it cites")
    return structs.replace(entry, cause=structs.replace(entry.cause, body=_body.decode(body)))
