"""Reading one case's records: its entries in order, and its state as of any of them.

A case's entries are found backwards from its newest (`Entry.prev`), which needs no index of random keys. State is the
fold of the deltas: no code of the automation takes part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from interlock.kernel import fold
from interlock.ports import Store
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.errors import NotFound, Refused, StoreCorrupt
from interlock.vocabulary.ids import CaseId, slot_of

Plain = dict[str, Any]


def slot_in(store: Store, case: CaseId) -> int:
    return slot_of(case, store.caps.n_slots)


def backwards(store: Store, case: CaseId) -> Iterator[Entry]:
    """A case's entries, newest first. NotFound if it has none, StoreCorrupt if the walk meets damage."""
    slot, lsn = slot_in(store, case), store.newest(case)
    if not lsn:
        raise NotFound(f"There is no case {case}.", hint="`interlock cases` lists them.")
    while lsn:
        entry = store.entry(slot, lsn)
        if entry is None or (entry.automation, entry.key) != case or entry.prev >= lsn:
            raise StoreCorrupt(
                f"The entries of case {case} are damaged at slot {slot}, lsn {lsn}.",
                hint="`interlock verify` says what is missing.",
            )
        yield entry
        lsn = entry.prev


def entries_of(store: Store, case: CaseId) -> list[Entry]:
    """A case's entries, oldest first."""
    found = list(backwards(store, case))
    found.reverse()
    return found


def beginning(entry: Entry) -> Plain:
    """The record that a case's first delta is applied to: a case nobody has heard of, under the release that heard."""
    return {"automation": entry.automation, "key": entry.key, "release": entry.release}


def folded(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Plain]]:
    """Each entry with the record after it, as plain data."""
    plain: Plain | None = None
    for entry in entries:
        plain = fold.apply(beginning(entry) if plain is None else plain, entry.delta)
        yield entry, plain


def case_named(text: str) -> CaseId:
    """The case that `automation/key` names. Keys may hold slashes. Raises Refused."""
    automation, _, key = text.partition("/")
    if not automation or not key:
        raise Refused(f"{text!r} names no case.", code="bad_id", hint="Cases read automation/key, e.g. cheques/c1.")
    return CaseId(automation, key)
