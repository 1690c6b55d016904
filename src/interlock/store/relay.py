"""Carry messages from one slot's outbox to the inboxes of others: exactly once, and in order per pair of slots.

Every message has a number in its sender's outbox. The receiving slot remembers, per sender, the highest number it has
(its watermark). Where delivery and removal are two transactions, a crash between them repeats the delivery, and the
watermark makes the repetition void.

Between databases (`cells`) the two transactions are `receive` in that of the receiver and then `sent_off` in that of
the sender, which may leave messages to others behind in its outbox.

INVARIANT: a message is in the outbox, or at or below the receiver's watermark; never neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

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
OUTBOX_TO = queries["outbox_to"]
OUTBOX_TAKE = queries["outbox_take"]
SLOT_TAKEN = queries["slot_taken"]
SLOTS_UNSENT = queries["slots_unsent"]
LINK = queries["link"]
LINK_PUT = queries["link_put"]
INBOX_ADD = queries["inbox_add"]

Sent = tuple[int, int, bytes]
"""A message in an outbox: number, slot that it is for, encoded message."""


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
    last: int = rows[-1][0]
    reached = receive(db, slot, rows)
    db.execute(OUTBOX_DROP, (slot, last))
    db.execute(SLOT_RELAYED, (slot, last))
    return reached


def receive(db: Connection, sender: int, messages: Sequence[Sent]) -> set[int]:
    """Take in what another slot has sent, unless it came before. Returns the slots that got some.

    Nobody else may receive in these slots meanwhile.
    """
    watermarks: dict[int, int] = {}
    arrivals: list[tuple[int, int, str, str, str, bytes]] = []
    for seq, target, body in messages:
        if target not in watermarks:
            known = db.execute(LINK, (target, sender)).fetchone()
            watermarks[target] = 0 if known is None else known[0]
        if seq > watermarks[target]:
            message = codec.envelope(body)
            arrivals.append((target, message.received_at, message.id, message.automation, message.key, body))
            watermarks[target] = seq
    db.executemany(INBOX_ADD, arrivals)
    db.executemany(LINK_PUT, [(target, sender, seq) for target, seq in watermarks.items()])
    return {row[0] for row in arrivals}


def outbox(db: Connection, slot: int, targets: Iterable[int], limit: int) -> list[Sent]:
    """The oldest messages of a slot that are for these others."""
    return db.execute(OUTBOX_TO, (slot, json.dumps(sorted(targets)), limit)).fetchall()


def sent_off(db: Connection, slot: int, numbers: Sequence[int]) -> None:
    """These have been received for good."""
    db.executemany(OUTBOX_TAKE, [(slot, number) for number in numbers])
    db.execute(SLOT_TAKEN, (slot,))


def unsent(db: Connection) -> list[int]:
    """Slots that have something in their outboxes."""
    return [slot for (slot,) in db.execute(SLOTS_UNSENT)]
