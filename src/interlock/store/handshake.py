"""Make the schema, and refuse a database that this program does not speak with.

A file says whose it is (application id), which layout it has (user version) and which meaning of the kernel has
written in it (semantics). An older numbered layout is brought to this program's, number after number, in the
transaction that opens the database; a newer one is refused, and so is one without a number that is known. A program
with newer semantics takes the database over: it says so in every slot's row, where a program still running with the
old meaning reads it with its next unit and stops.

INVARIANT: a migration is all or nothing, and none begins while a worker of an older program may be writing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from interlock.store import lives
from interlock.store.driver import Connection
from interlock.store.sql import migration_names, migrations, queries, schema
from interlock.vocabulary.entry import GENESIS
from interlock.vocabulary.errors import StoreCorrupt, StoreError, StoreVersion
from interlock.vocabulary.facts import SEMANTICS

APPLICATION = 0x494C_4B31
"""Says that a SQLite file is a database of the interlock ("ILK1"; SQLite keeps it in the header)."""

FIRST = 1
"""The oldest numbered layout that there has been."""

SCHEMA = 6
"""The layout that this program speaks. The next one is a file in `sql/migrations` and the same change in
`sql/schema.sql`.
"""


@dataclass(frozen=True)
class Meta:
    """What a database says of itself."""

    program: str
    semantics: int
    n_slots: int
    incarnation: str


@dataclass(frozen=True)
class Step:
    """One migration: the layout that it leads to, what it is about, and its statements."""

    number: int
    about: str
    statements: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """Which layout a database has, which one this program speaks, and what lies between."""

    found: int
    speaks: int
    steps: tuple[Step, ...]


def layout(db: Connection, path: str) -> Layout:
    """What a migration would do. Raises StoreCorrupt for a file of somebody else."""
    if _pragma(db, "application_id") != APPLICATION:
        raise StoreCorrupt(f"{path} is a SQLite database, but not of interlock.", hint="Name another file.")
    found = _pragma(db, "user_version")
    return Layout(found, SCHEMA, steps(found, SCHEMA, migrations, migration_names))


def steps(
    found: int, speaks: int, statements: Mapping[int, tuple[str, ...]], names: Mapping[int, str]
) -> tuple[Step, ...]:
    """From the layout that was found to the one that is spoken; none from one that is newer or unknown."""
    if found < FIRST:
        return ()
    return tuple(Step(number, names[number], statements[number]) for number in range(found + 1, speaks + 1))


def is_new(db: Connection) -> bool:
    """Whether nothing has been made in this file yet."""
    return db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0 and _pragma(db, "application_id") == 0


def create(db: Connection, *, n_slots: int, program: str, now: int, slots: Iterable[int] | None = None) -> None:
    """Inside a transaction: all of it or nothing. `slots`: which of the slots are kept here; None: all."""
    for statement in schema.split(";\n"):
        if statement.strip():
            db.execute(statement)
    incarnation = str(uuid.uuid4())
    db.execute(queries["meta_add"], (program, SEMANTICS, n_slots, incarnation, now))
    lives.begin(db, incarnation, now, "created")
    kept = range(n_slots) if slots is None else sorted(slots)
    db.executemany(queries["slot_add"], [(slot, GENESIS, SEMANTICS) for slot in kept])
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    db.execute(f"PRAGMA user_version = {SCHEMA}")


def meet(db: Connection, path: str) -> Meta:
    """Read what the database says of itself and refuse what this program does not speak with."""
    if _pragma(db, "application_id") != APPLICATION:
        raise StoreCorrupt(f"{path} is a SQLite database, but not of interlock.", hint="Name another file.")
    found = _pragma(db, "user_version")
    if found != SCHEMA:
        raise StoreVersion(
            f"{path} has database schema {found}; this program speaks schema {SCHEMA}.",
            hint="Start the newer version of interlock." if found > SCHEMA else _older(found),
        )
    row = db.execute(queries["meta"]).fetchone()
    if row is None:
        raise StoreCorrupt(f"{path} has lost its description (table meta).", hint="Restore it from a backup.")
    meta = Meta(*row)
    if meta.semantics > SEMANTICS:
        raise StoreVersion(
            f"{path} was written under kernel semantics {meta.semantics} (interlock {meta.program}); "
            f"this program has semantics {SEMANTICS}.",
            hint="Start the newer version of interlock.",
        )
    return meta


def migrate(db: Connection, path: str, *, alive: Callable[[], list[str]]) -> int:
    """Inside a transaction: bring an older numbered layout to this program's. Returns the number that was found.

    `alive` names the workers that may be writing: none of them knows the new layout. Raises StoreVersion.
    """
    found = _pragma(db, "user_version")
    if _pragma(db, "application_id") != APPLICATION or not FIRST <= found < SCHEMA:
        return found
    at_work = alive()
    if at_work:
        raise StoreVersion(
            f"{path} has database schema {found}, and a worker of an older interlock is using it ({at_work[0]}).",
            hint=f"Stop it first; this program then brings the database to schema {SCHEMA}.",
        )
    for number in range(found + 1, SCHEMA + 1):
        for statement in migrations[number]:
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA}")
    return found


def _older(found: int) -> str:
    if found < FIRST:
        return "Start the version that made it."
    return "Open it once where it may be written: this program then brings it to its own layout."


def take_over(db: Connection) -> None:
    """Write this program's semantics where every unit reads them."""
    db.execute(queries["meta_semantics"], (SEMANTICS,))
    db.execute(queries["slots_semantics"], (SEMANTICS,))


def agree_slots(db: Connection, meta: Meta, slots: Iterable[int] | None, path: str) -> None:
    """Refuse a database that keeps other slots than it is opened for; None: it must keep all of them.

    One that has a part of them is a cell: whoever took it for the whole would put messages where nobody looks.
    """
    found = {slot for (slot,) in db.execute(queries["slots_kept"])}
    if slots is None and len(found) != meta.n_slots:
        raise StoreError(
            f"{path} is a cell: it keeps {ranges(found)} of {meta.n_slots} slots.",
            code="store_slots",
            hint="Open all of them together, through the file that names them: --db cells:cells.toml",
        )
    if slots is not None and found != (asked := set(slots)):
        raise StoreError(
            f"{path} keeps the slots {ranges(found)}, by its own record; it was named for {ranges(asked)}.",
            code="store_slots",
            hint="Name the database that keeps them. Slots cannot be moved by changing their place on paper.",
        )


def ranges(slots: Iterable[int]) -> str:
    """`0-3, 7` for 0, 1, 2, 3 and 7."""
    found: list[list[int]] = []
    for slot in sorted(slots):
        if found and found[-1][1] == slot - 1:
            found[-1][1] = slot
        else:
            found.append([slot, slot])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found) or "none"


def agree(meta: Meta, n_slots: int | None, path: str) -> None:
    if n_slots is not None and meta.n_slots != n_slots:
        raise StoreError(
            f"{path} has {meta.n_slots} slots, fixed when it was made; {n_slots} were asked for.",
            code="store_slots",
            hint="Open it without saying how many.",
        )


def _pragma(db: Connection, name: str) -> int:
    return db.execute(f"PRAGMA {name}").fetchone()[0]
