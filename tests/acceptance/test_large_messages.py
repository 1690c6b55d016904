"""A message above 16 KB is stored once, by its content; its entry cites it, and every reader has it whole."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from interlock import Interlock
from interlock.assembly import open_store
from interlock.assembly.embedding import Handle
from interlock.ledger import history, verify
from interlock.releases import load_release
from interlock.vocabulary.events import EventBody
from interlock.vocabulary.ids import CaseId, slot_of
from interlock.vocabulary.limits import BODY_INLINE_BYTES_MAX

FOLDER = Path(__file__).parent / "parcels"
CASE = CaseId("parcels", "p1")
LARGE, SMALL = "large " * 20_000, "small"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Path]:
    """A case that was told the same large thing twice, and a small one."""
    release = load_release(FOLDER)
    types: Any = release.loaded.definition.modules[0]

    async def story() -> None:
        async with Interlock.open(tmp_path / "p.db") as il:
            il.host(release)
            handle: Handle[Any] = Handle(il, release)
            await handle.submit(
                types.Ordered(parcel="p1", price=Decimal(5000), advice="raise"), id="e0", source="t", principal="t"
            )
            for number, text in enumerate((LARGE, LARGE, SMALL)):
                await handle.submit(types.Noted(parcel="p1", text=text), id=f"n{number}", source="t", principal="t")
            await handle.settled("p1")

    asyncio.run(story())
    yield tmp_path / "p.db"
    for name in ("automation", "effects", "advisors"):
        sys.modules.pop(name, None)


def change(db: Path, statement: str) -> None:
    with closing(sqlite3.connect(db)) as raw, raw:
        assert raw.execute(statement).rowcount == 1


def test_it_is_stored_once_and_read_whole(db: Path) -> None:
    with closing(open_store(db)) as store:
        slot = slot_of(CASE, store.caps.n_slots)
        ledger = store.ledger(slot, after=0, limit=100)
        told = [e.cause.body for e, _, _ in ledger if e.cause and isinstance(e.cause.body, EventBody)]
        assert [body.data["text"] for body in told[1:]] == [LARGE, LARGE, SMALL]
        assert max(len(body) for _, body, _ in ledger) < BODY_INLINE_BYTES_MAX
        cited = [json.loads(body)["cause"]["body"] for _, body, _ in ledger if b'"kind":"cited"' in body]
        assert len(cited) == 2
        assert cited[0] == cited[1]
        assert cited[0]["size"] > len(LARGE)
        assert len(history(store, CASE).moments) == len(ledger)
        report = verify(store)
        assert report.ok, report.to_text()
    with closing(sqlite3.connect(db)) as raw:
        assert raw.execute("SELECT count(*), max(slot) FROM payloads").fetchall() == [(1, slot)]


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM payloads", "UPDATE payloads SET data = replace(data, 'large', 'small')"],
)
def test_a_message_that_is_gone_or_changed_is_found(db: Path, statement: str) -> None:
    change(db, statement)
    with closing(open_store(db)) as store:
        findings = verify(store).findings
    assert [one.code for one in findings].count("unreadable") == 2
