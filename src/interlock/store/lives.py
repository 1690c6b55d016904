"""Which life of a database this is: how a copy, a restored backup and a database put back in place are noticed.

A database lives one life as long as it is one file that is only ever written forwards. A backup that is taken into use
is another life: what the first did after the backup was taken is forgotten here and has happened outside all the same.
Each life has an incarnation of its own and remembers the number that its file has on the disk.

Three things give a change away. A copied file has another number. A database written over in place with an earlier
state of itself has seen fewer units than its witness, a small file beside it that every worker renews with each beat.
One written over with the backup of an earlier life has not heard of the witness's incarnation.

What no file can tell: a whole disk or machine put back to an earlier moment, witness and all. An anchor kept elsewhere
does (`interlock verify --against`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from interlock.ports import BeginsAs, Life
from interlock.store.driver import Connection
from interlock.store.sql import queries
from interlock.vocabulary.errors import StoreError


@dataclass(frozen=True)
class Witness:
    """What a worker has seen of the database: its incarnation, and how many units had committed."""

    incarnation: str
    epochs: int


def begin(db: Connection, incarnation: str, now: int, why: BeginsAs, file: int | str | None = None) -> None:
    """From now on the database is this incarnation. `file`: where it is lived, the number of a file or a name."""
    db.execute(queries["life_add"], (incarnation, now, why, file))
    db.execute(queries["meta_incarnation"], (incarnation,))


def current(db: Connection) -> tuple[Life, int | str | None]:
    """The life that is lived now, and the number of its file, None while nobody has looked."""
    *life, file = db.execute(queries["life"]).fetchone()
    return Life(*life), file


def every(db: Connection) -> list[Life]:
    """All lives, the first one first."""
    return [Life(*row) for row in db.execute(queries["lives"])]


def epochs(db: Connection) -> int:
    """How many units have committed here."""
    return db.execute(queries["epochs"]).fetchone()[0]


def settle_in(db: Connection, file: int | str) -> None:
    """Remember where it is lived."""
    db.execute(queries["life_file"], (file,))


def estranged(db: Connection, file: int | None, witness: Witness | None) -> str:
    """Why this may not be the newest state of the database, in words; "" where nothing says so."""
    life, lived_in = current(db)
    if file is not None and lived_in is not None and file != lived_in:
        return "it is a copy: another file than the one it was lived in"
    if witness is None:
        return ""
    if witness.incarnation not in {one.incarnation for one in every(db)}:
        return "an earlier or another database was put in the place of the one that a worker has seen here"
    if witness.incarnation == life.incarnation and epochs(db) < witness.epochs:
        return "it was put back to an earlier state: a worker has seen more of it than it holds"
    return ""


def refusal(where: str, why: str) -> StoreError:
    """What a worker is told that would join such a state."""
    return StoreError(
        f"{where} may not be the newest state of this database: {why}. "
        "An effect that it holds as undone may have been carried out.",
        code="store_estranged",
        hint="`interlock recover` says what to do.",
    )


# --- beside the file --------------------------------------------------------------------------------------------------


def number_of(path: Path) -> int | None:
    """The number that a file has on its disk."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def read_witness(path: Path) -> Witness | None:
    """None where there is none, or a power cut has left nothing readable of it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(value, dict):
        return None
    said = cast("dict[str, Any]", value)
    incarnation, seen = said.get("incarnation"), said.get("epochs")
    return Witness(incarnation, seen) if isinstance(incarnation, str) and isinstance(seen, int) else None


def write_witness(path: Path, witness: Witness) -> None:
    """Whole or not at all. It is not flushed: one lost in a power cut says less than it might, never too much."""
    said = {"incarnation": witness.incarnation, "epochs": witness.epochs}
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(said), encoding="utf-8")
    beside.replace(path)
