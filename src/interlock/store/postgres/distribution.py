"""The statements that spread the store's tables over the nodes of a Citus cluster.

Written from the layout itself, so that they cannot say anything else than it: a table that the layout marks as slotted
is split by its slot and lies with the slots' own rows, so whatever a unit touches is on one node; any other table is
small and the same for all, and every node has a copy.

INVARIANT: each table of the layout is named once.
"""

from __future__ import annotations

from interlock.store.postgres.handshake import SLOTTED
from interlock.store.sql import postgres_schema

CREATE = "CREATE TABLE "
FIRST = "slots"
"""The others are placed where its rows are."""


def distribution(schema: str, shards: int) -> list[str]:
    """The statements, in the order in which they are to run, for tables in this schema, split into so many shards."""
    places = {
        statement.removeprefix(CREATE).partition(" ")[0]: SLOTTED in statement
        for statement in postgres_schema
        if statement.startswith(CREATE)
    }
    split = sorted((name for name, slotted in places.items() if slotted), key=lambda name: (name != FIRST, name))
    copied = sorted(name for name, slotted in places.items() if not slotted)
    made = [f"SELECT create_reference_table({_quoted(schema, name)})" for name in copied]
    for name in split:
        where = f"shard_count => {shards}, colocate_with => 'none'"
        if name != FIRST:
            where = f"colocate_with => {_quoted(schema, FIRST)}"
        made.append(f"SELECT create_distributed_table({_quoted(schema, name)}, 'slot', {where})")
    return made


def _quoted(schema: str, table: str) -> str:
    """A table's name as a text constant that PostgreSQL reads as that table, whatever the schema is called."""
    name = '"' + schema.replace('"', '""') + '".' + table
    return "'" + name.replace("'", "''") + "'"
