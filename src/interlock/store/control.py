"""Pauses and releases: what an operator sets and every unit obeys.

A change of control is written into every slot's row with a new generation, so that a unit reads it under its claim
without asking anyone: once the change is durable no unit starts anything that it forbids. Commands held by a pause
become free in the same transaction and are judged again by their cases.

INVARIANT: a registered release never changes; its id is a hash of its content.
"""

from __future__ import annotations

from collections.abc import Sequence

from interlock.ports import Control
from interlock.store import codec
from interlock.store.driver import Connection
from interlock.store.sql import queries
from interlock.vocabulary.errors import Conflict, StoreConflict


def set_control(db: Connection, paused: Sequence[str], expected: int | None = None) -> Control:
    if expected is not None and control(db).generation != expected:
        raise StoreConflict("Somebody else changed the pauses first.", hint="Nothing was written; look and try again.")
    db.execute(queries["control_set"], (codec.encode(sorted(set(paused))).decode(),))
    db.execute(queries["commands_release"])
    return control(db)


def control(db: Connection) -> Control:
    generation, paused = db.execute(queries["control"]).fetchone()
    return codec.control(generation, paused)


def put_release(db: Connection, id_: str, automation: str, manifest: bytes, now: int) -> None:
    """Register a release once; the first manifest under an id stays.

    The id covers what influences behaviour. What it leaves out on purpose (comments, layout, the manifest's own format)
    may differ when the same release is registered again, by a later version of the program for one.
    """
    added = db.execute(queries["release_add"], (id_, automation, manifest, now)).rowcount
    if not added and db.execute(queries["release"], (id_,)).fetchone()[0] != automation:
        raise Conflict(
            f"Release {id_} is registered for another automation.", hint="A release never changes; make a new one."
        )


def releases(db: Connection) -> list[tuple[str, str, int]]:
    return [(id_, automation, at) for id_, automation, at in db.execute(queries["releases"])]


def release(db: Connection, id_: str) -> bytes | None:
    row = db.execute(queries["release"], (id_,)).fetchone()
    return None if row is None else row[1]
