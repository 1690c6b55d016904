"""The door: what is refused, with which words, and what is accepted once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from interlock.kernel.program import Rejected
from interlock.ports import Accepted, Clash, Duplicate, Writes
from interlock.runtime import json_input
from interlock.runtime.inbox import (
    Admitted,
    Door,
    call_envelope,
    event_envelope,
    moment,
    outcome_of,
    read_lines,
    resolve_envelope,
    sealed,
    verdict_envelope,
)
from interlock.runtime.threads import Inline
from interlock.store.sqlite import open_sqlite
from interlock.testing.time import ManualClock
from interlock.vocabulary import limits
from interlock.vocabulary.errors import Conflict, NotNow, Refused, StoreFull
from interlock.vocabulary.events import CallBody, EventBody
from tests.unit.runtime.tiny import START, event


class Admits:
    """An automation that knows one event and one action."""

    def event_data(self, type: str, raw: object) -> tuple[dict[str, Any], str]:
        if type != "In":
            raise Rejected(f"unknown event type {type!r}. Did you mean In?")
        if not isinstance(raw, Mapping) or set(raw) != {"case"}:
            raise Rejected("data: takes case")
        return dict(raw), raw["case"]

    def action_name(self, name: str) -> str:
        if name.lower() != "pay":
            raise Rejected(f"unknown action {name!r}. Did you mean pay?")
        return "pay"

    def call_args(self, action: str, raw: object) -> dict[str, Any]:
        if raw != {"amount": "1"}:
            raise Rejected("amount: missing")
        return {"amount": "1"}

    def opened(self, key: str) -> AbstractContextManager[None]:
        return nullcontext()


def incoming(type: str = "In", raw: object = None, **more: Any):
    given = {"id": "e1", "source": "s", "principal": "p", "occurred_at": None, "now": START, **more}
    return event_envelope("tiny", Admits(), type, {"case": "c1"} if raw is None else raw, **given)


def test_an_event_becomes_an_envelope_of_its_case():
    envelope = incoming()
    assert (envelope.automation, envelope.key, envelope.id) == ("tiny", "c1", "e1")
    assert envelope.body == EventBody("In", {"case": "c1"})
    assert envelope.occurred_at == envelope.received_at == START


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "Inn"}, "Did you mean In"),
        ({"raw": {"kase": "c1"}}, "takes case"),
        ({"raw": {"case": "c\ud800"}}, "surrogate"),
        ({"raw": {"case": float("nan")}}, "not a finite number"),
        ({"raw": {"case": float("inf")}}, "not a finite number"),
        ({"raw": {"case": 2**300}}, "256 bits"),
        ({"raw": {1: "c1"}}, "not text"),
        ({"raw": {"case": {1, 2}}}, "no place in JSON"),
        ({"id": ""}, "id is missing"),
        ({"id": "x" * 201}, "201 characters"),
        ({"id": "a\nb"}, "cannot be printed"),
        ({"source": "\ud800"}, "cannot be printed"),
        ({"principal": None}, "principal is missing"),
        ({"key": "other"}, "names case"),
        ({"raw": {"case": "x" * 201}}, "201 characters"),
        ({"raw": {"case": "x" * (limits.EVENT_BYTES_MAX + 1)}}, "bytes"),
    ],
)
def test_what_the_door_refuses(change, words):
    with pytest.raises(Refused, match=words):
        incoming(**change)


def test_a_call_is_checked_like_an_event():
    given: dict[str, Any] = {
        "key": "c1",
        "id": "1",
        "source": "s",
        "principal": "ann",
        "by": "person",
        "now": START,
    }
    assert call_envelope("tiny", Admits(), "Pay", {"amount": "1"}, **given).body == CallBody("pay", {"amount": "1"})
    with pytest.raises(Refused, match="Did you mean pay"):
        call_envelope("tiny", Admits(), "pray", {}, **given)
    with pytest.raises(Refused, match="amount"):
        call_envelope("tiny", Admits(), "pay", {}, **given)


def test_a_verdict_says_what_it_has_seen():
    envelope = verdict_envelope(
        "tiny", "c1", "2.0", "approve", group="g", seen="s", args=None, comment="", id="v", principal="ann", now=START
    )
    assert envelope.source == "interlock.review"
    with pytest.raises(Refused):
        verdict_envelope(
            "tiny", "c1", "2.0", "edit", group="g", seen="s", args={"a": float("nan")}, comment="", id="v",
            principal="ann", now=START,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        (5, 5),
        ("2026-01-01T00:00:00Z", 1_767_225_600_000_000),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600_000_000),
        (datetime(2026, 1, 1, tzinfo=UTC), 1_767_225_600_000_000),
    ],
)
def test_moments(given, expected):
    assert moment(given) == expected


@pytest.mark.parametrize("given", ["yesterday", "2026-01-01T00:00:00", -1, True, 2**60, "1960-01-01T00:00:00Z", 1.5])
def test_moments_that_are_none(given):
    with pytest.raises(Refused):
        moment(given)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "bad_json"),
        ("[1,]", "bad_json"),
        ('{"a": 1, "a": 2}', "duplicate_key"),
        ('{"a": NaN}', "not_finite"),
        ('{"a": -Infinity}', "not_finite"),
        ('{"a": 1e999999}', "integer_too_large"),
        ('{"a": ' + "9" * 500 + "}", "integer_too_large"),
        ('{"a": "\\ud800"}', "bad_unicode"),
        (b'{"a": "\xff"}', "bad_unicode"),
        ("[" * 40 + "]" * 40, "too_deep"),
        ("[" * 200_000, "too_deep"),
        ('"' + "x" * limits.EVENT_BYTES_MAX + '"', "too_large"),
    ],
)
def test_json_that_is_refused(text, code):
    with pytest.raises(Refused) as refused:
        json_input.parse(text)
    assert refused.value.code == code


def test_json_keeps_fractions_exactly():
    assert json_input.parse('{"a": 0.1, "b": 12345678901234567890}') == {"a": Decimal("0.1"), "b": 12345678901234567890}


def test_a_file_of_events_names_the_line_of_a_mistake():
    short = {"type": "In", "id": "1", "source": "s", "data": {"case": "c1"}, "occurred_at": "2026-01-01T00:00:00Z"}
    cloud = {
        "specversion": "1.0", "id": "2", "source": "s", "type": "In", "subject": "c1", "time": "2026-01-01T00:00:00Z",
        "data": {"case": "c1"}, "traceparent": "x",
    }  # fmt: skip
    lines = [json.dumps(short), "", json.dumps(cloud)]
    first, second = read_lines(lines)
    assert (first.id, first.line, first.occurred_at) == ("1", 1, 1_767_225_600_000_000)
    assert (second.id, second.line, second.subject) == ("2", 3, "c1")
    for bad, words in [
        ('{"type": "In"}', "no id"),
        ('{"type": "In", "id": "1", "dta": {}}', "Did you mean data"),
        ("[]", "JSON object"),
        ('{"specversion": "0.3", "id": "1", "type": "In", "source": "s"}', "1.0 is"),
        ('{"type": "In", "id": "1", "occurred_at": "soon"}', "not a time"),
    ]:
        with pytest.raises(Refused, match=f"Line 4: .*{words}"):
            list(read_lines([*lines, bad]))


# --- accepting


def door(store, **options: Any) -> Door:
    return Door(store, clock=ManualClock(START), spawn=Inline(), **options)


def test_the_same_again_is_a_duplicate_and_another_body_a_conflict():
    store = open_sqlite(":memory:")

    async def go() -> None:
        one = door(store)
        first = incoming()
        assert isinstance(await one.submit(first), Accepted)
        later = incoming(now=START + 5)  # sent again later, again without saying when it happened
        assert isinstance(await one.submit(later), Duplicate)
        other = sealed(
            "tiny", "c1", EventBody("In", {"case": "c1", "x": 1}), id="e1", source="s", principal="p", occurred_at=None,
            now=START,
        )  # fmt: skip
        with pytest.raises(Conflict, match="another content"):
            await one.submit(other)
        assert store.backlog() == 1

    asyncio.run(go())
    store.close()


def test_submits_that_come_together_share_commits_and_wake_their_slots():
    store = open_sqlite(":memory:")
    woken: set[int] = set()
    batches: list[int] = []
    real = store.accept

    def counted(batch, *, now):
        batches.append(len(batch))
        return real(batch, now=now)

    store.accept = counted  # type: ignore[method-assign]

    async def go() -> list[Any]:
        one = door(store, accepted=woken.update)
        return await one.submit_all([event(f"c{n}", "e1") for n in range(500)])

    receipts = asyncio.run(go())
    assert len(receipts) == 500
    assert woken == {receipt.slot for receipt in receipts}
    assert len(batches) <= 2
    store.close()


def test_a_backlog_is_refused_with_words_that_help():
    store = open_sqlite(":memory:")

    async def go() -> None:
        one = door(store, admitted=Admitted(inbox_max=3))
        await one.submit_all([event(f"c{n}", "e1") for n in range(3)])
        one._until_look = 0
        with pytest.raises(NotNow, match="Try again in") as refused:
            await one.submit(event("c9", "e1"))
        assert refused.value.code == "backlog"
        assert refused.value.to_data()["retry_after_s"] == 5

    asyncio.run(go())
    store.close()


def test_one_automation_cannot_take_all_the_room():
    store = open_sqlite(":memory:")
    clock = ManualClock(START)

    async def go() -> None:
        one = Door(store, clock=clock, spawn=Inline(), admitted=Admitted(inbox_max=100, inbox_automation_max=3))
        await one.submit_all([event(f"c{n}", "e1") for n in range(3)])
        one._until_look = 0
        with pytest.raises(NotNow, match="messages of tiny wait") as refused:
            await one.submit(event("c9", "e1"))
        assert refused.value.to_data()["retry_after_s"] == 5
        await one.submit(structs.replace(event("d1", "e1"), automation="other"))
        with pytest.raises(NotNow):
            one._offer(event("c9", "e1"))
        assert store.backlog() == 4
        # After the time that was told it is looked at again, and what has been done makes room.
        with store.units(range(store.caps.n_slots), worker="w", now=START) as units:
            for unit in units:
                unit.commit(Writes(now=START, head=unit.head, lsn=unit.lsn,
                                   consumed=[due.arrival for due in unit.messages(9) if due.arrival]))  # fmt: skip
        clock.advance(6_000_000)
        one._until_look = 0
        await one.submit(event("c9", "e1"))

    asyncio.run(go())
    store.close()


def test_a_disk_that_is_nearly_full_takes_nothing_new_and_ends_what_is_under_way(tmp_path):
    store = open_sqlite(tmp_path / "x.db")
    room = store.room()
    assert room is not None and room > 0

    async def go() -> None:
        one = door(store, admitted=Admitted(disk_free_min_bytes=room * 2))
        with pytest.raises(NotNow, match="left on the disk") as refused:
            await one.submit(event("c1", "e1"))
        assert refused.value.code == "disk_low"
        assert refused.value.retry_after_s == 5
        assert store.backlog() == 0
        word = resolve_envelope(
            "tiny", "c1", "1.0", "happened", result=None, comment="", id="r", principal="ann", now=1
        )
        await one.submit(word)
        assert store.backlog() == 1
        await door(store, admitted=Admitted(disk_free_min_bytes=1)).submit(event("c1", "e1"))

    asyncio.run(go())
    store.close()


def test_a_burst_in_memory_is_bounded(monkeypatch):
    store = open_sqlite(":memory:")
    monkeypatch.setattr(limits, "DOOR_WAITING_MAX", 3)

    async def go() -> None:
        one = door(store)
        taken = [one._offer(event(f"c{n}", "e1")) for n in range(3)]
        with pytest.raises(NotNow, match="wait to be written"):
            one._offer(event("c9", "e1"))
        assert len(await asyncio.gather(*taken)) == 3
        await one.submit(event("c9", "e1"))

    asyncio.run(go())
    store.close()


def test_a_store_that_is_full_is_the_senders_to_know_and_keeps_nothing(tmp_path):
    store = open_sqlite(tmp_path / "x.db")
    pages = sum(store.sizes().values()) // 4096
    store.bound(pages)

    async def go() -> None:
        one = door(store)
        big = [sealed("tiny", f"c{n}", EventBody("In", {"x": "y" * 50_000}), id="1", source="s", principal="p",
                      occurred_at=None, now=START) for n in range(20)]  # fmt: skip
        with pytest.raises(StoreFull):
            await one.submit_all(big)
        store.bound(0)
        assert store.backlog() == 0
        assert all(isinstance(receipt, Accepted) for receipt in await one.submit_all(big))

    asyncio.run(go())
    store.close()


def test_a_draining_door_takes_nothing():
    store = open_sqlite(":memory:")

    async def go() -> None:
        one = door(store)
        await one.submit(event("c1", "e1"))
        await one.drain()
        with pytest.raises(NotNow):
            await one.submit(event("c2", "e1"))

    asyncio.run(go())
    store.close()


def test_a_clash_is_a_conflict():
    with pytest.raises(Conflict):
        outcome_of(event("c1", "e1"), Clash(3))
