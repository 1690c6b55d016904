"""What the interlock recorded of the demonstration, read from its ledger and its cases as anybody could."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from interlock.ports import Store
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.review import Review

PAGE = 500


@dataclass
class Recorded:
    """Everything of one automation, by case key. `decisions` are in the order in which they were made."""

    cases: dict[str, CaseRecord] = field(default_factory=dict[str, CaseRecord])
    decisions: dict[str, list[Decision]] = field(default_factory=lambda: defaultdict[str, list[Decision]](list))
    reviews: list[tuple[CaseId, Review]] = field(default_factory=list[tuple[CaseId, Review]])
    quarantined: list[str] = field(default_factory=list[str])
    entries: int = 0

    def decision(self, name: str) -> Decision | None:
        """The decision of this id."""
        key = name.split("/", 1)[1].rpartition("/")[0] if "/" in name else ""
        return next((decision for decision in self.decisions.get(key, ()) if decision.id == name), None)


def read_record(store: Store, automation: str) -> Recorded:
    """Read the ledger, all cases, open reviews and what is in quarantine."""
    recorded = Recorded()
    for slot in sorted(store.heads()):
        after = 0
        while page := store.ledger(slot, after=after, limit=PAGE):
            for entry, _, _ in page:
                if entry.automation == automation:
                    recorded.entries += 1
                    recorded.decisions[entry.key].extend(entry.decisions)
            after = page[-1][0].lsn
    newest: CaseId | None = None
    while page := store.cases(automation=automation, status=None, after=newest, limit=PAGE):
        recorded.cases.update((record.key, record) for record in page)
        newest = page[-1].case
    recorded.reviews = store.open_reviews(automation=automation, group=None, limit=1_000_000)
    recorded.quarantined = [str(one.case) for one in store.quarantine() if one.case.automation == automation]
    return recorded
