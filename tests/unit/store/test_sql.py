"""The named SQL: every statement runs, is used, and keeps the rules that later engines rely on."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

import interlock.store
from interlock.store.sql import parse, queries, schema

FOLDER = Path(interlock.store.__file__).parent
UNIT_FILES = ("unit.py", "writes.py")
GLOBAL_TABLES = {"meta", "dictionaries", "releases", "workers", "seal_pepper", "lives"}
PER_SLOT = set(re.findall(r"CREATE TABLE (\w+)", schema)) - GLOBAL_TABLES


@pytest.fixture(scope="module")
def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(schema)
    return connection


def named_in(file: str) -> set[str]:
    return set(re.findall(r'queries\["(\w+)"\]', (FOLDER / file).read_text()))


def parameters(sql: str) -> int:
    numbered = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    return max(numbered) if numbered else sql.count("?")


@pytest.mark.parametrize("name", queries)
def test_a_statement_is_valid(database: sqlite3.Connection, name: str) -> None:
    sql = queries[name]
    database.execute(f"EXPLAIN {sql}", [None] * parameters(sql))


def test_every_statement_is_used_and_every_name_exists() -> None:
    used = {name for file in FOLDER.glob("*.py") for name in named_in(file.name)}
    assert used == set(queries)


@pytest.mark.parametrize("name", sorted(set().union(*(named_in(file) for file in UNIT_FILES))))
def test_a_statement_of_a_unit_binds_one_slot(name: str) -> None:
    sql = queries[name]
    if sql.startswith("INSERT"):
        assert re.match(r"INSERT (OR REPLACE )?INTO \w+ \(slot,", sql)
    else:
        assert re.search(r"\bslot = \?1?(?!\d)", sql)


def test_the_slot_comes_first_in_every_primary_key_and_unique_index(database: sqlite3.Connection) -> None:
    for table in sorted(PER_SLOT):
        columns = database.execute(f"PRAGMA table_info({table})").fetchall()
        key = sorted((position, name) for _, name, _, _, _, position in columns if position)
        assert key[0][1] == "slot", table
        for _, index, unique, *_ in database.execute(f"PRAGMA index_list({table})").fetchall():
            if unique:
                assert database.execute(f"PRAGMA index_info({index})").fetchone()[2] == "slot", index


@pytest.mark.parametrize("forbidden", ["TRIGGER", "SAVEPOINT", "AUTOINCREMENT", "FOREIGN KEY"])
def test_nothing_that_another_engine_could_not_do_in_a_unit(forbidden: str) -> None:
    code = re.sub(r"--.*", "", schema).upper()
    assert forbidden not in code
    assert not any(forbidden in sql.upper() for sql in queries.values())


SCANS_ALLOWED = {
    # Tables whose rows are few (slots: fixed; others: only what is open now), or questions about all there is.
    "inbox_count": "inbox", "timers_ready": "slots", "timers_next": "slots", "slots_in_danger": "slots",
    "worker_commands_lost": "commands", "commands_release": "commands", "commands": "commands", "control_set": "slots",
    "heads": "slots", "releases": "releases", "workers": "workers", "quarantine": "quarantine", "sizes": "d",
    "inbox_condition": "inbox", "commands_condition": "commands", "slots_condition": "slots",
    "workers_condition": "workers", "life": "lives", "lives": "lives", "epochs": "slots", "meta_incarnation": "meta",
    "meta_semantics": "meta", "dictionaries": "dictionaries", "slots_semantics": "slots", "reviews": "reviews",
    "tasks": "tasks", "workers_in_hand": "commands", "eras": "slots", "era_begin": "slots",
    "control": "slots", "slots_kept": "slots", "slots_unsent": "slots",
}  # fmt: skip


@pytest.mark.parametrize("name", queries)
def test_no_statement_walks_through_a_table_that_grows(database: sqlite3.Connection, name: str) -> None:
    sql = queries[name]
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * parameters(sql))]
    scanned = {step.split()[1] for step in plan if step.startswith("SCAN") and "CONSTANT ROW" not in step}
    derived = {"present", "(subquery-1)", "json_each", "m"}  # Results of a bounded step; m: the catalogue.
    assert scanned - derived <= {SCANS_ALLOWED.get(name)}, plan


def test_names_are_given_once_and_have_a_statement() -> None:
    assert parse("-- name: a\n-- why\nSELECT 1\n  FROM t\n\n-- name: b\nSELECT 2") == {
        "a": "SELECT 1 FROM t",
        "b": "SELECT 2",
    }
    for wrong in (
        "-- name: a\nSELECT 1\n-- name: a\nSELECT 2",
        "-- name: a\n-- only a comment\n",
        "-- name:\nSELECT 1",
    ):
        with pytest.raises(ValueError, match="named"):
            parse(wrong)
