"""Crashes at the boundaries of statements: the process ends before the n-th of them, as `kill -9` would end it there.

A boundary lies before every row that is written, before each COMMIT and after each. So a crash "after the n-th write"
is one before the boundary that follows it.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from interlock.store.driver import BEFORE_COMMIT

CRASHED = 99
"""Exit code of a process that ended at a boundary."""


def append(path: Path, **line: object) -> None:
    """One line in one write, so that no death cuts it and no other process writes into it."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, json.dumps(line).encode() + b"\n")
    finally:
        os.close(handle)


def lines(path: Path) -> list[dict[str, object]]:
    """What was appended, in order."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Boundaries:
    """The store's hook (`driver.StatementFaults`) of one process.

    at     the boundary at which it ends, counted from 1; 0: none
    slow   seconds that each COMMIT waits first, as a slow disk would make it
    """

    def __init__(self, folder: Path, who: str, *, at: int = 0, slow: float = 0.0) -> None:
        self._folder = folder
        self._who = who
        self._at = at
        self._slow = slow
        self._in_transaction = 0
        self.passed = 0

    def __call__(self, statement: str) -> None:
        self.passed += 1
        self._in_transaction += 1
        if self.passed == self._at:
            append(
                self._folder / "crashes.jsonl",
                who=self._who,
                before=" ".join(statement.split()[:3]),
                number=self._in_transaction,
                at=self.passed,
            )
            os._exit(CRASHED)
        if statement == BEFORE_COMMIT:
            self._in_transaction = 0
            if self._slow:
                time.sleep(self._slow)
