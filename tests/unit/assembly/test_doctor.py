"""The doctor says of each ailment what it is and what to do, and finds nothing where nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.assembly.doctor import Check, configured, examine, installed
from interlock.ports import Quarantined, Writes
from interlock.runtime import restoring
from interlock.runtime.control import pause
from interlock.settings import Settings
from interlock.store.sqlite import open_sqlite
from tests.conformance.building import CASE, SLOT, command, event, one_unit, record

NOW = 1_800_000_000_000_000
ROOMY = Settings(disk_free_min_mb=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    opened = open_sqlite(tmp_path / "store.db", n_slots=8)
    yield opened
    opened.close()


def found(store: Any, about: str, settings: Settings = ROOMY, *, now: int = NOW) -> list[Check]:
    return [one for one in examine(store, settings, now=now) if one.about == about]


def only(store: Any, about: str, settings: Settings = ROOMY, *, now: int = NOW) -> Check:
    (one,) = [check for check in found(store, about, settings, now=now) if check.level != "ok"]
    assert one.do or one.level == "note", one
    return one


def test_a_database_that_is_well(store: Any) -> None:
    store.join("w1", now=NOW)
    ill = [one for one in examine(store, ROOMY, now=NOW) if one.level not in ("ok", "note")]
    assert not ill
    assert [one.level for one in found(store, "workers")] == ["ok"]


def test_work_without_a_worker(store: Any) -> None:
    store.accept([event(received_at=NOW)], now=NOW)
    assert (only(store, "workers").level, only(store, "workers").do) == ("bad", "interlock run")
    assert "no release of it has ever worked here" in only(store, "messages").text


def test_a_message_that_waits_for_long_and_a_backlog_that_is_nearly_full(store: Any) -> None:
    store.put_release("r1", CASE.automation, b"{}", now=1)
    store.join("w1", now=NOW)
    store.accept([event(), event(id="e2")], now=NOW - 120_000_000)
    assert only(store, "messages").level == "warning"
    assert "the oldest for 120 s" in only(store, "messages").text
    full = Settings(inbox_max=3, disk_free_min_mb=1)
    assert (only(store, "messages", full).level, "refuses" in only(store, "messages", full).text) == ("bad", True)


def test_a_worker_that_is_silent_and_one_that_died(store: Any) -> None:
    store.join("w1", now=NOW - 60_000_000)
    assert "silent for 60 s" in only(store, "workers").text
    other = open_sqlite(store._path)
    other.join("w2", now=NOW - 60_000_000)
    other.close()
    told = {one.text for one in found(store, "workers")}
    assert "w2 died; the next worker takes up what it held." in told


def test_a_disk_without_room(store: Any) -> None:
    room = store.room()
    assert room is not None
    assert only(store, "disk", Settings(disk_free_min_mb=2 * room // 1_000_000)).level == "bad"
    assert only(store, "disk", Settings(disk_free_min_mb=room // 2_000_000)).level == "warning"


def test_calls_that_are_overdue_and_calls_that_nobody_waits_for(store: Any) -> None:
    one_unit(store, record(), commands_put=[command(due=NOW - 90_000_000)])
    texts = [one.text for one in found(store, "calls")]
    assert "1 for advisor:svm are due for 90 s." in texts
    assert f"Nothing waits for {command().id}." in texts


def test_what_is_in_quarantine_and_what_is_paused(store: Any) -> None:
    aside = Quarantined("q1", CASE, event(), "no", 5)
    with store.units([SLOT], worker="w", now=10) as (unit,):
        unit.commit(Writes(now=10, head=unit.head, lsn=unit.lsn, quarantined=[aside]))
    assert only(store, "quarantine").do == "interlock quarantine list"
    pause(store, ["automation:cheques"])
    assert "automation:cheques" in only(store, "control").text


def test_slots_that_have_seen_a_later_clock(store: Any) -> None:
    one_unit(store, record(), now=NOW + 3_600_000_000)
    assert "3600 s ahead" in only(store, "control").text


def test_a_copy_and_a_recovery(store: Any, tmp_path: Path) -> None:
    store.backup(str(tmp_path / "copy.db"))
    copy = open_sqlite(tmp_path / "copy.db")
    assert "newest state" in only(copy, "recovery").text
    restoring.begin(copy, "adopted", principal="ann", now=NOW)
    assert "no effect starts" in only(copy, "recovery").text
    copy.close()


def test_a_release_that_cannot_be_read(store: Any) -> None:
    store.put_release("r1", "cheques", b"\xff", now=1)
    assert "r1" in only(store, "certificates").text


def test_what_is_installed_and_what_is_set() -> None:
    assert any(one.text.startswith("interlock ") for one in installed())
    assert configured(Settings(), Settings())[0].text == "all as they are by default"
    assert configured(Settings(poll_ms=7), Settings())[0].text == "poll_ms=7"
