"""Whether a database is still where it was opened.

A file that is deleted or replaced while it is open goes on working for those who have it open, and for nobody else:
what is written to it ends with the last of them. "Accepted" would then be a lie, and a worker would work for ever on
what no one will ever read. So whoever takes something in, or works, looks now and then.

INVARIANT: a call that finds the file gone has written nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from interlock.vocabulary.errors import StoreError

LOOK_US = 1_000_000
"""How long a look at the place is believed: one system call a second, however much is accepted."""


class Place:
    """The file under a path, as it was when it was opened."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._opened = self._path.stat()
        self._looked = 0

    def check(self, now: int) -> None:
        """Raise StoreError (store_gone) if the path has come to name nothing, or another file."""
        if 0 <= now - self._looked < LOOK_US:
            return
        try:
            there = os.path.samestat(self._path.stat(), self._opened)
        except FileNotFoundError:
            there = False
        if not there:
            raise StoreError(
                f"The database {self._path} has been deleted or replaced while it was open.",
                code="store_gone",
                hint="Put the file back, or stop everything that uses it and start again.",
            )
        self._looked = now
