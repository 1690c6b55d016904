"""Make the tables, and refuse a database that this program does not speak with.

The table `meta` says whose the tables are, which layout they have and which meaning of the kernel has written in them.
An older layout is brought to this program's, number after number, in one transaction; a newer one is refused. A program
with newer semantics takes the database over, as on SQLite: it says so in every slot's row, where a program still
running with the old meaning reads it with its next unit and stops.

Several processes may come to a new or an old database together: the first makes or migrates it under a lock that the
others wait for, and they find it made.

INVARIANT: a migration is all or nothing, and none begins while a worker of an older program may be writing.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence

from interlock.store import lives
from interlock.store.handshake import Layout, Meta, agree, agree_slots, steps, take_over
from interlock.store.packing import Packing, known_packing, packing
from interlock.store.postgres.link import SessionLink
from interlock.store.postgres.liveness import states
from interlock.store.postgres.session import Session
from interlock.store.sql import postgres_migration_names, postgres_migrations, postgres_schema, queries
from interlock.vocabulary.entry import GENESIS
from interlock.vocabulary.errors import NotFound, StoreCorrupt, StoreError, StoreReadOnly, StoreVersion
from interlock.vocabulary.facts import SEMANTICS

LAYOUT = 1
"""The layout that this program speaks. The next one is a file in `sql/postgres/migrations` and the same change in
`sql/postgres/schema.sql`.
"""

SLOTTED = "[slots]"
"""Where the schema has room for what is said of tables that are split by slot."""

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('interlock {schema}', 0))"

KEPT_SMALL = ("inbox", "commands", "timers", "outbox", "slots")
"""Tables whose rows come and go: what is dead in them is taken away early, or every look would walk over it."""


def prepare(
    session: Session,
    link: SessionLink,
    *,
    n_slots: int,
    asked_slots: int | None,
    create: bool,
    partitions: int,
    program: str,
    now: int,
    silent: tuple[int, int],
    slots: Collection[int] | None = None,
) -> tuple[Meta, Packing]:
    """The tables, if there are none and `create` says so, migrations if they are old, and the handshake."""
    where = link.where
    schema = link.name.schema
    if create and not link.read_only and _is_new(session, where):
        session.shout(f"BEGIN; {LOCK.format(schema=schema)}")
        if _is_new(session, where):  # Asked again under the lock.
            if not _has_schema(session):
                session.shout(f'CREATE SCHEMA "{schema}"')
            make(session, n_slots=n_slots, partitions=partitions, program=program, now=now, slots=slots)
        session.shout("COMMIT")
    if _is_new(session, where):
        raise _not_there(where)
    if not link.read_only and 0 < _layout(session) < LAYOUT:
        session.shout(f"BEGIN; {LOCK.format(schema=schema)}")
        migrate(session, where, silent)
        session.shout("COMMIT")
    meta = meet(session, where)
    agree(meta, asked_slots, where)
    agree_slots(session, meta, slots, where)
    if link.read_only:
        return meta, known_packing(session)
    session.shout(f"BEGIN; {LOCK.format(schema=schema)}")
    if meta.semantics < SEMANTICS:
        take_over(session)
    dictionaries = packing(session)
    session.shout("COMMIT")
    return meta, dictionaries


def layout(session: Session, link: SessionLink) -> Layout:
    """What a migration would do. Raises NotFound, and StoreCorrupt for tables of somebody else."""
    if _is_new(session, link.where):
        raise _not_there(link.where)
    found = _layout(session)
    return Layout(found, LAYOUT, steps(found, LAYOUT, postgres_migrations, postgres_migration_names))


def make(
    session: Session, *, n_slots: int, partitions: int, program: str, now: int, slots: Collection[int] | None
) -> None:
    """All tables and what stands in them from the beginning, inside a transaction."""
    session.shout(";\n".join(tables(partitions)))
    incarnation = str(uuid.uuid4())
    session.run("meta_add", LAYOUT, program, SEMANTICS, n_slots, incarnation, now)
    lives.begin(session, incarnation, now, "created")
    kept = range(n_slots) if slots is None else sorted(slots)
    session.executemany(queries["slot_add"], [(slot, GENESIS, SEMANTICS) for slot in kept])
    session.flush()


def tables(partitions: int = 0) -> list[str]:
    """The statements that make the tables; those with a slot split over so many partitions by its hash (0: not)."""
    made: list[str] = []
    for statement in postgres_schema:
        slotted = SLOTTED in statement
        made.append(statement.replace(SLOTTED, "PARTITION BY HASH (slot)" if partitions else "").rstrip())
        if slotted and partitions:
            table = statement.split()[2]
            made += [
                f"CREATE TABLE {part} PARTITION OF {table} FOR VALUES WITH (MODULUS {partitions}, REMAINDER {number})"
                for number, part in enumerate(_parts(table, partitions))
            ]
    for table in KEPT_SMALL:
        fill = ", fillfactor = 50" if table == "slots" else ""
        made += [
            f"ALTER TABLE {part} SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, "
            f"autovacuum_vacuum_cost_delay = 0{fill})"
            for part in _parts(table, partitions)
        ]
    return made


def _parts(table: str, partitions: int) -> Sequence[str]:
    return [f"{table}_{number}" for number in range(partitions)] if partitions else [table]


def meet(session: Session, where: str) -> Meta:
    """Read what the database says of itself and refuse what this program does not speak with."""
    found = _layout(session)
    if found != LAYOUT:
        raise StoreVersion(
            f"{where} has layout {found}; this program speaks layout {LAYOUT}.",
            hint="Start the newer version of interlock."
            if found > LAYOUT
            else "Open it once where it may be written: this program then brings it to its own layout.",
        )
    row = session.run("meta").fetchone()
    if row is None:
        raise StoreCorrupt(f"{where} has lost its description (table meta).", hint="Restore it from a backup.")
    meta = Meta(*row)
    if meta.semantics > SEMANTICS:
        raise StoreVersion(
            f"{where} was written under kernel semantics {meta.semantics} (interlock {meta.program}); "
            f"this program has semantics {SEMANTICS}.",
            hint="Start the newer version of interlock.",
        )
    return meta


def migrate(session: Session, where: str, silent: tuple[int, int]) -> int:
    """Inside a transaction, under the lock: bring an older layout to this program's. Returns what was found."""
    found = _layout(session)
    if not 0 < found < LAYOUT:
        return found
    at_work = [one.name for one in states(session, *silent) if not one.dead]
    if at_work:
        raise StoreVersion(
            f"{where} has layout {found}, and a worker of an older interlock is using it ({at_work[0]}).",
            hint=f"Stop it first; this program then brings the database to layout {LAYOUT}.",
        )
    for number in range(found + 1, LAYOUT + 1):
        for statement in postgres_migrations[number]:
            session.shout(statement)
    session.run("layout_set", LAYOUT)
    session.flush()
    return found


def _is_new(session: Session, where: str) -> bool:
    _, there, ours = session.run("is_new").fetchone()
    if there and not ours:
        raise StoreCorrupt(
            f"{where} has tables of another program, not of interlock.",
            hint="Name another database, or a schema of its own: ?schema=interlock",
        )
    return not there


def _not_there(where: str) -> NotFound:
    return NotFound(
        f"There is no database of interlock at {where}.",
        hint="Check the name and the schema, or create one with `interlock init`.",
    )


def _has_schema(session: Session) -> bool:
    there, _, _ = session.run("is_new").fetchone()
    return there


def _layout(session: Session) -> int:
    try:
        row = session.run("layout").fetchone()
    except StoreReadOnly as error:
        raise StoreError(str(error), code="store_open", hint="Grant this role what it needs.") from error
    return 0 if row is None else row[0]
