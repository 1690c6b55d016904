"""Entries as they were stored by earlier versions. These files are never rewritten; a new layout gets a new file.

Each line is the hash after the entry and the entry's bytes.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from interlock.ledger import one_line
from interlock.ledger.reading import folded
from interlock.vocabulary import canonical
from interlock.vocabulary.entry import GENESIS, Entry, chain

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.txt"))


def entries_in(path: Path) -> list[tuple[str, bytes]]:
    rows = [line.partition(b" ") for line in path.read_bytes().splitlines()]
    return [(hash_.decode(), body) for hash_, _, body in rows]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_old_entries_are_read_and_their_bytes_come_back(path: Path) -> None:
    head = GENESIS
    for hash_, body in entries_in(path):
        head = chain(head, body)
        assert head.hex() == hash_
        entry = msgspec.json.decode(body, type=Entry)
        assert canonical.encode(entry) == body
        assert canonical.encode(canonical.decode(body)) == body
        assert one_line(entry)


def test_an_old_case_folds_to_what_it_was() -> None:
    entries = [msgspec.json.decode(body, type=Entry) for _, body in entries_in(GOLDEN[0])]
    *_, (last, plain) = folded(entry for entry in entries if entry.automation == "cheques")
    assert (last.version, plain["status"], plain["past"]["pay"]["count"]) == (8, "paid", 1)
    assert plain["state"]["funds"] == "900.00"
