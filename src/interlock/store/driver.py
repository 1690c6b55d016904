"""What the store's roles know of a database connection, and where a simulation can cut it.

Roles write SQL and rows; which driver runs them is the business of the module that opened the connection. `Cut`
stands between the two when faults are to be injected; without a hook nothing stands between, so the possibility costs
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from interlock.vocabulary.errors import InterlockError

Row = tuple[Any, ...]

StatementFaults = Callable[[str], None]
"""Called with each write before it runs, and with BEFORE_COMMIT and AFTER_COMMIT. What it raises is a crash there."""

BEFORE_COMMIT = "before COMMIT"
AFTER_COMMIT = "after COMMIT"
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class Result(Protocol):
    """What a statement gave: rows to read, and for a write how many rows it changed."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection. `executemany` runs one write once per row and counts all rows changed."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Result: ...
    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Result: ...


class Later:
    """A connection whose answers come later: what must hold of them is checked before the transaction commits."""

    def must_change(self, sql: str, rows: Sequence[Sequence[Any]], otherwise: Callable[[], InterlockError], /) -> None:
        """As the function of this name; raises when the answers are looked at."""
        raise NotImplementedError


def must_change(
    db: Connection, sql: str, rows: Sequence[Sequence[Any]], otherwise: Callable[[], InterlockError]
) -> None:
    """Run a write that changes one row per row given, or the transaction ends with this error."""
    if isinstance(db, Later):
        db.must_change(sql, rows, otherwise)
    elif db.executemany(sql, rows).rowcount != len(rows):
        raise otherwise()


class Changed:
    """The result of a write that returns no rows."""

    def __init__(self, rowcount: int) -> None:
        self.rowcount = rowcount

    def fetchone(self) -> None:
        return None

    def fetchall(self) -> list[Any]:
        return []

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class Cut:
    """A connection that asks a hook before every row written: a crash can happen at each boundary of two statements."""

    def __init__(self, connection: Connection, faults: StatementFaults) -> None:
        self._connection = connection
        self._faults = faults

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Result:
        if sql.startswith(WRITES):
            self._faults(sql)
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Result:
        return Changed(sum(self.execute(sql, row).rowcount for row in parameters))
