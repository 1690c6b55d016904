"""Stored bytes to a story that can be judged: entries in order, each with its case before and after.

Folding is done here once more, from the description of a patch alone: `+` keys set, `-` keys gone, `~` mappings changed
inside. Chain and numbering are judged on the way, because a ledger that fails them is not worth reading on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from interlock.testing.checker.history import CaseName, History, MessageName, Violation

Plain = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One ledger entry with the facts it cites and the record of its case around it."""

    slot: int
    lsn: int
    at: int
    case: CaseName
    version: int
    kind: str
    cause: Plain
    decisions: list[Plain]
    facts: Plain
    before: Plain
    after: Plain

    @property
    def place(self) -> str:
        return f"slot {self.slot} lsn {self.lsn}"

    @property
    def message(self) -> MessageName:
        cause = self.cause
        return (cause["automation"], cause["key"], cause["source"], cause["id"])


@dataclass
class Story:
    """All lines in order per slot, the folded records, and what was found wrong while reading."""

    lines: list[Line] = field(default_factory=list[Line])
    records: dict[CaseName, Plain] = field(default_factory=dict[CaseName, Plain])
    slots: dict[CaseName, int] = field(default_factory=dict[CaseName, int])
    violations: list[Violation] = field(default_factory=list[Violation])

    def of(self, case: CaseName) -> list[Line]:
        return [line for line in self.lines if line.case == case]


def read(history: History) -> Story:
    """Chain (8), numbering (11) and cited facts (3) judged; entries parsed and cases folded."""
    story = Story()
    for slot, rows in sorted(history.ledger.items()):
        _chain(story, slot, rows, history.heads.get(slot))
        _lines(story, slot, rows)
    return story


def _chain(story: Story, slot: int, rows: tuple[tuple[bytes, bytes], ...], known: tuple[int, bytes] | None) -> None:
    head = bytes(32)
    for number, (body, stored) in enumerate(rows, 1):
        head = hashlib.sha256(head + body).digest()
        if head != stored:
            story.violations.append(
                Violation(8, "an entry does not continue the chain of hashes", (f"slot {slot} lsn {number}",))
            )
            head = stored
    if known is not None and known != (len(rows), head):
        what = f"the slot knows {known[0]} entries as its newest, the ledger has {len(rows)}, or their hashes differ"
        story.violations.append(Violation(8, what, (f"slot {slot}",)))


def _lines(story: Story, slot: int, rows: tuple[tuple[bytes, bytes], ...]) -> None:
    facts: dict[int, Plain] = {}
    newest: dict[CaseName, int] = {}
    now = 0
    for number, (body, _) in enumerate(rows, 1):
        place = (f"slot {slot} lsn {number}",)
        try:
            entry: Plain = json.loads(body)
        except ValueError as error:
            story.violations.append(Violation(8, f"an entry cannot be read: {error}", place))
            return
        if entry["lsn"] != number or entry["slot"] != slot:
            what = f"an entry says it is slot {entry['slot']} lsn {entry['lsn']}"
            story.violations.append(Violation(8, what, place))
        if entry.get("facts"):
            facts[number] = entry["facts"]
        cited = facts.get(number if entry.get("facts") else entry.get("facts_at", 0))
        if cited is None:
            story.violations.append(Violation(3, "an entry cites facts that are not in the ledger before it", place))
            cited = {"now": entry["at"]}
        if cited["now"] != entry["at"] or entry["at"] < now:
            story.violations.append(
                Violation(11, "time runs backwards within a slot, or differs from its facts", place)
            )
        now = entry["at"]
        case: CaseName = (entry["automation"], entry["key"])
        if story.slots.setdefault(case, slot) != slot:
            story.violations.append(Violation(11, "a case is written in two slots", (*place, "/".join(case))))
        if entry.get("prev", 0) != newest.get(case, 0):
            story.violations.append(Violation(8, "an entry does not point to the case's entry before it", place))
        newest[case] = number
        before = story.records.get(case, {"automation": case[0], "key": case[1]})
        if entry["version"] != before.get("version", 0) + 1:
            what = f"version {entry['version']} follows version {before.get('version', 0)}"
            story.violations.append(Violation(11, what, (*place, "/".join(case))))
        after = folded(before, entry.get("delta", {}))
        story.records[case] = after
        story.lines.append(
            Line(
                slot=slot,
                lsn=number,
                at=entry["at"],
                case=case,
                version=entry["version"],
                kind=entry["kind"],
                cause=entry.get("cause") or {},
                decisions=entry.get("decisions", []),
                facts=cited,
                before=before,
                after=after,
            )
        )


def folded(plain: Plain, patch: Plain) -> Plain:
    """The mapping after a patch."""
    after = {key: value for key, value in plain.items() if key not in patch.get("-", ())}
    after.update(patch.get("+", {}))
    for key, inner in patch.get("~", {}).items():
        after[key] = folded(after.get(key) or {}, inner)
    return after


def same(folded_record: Plain, stored: Plain) -> list[str]:
    """Fields in which two records differ. A field that has its empty value may be written or left out."""
    names = sorted(folded_record.keys() | stored.keys())
    return [name for name in names if (folded_record.get(name) or None) != (stored.get(name) or None)]
