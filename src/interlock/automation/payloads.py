"""Pictures and documents: values that name their content by digest. They are stored once and travel as 60 bytes.

The content can be read only where somebody hydrates it, around an advisor or a performer: a reducer that could read a
file's
bytes would make its decision depend on something that no record holds.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from interlock.vocabulary.errors import InterlockError

Reader = Callable[[str], bytes]
"""Digest to content. Raises what the store raises when the payload is missing."""

_reader: ContextVar[Reader | None] = ContextVar("interlock_payload_reader", default=None)


class NotHydrated(InterlockError):
    """Content was read where none is available."""

    code = "not_hydrated"


@contextmanager
def reading(reader: Reader) -> Generator[None]:
    """Make `Picture.read` and `Document.read` work within, for this task or thread and what it starts."""
    token = _reader.set(reader)
    try:
        yield
    finally:
        _reader.reset(token)


def _read(digest: str) -> bytes:
    reader = _reader.get()
    if reader is None:
        raise NotHydrated(
            f"The content of {digest} cannot be read here.",
            hint="Pictures and documents are hydrated for advisors and performers only; reducers pass them on.",
        )
    return reader(digest)


@dataclass(frozen=True)
class Picture:
    """An image, by the digest of its content."""

    digest: str
    media_type: str = "image/png"

    def read(self) -> bytes:
        """The content. Works inside advisors and performers; raises NotHydrated elsewhere."""
        return _read(self.digest)


@dataclass(frozen=True)
class Document:
    """A file, by the digest of its content."""

    digest: str
    media_type: str = "application/octet-stream"

    def read(self) -> bytes:
        """The content. Works inside advisors and performers; raises NotHydrated elsewhere."""
        return _read(self.digest)
