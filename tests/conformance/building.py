"""Messages, records and turns for tests of a store: what a runtime would hand over, with nothing decided in it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from interlock.ports import Due, Unit, Writes
from interlock.vocabulary import canonical
from interlock.vocabulary.action import Command
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.entry import Entry, chain
from interlock.vocabulary.events import Envelope, EventBody
from interlock.vocabulary.ids import CaseId, slot_of
from interlock.vocabulary.review import Review
from interlock.vocabulary.task import Task
from interlock.vocabulary.verdict import Group
from tests.conformance.stores import N_SLOTS

AUTOMATION = "cheques"


def in_slot(slot: int, ordinal: int = 0) -> CaseId:
    """The ordinal-th case, by name, that lies in a slot."""
    found = -1
    for number in range(10_000):
        case = CaseId(AUTOMATION, f"c{number}")
        found += slot_of(case, N_SLOTS) == slot
        if found == ordinal:
            return case
    raise AssertionError(f"no such case in slot {slot}")


CASE = in_slot(1)
NEIGHBOUR = in_slot(1, 1)
ELSEWHERE = in_slot(2)
SLOT = 1
BESIDE = 5
"""A slot that every store commits in one transaction with SLOT if it is asked to; ELSEWHERE may be in another cell."""


def event(case: CaseId = CASE, id: str = "e1", *, source: str = "bank", **changes: Any) -> Envelope:
    fields: dict[str, Any] = {
        "principal": "scanner",
        "occurred_at": 5,
        "received_at": 6,
        "body": EventBody("presented", {"amount": "12.00"}),
    }
    return Envelope(case.automation, case.key, id, source, **fields | changes)


def internal(case: CaseId, id: str) -> Envelope:
    return event(case, id, source="interlock.budget", principal="interlock")


def record(case: CaseId = CASE, version: int = 1, status: str = "open", **fields: Any) -> CaseRecord:
    return CaseRecord(case.automation, case.key, version, True, status, **fields)


def command(
    id: str = "1.0", case: CaseId = CASE, *, dependency: str = "advisor:svm", due: int = 0, **fields: Any
) -> Command:
    return Command(f"{case}/{id}", case.automation, case.key, "ask", dependency, due, **fields)


def review(id: str = "1.0", *groups: str, expires_at: int = 1_000) -> Review:
    asked = tuple(Group(name) for name in groups or ("tellers",))
    return Review(id, "cheques/c/1.0", "pay", {}, "digest", asked, {}, "seen", 1, expires_at)


def task(id: str = "1.0", group: str = "operations", *, opened_at: int = 1_000) -> Task:
    return Task(id, "doubt", id, group, opened_at, "nobody could say")


def turn(
    unit: Unit,
    *records: CaseRecord,
    before: int | None = None,
    consumed: Sequence[Due] = (),
    **writes: Any,
) -> Writes:
    """Writes with one chained entry per record. Every record had the version `before`; None: the cases are new."""
    lsn, head = unit.lsn, unit.head
    made = Writes(now=unit.now, consumed=[due.arrival for due in consumed if due.arrival is not None], **writes)
    for after in records:
        lsn += 1
        entry = Entry(unit.slot, unit.era, lsn, unit.now, after.automation, after.key, after.version, "turn")
        body = canonical.encode(entry)
        head = chain(head, body)
        made.entries.append((entry, body, head))
        made.cases.append((after, before, lsn))
    made.lsn, made.head = lsn, head
    return made


def one_unit(
    store: Any, *records: CaseRecord, slot: int = SLOT, now: int = 10, worker: str = "w", **options: Any
) -> Any:
    """Open a unit, commit one turn in it, and return the units for what they say afterwards.

    A slot that somebody else holds is come back to.
    """
    relay = options.pop("relay", True)
    while True:
        with store.units([slot], worker=worker, now=now, relay=relay) as units:
            if units:
                units[0].commit(turn(units[0], *records, **options))
        if units:
            return units


def look(store: Any, slot: int = SLOT, *, now: int = 10, worker: str = "w") -> list[Due]:
    """What a unit would be given to consume, without consuming it."""
    with store.units([slot], worker=worker, now=now) as units:
        return units[0].messages(100)


def free(
    store: Any, slot: int = SLOT, *, now: int = 10, full: frozenset[str] = frozenset(), limit: int = 100
) -> list[Any]:
    """Which commands a unit would be offered, without taking any."""
    with store.units([slot], worker="w", now=now) as units:
        return units[0].commands(now=now, full=full, limit=limit)


def ids(dues: Sequence[Due]) -> list[str]:
    return [due.envelope.id for due in dues]


def everything(store: Any) -> dict[str, Any]:
    """All that a store says of itself, to compare before and after."""
    heads = store.heads()
    return {
        "heads": heads,
        "ledger": {slot: store.ledger(slot, after=0, limit=1_000) for slot in heads},
        "cases": store.cases(automation=None, status=None, after=None, limit=1_000),
        "commands": store.open_commands(),
        "reviews": store.open_reviews(automation=None, group=None, limit=1_000),
        "tasks": store.open_tasks(automation=None, group=None, limit=1_000),
        "quarantine": store.quarantine(),
        "control": store.control(),
        "releases": store.releases(),
        "ready": [store.ready(now=now) for now in (7_000, 10**15)],
        "payload": store.payload(hashlib.sha256(b"scan").hexdigest()),
        "inboxes": {slot: look(store, slot, now=10**9) for slot in heads},
    }
