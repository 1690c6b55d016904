"""Whether a delegation that a verdict cites was ever recorded as it says.

The door puts a delegation's terms into the verdict, because cases do not read each other. Here both records are at
hand, so a door that made one up is found.
"""

from __future__ import annotations

from interlock.kernel.fold import record
from interlock.kernel.people import delegations_of
from interlock.ledger.reading import entries_of, folded
from interlock.ports import Store
from interlock.vocabulary.delegation import Delegation
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.errors import NotFound
from interlock.vocabulary.events import HandlingBody, VerdictBody
from interlock.vocabulary.ids import PEOPLE, CaseId


def cited(entry: Entry) -> Delegation | None:
    """The delegation under which the entry's message was sent."""
    body = entry.cause.body if entry.cause else None
    return body.delegation if isinstance(body, VerdictBody | HandlingBody) else None


def was_recorded(store: Store, delegation: Delegation) -> bool:
    """Whether the person who is said to have given it did, with these terms."""
    try:
        entries = entries_of(store, CaseId(PEOPLE, delegation.by))
    except NotFound:
        return False
    return any(delegation in delegations_of(record(after)) for _, after in folded(entries))
