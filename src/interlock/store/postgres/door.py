"""Take a batch in with one statement: remember what is new, queue it, and be told which of it was known.

The statement is a transaction of its own, so accepting is one exchange with the server. Two doors that take the same
message in at the same moment wait for each other at its key; the second is told that it was known.

A door looks at no slot's claim and waits for none. So it cannot know which cases are blocked, and puts every message
among those that wait; whoever holds the claim puts those of blocked cases apart (`unit`).
"""

from __future__ import annotations

from collections.abc import Sequence

from interlock.ports import Accepted, Clash, Duplicate, Receipt
from interlock.store.door import Prepared
from interlock.store.postgres.session import Session

Place = tuple[int, str, str, str, str]


def accept(session: Session, batch: Sequence[Prepared], now: int) -> list[Receipt]:
    """Remember and queue what is new. Receipts are in the order of the batch, whose own repetitions count too."""
    if not batch:
        return []
    first: dict[Place, int] = {}
    again: dict[int, int] = {}
    rows: list[tuple[int, str, str, str, str, bytes, bytes]] = []
    numbers: list[int] = []
    for number, (slot, message, said, body) in enumerate(batch):
        place = (slot, message.automation, message.key, message.source, message.id)
        if said:
            before = first.setdefault(place, number)
            if before != number:
                again[number] = before
                continue
        rows.append((*place, said, body))
        numbers.append(number)
    columns = [list(column) for column in zip(*rows, strict=True)]
    known: list[int] = [ordinal - 1 for (ordinal,) in session.run("accept", *columns, now)]
    receipts: list[Receipt] = [Accepted(slot) for slot, _, _, _ in batch]
    said_before = [said for _, _, said, _ in batch]
    if known:
        places = zip(*[rows[row][:5] for row in known], strict=True)
        for ordinal, said in session.run("seen_hashes", *(list(column) for column in places)):
            number = numbers[known[int(ordinal) - 1]]
            receipts[number] = _known(batch[number], said)
            said_before[number] = said
    for number, before in again.items():
        receipts[number] = _known(batch[number], said_before[before])
    return receipts


def _known(message: Prepared, said: bytes) -> Receipt:
    return Duplicate(message[0]) if message[2] == said else Clash(message[0])
