"""From what a user calls a store to the store itself."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.assembly.address import MEMORY, Address, address, hiding
from interlock.vocabulary import limits
from interlock.vocabulary.errors import NotFound, NotInstalled, Refused

if TYPE_CHECKING:
    from interlock.ports import Store
    from interlock.store.sqlite import SqliteStore


def may_be_written(path: Path) -> bool:
    """Whether this user may write the file and what SQLite keeps beside it."""
    return os.access(path, os.W_OK) and os.access(path.absolute().parent, os.W_OK | os.X_OK)


def open_to_read(url: str | Path) -> Store:
    """An existing store for somebody who only looks.

    A file is opened as it is where it may be written, otherwise read-only. On PostgreSQL nothing is ever written, so a
    role that may only select, and a standby, will do.

    Raises NotFound when there is none, and StoreError for one that cannot be used.
    """
    where = address(url)
    if where.postgres:
        return _postgres(where, create=False, read_only=True)
    if where.cells is not None:
        return _cells(where.cells, create=False, read_only=True)
    if where.path is not None and (where.read_only or (where.path.is_file() and not may_be_written(where.path))):
        return _sqlite(where.path, create=False, read_only=True)
    return open_store(url, create=False)


def open_store(url: str | Path, *, create: bool = True, slots: int = limits.SLOTS) -> Store:
    """Open `sqlite:///PATH` (from the current folder; `sqlite:////abs` is absolute), a plain path, `:memory:`, or
    `postgresql://user@host/database?schema=NAME`, of which the database must exist and the tables are made, or
    `cells:FILE.toml` for several of these as one store (`assembly.cells`), which says itself how many slots there are.

    With `?mode=ro` behind it nothing is written, and whatever would be raises StoreReadOnly.

    `:memory:` ends with the process and so takes no irreversible actions (`succession.register`). `slots` is for a
    store that is made now. Raises Refused for another scheme, NotFound when there is none and `create` is False,
    NotInstalled without the extra `postgres`, and StoreError for one that cannot be used.
    """
    where = address(url)
    if where.cells is not None:
        return _cells(where.cells, create=create and not where.read_only, read_only=where.read_only)
    if where.postgres:
        return _postgres(where, create=create and not where.read_only, read_only=where.read_only, slots=slots)
    if where.path is None:
        return _sqlite(MEMORY, n_slots=slots)
    path = where.path
    if where.read_only:
        return _sqlite(path, create=False, read_only=True)
    existing = path.is_file()
    if create and not existing and not path.parent.is_dir():
        raise Refused(f"There is no folder {path.parent}.", code="bad_db", hint="Make it first.")
    return _sqlite(path, n_slots=None if existing else slots, create=create)


def _sqlite(
    path: Path | str, *, n_slots: int | None = None, create: bool = True, read_only: bool = False
) -> SqliteStore:
    from interlock.store.sqlite import open_sqlite

    return open_sqlite(path, n_slots=n_slots, create=create, read_only=read_only)


def _cells(file: Path, *, create: bool, read_only: bool) -> Store:
    driver_installed()
    from interlock.assembly.cells import open_cell_map

    return open_cell_map(file, create=create, read_only=read_only)


def driver_installed() -> None:
    """Raises NotInstalled, with the extra to install."""
    if find_spec("psycopg") is None:
        raise NotInstalled(
            "A database on PostgreSQL needs its driver, which is not installed.",
            hint="pip install 'interlock[postgres]'",
        )


def _postgres(where: Address, *, create: bool, read_only: bool, slots: int | None = None) -> Store:
    driver_installed()
    from interlock.store.postgres import open_postgres

    with hiding(where):
        # How many slots a new store gets is the opener's say; one that exists keeps what it has.
        try:
            return open_postgres(where.text, n_slots=None, create=False, read_only=read_only)
        except NotFound:
            if not create:
                raise
        return open_postgres(where.text, n_slots=slots, create=True)
