"""SQL as text that a database person can review, loaded once and given out by name.

`queries["inbox"]` is the statement after the line `-- name: inbox`. Comments are cut off: the driver recognises a
write by how its text begins, and a shorter text is cheaper to look up.

`schema` makes a new database. `migrations` bring one of an older layout there: the files `migrations/NNNN_what.sql`,
of which NNNN is the layout that it leads to. A layout that has been released is never edited; the next change is the
next number, and a test compares the database made new with the one that came all the way.

The folder `postgres` holds the same for PostgreSQL. Its statements have the names of those that they stand for; its
layouts have numbers of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

MARK = "-- name:"


def parse(text: str) -> dict[str, str]:
    """Statements by name. A name given twice, or without a statement, is an error: one of the two would never run."""
    found: dict[str, str] = {}
    for section in text.split(MARK)[1:]:
        name, _, body = section.partition("\n")
        statement = " ".join(
            line.strip() for line in body.splitlines() if line.strip() and not line.lstrip().startswith("--")
        )
        name = name.strip()
        if not name or not statement or name in found:
            raise ValueError(f"the SQL named {name!r} is empty or named twice")
        found[name] = statement
    return found


def script(text: str) -> tuple[str, ...]:
    """The statements of a file that is run whole, in order. Each ends with a semicolon at the end of a line."""
    bare = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return tuple(statement.strip() for statement in f"{bare}\n".split(";\n") if statement.strip())


def _text(file: str) -> str:
    return (Path(__file__).parent / file).read_text(encoding="utf-8")


def _files(folder: str) -> list[Path]:
    return sorted((Path(__file__).parent / folder).glob("*.sql"))


def _migrations(folder: str) -> dict[int, tuple[str, ...]]:
    files = _files(folder)
    return {int(file.name.partition("_")[0]): script(file.read_text(encoding="utf-8")) for file in files}


def _names(folder: str) -> dict[int, str]:
    parts = (file.stem.partition("_") for file in _files(folder))
    return {int(number): about.replace("_", " ") for number, _, about in parts}


queries: Mapping[str, str] = parse(_text("queries.sql"))
schema: str = _text("schema.sql")
migrations: Mapping[int, tuple[str, ...]] = _migrations("migrations")
migration_names: Mapping[int, str] = _names("migrations")

postgres_queries: Mapping[str, str] = parse(_text("postgres/queries.sql"))
postgres_schema: tuple[str, ...] = script(_text("postgres/schema.sql"))
postgres_migrations: Mapping[int, tuple[str, ...]] = _migrations("postgres/migrations")
postgres_migration_names: Mapping[int, str] = _names("postgres/migrations")
