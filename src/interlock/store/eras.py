"""Eras of the ledger: stretches of it that nothing is added to any more, and that may be copied elsewhere.

Each entry says the era that its slot was in when it was written, under the claim of the slot. An operator ends the era
of all slots (`interlock db export --finish`); a unit that holds its slot meanwhile commits first, or begins after it.
Within a slot the eras of entries never decrease, which `interlock verify` checks: an era is one stretch of each slot.

INVARIANT: once `finish` has returned N, no entry of era N or earlier is ever written.
"""

from __future__ import annotations

from interlock.store.driver import Connection
from interlock.store.sql import queries


def eras(db: Connection) -> dict[int, int]:
    """Slot -> the era of its next entry."""
    return dict(db.execute(queries["eras"]).fetchall())


def finish(db: Connection) -> int:
    """Let every slot begin the era behind the furthest of them, so that one that was missed before catches up."""
    ended = max(eras(db).values())
    db.execute(queries["era_begin"], (ended + 1,))
    return ended
