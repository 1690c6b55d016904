"""Stored bytes to frozen values and back.

Bodies are JSON of the vocabulary's values. The ledger's are canonical and come from above as bytes; here they are
only read. Columns that repeat a field (status, due, ...) exist for indexes; the body is the truth.

INVARIANT: what cannot be decoded is reported as damage with the place it came from, never skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from interlock.ports import Control
from interlock.vocabulary.action import Command
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.errors import StoreCorrupt
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.review import Review
from interlock.vocabulary.task import Task

T = TypeVar("T")

encode: Callable[[object], bytes] = msgspec.json.Encoder(decimal_format="string").encode
"""Bytes of a body that is stored but not hashed: the fields' own order, which is cheaper than a canonical one."""


def _decoder(type_: type[T], what: str) -> Callable[[bytes], T]:
    decode: Callable[[bytes], T] = msgspec.json.Decoder(type_).decode

    def read(body: bytes) -> T:
        try:
            return decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError) as error:
            raise StoreCorrupt(
                f"A stored {what} cannot be read: {error}.",
                hint="Restore the database from a backup, or look at it with `interlock verify`.",
            ) from error

    return read


envelope = _decoder(Envelope, "message")
case_record = _decoder(CaseRecord, "case")
command = _decoder(Command, "command")
entry = _decoder(Entry, "ledger entry")
review = _decoder(Review, "review")
task = _decoder(Task, "task")
data = _decoder(dict[str, Any], "timer")
hosts = _decoder(dict[str, str], "worker")
scopes = _decoder(tuple[str, ...], "pause")


@lru_cache(maxsize=64)
def control(generation: int, paused: str) -> Control:
    """The control in force, as a slot's row has it: nearly always the same as in the row before."""
    return Control(generation, scopes(paused.encode()))
