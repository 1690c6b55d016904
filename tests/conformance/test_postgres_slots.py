"""Every table of the store on PostgreSQL can be split by slot, and no statement of a unit leaves its slots.

The catalogue of a server says what the keys are. What a statement binds is read off its text: each table with slots
that it names is tied, under the name that it has there, to a slot that was given or to a table that is.
"""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from interlock.store.postgres import open_postgres
from interlock.store.postgres.handshake import tables
from interlock.store.postgres.statements import BY_TEXT, STATEMENTS
from interlock.store.sql import queries
from tests.conformance.stores import N_SLOTS, postgres_dsn

SLOTTED = frozenset(statement.split()[2] for statement in tables(1) if "PARTITION BY" in statement)

UNITED = (
    *(
        name
        for name in STATEMENTS
        if re.match(r"(case|inbox|command|timer|review|task|quarantine|blocked|outbox)_", name)
    ),
    *("claim", "standing", "waiting", "set_apart", "cases_of", "suspects", "timers_due", "timers_due_unblocked"),
    *("case", "commands_due", "commands_due_except", "slot_advance", "ledger_add", "slot_timer_due", "tasks_drop"),
    *("slot_sent", "slot_relayed", "slot_delivered", "link", "link_put", "outbox", "attempt", "renew"),
    *("slot_solo_end", "archive_take", "archive_add", "archive_case_drop", "archive_case", "archive_back", "payload"),
    *("archive_drop", "payload_add", "seals_of_case", "seal_add", "seal_erase", "seal_subject_drop", "accept"),
)
"""What units and doors run."""

ASIDE = frozenset({"inbox_count", "inbox_condition", "case_place"})
"""Of these names, what only looks, at everything."""

NAMED = re.compile(r"(?:FROM|JOIN|UPDATE) (\w+)(?: AS (\w+))?")
"""A table and the name that it is given."""

FORBIDDEN = re.compile(r"\b(SAVEPOINT|NOTIFY|LISTEN|nextval|advisory|TRIGGER|CREATE|TEMP)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    dsn = postgres_dsn(Path(tmp_path_factory.mktemp("slots")))
    open_postgres(dsn, n_slots=N_SLOTS, partitions=2).close()
    return dsn.partition("&schema=")[0], dsn.rpartition("schema=")[2]


def ask(schema: tuple[str, str], sql: str) -> list[tuple[str, ...]]:
    with psycopg.connect(schema[0]) as connection:
        connection.execute(f'SET search_path TO "{schema[1]}"'.encode())
        return connection.execute(sql.encode()).fetchall()


def test_slot_is_the_first_column_of_every_key_of_a_table_that_has_one(schema: tuple[str, str]) -> None:
    keys = ask(
        schema,
        "SELECT c.relname, x.relname, a.attname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid "
        "JOIN pg_class AS x ON x.oid = i.indexrelid "
        "JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] "
        "WHERE i.indisunique AND c.relnamespace = current_schema()::regnamespace AND c.relkind = 'p'",
    )
    assert {table for table, _, _ in keys} == SLOTTED
    assert {column for _, _, column in keys} == {"slot"}


def test_every_table_with_slots_is_split_and_the_others_are_the_small_ones(schema: tuple[str, str]) -> None:
    found = ask(
        schema,
        "SELECT relname, relkind::text FROM pg_class AS c WHERE relnamespace = current_schema()::regnamespace "
        "AND relkind IN ('r', 'p') AND NOT relispartition",
    )
    assert {name for name, kind in found if kind == "p"} == SLOTTED
    assert {name for name, kind in found if kind == "r"} == {
        *("meta", "lives", "dictionaries", "releases", "workers", "seal_pepper")
    }


def test_nothing_is_made_by_sequences_or_triggers(schema: tuple[str, str]) -> None:
    ours = "relnamespace = current_schema()::regnamespace"
    assert ask(schema, f"SELECT relname FROM pg_class WHERE relkind = 'S' AND {ours}") == []
    assert ask(schema, f"SELECT tgname FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid WHERE {ours}") == []
    assert ask(schema, "SELECT conname FROM pg_constraint WHERE contype = 'f'") == []


def test_every_statement_that_a_role_runs_has_its_like_here() -> None:
    missing = {name for name, sql in queries.items() if sql not in BY_TEXT}
    # What one statement says for all slots here (`ready`, `claim`, `waiting`), what is said to SQLite alone, and what
    # the door does at once.
    assert missing == {
        *("inbox_ready", "dependencies", "commands_ready", "commands_ready_named", "commands_next", "timers_ready"),
        *("timers_next", "slot", "inbox", "care", "seen_add", "seen_hash"),
    }


def test_two_statements_of_one_text_on_sqlite_are_one_here_too() -> None:
    by_text: dict[str, set[bytes]] = {}
    for name, sql in queries.items():
        if name in STATEMENTS:
            by_text.setdefault(sql, set()).add(STATEMENTS[name].sql)
    assert all(len(said) == 1 for said in by_text.values())


@pytest.mark.parametrize("name", sorted({*UNITED} - ASIDE))
def test_a_statement_of_a_unit_binds_the_slot_of_every_row(name: str) -> None:
    sql = STATEMENTS[name].sql.decode()
    assert not FORBIDDEN.search(sql)
    assert unbound(sql) == set()


def test_a_statement_that_leaves_its_slot_is_found() -> None:
    assert unbound("SELECT 1 FROM cases WHERE automation = $1::text") == {"cases"}
    assert unbound("SELECT 1 FROM cases AS c JOIN inbox AS i ON i.key = c.key WHERE c.slot = $1::int4") == {"i"}
    assert unbound("UPDATE slots SET epoch = 0") == {"slots"}
    assert unbound("DELETE FROM inbox USING unnest($1::text[]) AS n (key) WHERE inbox.key = n.key") == {"inbox"}


def unbound(sql: str) -> set[str]:
    """Tables with slots, by the names that a statement gives them, that nothing in it ties to a slot."""
    wanted = {alias or table for table, alias in NAMED.findall(sql) if table in SLOTTED}
    tied: set[str] = set()
    for part in re.split(r"(?=\bSELECT\b|\bUPDATE\b|\bDELETE\b)", sql):
        names = {alias or table for table, alias in NAMED.findall(part)} & wanted
        if re.search(r"(?<![\w.])slot = (\$\d+::int4|ANY|\w+\.slot)", part):
            tied |= names
        tied |= {name for pair in re.findall(r"(\w+)\.slot = (?:(\w+)\.slot|\$\d+::int4|ANY)", part) for name in pair}
    return wanted - tied
