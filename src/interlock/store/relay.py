"""Carry messages from one slot's outbox to the inboxes of others: exactly once, and in order per pair of slots.

Every message has a number in its sender's outbox. The receiving slot remembers, per sender, the highest number it has
(its watermark). Where delivery and removal are two transactions, a crash between them repeats the delivery, and the
watermark makes the repetition void.

INVARIANT: a message is in the outbox, or at or below the receiver's watermark; never neither.
"""

from __future__ import annotations

from collections.abc import Sequence

from interlock.store import codec
from interlock.store.driver import Connection
from interlock.store.sql import queries
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.ids import slot_of

OUTBOX_ADD = queries["outbox_add"]
OUTBOX = queries["outbox"]
OUTBOX_DROP = queries["outbox_drop"]
SLOT_SENT = queries["slot_sent"]
SLOT_DELIVERED = queries["slot_delivered"]
SLOT_RELAYED = queries["slot_relayed"]
LINK = queries["link"]
LINK_PUT = queries["link_put"]
INBOX_ADD = queries["inbox_add"]


def send(db: Connection, slot: int, sent: int, messages: Sequence[Envelope], n_slots: int) -> None:
    """Put messages into a slot's outbox behind number `sent`."""
    db.executemany(
        OUTBOX_ADD,
        [
            (slot, seq, slot_of(message.case, n_slots), codec.encode(message))
            for seq, message in enumerate(messages, sent + 1)
        ],
    )
    db.execute(SLOT_SENT, (slot, sent + len(messages)))


def deliver(db: Connection, sends: Sequence[tuple[int, int, Sequence[Envelope]]], n_slots: int) -> set[int]:
    """Straight into the inboxes, for senders (slot, last number, messages) whose outbox is empty.

    Only where all slots share the transaction: surviving between two transactions is what an outbox is for. Numbers and
    watermarks go on as if it had been used.
    """
    arrivals: list[tuple[int, int, str, str, str, bytes]] = []
    links: dict[tuple[int, int], int] = {}
    numbers: list[tuple[int, int]] = []
    for slot, sent, messages in sends:
        seq = sent
        for seq, message in enumerate(messages, sent + 1):
            target = slot_of(message.case, n_slots)
            body = codec.encode(message)
            arrivals.append((target, message.received_at, message.id, message.automation, message.key, body))
            links[target, slot] = seq
        numbers.append((slot, seq))
    db.executemany(INBOX_ADD, arrivals)
    db.executemany(LINK_PUT, [(target, slot, seq) for (target, slot), seq in links.items()])
    db.executemany(SLOT_DELIVERED, numbers)
    return {row[0] for row in arrivals}


def relay(db: Connection, slot: int, *, limit: int) -> set[int]:
    """Deliver the oldest messages of a slot's outbox. Returns the slots that got some."""
    rows = db.execute(OUTBOX, (slot, limit)).fetchall()
    if not rows:
        return set()
    watermarks: dict[int, int] = {}
    arrivals: list[tuple[int, int, str, str, str, bytes]] = []
    for seq, target, body in rows:
        if target not in watermarks:
            known = db.execute(LINK, (target, slot)).fetchone()
            watermarks[target] = 0 if known is None else known[0]
        if seq > watermarks[target]:
            message = codec.envelope(body)
            arrivals.append((target, message.received_at, message.id, message.automation, message.key, body))
            watermarks[target] = seq
    last: int = rows[-1][0]
    db.executemany(INBOX_ADD, arrivals)
    db.executemany(LINK_PUT, [(target, slot, seq) for target, seq in watermarks.items()])
    db.execute(OUTBOX_DROP, (slot, last))
    db.execute(SLOT_RELAYED, (slot, last))
    return {row[0] for row in arrivals}
