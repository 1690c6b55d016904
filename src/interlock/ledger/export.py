"""A finished era of the ledger as a Parquet file: for a warehouse, and to be kept.

One row per entry, in (slot, lsn) order: what people ask for in columns, and the entry itself as the canonical JSON that
its hash was taken of. So a reader needs nothing of ours, and whoever has the file can check the chain: in each slot,
`hash` = sha256(hash of the row before || entry), from the head that the file's metadata gives for the slot.

A finished era never grows (`store/eras.py`), so its file is written once, whole or not at all. Personal data stays
sealed: a file that left the database could not be erased.

Metadata (key `interlock`, JSON): format, era, incarnation, slots; `before`: slot -> [lsn, head] where the era begins.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from interlock.ports import Store
from interlock.vocabulary import canonical
from interlock.vocabulary.entry import GENESIS, Entry, citing
from interlock.vocabulary.errors import NotFound, NotInstalled, NotNow, Refused, StoreError
from interlock.vocabulary.events import EventBody

FORMAT = 1
METADATA = b"interlock"
ENTRIES_AT_ONCE = 512
ROWS_AT_ONCE = 20_000
"""Rows per group: what a reader has to hold, and what we do."""


@dataclass(frozen=True)
class Exported:
    """`written`: False where the file was there already."""

    era: int
    file: Path
    entries: int
    written: bool


def finished_eras(store: Store) -> int:
    """The newest era that every slot has finished. 0: none is."""
    return min(store.eras().values()) - 1


def file_of(folder: Path, era: int) -> Path:
    return folder / f"era-{era:06}.parquet"


def export_era(store: Store, era: int, folder: Path) -> Exported:
    """Write one finished era into a folder, unless it is there.

    Raises NotNow for an era that is not finished, NotFound for one that there never was, Refused where the file in the
    way is another ledger's, StoreError for a folder that cannot be written, NotInstalled without the extra `export`.
    """
    arrow, parquet = _pyarrow()
    if era < 1:
        raise NotFound(f"There is no era {era}.", hint="The first is 1.")
    last = finished_eras(store)
    if era > last:
        raise NotNow(f"Era {era} is not finished.", code="era_open", hint="End it: interlock db export FOLDER --finish")
    target = file_of(folder, era)
    if target.exists():
        return Exported(era, target, _same(parquet, target, store, era), written=False)
    starts = {slot: _first(store, slot, lsn, era) for slot, (lsn, _) in store.heads().items()}
    before = {str(slot): _before(store, slot, first) for slot, first in starts.items()}
    about = {
        "format": FORMAT,
        "era": era,
        "incarnation": store.caps.incarnation,
        "slots": store.caps.n_slots,
        "before": before,
    }
    schema = _schema(arrow).with_metadata({METADATA: json.dumps(about).encode()})
    part = target.with_name(f"{target.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        entries = 0
        with parquet.ParquetWriter(part, schema, compression="zstd") as writer:
            for rows in _groups(store, starts, era):
                writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
                entries += len(rows)
        _keep(part, target)
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error}.", code="store_open", hint="Name another folder."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return Exported(era, target, entries, written=True)


def _keep(part: Path, target: Path) -> None:
    """Make a file that is whole durable under its name."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _same(parquet: Any, file: Path, store: Store, era: int) -> int:
    """How many entries a file holds that is there already. Raises Refused for another ledger's."""
    try:
        metadata = parquet.read_metadata(file)
        said: dict[bytes, bytes] = metadata.metadata or {}
        about: dict[str, Any] = json.loads(said.get(METADATA, b"{}"))
    except (OSError, ValueError) as error:
        raise Refused(f"{file} cannot be read: {error}.", code="exists", hint="Move it away.") from error
    # A database that was put back writes its eras anew, and they may differ.
    if (about.get("incarnation"), about.get("era")) != (store.caps.incarnation, era):
        raise Refused(
            f"{file} is not era {era} of this life of this database.",
            code="exists",
            hint="Name a folder of its own for each database, and a new one after a restore.",
        )
    rows: int = metadata.num_rows
    return rows


def _first(store: Store, slot: int, newest: int, era: int) -> int:
    """lsn of the first entry of this era or a later one: eras never decrease within a slot."""
    low, high = 1, newest + 1
    while low < high:
        middle = (low + high) // 2
        entry = store.entry(slot, middle)
        if entry is not None and entry.era < era:
            low = middle + 1
        else:
            high = middle
    return low


def _before(store: Store, slot: int, first: int) -> list[Any]:
    if first == 1:
        return [0, GENESIS.hex()]
    [(_, _, head)] = store.ledger(slot, after=first - 2, limit=1)
    return [first - 1, head.hex()]


def _groups(store: Store, starts: dict[int, int], era: int) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    for slot, first in sorted(starts.items()):
        for entry, body, head in _entries(store, slot, first, era):
            rows.append(_row(entry, body, head))
            if len(rows) == ROWS_AT_ONCE:
                yield rows
                rows = []
    if rows:
        yield rows


def _entries(store: Store, slot: int, first: int, era: int) -> Iterator[tuple[Entry, bytes, bytes]]:
    after = first - 1
    while page := store.ledger(slot, after=after, limit=ENTRIES_AT_ONCE):
        for one in page:
            if one[0].era != era:
                return
            yield one
        after = page[-1][0].lsn


def _schema(arrow: Any) -> Any:
    text, moment = arrow.string(), arrow.timestamp("us", tz="UTC")
    decision = arrow.struct([(name, text) for name in ("id", "action", "verdict", "why", "args")])
    return arrow.schema(
        [
            ("slot", arrow.int32()),
            ("lsn", arrow.int64()),
            ("era", arrow.int32()),
            ("recorded_at", moment),
            ("automation", text),
            ("key", text),
            ("version", arrow.int64()),
            ("kind", text),
            ("release", text),
            ("cause_id", text),
            ("cause_source", text),
            ("cause_kind", text),
            ("event_type", text),
            ("principal", text),
            ("occurred_at", moment),
            ("late", arrow.bool_()),
            ("decisions", arrow.list_(decision)),
            ("entry", text),
            ("message", text),
            ("hash", arrow.binary(32)),
        ]
    )


def _row(entry: Entry, body: bytes, head: bytes) -> dict[str, Any]:
    cause = entry.cause
    _, cited, message = citing(entry)
    return {
        "slot": entry.slot,
        "lsn": entry.lsn,
        "era": entry.era,
        "recorded_at": _moment(entry.at),
        "automation": entry.automation,
        "key": entry.key,
        "version": entry.version,
        "kind": entry.kind,
        "release": entry.release,
        "cause_id": cause.id if cause else None,
        "cause_source": cause.source if cause else None,
        "cause_kind": cause.body.__struct_config__.tag if cause else None,
        "event_type": cause.body.type if cause and isinstance(cause.body, EventBody) else None,
        "principal": cause.principal if cause else None,
        "occurred_at": _moment(cause.occurred_at) if cause else None,
        "late": entry.late,
        "decisions": [
            {
                "id": one.id,
                "action": one.proposal.action,
                "verdict": one.verdict,
                "why": one.why,
                "args": canonical.encode(one.proposal.args).decode(),
            }
            for one in entry.decisions
        ],
        "entry": body.decode(),
        # The entry cites a large message by its hash; here it stands beside it.
        "message": message.decode() if cited else None,
        "hash": head,
    }


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1_000_000, UTC).replace(microsecond=at % 1_000_000)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow  # pyright: ignore[reportMissingTypeStubs]
        from pyarrow import parquet  # pyright: ignore[reportMissingTypeStubs]
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise NotInstalled(
            "Exporting needs pyarrow, which is not installed.", hint="pip install 'interlock[export]'"
        ) from None
    return pyarrow, parquet
