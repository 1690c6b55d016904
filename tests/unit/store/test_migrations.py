"""A database of every layout that there has been becomes the one that is made new."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from interlock.store import handshake
from interlock.store.sql import migrations
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.entry import GENESIS
from interlock.vocabulary.errors import StoreVersion
from interlock.vocabulary.events import Envelope, EventBody

LAYOUTS = Path(__file__).parent / "layouts"
ALL = sorted(int(file.stem.partition("_")[2]) for file in LAYOUTS.glob("schema_*.sql"))
N_SLOTS = 4
AFTER_THE_FIRST = "".join(
    f"DROP TABLE {name};" for name in ("lives", "tasks", "seals", "seal_subjects", "seal_pepper", "archive")
)
AFTER_THE_FIRST += "ALTER TABLE workers DROP COLUMN hosts;"
"""Takes away what later layouts added to the first."""


def made_under(number: int, path: Path) -> None:
    """A database as the program of that layout made it, with a worker's name left in it."""
    connection = sqlite3.connect(path)
    connection.executescript((LAYOUTS / f"schema_{number}.sql").read_text())
    connection.execute("INSERT INTO meta VALUES (1, '0.1.0', 1, ?, 'first-life', 17)", (N_SLOTS,))
    connection.executemany(
        "INSERT INTO slots (slot, head, semantics) VALUES (?, ?, 1)", [(n, GENESIS) for n in range(4)]
    )
    if number >= 2:
        connection.execute("INSERT INTO lives VALUES (1, 'first-life', 17, 'created', NULL)")
    connection.execute("INSERT INTO workers VALUES ('old', 1, 1)")
    connection.execute(f"PRAGMA application_id = {handshake.APPLICATION}")
    connection.execute(f"PRAGMA user_version = {number}")
    connection.commit()
    connection.close()


def layout(path: Path) -> dict[str, Any]:
    """Tables with their columns and indexes, by name: what statements see of a layout."""
    connection = sqlite3.connect(path)
    found: dict[str, Any] = {}
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = connection.execute(f"PRAGMA table_xinfo({table})").fetchall()
        indexes = connection.execute(f"PRAGMA index_list({table})").fetchall()
        found[table] = (
            [column[1:] for column in columns],
            sorted((row[1], row[2], tuple(connection.execute(f"PRAGMA index_xinfo({row[1]})"))) for row in indexes),
        )
    found["user_version"] = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return found


def test_there_is_a_migration_to_every_layout_but_the_first() -> None:
    assert sorted(migrations) == list(range(handshake.FIRST + 1, handshake.SCHEMA + 1))
    assert all(migrations.values())
    assert set(range(handshake.FIRST, handshake.SCHEMA)) <= set(ALL), "keep the layout that the last release made"


@pytest.mark.parametrize("number", [one for one in ALL if one < handshake.SCHEMA])
def test_an_older_database_becomes_what_is_made_new(tmp_path: Path, number: int) -> None:
    made_under(number, tmp_path / "old.db")
    opened = open_sqlite(tmp_path / "old.db")
    assert opened.caps.incarnation == "first-life"
    assert [(life.number, life.why, life.began) for life in opened.lives()] == [(1, "created", 17)]
    body = EventBody("presented", {})
    opened.accept([Envelope("cheques", "c1", "e1", "bank", "bank", 1, 1, body)], now=1)
    opened.join("w", now=2)
    opened.close()
    open_sqlite(tmp_path / "new.db", n_slots=N_SLOTS).close()
    assert layout(tmp_path / "old.db") == layout(tmp_path / "new.db")


def test_no_migration_begins_beside_a_worker_that_does_not_know_the_new_layout(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    older = open_sqlite(path)
    older.join("old", now=1)
    connection = sqlite3.connect(path)
    connection.executescript(f"{AFTER_THE_FIRST} PRAGMA user_version = 1;")
    connection.close()
    with pytest.raises(StoreVersion, match="worker of an older interlock"):
        open_sqlite(path)
    assert "lives" not in layout(path)
    older.leave("old")
    older.close()
    open_sqlite(path).close()
    assert "lives" in layout(path)


def test_a_migration_that_fails_leaves_the_old_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_under(1, tmp_path / "old.db")
    broken = {**migrations, handshake.SCHEMA: (*migrations[handshake.SCHEMA], "INSERT INTO nowhere VALUES (1)")}
    monkeypatch.setattr(handshake, "migrations", broken)
    with pytest.raises(Exception, match="nowhere"):
        open_sqlite(tmp_path / "old.db")
    assert layout(tmp_path / "old.db")["user_version"] == (1,)
    assert "lives" not in layout(tmp_path / "old.db")
