"""The ledger as lines: one entry, one line, newest last; and where a reader stands, to go on from there.

Entries of several slots are put in order of their time; within a slot the order is the ledger's own.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import to_builtins

from interlock.ledger import changes, words
from interlock.ledger.reading import backwards, slot_in
from interlock.ports import Store
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.ids import CaseId

READ_AT_ONCE = 256
"""Entries of one slot read in one call."""


@dataclass(frozen=True)
class Line:
    """One entry with its line of words."""

    slot: int
    lsn: int
    entry: Entry
    text: str

    def to_data(self) -> dict[str, Any]:
        return {"slot": self.slot, "lsn": self.lsn, "text": self.text, "entry": to_builtins(self.entry)}


def cursor(store: Store) -> dict[int, int]:
    """Where the ledger ends now, per slot that has entries."""
    return {slot: lsn for slot, (lsn, _) in store.heads().items() if lsn}


def advance(after: Mapping[int, int], lines: Iterable[Line]) -> dict[int, int]:
    """The place behind these lines."""
    place = dict(after)
    for line in lines:
        place[line.slot] = max(place.get(line.slot, 0), line.lsn)
    return place


def tail(
    store: Store,
    *,
    after: Mapping[int, int] | None = None,
    limit: int = 50,
    automation: str | None = None,
    case: CaseId | None = None,
) -> list[Line]:
    """Without `after` the newest lines, else the first ones behind that place; at most `limit`, in order of time.

    A place behind which nothing matched does not move: take `cursor` before the call where that matters.
    """
    if case is not None:
        return _of_case(store, case, after, limit)
    heads = cursor(store)

    def wanted(entry: Entry) -> bool:
        return automation is None or entry.automation == automation

    found: list[Entry] = []
    for slot, head in heads.items():
        if after is None:
            found.extend(_newest_of(store, slot, head, limit, wanted))
        else:
            found.extend(_first_of(store, slot, after.get(slot, 0), head, limit, wanted))
    pick = heapq.nlargest if after is None else heapq.nsmallest
    chosen = pick(limit, found, key=_order)
    return [_line(entry) for entry in sorted(chosen, key=_order)]


def _order(entry: Entry) -> tuple[int, int, int]:
    return (entry.at, entry.slot, entry.lsn)


def _line(entry: Entry) -> Line:
    return Line(entry.slot, entry.lsn, entry, one_line(entry))


def _of_case(store: Store, case: CaseId, after: Mapping[int, int] | None, limit: int) -> list[Line]:
    place = 0 if after is None else after.get(slot_in(store, case), 0)
    found: list[Entry] = []
    for entry in backwards(store, case):
        if entry.lsn <= place or (after is None and len(found) >= limit):
            break
        found.append(entry)
    found.reverse()
    return [_line(entry) for entry in found[:limit]]


def _newest_of(store: Store, slot: int, head: int, limit: int, wanted: Any) -> list[Entry]:
    found: list[Entry] = []
    end = head
    while end > 0 and len(found) < limit:
        start = max(0, end - max(limit, 1))
        batch = [entry for entry, _, _ in store.ledger(slot, after=start, limit=end - start) if wanted(entry)]
        found = batch + found
        end = start
    return found[-limit:]


def _first_of(store: Store, slot: int, place: int, head: int, limit: int, wanted: Any) -> list[Entry]:
    found: list[Entry] = []
    while place < head and len(found) < limit:
        batch = store.ledger(slot, after=place, limit=READ_AT_ONCE)
        if not batch:
            break
        found.extend(entry for entry, _, _ in batch if wanted(entry))
        place = batch[-1][0].lsn
    return found[:limit]


def one_line(entry: Entry) -> str:
    """When, which case, what came in, and what it led to."""
    effects = {name: patch.get("+", {}) for name, patch in changes.effects(entry.delta).items()}

    def named(command: str) -> str:
        action = effects.get(command, {}).get("action")
        return f"{action} ({command})" if action else command

    what = words.message(entry.cause, named) if entry.cause else entry.kind
    if entry.kind == "quarantined":
        what = f"QUARANTINED {what}: {'; '.join(entry.notes)}"
    elif entry.kind == "released":
        what = f"out of quarantine, {'; '.join(entry.notes)}: {what}"
    then = [f"asked {question}" for question in entry.asked]
    then += [words.decided(decision) for decision in entry.decisions]
    stages = {"started": "started", "in_doubt": "is in doubt", "held": "is held"}
    then += [f"{named(name)} {stages[one['status']]}" for name, one in effects.items() if one.get("status") in stages]
    then += [f"{action} took effect" for action in changes.took_effect(entry.delta)]
    status = changes.value_of(entry.delta, "status")
    if status:
        then.append(f"now {status}")
    late = " LATE" if entry.late else ""
    led_to = f" -> {'; '.join(then)}" if then else ""
    return f"{words.moment(entry.at)} {entry.automation}/{entry.key} #{entry.version}{late} {what}{led_to}"
