"""The limit: group-commit inserts of as many bytes as interlock leaves behind, and nothing else.

The same three durable points (accepted; advised and decided; recorded), each one row in a table with a sequential
key, many rows per transaction. It deduplicates nothing, recovers nothing, knows no state, no rule but the one `if`,
no history: what is left of the cost when everything that a peer does is taken away. `RAW_BYTES` is the size of a row.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

from benchmarks.peers.group import Group
from benchmarks.peers.line import Accepted, serve
from benchmarks.peers.outside import AVAILABLE_CENTS, Event, World, may_pay

ROW = os.urandom(int(os.environ.get("RAW_BYTES", "1000")))


class Sqlite:
    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")

    def write(self, rows: Sequence[bytes]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT INTO rows (body) VALUES (?)", [(row,) for row in rows])
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()


class Postgres:
    def __init__(self, dsn: str) -> None:
        import psycopg

        self._db = psycopg.connect(dsn, autocommit=True, prepare_threshold=1)
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS rows (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL)"
        )

    def write(self, rows: Sequence[bytes]) -> None:
        self._db.execute("INSERT INTO rows (body) SELECT unnest(%s::bytea[])", [list(rows)], binary=True)

    def close(self) -> None:
        self._db.close()


class Raw:
    def __init__(self, database: str, world: World) -> None:
        self._world = world
        self._store = (Postgres if database.startswith("postgres") else Sqlite)(database)
        self._rows = Group(self._store.write)

    async def start(self) -> None: ...

    async def case(self, event: Event, accepted: Accepted) -> None:
        await self._rows.put(ROW)
        accepted(event)
        advice = await self._world.advise(event.case, event.customer)
        pays = may_pay(AVAILABLE_CENTS, advice.amount_cents, advice.score_per_mille)
        await self._rows.put(ROW)
        if pays:
            await self._world.pay(event.case, advice.amount_cents, event.case)
        await self._rows.put(ROW)

    async def left(self) -> Sequence[int]:
        return []

    async def go_on(self, numbers: Sequence[int]) -> None: ...

    async def stop(self) -> None:
        self._rows.close()
        self._store.close()


if __name__ == "__main__":
    serve(Raw)
