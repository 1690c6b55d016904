"""The statements for Citus say what the layout says, of every table once."""

from __future__ import annotations

import re

import psycopg

from interlock.store.postgres import distribution, open_postgres, postgres_layout


def test_every_table_is_split_by_slot_or_copied_as_the_catalogue_has_it(postgres_dsn: str) -> None:
    open_postgres(postgres_dsn, n_slots=4).close()
    with psycopg.connect(postgres_dsn) as db:
        tables = {name for (name,) in db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        slotted = {
            name
            for (name,) in db.execute(
                "SELECT relname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid"
                " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attname = 'slot'"
            )
        }
        statements = distribution("public", 8)
        split = [re.search(r"create_distributed_table\('\"public\"\.(\w+)', 'slot'", one) for one in statements]
        copied = [re.search(r"create_reference_table\('\"public\"\.(\w+)'\)", one) for one in statements]
        assert sorted(one[1] for one in split if one) == sorted(slotted & tables)
        assert sorted(one[1] for one in copied if one) == sorted(tables - slotted)
        assert len(statements) == len(tables)
        # The names are such that the server finds the tables by them.
        for one in statements:
            named = one.split("(", 1)[1].split(",")[0].rstrip(")")
            (name,) = db.execute(f"SELECT to_regclass({named})".encode()).fetchone() or (None,)
            assert name is not None, one


def test_what_is_split_lies_where_its_slots_are() -> None:
    statements = [one for one in distribution('odd "name"', 8) if "create_distributed_table" in one]
    assert statements[0].endswith("shard_count => 8, colocate_with => 'none')") and ".slots'" in statements[0]
    with_the_slots = "colocate_with => " + "'" + '"odd ""name""".slots' + "')"
    assert len(statements) > 10 and all(one.endswith(with_the_slots) for one in statements[1:])


def test_a_look_at_the_layout_changes_nothing_and_finds_what_was_made(postgres_dsn: str) -> None:
    open_postgres(f"{postgres_dsn}&schema=claims", n_slots=4).close()
    found = postgres_layout(f"{postgres_dsn}&schema=claims")
    assert found.found == found.speaks and found.steps == ()
    with psycopg.connect(postgres_dsn) as db:
        db.execute("UPDATE claims.meta SET layout = 0")
        db.commit()
    assert postgres_layout(f"{postgres_dsn}&schema=claims").found == 0
