"""The raw limit: the very statements that governed cases made, replayed on a fresh file without anything around them.

A recording connection notes every statement with its parameters while cases run; the replay runs them through plain
`sqlite3` in the same
order and the same transactions. So the replay writes the same rows, reads the same rows and flushes as often, and
the ratio says what deciding,
recording and dispatching cost on top of storing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.setting import cpu
from interlock.store.sqlite import open_sqlite

Statement = tuple[str, list[Any] | tuple[Any, ...], bool]


class Recording(sqlite3.Connection):
    """A connection that notes what it is told while `noted` is a list."""

    noted: list[Statement] | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if Recording.noted is not None:
            Recording.noted.append((sql, parameters, False))
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> sqlite3.Cursor:
        rows = list(parameters)
        if Recording.noted is not None:
            Recording.noted.append((sql, rows, True))
        return super().executemany(sql, rows)


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Note the statements of every connection opened within."""
    plain = sqlite3.connect

    def connect(*args: Any, **more: Any) -> sqlite3.Connection:
        return plain(*args, factory=Recording, **more)

    sqlite3.connect = connect  # type: ignore[assignment]
    try:
        yield []
    finally:
        sqlite3.connect = plain
        Recording.noted = None


def replay(statements: Sequence[Statement], database: Path) -> float:
    """CPU seconds of the statements alone, on a store made fresh."""
    open_sqlite(database).close()
    connection = sqlite3.connect(database, isolation_level=None, cached_statements=256)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = OFF")
    began = cpu()
    for sql, parameters, many in statements:
        if many:
            connection.executemany(sql, parameters)
        else:
            cursor = connection.execute(sql, parameters)
            if cursor.description is not None:
                cursor.fetchall()
    spent = cpu() - began
    connection.close()
    return spent
