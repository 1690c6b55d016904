"""Read a whole store, table by table and slot by slot, under the names that its tables have on SQLite."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from interlock.store.postgres.session import Session
from interlock.store.postgres.statements import read

RENAMED = {
    ("cases", "rowid"): "place",
    ("archive", "rowid"): "filed",
    ("meta", "only"): "one",
    ("seal_pepper", "only"): "one",
    ("lives", "file"): "-1",
}
"""What stands for a column of SQLite's. No file has the number -1: what is read from here was lived elsewhere."""

WHOLE = frozenset({"meta", "lives", "dictionaries", "releases", "workers", "seal_pepper"})
"""Small tables that have no slots."""


def pages(session: Session, table: str, columns: Sequence[str], n_slots: int) -> Generator[list[tuple[Any, ...]]]:
    """The rows of a table; of one with slots, a slot's at a time."""
    chosen = ", ".join(RENAMED.get((table, column), f'"{column}"') for column in columns)
    if table in WHOLE:
        yield session.send(read(f"copy_{table}", f"SELECT {chosen} FROM {table}"), []).fetchall()
        return
    statement = read(f"copy_{table}", f"SELECT {chosen} FROM {table} WHERE slot = $1::int4")
    for slot in range(n_slots):
        yield session.send(statement, statement.one((slot,))).fetchall()
