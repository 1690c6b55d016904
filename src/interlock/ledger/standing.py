"""What stands open beside the records (commands, reviews, quarantine) agrees with them, both ways.

A command without its effect or question would act without a decision; an effect without its command would never run; a
review or task missing from the list would never be found by the person it waits for; an effect in doubt that nobody
probes and nobody is asked about would stay so for ever.

Rows and records are read at different moments, so a difference is looked at again, record before and after, before it
is called one: a writer may be at work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from interlock.kernel.poison import quarantine_id
from interlock.ledger.findings import Findings
from interlock.ports import Store
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.errors import StoreCorrupt
from interlock.vocabulary.ids import CaseId, full_id, slot_of
from interlock.vocabulary.review import Review
from interlock.vocabulary.task import Task

REVIEWS_MAX = 2**31
"""All of them."""

LOOKS_MAX = 5
"""Looks at a case that keeps changing."""

TASKS_MAX = 2**31
"""All of them."""

MUST_HAVE_COMMAND = frozenset({"pending", "held", "started", "retrying"})


@dataclass
class Open:
    """What is stored about one case."""

    commands: set[str] = field(default_factory=set[str])
    reviews: dict[str, Review] = field(default_factory=dict[str, Review])
    tasks: dict[str, Task] = field(default_factory=dict[str, Task])
    blocked: set[str] = field(default_factory=set[str])


@dataclass
class Standing:
    """Everything that stands open in the store, by case. Cases are visited once each; what is left was nobody's."""

    of: defaultdict[CaseId, Open]
    suspects: list[CaseId] = field(default_factory=list[CaseId])

    def visit(self, record: CaseRecord) -> None:
        """Compare one case; a difference makes it a suspect."""
        if differences(record, self.of.pop(record.case, None) or Open()):
            self.suspects.append(record.case)


def standing(store: Store) -> Standing:
    """Read what stands open."""
    of: defaultdict[CaseId, Open] = defaultdict(Open)
    for lease in store.open_commands():
        of[CaseId(lease.command.automation, lease.command.key)].commands.add(lease.command.id)
    for case, review in store.open_reviews(automation=None, group=None, limit=REVIEWS_MAX):
        of[case].reviews[review.id] = review
    for case, task in store.open_tasks(automation=None, group=None, limit=TASKS_MAX):
        of[case].tasks[task.id] = task
    for one in store.quarantine():
        if one.blocks:
            of[one.case].blocked.add(quarantine_id(one.envelope))
    return Standing(of)


def differences(record: CaseRecord, found: Open) -> list[tuple[str, str]]:
    """Code and text of everything in which the record and what is stored beside it differ."""
    must: set[str] = set()
    for effect in record.effects.values():
        name = full_id(record.case, effect.id)
        if effect.status in MUST_HAVE_COMMAND:
            must.add(name)
        elif effect.status == "in_doubt" and effect.id not in record.tasks:
            must.add(name)  # Nobody would ever find out.
    for question in record.questions.values():
        # One that waits for its budget is not asked yet.
        open_ones = [a for a in question.asked.values() if a.outcome is None and all(r.granted for r in a.reservations)]
        must.update(full_id(record.case, one.command) for one in open_ones)
    wrong = [("command", f"Command {one} is missing.") for one in sorted(must - found.commands)]
    wrong += [("command", f"Command {one} belongs to nothing in the case.") for one in sorted(found.commands - must)]
    for name in sorted(record.reviews.keys() | found.reviews.keys()):
        mine, stored = record.reviews.get(name), found.reviews.get(name)
        if stored is None:
            wrong.append(("review", f"Review {name} is missing from the list."))
        elif mine is None:
            wrong.append(("review", f"Review {name} is in the list and not open in the case."))
        elif mine != stored:
            wrong.append(("review", f"Review {name} in the list is not the one in the case."))
    for name in sorted(record.tasks.keys() | found.tasks.keys()):
        if record.tasks.get(name) != found.tasks.get(name):
            wrong.append(("task", f"Task {name} in the list is not the one in the case."))
    if record.blocked and record.blocked not in found.blocked:
        wrong.append(("quarantine", f"The case waits for message {record.blocked}, which is not in quarantine."))
    for name in sorted(found.blocked - {record.blocked}):
        wrong.append(("quarantine", f"Message {name} in quarantine should hold the case up and does not."))
    return wrong


def look_again(store: Store, suspects: Iterable[CaseId], findings: Findings) -> None:
    """Report the suspects that still differ while their record stands still."""
    left = list(dict.fromkeys(suspects))
    for _ in range(LOOKS_MAX):
        if not left:
            return
        before = {case: _version(store, case) for case in left}
        found = standing(store).of
        moving: list[CaseId] = []
        for case in left:
            try:
                record = store.case(case)
            except StoreCorrupt:
                continue  # The walk of its slot has reported it.
            if (record.version if record else None) != before[case]:
                moving.append(case)
                continue
            known = record or CaseRecord(case.automation, case.key)
            for code, text in differences(known, found.get(case) or Open()):
                findings.add(slot_of(case, store.caps.n_slots), 0, code, case, text)
        left = moving


def _version(store: Store, case: CaseId) -> int | None:
    try:
        record = store.case(case)
    except StoreCorrupt:
        return None
    return record.version if record else None
