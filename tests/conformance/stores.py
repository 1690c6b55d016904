"""The implementations that the conformance suite runs against. A new one joins with one line in `IMPLEMENTATIONS`."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from interlock.store.cells import Cell, CellStore, Part, open_cells
from interlock.store.postgres import PostgresStore, open_postgres
from interlock.store.postgres.handshake import tables
from interlock.store.sqlite import SqliteStore, open_sqlite
from interlock.vocabulary.entry import GENESIS
from interlock.vocabulary.facts import SEMANTICS
from tests import postgres_server

N_SLOTS = 8
"""Few, so that tests meet both cases of one slot and cases of different slots without searching long."""


@dataclass(frozen=True)
class Implementation:
    """How to open a store at a test's own place.

    lasting   what was durable is there when it is opened again
    only      modules that run against it, unless `INTERLOCK_CONFORMANCE=all` stands in the environment; none named: all
    several   it is several databases, which no transaction and no copy spans
    """

    name: str
    open: Callable[..., Any]
    lasting: bool
    only: frozenset[str] = frozenset()
    several: bool = False


def sqlite_memory(place: Path, **options: Any) -> SqliteStore:
    return open_sqlite(":memory:", n_slots=N_SLOTS, **options)


def sqlite_file(place: Path, **options: Any) -> SqliteStore:
    return open_sqlite(place / "store.db", n_slots=N_SLOTS, **options)


@dataclass
class Schemas:
    """Schemas of the shared server, each given to one place at a time, and emptied before the next one gets it.

    Making the tables takes a hundred times as long as emptying them. What is made anew for each test, with everything
    that can go wrong there, is in test_postgres_failures.py.
    """

    partitions: int
    given: dict[Path, str] = field(default_factory=dict[Path, str])
    turn: int = 0

    def open(self, place: Path, **options: Any) -> PostgresStore:
        if place not in self.given:
            dsn = postgres_dsn(Path(f"{self.partitions} partitions, {self.turn % IN_TURN}"))
            if self.turn >= IN_TURN:
                empty(dsn)
            self.given[place] = dsn
            self.turn += 1
        return open_postgres(self.given[place], n_slots=N_SLOTS, partitions=self.partitions, **options)


IN_TURN = 4
"""Places that one test may have open at the same time."""


def empty(dsn: str) -> None:
    """Let a store be as it was made, with another incarnation. Nobody may have it open."""
    plain, _, schema = dsn.rpartition("schema=")
    with psycopg.connect(plain[:-1]) as connection:
        connection.execute(f'SET search_path TO "{schema}"'.encode())
        for statement in tables():
            if statement.startswith("CREATE TABLE"):
                table = statement.split()[2]
                if table not in {"meta", "dictionaries"}:
                    connection.execute(f"DELETE FROM {table}".encode())
        incarnation = str(uuid.uuid4())
        connection.execute("UPDATE meta SET incarnation = %s, semantics = %s", (incarnation, SEMANTICS))
        connection.execute("INSERT INTO lives SELECT 1, incarnation, created, 'created', NULL FROM meta")
        connection.execute(
            "INSERT INTO slots (slot, head, semantics) SELECT n, %s, %s FROM generate_series(0, %s) AS n",
            (GENESIS, SEMANTICS, N_SLOTS - 1),
        )


def postgres_dsn(place: Path) -> str:
    """One name per place. A schema is made in a tenth of the time of a database."""
    name = hashlib.sha256(str(place).encode()).hexdigest()[:24]
    return f"{_database()}{'&' if '?' in _database() else '?'}schema=t_{name}"


@cache
def _database() -> str:
    return postgres_server.shared().create_database()


PARTITIONED = frozenset({"test_units", "test_relay", "test_timers", "test_workers", "test_racing"})
"""What is told apart by slot, between them."""

OF_CELLS = frozenset({"test_control", "test_eras", "test_racing", "test_reading", "test_relay"})
"""What differs between one database and several: lists, what concerns every slot, and what goes from one to another."""

CELLS = {"even": frozenset({0, 1, 4, 5}), "odd": frozenset({2, 3, 6, 7})}
"""Pairs of slots in turn, so that the tests' neighbours are together and what they send goes to the other cell."""


def postgres_cells(place: Path, **options: Any) -> CellStore:
    def opener(name: str, slots: frozenset[int]) -> Callable[[], Cell]:
        return lambda: open_postgres(postgres_dsn(place / name), n_slots=N_SLOTS, slots=slots, **options)

    return open_cells([Part(name, slots, opener(name, slots)) for name, slots in CELLS.items()], n_slots=N_SLOTS)


IMPLEMENTATIONS = (
    Implementation("sqlite-memory", sqlite_memory, lasting=False),
    Implementation("sqlite-file", sqlite_file, lasting=True),
    Implementation("postgres", Schemas(0).open, lasting=True),
    # Every table split by its slot, which stock PostgreSQL allows only where each key has the slot in it.
    Implementation("postgres-partitioned", Schemas(3).open, lasting=True, only=PARTITIONED),
    Implementation("postgres-cells", postgres_cells, lasting=True, only=OF_CELLS, several=True),
)
