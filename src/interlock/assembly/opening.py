"""From what a user calls a store to the store itself."""

from __future__ import annotations

from pathlib import Path

from interlock.store.sqlite import SqliteStore, open_sqlite
from interlock.vocabulary import limits
from interlock.vocabulary.errors import Refused

SQLITE = "sqlite:///"
MEMORY = ":memory:"


def open_store(url: str | Path, *, create: bool = True, slots: int = limits.SLOTS) -> SqliteStore:
    """Open `sqlite:///PATH` (from the current folder; `sqlite:////abs` is absolute), a plain path, or `:memory:`.

    `:memory:` ends with the process and so takes no irreversible actions (`succession.register`). `slots` is for a
    store that is made now. Raises Refused for another scheme, NotFound when there is none and
    `create` is False, and StoreError for one that cannot be used.
    """
    text = str(url)
    if text.startswith(SQLITE):
        text = text.removeprefix(SQLITE)
    elif "://" in text:
        scheme = text.partition("://")[0]
        raise Refused(f"No store is called {scheme!r}.", code="bad_db", hint=f"Write {SQLITE}PATH, or a path.")
    if not text:
        raise Refused(f"{url!r} names no database.", code="bad_db", hint=f"Write {SQLITE}interlock.db, or a path.")
    if text == MEMORY:
        return open_sqlite(MEMORY, n_slots=slots)
    path = Path(text)
    existing = path.is_file()
    if create and not existing and not path.parent.is_dir():
        raise Refused(f"There is no folder {path.parent}.", code="bad_db", hint="Make it first.")
    return open_sqlite(path, n_slots=None if existing else slots, create=create)
