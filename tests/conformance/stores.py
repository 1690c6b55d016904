"""The implementations that the conformance suite runs against. A new one joins with one line in `IMPLEMENTATIONS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.store.sqlite import SqliteStore, open_sqlite

N_SLOTS = 8
"""Few, so that tests meet both cases of one slot and cases of different slots without searching long."""


@dataclass(frozen=True)
class Implementation:
    """How to open a store at a test's own place. `lasting`: what was durable is there when it is opened again."""

    name: str
    open: Callable[..., Any]
    lasting: bool


def sqlite_memory(place: Path, **options: Any) -> SqliteStore:
    return open_sqlite(":memory:", n_slots=N_SLOTS, **options)


def sqlite_file(place: Path, **options: Any) -> SqliteStore:
    return open_sqlite(place / "store.db", n_slots=N_SLOTS, **options)


IMPLEMENTATIONS = (
    Implementation("sqlite-memory", sqlite_memory, lasting=False),
    Implementation("sqlite-file", sqlite_file, lasting=True),
)
