"""Which layout a database has, without opening it as a store: that might already change it."""

from __future__ import annotations

from pathlib import Path

from interlock.assembly.address import address, hiding
from interlock.assembly.opening import driver_installed
from interlock.store.handshake import Layout, Step
from interlock.vocabulary.errors import Refused

__all__ = ["Layout", "Step", "distribution", "layout"]


def layout(url: str | Path) -> Layout:
    """The layout that was found, the one that this program speaks, and the migrations between them.

    Raises NotFound where there is no database, StoreError for one that cannot be read, NotInstalled.
    """
    where = address(url)
    if where.postgres:
        driver_installed()
        from interlock.store.postgres import postgres_layout

        with hiding(where):
            return postgres_layout(where.text)
    if where.path is None:
        raise Refused("A database in memory is made anew each time.", code="bad_db", hint="Name a file.")
    from interlock.store.sqlite import sqlite_layout

    return sqlite_layout(where.path)


def distribution(schema: str, shards: int) -> list[str]:
    """The statements that spread the tables over a Citus cluster. Raises NotInstalled."""
    driver_installed()
    from interlock.store.postgres import distribution as statements

    return statements(schema, shards)
