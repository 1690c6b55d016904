"""The statements of the store on PostgreSQL, ready to be prepared.

A role runs a statement that it knows by the text which it has on SQLite; the statement of the same name is run here.
The parameters' types stand in the text (`$1::int4`), so that the SQL alone says how each is encoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.store.postgres.wire import ENCODERS, Encoder
from interlock.store.sql import postgres_queries, queries

PARAMETER = re.compile(r"\$(\d+)::(\w+(?:\[\])?)")
WRITES = re.compile(r"\b(INSERT INTO|(?<!FOR )UPDATE|DELETE FROM)\b")


@dataclass(frozen=True, eq=False)
class Statement:
    """One statement. `many`: it takes an array per column, and so any number of rows."""

    name: str
    prepared: bytes
    sql: bytes
    encoders: tuple[Encoder, ...]
    many: bool
    writes: bool

    def one(self, row: Sequence[Any]) -> list[bytes | None]:
        """Parameters of a single run."""
        if self.many:
            return [encode((value,)) for encode, value in zip(self.encoders, row, strict=True)]
        return [encode(value) for encode, value in zip(self.encoders, row, strict=True)]

    def rows(self, rows: Sequence[Sequence[Any]]) -> list[bytes | None]:
        """Parameters of a run over many rows."""
        return [encode(column) for encode, column in zip(self.encoders, zip(*rows, strict=True), strict=True)]


def read(name: str, sql: str) -> Statement:
    types: dict[int, str] = {}
    for number, type_ in PARAMETER.findall(sql):
        if types.setdefault(int(number), type_) != type_:
            raise ValueError(f"statement {name!r} gives ${number} two types")
    if sorted(types) != list(range(1, len(types) + 1)):
        raise ValueError(f"statement {name!r} does not type each of its parameters")
    encoders = tuple(ENCODERS[types[number]] for number in sorted(types))
    many = bool(types) and all(type_.endswith("[]") for type_ in types.values()) and sql.find("unnest(") >= 0
    return Statement(name, name.encode(), sql.encode(), encoders, many, bool(WRITES.search(sql)))


STATEMENTS: Mapping[str, Statement] = {name: read(name, sql) for name, sql in postgres_queries.items()}
"""By name."""

BY_TEXT: Mapping[str, Statement] = {sql: STATEMENTS[name] for name, sql in queries.items() if name in STATEMENTS}
"""By the text that the statement of the same name has on SQLite."""

NEEDLESS = frozenset({queries["care"]})
"""What is said to SQLite alone: PostgreSQL's tables are wiped by writing them anew."""
