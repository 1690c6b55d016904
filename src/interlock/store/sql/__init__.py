"""SQL as text that a database person can review, loaded once and given out by name.

`queries["inbox"]` is the statement after the line `-- name: inbox`. Comments are cut off: the driver recognises a
write by how its text begins, and a shorter text is cheaper to look up.
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


def _text(file: str) -> str:
    return Path(__file__).with_name(file).read_text(encoding="utf-8")


queries: Mapping[str, str] = parse(_text("queries.sql"))
schema: str = _text("schema.sql")
