"""Bodies are packed, come out as they went in, and no changed byte of a packed body passes."""

from __future__ import annotations

import random
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from interlock.store import packing
from interlock.store.packing import PLAIN, Packing
from interlock.store.sql import queries, schema
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.errors import StoreCorrupt
from tests.conformance.building import CASE, SLOT, one_unit, record

BODY = (
    b'{"at":1795350209199271,"automation":"cheques","cause":{"automation":"cheques","body":{"attempt":1,"command":"2.0",'
    b'"kind":"start"},"id":"cheques/c175/2.0@1","key":"c175","occurred_at":1795350209199271,"principal":"action:pay",'
    b'"received_at":1795350209199271,"source":"interlock.worker"},"delta":{"+":{"version":3}},"era":1,"kind":"turn"}'
)


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.executescript(schema)
    yield connection
    connection.close()


@pytest.fixture
def bodies(db: sqlite3.Connection) -> Packing:
    return packing.packing(db)


@pytest.mark.parametrize(
    "body", [b"", b"{}", BODY, BODY * 300, random.Random(7).randbytes(100_000)], ids=["0", "2", "1", "many", "noise"]
)
def test_a_body_comes_out_as_it_went_in(db: sqlite3.Connection, bodies: Packing, body: bytes) -> None:
    assert bodies.unpack(db, bodies.current, bodies.pack(body)) == body
    assert bodies.unpack(db, PLAIN, body) == body


def test_an_entry_takes_a_third_of_its_space(bodies: Packing) -> None:
    assert len(bodies.pack(BODY)) < len(BODY) / 3


def test_no_changed_bit_passes(db: sqlite3.Connection, bodies: Packing) -> None:
    """Deflate alone would let some: those after its last symbol."""
    stored = bodies.pack(BODY)
    for place in range(len(stored)):
        for bit in range(8):
            bad = bytearray(stored)
            bad[place] ^= 1 << bit
            with pytest.raises(StoreCorrupt, match="cannot be unpacked"):
                bodies.unpack(db, bodies.current, bytes(bad))


@pytest.mark.parametrize("stored", [b"", b"\0", b"\0\0\0\0"])
def test_a_body_cut_short_is_damage(db: sqlite3.Connection, bodies: Packing, stored: bytes) -> None:
    with pytest.raises(StoreCorrupt):
        bodies.unpack(db, bodies.current, stored)


def test_what_would_unpack_without_end_is_damage(
    db: sqlite3.Connection, bodies: Packing, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = bodies.pack(b"0" * 1_000_000)
    monkeypatch.setattr(packing, "BODY_BYTES_MAX", 1_000)
    with pytest.raises(StoreCorrupt):
        bodies.unpack(db, bodies.current, stored)


def test_a_file_is_read_with_the_dictionaries_it_was_written_with(
    db: sqlite3.Connection, bodies: Packing, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = bodies.pack(BODY)
    samples = [BODY.replace(b"cheques", f"claims{n}".encode()) for n in range(200)]
    monkeypatch.setattr(packing, "WORDS", zstandard.train_dictionary(1_024, [*samples]).as_bytes())
    later = packing.packing(db)
    assert later.current != bodies.current
    assert later.unpack(db, bodies.current, old) == BODY
    # A program that was already running meets what the later one writes, and learns its words.
    assert bodies.unpack(db, later.current, later.pack(BODY)) == BODY
    assert packing.packing(db).current == later.current
    assert len(db.execute(queries["dictionaries"]).fetchall()) == 2


def test_bodies_deflated_against_plain_words_are_read(db: sqlite3.Connection, bodies: Packing) -> None:
    words = b'"automation":"cause":"principal":"received_at":'
    db.execute(queries["dictionary_add"], (7, words))
    deflate = zlib.compressobj(2, zlib.DEFLATED, -13, 5, zlib.Z_DEFAULT_STRATEGY, words)
    packed = deflate.compress(BODY) + deflate.flush()
    stored = zlib.crc32(packed).to_bytes(4, "big") + packed
    assert bodies.unpack(db, 7, stored) == BODY
    with pytest.raises(StoreCorrupt):
        bodies.unpack(db, 7, stored[:-1] + b"?")
    cut = zlib.crc32(packed[:-1]).to_bytes(4, "big") + packed[:-1]
    with pytest.raises(StoreCorrupt, match="does not end"):
        bodies.unpack(db, 7, cut)


def test_an_unknown_dictionary_is_damage(db: sqlite3.Connection, bodies: Packing) -> None:
    with pytest.raises(StoreCorrupt, match="dictionary 9"):
        bodies.unpack(db, 9, bodies.pack(BODY))


def test_entries_and_cases_are_given_out_as_they_were_written(tmp_path: Path) -> None:
    store = open_sqlite(tmp_path / "s.db", n_slots=8)
    one_unit(store, record())
    (entry, body, _), *_ = store.ledger(SLOT, after=0, limit=9)
    assert store.case(CASE) == record()
    with sqlite3.connect(tmp_path / "s.db") as db:
        (stored, dictionary), *_ = db.execute("SELECT body, dictionary FROM ledger").fetchall()
        assert dictionary != PLAIN
        assert len(stored) < len(body)
        db.execute("UPDATE ledger SET body = ?, dictionary = ?", (body, PLAIN))
    assert store.ledger(SLOT, after=0, limit=9)[0][:2] == (entry, body)
    store.close()
