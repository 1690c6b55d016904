"""Bodies as they lie in the file: compressed against a dictionary of the words that they repeat.

An entry is a kilobyte of field names around a few values, and alone it is too short for a compressor to learn them.
So each is compressed by itself (Zstandard, RFC 8878) against a dictionary, `words.zdict`, trained on what the
simulation and the scenarios write (`python -m benchmarks.words`). What is hashed and given out are the plain bytes;
packed, they cost a quarter of the space.

Every dictionary that a file was ever written with is stored in that file, and each row names its own, so a database is
read without this program's version of the words. 0 names none: such a body lies there as it is. A dictionary that is
plain text was written with deflate (RFC 1951); those rows are read as well.

INVARIANT: a packed body gives back exactly its plain bytes or is reported as damage. Compressed frames have bits that
mean nothing, so a checksum of the packed bytes stands before them: no changed bit passes unnoticed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import zstandard

from interlock.store.driver import Connection
from interlock.store.sql import queries
from interlock.vocabulary.errors import StoreCorrupt

PLAIN = 0
"""The dictionary of a body that is not packed."""

WORDS: bytes = Path(__file__).with_name("words.zdict").read_bytes()
"""The dictionary that new bodies are packed with."""

LEVEL = 3
"""Of Zstandard: its default. Higher ones gain little on bodies this small."""

TRAINED = (0xEC30A437).to_bytes(4, "little")
"""What a trained dictionary begins with."""

BODY_BYTES_MAX = 64 * 1024 * 1024
"""No body is larger, so what unpacks to more is damage and not worth the memory."""

CHECKSUM_BYTES = 4


class Packing:
    """The dictionaries of one database. `current` names the one that bodies are packed with."""

    def __init__(self, dictionaries: Mapping[int, bytes], current: int) -> None:
        self.current = current
        words = zstandard.ZstdCompressionDict(dictionaries[current])
        words.precompute_compress(level=LEVEL)  # pyright: ignore[reportUnknownMemberType]
        self._compress = zstandard.ZstdCompressor(level=LEVEL, dict_data=words, write_dict_id=False).compress
        self._unpackers = {name: _unpacker(words) for name, words in dictionaries.items()}

    def pack(self, body: bytes) -> bytes:
        """The body as it is stored under the dictionary `current`."""
        packed = self._compress(body)
        return zlib.crc32(packed).to_bytes(CHECKSUM_BYTES, "big") + packed

    def unpack(self, db: Connection, dictionary: int, stored: bytes) -> bytes:
        """The plain bytes of what a row holds. Raises StoreCorrupt."""
        if dictionary == PLAIN:
            return stored
        unpacker = self._unpackers.get(dictionary)
        if unpacker is None:  # Another version of the program may have begun to write here since.
            self._unpackers = {name: _unpacker(words) for name, words in _dictionaries(db).items()}
            unpacker = self._unpackers.get(dictionary)
            if unpacker is None:
                raise _damaged(f"its dictionary {dictionary} is not in the database")
        packed = stored[CHECKSUM_BYTES:]
        if zlib.crc32(packed).to_bytes(CHECKSUM_BYTES, "big") != stored[:CHECKSUM_BYTES]:
            raise _damaged("its checksum is wrong")
        return unpacker(packed)


def _unpacker(words: bytes) -> Callable[[bytes], bytes]:
    return _inflater(words) if not words.startswith(TRAINED) else _decompressor(words)


def _decompressor(words: bytes) -> Callable[[bytes], bytes]:
    decompressor = zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(words))

    def unpack(packed: bytes) -> bytes:
        try:
            # The size stands in the frame, so damage that claims gigabytes is found before they are asked for.
            if not 0 <= zstandard.frame_content_size(packed) <= BODY_BYTES_MAX:
                raise _damaged("it does not say how large it is, or is larger than any body")
            return decompressor.decompress(packed, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise _damaged(str(error)) from None

    return unpack


def _inflater(words: bytes) -> Callable[[bytes], bytes]:
    primed = zlib.decompressobj(-zlib.MAX_WBITS, zdict=words)

    def unpack(packed: bytes) -> bytes:
        inflate = primed.copy()
        try:
            body = inflate.decompress(packed, BODY_BYTES_MAX)
        except zlib.error as error:
            raise _damaged(str(error)) from None
        if not inflate.eof or inflate.unused_data:
            raise _damaged("it does not end where it should")
        return body

    return unpack


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


def _damaged(why: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"A stored body cannot be unpacked: {why}.",
        hint="Restore the database from a backup, or look at it with `interlock verify`.",
    )
