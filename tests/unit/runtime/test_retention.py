"""Finished cases are put away, found again by everybody, and brought back by what comes late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from interlock.ledger import explain, history, verify
from interlock.ports import Clash, Duplicate
from interlock.releases import load_release
from interlock.runtime.retention import Retention, final_statuses, is_finished
from interlock.testing import Bench
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import EventBody
from interlock.vocabulary.ids import CaseId
from tests.unit.testing.small import write

DAY = 86_400_000_000
ENDED, OPEN = CaseId("bills", "ended"), CaseId("bills", "open")


@pytest.fixture
def bills(tmp_path: Path) -> Iterator[Any]:
    """One case that was paid and has nothing open, one that waits for a person; 100 days ago."""
    folder = write(tmp_path)
    module: Any = load_release(folder).loaded.definition.modules[0]
    bench = Bench.load(folder)
    bench.earned(module.Pay)
    bench.hear(module.Received(bill="ended", text="12345"))
    bench.answer(module.Read, "500", score=0.9)
    bench.hear(module.Received(bill="open", text="x"))
    bench.advance("100d")
    yield SimpleNamespace(b=bench, m=module, store=bench.stage.store, program=bench.stage.program)
    bench.close()


def put_away(bills: Any, days: int = 90) -> int:
    return Retention(bills.store, days * DAY).step([bills.program], now=bills.b.stage.clock.now())


def listed(store: Any) -> list[CaseId]:
    return [record.case for record in store.cases(automation="bills", status=None, after=None, limit=100)]


def test_a_finished_case_leaves_the_lists_and_is_found_by_everybody_else(bills: Any) -> None:
    store = bills.store
    before, told = store.case(ENDED), explain(store, str(ENDED)).to_text()
    assert listed(store) == [ENDED, OPEN]
    assert put_away(bills, days=98) == 0, "the reminder fired on day three"
    assert put_away(bills) == 1
    assert put_away(bills) == 0
    assert listed(store) == [OPEN]
    assert store.cases(automation="bills", status="paid", after=None, limit=10) == []
    assert [record.case for record in store.cases(automation="bills", status=None, after=ENDED, limit=10)] == [OPEN]
    assert [record for _, record in store.archived("bills", after=0, limit=10)] == [before]
    assert store.case(ENDED) == before
    assert explain(store, str(ENDED)).to_text() == told
    assert history(store, ENDED).newest
    assert verify(store, level=1).ok


def test_what_was_accepted_stays_accepted(bills: Any) -> None:
    put_away(bills)
    cause = history(bills.store, ENDED).moments[0].entry.cause
    assert cause is not None
    changed = structs.replace(cause, body=EventBody("Received", {"bill": "ended", "text": "other"}))
    receipts = bills.store.accept([cause, changed], now=bills.b.stage.clock.now())
    assert [type(one) for one in receipts] == [Duplicate, Clash]


def test_a_late_event_brings_the_case_back(bills: Any) -> None:
    put_away(bills)
    before = bills.store.case(ENDED)
    bills.b.hear(bills.m.Noted(bill="ended", note="late"))
    after = bills.store.case(ENDED)
    assert after.state["note"] == "late"
    assert after.version == before.version + 1
    assert listed(bills.store) == [OPEN, ENDED]
    assert bills.store.archived("bills", after=0, limit=10) == []
    assert verify(bills.store, level=1).ok
    assert put_away(bills) == 0, "it has just moved"
    assert put_away(bills, days=0) == 1
    assert verify(bills.store, level=1).ok


def test_a_worker_that_knows_the_record_sees_that_it_was_put_away(bills: Any) -> None:
    bills.b.hear(bills.m.Noted(bill="ended", note="one"))
    put_away(bills, days=0)
    assert listed(bills.store) == [OPEN]
    bills.b.hear(bills.m.Noted(bill="ended", note="two"))
    assert bills.store.case(ENDED).state["note"] == "two"


def test_what_is_finished(bills: Any) -> None:
    final = final_statuses(bills.program)
    assert final == {"paid"}
    ended = bills.store.case(ENDED)
    assert is_finished(ended, final)
    assert not is_finished(bills.store.case(OPEN), final)
    for field in ("questions", "effects", "reviews", "tasks", "timers"):
        assert not is_finished(structs.replace(ended, **{field: {"x": "y"}}), final), field
    assert not is_finished(structs.replace(ended, blocked="m"), final)
    assert not is_finished(structs.replace(ended, status="open"), final)
    assert is_finished(structs.replace(ended, status="open", erased=1), final)
    assert not is_finished(CaseRecord("bills", "x", status="paid"), final), "nobody has opened it"


def test_the_looking_goes_round(bills: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Timers are open until their day, so these are not finished; the one that is comes behind them.
    for number in range(5):
        bills.b.answer(bills.m.Read, "5", score=0.9)
        bills.b.hear(bills.m.Received(bill=f"b{number}", text="x"))
    bills.b.hear(bills.m.Noted(bill="ended", note="x"))
    put_away(bills, days=0)
    bills.b.hear(bills.m.Noted(bill="ended", note="y"))
    assert listed(bills.store)[-1] == ENDED
    monkeypatch.setattr("interlock.runtime.retention.LOOKED_AT_ONCE", 2)
    retention = Retention(bills.store, 0)
    now = bills.b.stage.clock.now()
    assert [retention.step([bills.program], now=now) for _ in range(4)] == [0, 0, 1, 0]
