"""A store of several databases from the file that names them.

    slots = 256

    [[cell]]
    name = "eu-1"
    slots = "0-127"
    dsn_env = "CELL_EU1"        # or dsn_file = "eu-1.dsn", or dsn = "postgresql://..." without a password

    [[cell]]
    name = "eu-2"
    slots = "128-255"
    dsn_env = "CELL_EU2"

The file is the map that every process reads, so it holds no secrets. What it says is checked against what each database
says of itself (`store.handshake`): a map that names a wrong database is found out before anything is written to it.

INVARIANT: no cell is made anew beside others that have been worked on. An empty database in the place of one that is
full, because its name was misspelt or its server put back, would forget its cases in silence.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from interlock.assembly.address import POSTGRES, address, hiding
from interlock.ports import Store
from interlock.store.cells import Cell, Part, check_slots, open_cells
from interlock.vocabulary.errors import NotFound, Refused, StoreError

KNOWN = {"name", "slots", "dsn", "dsn_env", "dsn_file"}


@dataclass(frozen=True)
class Named:
    """One cell of the file. `dsn` is what libpq is given; whoever shows it hides its password."""

    name: str
    slots: frozenset[int]
    dsn: str


@dataclass(frozen=True)
class CellMap:
    """What a file says, checked in itself."""

    n_slots: int
    cells: tuple[Named, ...]


def open_cell_map(path: Path, *, create: bool, read_only: bool) -> Store:
    """Open every cell of a file as one store.

    create      make all of them if none is there
    read_only   nothing is written

    Raises Refused (bad_cells) for a file that cannot be used, NotFound for cells that are not there, and what
    `store.cells.open_cells` raises.
    """
    found = read_cells(path, os.environ)

    def opener(one: Named) -> Callable[[], Cell]:
        return lambda: _open(one, found.n_slots, create=False, read_only=read_only)

    parts = [Part(one.name, one.slots, opener(one)) for one in found.cells]
    try:
        return open_cells(parts, n_slots=found.n_slots, read_only=read_only)
    except NotFound:
        if not create or read_only:
            raise
    _make(found)
    return open_cells(parts, n_slots=found.n_slots)


def read_cells(path: Path, environment: Mapping[str, str]) -> CellMap:
    """Read and check a file. Raises Refused (bad_cells)."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(f"There is no file {path}.", code="bad_cells", hint="It names the cells of a store.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}.", code="bad_cells", hint="It is a TOML file.") from error
    if unknown := sorted(said.keys() - {"slots", "cell"}):
        raise _wrong(path, f"it has {unknown[0]!r}, which means nothing here", "It has slots and [[cell]] tables.")
    n_slots = said.get("slots")
    if not isinstance(n_slots, int) or isinstance(n_slots, bool) or n_slots < 1:
        raise _wrong(path, "it does not say how many slots there are", "Write slots = 256 at its beginning.")
    tables = said.get("cell")
    if not isinstance(tables, list) or not tables:
        raise _wrong(path, "it names no cell", "Write a [[cell]] table for each, with name, slots and dsn_env.")
    cells = [_cell(path, number, table, environment) for number, table in enumerate(cast("list[Any]", tables), 1)]
    names = [one.name for one in cells]
    if again := next((name for number, name in enumerate(names) if name in names[:number]), None):
        raise _wrong(path, f"it names {again!r} twice", "Give every cell a name of its own.")
    try:
        check_slots({one.name: one.slots for one in cells}, n_slots)
    except StoreError as error:
        raise _wrong(path, error.message.rstrip(".").partition(": ")[2], "Name every slot exactly once.") from error
    return CellMap(n_slots, tuple(cells))


def _cell(path: Path, number: int, table: Any, environment: Mapping[str, str]) -> Named:
    if not isinstance(table, dict):
        raise _wrong(path, f"cell {number} is no table", "Write [[cell]], and below it name, slots and dsn_env.")
    given = cast("dict[str, Any]", table)
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise _wrong(path, f"cell {number} has no name", 'Write name = "eu-1".')
    if unknown := sorted(given.keys() - KNOWN):
        raise _wrong(path, f"cell {name} has {unknown[0]!r}, which means nothing here", f"Known: {', '.join(KNOWN)}.")
    return Named(name, _slots(path, name, given.get("slots")), _dsn(path, name, given, environment))


def _slots(path: Path, name: str, said: Any) -> frozenset[int]:
    """`0-127, 200` as the slots that it means."""
    hint = 'Write slots = "0-127", or several ranges with commas between them.'
    if not isinstance(said, str):
        raise _wrong(path, f"cell {name} does not say which slots it keeps", hint)
    found: set[int] = set()
    for part in said.split(","):
        first, dash, last = (one.strip() for one in part.partition("-"))
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise _wrong(path, f"cell {name} keeps {said!r}, which is no range of slots", hint)
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _dsn(path: Path, name: str, given: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    named = [key for key in ("dsn", "dsn_env", "dsn_file") if key in given]
    if len(named) != 1 or not isinstance(given[named[0]], str):
        raise _wrong(
            path, f"cell {name} must say once where it is", 'Write dsn_env = "VARIABLE", dsn_file or dsn as text.'
        )
    said: str = given[named[0]]
    dsn = said
    if named == ["dsn_env"]:
        if said not in environment:
            raise _wrong(path, f"cell {name} is where {said} says, which is not in the environment", "Set it.")
        dsn = environment[said]
    elif named == ["dsn_file"]:
        try:
            dsn = (path.parent / said).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise _wrong(path, f"cell {name} is where {said} says, which cannot be read", "Check it.") from error
    if not dsn.startswith(POSTGRES):
        raise _wrong(path, f"cell {name} is no database on PostgreSQL", "Write postgresql://user@host/database.")
    where = address(dsn)
    if named == ["dsn"] and where.secrets:
        raise _wrong(path, f"cell {name} has a password in the file", "Put the DSN into a variable: dsn_env.")
    if where.read_only:
        raise _wrong(path, f"cell {name} is named to be read only", "Open the whole so: cells:FILE?mode=ro.")
    return dsn


def _open(one: Named, n_slots: int, *, create: bool, read_only: bool) -> Cell:
    from interlock.store.postgres import open_postgres

    with hiding(address(one.dsn)):
        return open_postgres(one.dsn, n_slots=n_slots, slots=one.slots, create=create, read_only=read_only)


def _make(found: CellMap) -> None:
    """Make the cells that are not there, unless one of the others has been worked on."""
    missing: list[Named] = []
    lived: list[str] = []
    for one in found.cells:
        try:
            with closing(_open(one, found.n_slots, create=False, read_only=False)) as cell:
                if cell.releases() or any(lsn for lsn, _ in cell.heads().values()):
                    lived.append(one.name)
        except NotFound:
            missing.append(one)
    if missing and lived:
        raise StoreError(
            f"Cell {missing[0].name} is not where the file says, and {lived[0]} has been worked on.",
            code="store_slots",
            hint="Check where it is, or restore it. A cell is made anew only where none has been worked on.",
        )
    for one in missing:
        _open(one, found.n_slots, create=True, read_only=False).close()


def _wrong(path: Path, what: str, hint: str) -> Refused:
    return Refused(f"{path} names no cells that can be used: {what}.", code="bad_cells", hint=hint)
