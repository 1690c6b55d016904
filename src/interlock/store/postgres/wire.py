"""Values as they go over the wire: PostgreSQL's binary formats, for the few types that the store uses.

A statement's parameters are known by their types when it is read (`statements`), so a list of rows becomes one array
per column without asking any value what it is. That, and not the server, is where most of the cost of a small
statement would be.

PostgreSQL's text holds no NUL; keys and ids from outside may. A NUL is written as two characters that begin with one
that means nothing (U+10FFFF, a noncharacter), and so is that one itself.

INVARIANT: what was written is read back exactly.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

Encoder = Callable[[Any], bytes | None]
Decoder = Callable[[bytes], Any]

BOOL, BYTEA, INT8, INT2, INT4, TEXT = 16, 17, 20, 21, 23, 25

ESCAPE = "\U0010ffff"
ESCAPE_BYTES = ESCAPE.encode()

_INT4 = struct.Struct("!i")
_INT8 = struct.Struct("!q")
_ARRAY = struct.Struct("!iiIii")
_NO_ELEMENT = b"\xff\xff\xff\xff"


def text_bytes(value: str) -> bytes:
    """UTF-8 without a NUL."""
    data = value.encode()
    if b"\0" in data or ESCAPE_BYTES in data:
        return value.replace(ESCAPE, f"{ESCAPE}1").replace("\0", f"{ESCAPE}0").encode()
    return data


def text_of(data: bytes) -> str:
    """What `text_bytes` was given."""
    if ESCAPE_BYTES in data:
        return data.decode().replace(f"{ESCAPE}0", "\0").replace(f"{ESCAPE}1", ESCAPE)
    return data.decode()


def _int4(value: int | None) -> bytes | None:
    return None if value is None else _INT4.pack(value)


def _int8(value: int | None) -> bytes | None:
    return None if value is None else _INT8.pack(value)


def _text(value: str | None) -> bytes | None:
    return None if value is None else text_bytes(value)


def _bytea(value: bytes | None) -> bytes | None:
    return value


def _header(type_: int, count: int, *, nulls: bool) -> bytes:
    return _ARRAY.pack(1, nulls, type_, count, 1) if count else struct.pack("!iiI", 0, 0, type_)


def _int_array(type_: int, size: int, letter: str) -> Encoder:
    def encode(values: Sequence[int | None] | None) -> bytes | None:
        if values is None:
            return None
        count = len(values)
        if None in values:
            one = struct.Struct(f"!i{letter}")
            body = b"".join([_NO_ELEMENT if value is None else one.pack(size, value) for value in values])
            return _header(type_, count, nulls=True) + body
        pairs = [part for value in values for part in (size, value)]
        return _header(type_, count, nulls=False) + struct.pack("!" + f"i{letter}" * count, *pairs)

    return encode


def _bytes_array(type_: int, element: Callable[[Any], bytes]) -> Encoder:
    def encode(values: Sequence[Any] | None) -> bytes | None:
        if values is None:
            return None
        parts = [_header(type_, len(values), nulls=None in values)]
        pack = _INT4.pack
        for value in values:
            if value is None:
                parts.append(_NO_ELEMENT)
            else:
                data = element(value)
                parts += (pack(len(data)), data)
        return b"".join(parts)

    return encode


def _same(value: bytes) -> bytes:
    return value


ENCODERS: dict[str, Encoder] = {
    "int4": _int4,
    "int8": _int8,
    "text": _text,
    "bytea": _bytea,
    "int4[]": _int_array(INT4, 4, "i"),
    "int8[]": _int_array(INT8, 8, "q"),
    "text[]": _bytes_array(TEXT, text_bytes),
    "bytea[]": _bytes_array(BYTEA, _same),
}
"""By the name of a parameter's type. What is None is NULL."""


def _read_int(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def _read_bool(data: bytes) -> bool:
    return data != b"\0"


DECODERS: dict[int, Decoder] = {
    BOOL: _read_bool,
    BYTEA: _same,
    INT2: _read_int,
    INT4: _read_int,
    INT8: _read_int,
    TEXT: text_of,
}
"""By a column's type."""
