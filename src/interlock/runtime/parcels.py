"""What the door gives the worker to take along, so that accepting needs no transaction of its own.

A worker that is at it commits some hundred times a second anyway; what came in meanwhile is accepted by the same
transaction, and its turns belong to the next. So a message is durable before anybody's code sees it, as it is with a
transaction of its own: a turn that kills its process kills no message that was acknowledged, and the one that did it
is there to be counted.

INVARIANT: a parcel is settled once, and has receipts only after the commit that made its messages durable. Without
receipts and without an error nothing of it was kept, and the door writes it itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from interlock.ports import Accepted, Receipt
from interlock.vocabulary.events import Envelope


class Parcel:
    """Messages to be accepted, and what has become of them.

    check      says on the store's thread whether they may be accepted now; raises if not
    """

    __slots__ = ("check", "envelopes", "error", "receipts", "settled")

    def __init__(self, envelopes: list[Envelope], check: Callable[[], None]) -> None:
        self.envelopes = envelopes
        self.check = check
        self.receipts: list[Receipt] | None = None
        self.error: Exception | None = None
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def refused(self) -> bool:
        """Ask `check`, on the store's thread."""
        try:
            self.check()
        except Exception as error:  # noqa: BLE001 - every sender of the parcel gets it
            self.error = error
            return True
        return False

    def settle(self) -> None:
        """Tell the door, on its loop."""
        if not self.settled.done():
            self.settled.set_result(None)


Carrier = Callable[[Parcel], bool]
"""Takes a parcel along, or says that it cannot now."""


def contents(parcels: Iterable[Parcel]) -> list[Envelope]:
    return [envelope for parcel in parcels for envelope in parcel.envelopes]


def hand_out(parcels: Iterable[Parcel], receipts: Sequence[Receipt]) -> None:
    """Give each parcel its receipts, which are in the order of `contents`; none at all: nothing was taken along."""
    if not receipts:
        return
    first = 0
    for parcel in parcels:
        behind = first + len(parcel.envelopes)
        parcel.receipts = list(receipts[first:behind])
        first = behind


def slots_of(receipts: Iterable[Receipt]) -> set[int]:
    """Where something new waits."""
    return {receipt.slot for receipt in receipts if isinstance(receipt, Accepted)}
