"""From what a user calls a store to the store itself."""

from __future__ import annotations

import os
from pathlib import Path

from interlock.store.sqlite import SqliteStore, open_sqlite
from interlock.vocabulary import limits
from interlock.vocabulary.errors import Refused

SQLITE = "sqlite:///"
MEMORY = ":memory:"

READ_ONLY = "?mode=ro"
"""Behind a path: look, and write nothing, whatever the file's permissions would allow."""


def place_of(text: str) -> tuple[str, bool]:
    """The path in `sqlite:///PATH`, `PATH` or either with `?mode=ro` behind it, and whether it is only to be read."""
    only = text.endswith(READ_ONLY)
    return text.removesuffix(READ_ONLY).removeprefix(SQLITE), only


def may_be_written(path: Path) -> bool:
    """Whether this user may write the file and what SQLite keeps beside it."""
    return os.access(path, os.W_OK) and os.access(path.absolute().parent, os.W_OK | os.X_OK)


def open_to_read(url: str | Path) -> SqliteStore:
    """An existing store for somebody who only looks: as it is where it may be written, otherwise read-only.

    Raises NotFound when there is none, and StoreError for one that cannot be used.
    """
    text, only = place_of(str(url))
    path = Path(text)
    if only or (path.is_file() and not may_be_written(path)):
        return open_sqlite(path, create=False, read_only=True)
    return open_store(url, create=False)


def open_store(url: str | Path, *, create: bool = True, slots: int = limits.SLOTS) -> SqliteStore:
    """Open `sqlite:///PATH` (from the current folder; `sqlite:////abs` is absolute), a plain path, or `:memory:`.

    With `?mode=ro` behind it nothing is written, and whatever would be raises StoreReadOnly.

    `:memory:` ends with the process and so takes no irreversible actions (`succession.register`). `slots` is for a
    store that is made now. Raises Refused for another scheme, NotFound when there is none and
    `create` is False, and StoreError for one that cannot be used.
    """
    text, only = place_of(str(url))
    if "://" in text:
        scheme = text.partition("://")[0]
        raise Refused(f"No store is called {scheme!r}.", code="bad_db", hint=f"Write {SQLITE}PATH, or a path.")
    if not text:
        raise Refused(f"{url!r} names no database.", code="bad_db", hint=f"Write {SQLITE}interlock.db, or a path.")
    if text == MEMORY:
        return open_sqlite(MEMORY, n_slots=slots)
    path = Path(text)
    if only:
        return open_sqlite(path, create=False, read_only=True)
    existing = path.is_file()
    if create and not existing and not path.parent.is_dir():
        raise Refused(f"There is no folder {path.parent}.", code="bad_db", hint="Make it first.")
    return open_sqlite(path, n_slots=None if existing else slots, create=create)
