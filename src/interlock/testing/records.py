"""What a store holds, as the independent judge is given it: plain bytes, names and numbers.

The simulation and the real runs hand their stores over by the same function, so both are judged by what is stored and
by nothing that the runtime remembers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from interlock.ports import Store
from interlock.testing.checker.history import CaseName, MessageName
from interlock.vocabulary import canonical
from interlock.vocabulary.case import CaseRecord

JUDGE = "judge"
"""Worker name under which units are opened to look into the inbox. They commit nothing."""

PAGE = 1_000
ALL = 1_000_000


@dataclass(frozen=True)
class Records:
    """Fields as in `checker.History`."""

    ledger: Mapping[int, tuple[tuple[bytes, bytes], ...]]
    heads: Mapping[int, tuple[int, bytes]]
    cases: Mapping[CaseName, bytes]
    quarantined: tuple[MessageName, ...]


def records_of(store: Store, automations: Iterable[str]) -> Records:
    """Everything that is stored of these automations, the budgets' accounts among them if they are named."""
    slots = range(store.caps.n_slots)
    return Records(
        ledger={
            slot: tuple((body, hash_) for _, body, hash_ in store.ledger(slot, after=0, limit=ALL)) for slot in slots
        },
        heads=store.heads(),
        cases={
            (record.automation, record.key): canonical.encode(record)
            for automation in automations
            for record in every_case(store, automation)
        },
        quarantined=tuple(
            (one.case.automation, one.case.key, one.envelope.source, one.envelope.id) for one in store.quarantine()
        ),
    )


def every_case(store: Store, automation: str) -> list[CaseRecord]:
    """All cases of an automation that are not archived."""
    found: list[CaseRecord] = []
    page = store.cases(automation=automation, status=None, after=None, limit=PAGE)
    while page:
        found += page
        page = store.cases(automation=automation, status=None, after=page[-1].case, limit=PAGE)
    return found


def waiting_in(store: Store) -> tuple[MessageName, ...]:
    """What waits in the inbox of any slot and is not held back by a case in quarantine. Nobody may be at work."""
    found: list[MessageName] = []
    for slot in range(store.caps.n_slots):
        with store.units([slot], worker=JUDGE, now=0) as units:
            for due in units[0].messages(ALL):
                message = due.envelope
                if due.arrival is not None:
                    found.append((message.automation, message.key, message.source, message.id))
    return tuple(found)
