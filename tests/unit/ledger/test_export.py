"""An exported era holds what its ledger holds, can be read by DuckDB, and proves its own chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from interlock.ledger import export
from interlock.ledger.export import export_era, finished_eras
from interlock.store.sqlite import SqliteStore, open_sqlite
from interlock.vocabulary import canonical
from interlock.vocabulary.entry import Entry, chain, citing
from interlock.vocabulary.errors import NotFound, NotNow, Refused, StoreError
from interlock.vocabulary.events import Envelope, EventBody
from interlock.vocabulary.ids import CaseId, slot_of

SLOTS = 4
CASES = [CaseId("claims", f"c{number}") for number in range(12)]


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    opened = open_sqlite(":memory:", n_slots=SLOTS)
    yield opened
    opened.close()


def write(store: SqliteStore, case: CaseId, *, text: str = "") -> None:
    """One entry for a case, caused by an event."""
    from interlock.ports import Writes

    with store.units([slot_of(case, SLOTS)], worker="w", now=1_700_000_000_123_456) as (unit,):
        cause = Envelope(*case, f"e{unit.lsn}", "desk", "ann", 5, 6, EventBody("Opened", {"text": text}))
        entry = Entry(unit.slot, unit.era, unit.lsn + 1, unit.now, *case, unit.lsn + 1, "turn", cause=cause)
        cited, citation, message = citing(entry)
        body = canonical.encode(cited)
        head = chain(unit.head, body)
        writes = Writes(now=unit.now, head=head, lsn=entry.lsn, entries=[(cited, body, head)])
        if citation is not None:
            writes.bodies.append((citation.digest, message))
        unit.commit(writes)


def ask(query: str) -> list[tuple[Any, ...]]:
    """What DuckDB answers."""
    answer = duckdb.sql(query)
    assert answer is not None
    return answer.fetchall()


def rows(file: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    return ask(f"SELECT {columns} FROM '{file}' ORDER BY slot, lsn")


def about(file: Path) -> dict[str, Any]:
    [(value,)] = ask(f"SELECT value FROM parquet_kv_metadata('{file}') WHERE key = 'interlock'")
    return json.loads(value)


def test_each_era_has_its_entries_and_the_files_follow_each_other(store: SqliteStore, tmp_path: Path) -> None:
    for count in (12, 0, 5):
        for case in CASES[:count]:
            write(store, case)
        store.finish_era()
    write(store, CASES[0])
    assert finished_eras(store) == 3
    done = [export_era(store, era, tmp_path / "new" / "folder") for era in (1, 2, 3)]
    assert [(one.entries, one.written) for one in done] == [(12, True), (0, True), (5, True)]
    assert [one.file.name for one in done] == ["era-000001.parquet", "era-000002.parquet", "era-000003.parquet"]
    for one in done:
        assert {era for (era,) in rows(one.file, "era")} <= {one.era}
    every = [row for one in done for row in rows(one.file, "slot, lsn, entry, hash")]
    held = [
        (slot, entry.lsn, body.decode(), head)
        for slot in range(SLOTS)
        for entry, body, head in store.ledger(slot, after=0, limit=100)
        if entry.era < 4
    ]
    assert sorted(every) == sorted(held) and len(held) == 17


def test_the_chain_can_be_checked_with_the_files_alone(store: SqliteStore, tmp_path: Path) -> None:
    for _ in range(2):
        for case in CASES:
            write(store, case)
        store.finish_era()
    files = [export_era(store, era, tmp_path).file for era in (1, 2)]
    heads = dict.fromkeys(range(SLOTS), b"\x00" * 32)
    for file in files:
        before = {int(slot): bytes.fromhex(head) for slot, (_, head) in about(file)["before"].items()}
        assert before == heads
        for slot, entry, hash_ in rows(file, "slot, entry, hash"):
            heads[slot] = hashlib.sha256(heads[slot] + entry.encode()).digest()
            assert heads[slot] == hash_
    assert heads == {slot: head for slot, (_, head) in store.heads().items()}


def test_what_people_ask_for_stands_in_columns(store: SqliteStore, tmp_path: Path) -> None:
    large = "ä" * 40_000
    write(store, CASES[0], text=large)
    store.finish_era()
    file = export_era(store, 1, tmp_path).file
    columns = ("automation", "key", "kind", "cause_kind", "event_type", "principal", "cause_source")
    assert rows(file, ", ".join(columns)) == [("claims", "c0", "turn", "event", "Opened", "ann", "desk")]
    [(at, decisions, entry, message)] = rows(file, "epoch_us(recorded_at), decisions, entry, message")
    assert (at, decisions) == (1_700_000_000_123_456, [])
    assert json.loads(entry)["cause"]["body"]["kind"] == "cited"
    assert json.loads(message)["data"]["text"] == large


def test_only_a_finished_era_is_exported(store: SqliteStore, tmp_path: Path) -> None:
    write(store, CASES[0])
    with pytest.raises(NotNow, match="not finished"):
        export_era(store, 1, tmp_path)
    with pytest.raises(NotFound):
        export_era(store, 0, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_left_alone_and_another_ledgers_is_refused(store: SqliteStore, tmp_path: Path) -> None:
    write(store, CASES[0])
    store.finish_era()
    first = export_era(store, 1, tmp_path)
    stamp = first.file.stat().st_mtime_ns
    again = export_era(store, 1, tmp_path)
    assert (again.entries, again.written, first.file.stat().st_mtime_ns) == (1, False, stamp)
    other = open_sqlite(":memory:", n_slots=SLOTS)
    other.finish_era()
    with pytest.raises(Refused, match="not era 1 of this life"):
        export_era(other, 1, tmp_path)
    other.close()
    first.file.write_bytes(b"PAR1 but not really")
    with pytest.raises(Refused, match="cannot be read"):
        export_era(store, 1, tmp_path)


def test_an_export_that_fails_leaves_nothing(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for case in CASES:
        write(store, case)
    store.finish_era()
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 5)
    count = 0

    def failing(entry: Entry, body: bytes, head: bytes) -> dict[str, Any]:
        nonlocal count
        count += 1
        if count == 9:
            raise OSError(28, "No space left on device")
        return row(entry, body, head)

    row = export._row
    monkeypatch.setattr(export, "_row", failing)
    with pytest.raises(StoreError, match="No space left"):
        export_era(store, 1, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert export_era(store, 1, tmp_path).entries == 12
