"""What is sent to PostgreSQL comes back as it was."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from interlock.store.postgres.wire import ENCODERS, ESCAPE, text_bytes, text_of

TEXT = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(["\0", ESCAPE, "0", "1"])), max_size=20)
INT8 = st.integers(-(2**63), 2**63 - 1)


@given(TEXT)
def test_text_holds_no_nul_and_is_read_back(value: str) -> None:
    assert b"\0" not in text_bytes(value)
    assert text_of(text_bytes(value)) == value


@given(TEXT, TEXT)
def test_two_texts_are_never_written_alike(one: str, other: str) -> None:
    assert (text_bytes(one) == text_bytes(other)) == (one == other)


def elements(data: bytes) -> list[bytes | None]:
    """The elements of a binary array, read by the letter of its format."""
    dimensions, nulls, _ = struct.unpack_from("!iiI", data)
    if not dimensions:
        return []
    count, first = struct.unpack_from("!ii", data, 12)
    found: list[bytes | None] = []
    at = 20
    for _ in range(count):
        (size,) = struct.unpack_from("!i", data, at)
        at += 4
        found.append(None if size < 0 else data[at : at + size])
        at += max(size, 0)
    assert (first, at) == (1, len(data))
    assert bool(nulls) == (None in found)
    return found


@given(st.lists(st.one_of(st.none(), INT8)))
def test_arrays_of_integers(values: list[int | None]) -> None:
    assert elements(encoded("int8[]", values)) == [
        None if value is None else value.to_bytes(8, "big", signed=True) for value in values
    ]


@given(st.lists(st.one_of(st.none(), TEXT)))
def test_arrays_of_text(values: list[str | None]) -> None:
    assert elements(encoded("text[]", values)) == [None if value is None else text_bytes(value) for value in values]


@given(st.lists(st.binary(max_size=20)))
def test_arrays_of_bytes(values: list[bytes]) -> None:
    assert elements(encoded("bytea[]", values)) == values


def encoded(type_: str, values: Any) -> bytes:
    data = ENCODERS[type_](values)
    assert data is not None
    return data
