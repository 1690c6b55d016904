"""Bodies as they lie in the file: deflated against a dictionary of the words that they repeat.

An entry is a kilobyte of field names around a few values, and alone it is too short for a compressor to learn them.
So each is deflated by itself, without a header, against a dictionary: `words.txt`, in the order of canonical JSON with
the commonest last (a match costs less the nearer it lies). What is hashed and given out are the plain bytes; packed,
they cost a quarter of the space.

Every dictionary that a file was ever written with is stored in that file, and each row names its own, so a database is
read without this program's version of the words. 0 names none: such a body lies there as it is.

INVARIANT: a packed body gives back exactly its plain bytes or is reported as damage. Deflate ignores some bits
(padding, what follows its end), so a checksum of the packed bytes stands before them: no changed bit passes unnoticed.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

from interlock.store.driver import Connection
from interlock.store.sql import queries
from interlock.vocabulary.errors import StoreCorrupt

PLAIN = 0
"""The dictionary of a body that is not packed."""

WORDS: bytes = Path(__file__).with_name("words.txt").read_bytes().replace(b"\n", b"")
"""The dictionary that new bodies are packed with. The line breaks are for those who read the file."""

LEVEL = 2
WINDOW_BITS = 13
MEMORY = 5
"""Of deflate: a window of 8 KiB holds the words and most bodies; what is smaller is copied and searched sooner."""

BODY_BYTES_MAX = 64 * 1024 * 1024
"""No body is larger, so what unpacks to more is damage and not worth the memory."""

CHECKSUM_BYTES = 4


class Packing:
    """The dictionaries of one database. `current` names the one that bodies are packed with."""

    def __init__(self, dictionaries: Mapping[int, bytes], current: int) -> None:
        self.current = current
        self._deflate = zlib.compressobj(
            LEVEL, zlib.DEFLATED, -WINDOW_BITS, MEMORY, zlib.Z_DEFAULT_STRATEGY, dictionaries[current]
        )
        self._inflate = _primed(dictionaries)

    def pack(self, body: bytes) -> bytes:
        """The body as it is stored under the dictionary `current`."""
        deflate = self._deflate.copy()  # Primed with the words; priming anew would cost more than packing.
        packed = deflate.compress(body) + deflate.flush()
        return zlib.crc32(packed).to_bytes(CHECKSUM_BYTES, "big") + packed

    def unpack(self, db: Connection, dictionary: int, stored: bytes) -> bytes:
        """The plain bytes of what a row holds. Raises StoreCorrupt."""
        if dictionary == PLAIN:
            return stored
        primed = self._inflate.get(dictionary)
        if primed is None:  # Another version of the program may have begun to write here since.
            self._inflate = _primed(_dictionaries(db))
            primed = self._inflate.get(dictionary)
            if primed is None:
                raise _damaged(f"its dictionary {dictionary} is not in the database")
        packed = stored[CHECKSUM_BYTES:]
        if zlib.crc32(packed).to_bytes(CHECKSUM_BYTES, "big") != stored[:CHECKSUM_BYTES]:
            raise _damaged("its checksum is wrong")
        inflate = primed.copy()
        try:
            body = inflate.decompress(packed, BODY_BYTES_MAX)
        except zlib.error as error:
            raise _damaged(str(error)) from None
        if not inflate.eof or inflate.unused_data:
            raise _damaged("it does not end where it should")
        return body


def packing(db: Connection) -> Packing:
    """The dictionaries of a database. This program's is added if none with its words has written here before."""
    known = _dictionaries(db)
    for name, words in known.items():
        if words == WORDS:
            return Packing(known, name)
    name = max(known, default=PLAIN) + 1
    db.execute(queries["dictionary_add"], (name, WORDS))
    return Packing({**known, name: WORDS}, name)


def known_packing(db: Connection) -> Packing:
    """The dictionaries of a database that is only read."""
    known = _dictionaries(db)
    if not known:
        raise StoreCorrupt("The database has lost its dictionaries.", hint="Restore it from a backup.")
    return Packing(known, max(known))


def _dictionaries(db: Connection) -> dict[int, bytes]:
    return dict(db.execute(queries["dictionaries"]).fetchall())


def _primed(dictionaries: Mapping[int, bytes]):  # zlib does not name the type of its decompressors
    return {name: zlib.decompressobj(-zlib.MAX_WBITS, zdict=words) for name, words in dictionaries.items()}


def _damaged(why: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"A stored body cannot be unpacked: {why}.",
        hint="Restore the database from a backup, or look at it with `interlock verify`.",
    )
