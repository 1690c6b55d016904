"""Verify: does the store still say what it said, and does what it says follow from what it knew?

    level 1  chain and fold: every entry is canonical, in its place and chained; the heads are the chains' ends; every
             stored record is the fold of its case's entries; commands, reviews and quarantine agree with the records
    level 2  and every decision is judged again from its record, every turn of a budget account is executed again,
             every start has a decision before it that permits it

Level 3 (reducers executed again) is replay's; a report never claims it.

What this can and cannot detect: a changed, moved, inserted or missing entry and a tail cut off from its recorded head
are found by the chain. Whoever can write to the file can compute a new chain; then the fold, the links and the
judgements still have to agree, and an anchor kept outside (`against`) shows it even where they do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from interlock.ledger.anchors import Anchor
from interlock.ledger.findings import Finding, Findings
from interlock.ledger.recorded import Releases
from interlock.ledger.slots import Checks, Walk, walk_slot
from interlock.ledger.standing import look_again, standing
from interlock.ports import Store
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.entry import GENESIS
from interlock.vocabulary.errors import Refused, StoreCorrupt
from interlock.vocabulary.ids import CaseId, slot_of

LEVELS = (1, 2)
CASES_AT_ONCE = 1_000


@dataclass(frozen=True)
class VerifyReport:
    """What was checked and what was found. `ok`: nothing was found. `more`: findings beyond those kept, by code.

    erased_cases, erased_decisions   whose personal data is gone: their chain is intact and what policies read of them
                                     was judged again like any, but what led to it can't be evaluated by anybody
    """

    level: int
    slots: int
    entries: int
    cases: int
    decisions: int
    reevaluated: int
    not_reevaluated: dict[str, int]
    anchored: bool
    findings: tuple[Finding, ...]
    more: dict[str, int] = field(default_factory=dict[str, int])
    erased_cases: int = 0
    erased_decisions: int = 0

    @property
    def ok(self) -> bool:
        return not self.findings

    def to_data(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "level": self.level,
            "slots": self.slots,
            "entries": self.entries,
            "cases": self.cases,
            "decisions": self.decisions,
            "reevaluated": self.reevaluated,
            "not_reevaluated": self.not_reevaluated,
            "reexecuted": None,
            "erased": {"cases": self.erased_cases, "decisions": self.erased_decisions},
            "anchored": self.anchored,
            "findings": [finding.to_data() for finding in self.findings],
            "more": self.more,
        }

    def to_text(self) -> str:
        lines = [f"{self.entries:,} entries of {self.cases:,} cases in {self.slots} slots"]
        kept = self.findings
        lines.append(f"  level 1  chain and fold: {'nothing found' if self.ok else 'see the findings'}")
        if self.level >= 2:
            lines.append(f"  level 2  decisions judged again: {self.reevaluated:,} of {self.decisions:,}")
            lines.extend(f"           not re-evaluated: {n:,} ({why})" for why, n in self.not_reevaluated.items())
        else:
            lines.append("  level 2  decisions: not re-evaluated")
        lines.append("  level 3  reducers: not re-executed")
        if self.erased_cases:
            told = f"{self.erased_cases:,} cases" + (
                f", {self.erased_decisions:,} decisions" if self.level >= 2 else ""
            )
            lines.append(f"  erased   {told}: chain intact, not re-evaluable from their messages")
        lines.append(
            "  anchor   compared"
            if self.anchored
            else "  anchor   none given: a rollback of the whole database would not show"
        )
        if self.ok:
            lines.append("OK")
            return "\n".join(lines)
        lines.append(f"{len(kept) + sum(self.more.values()):,} FINDINGS")
        lines.extend(f"  {finding}" for finding in kept)
        lines.extend(f"  and {n:,} more of {code}" for code, n in self.more.items())
        return "\n".join(lines)


def verify(
    store: Store,
    *,
    level: int = 2,
    against: Anchor | None = None,
    slots: Iterable[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VerifyReport:
    """Check the ledger and everything that must agree with it. Reads only; may run beside writers.

    slots      a part of the store, for several processes at once; what is about no slot is checked only with all
    against    an anchor taken earlier: the chains must pass through its heads
    progress   called with entries done and entries there were at the beginning
    """
    if level not in LEVELS:
        raise Refused(f"There is no level {level}.", code="bad_level", hint="Levels are 1 and 2.")
    findings = Findings()
    whole = slots is None
    chosen = sorted(set(range(store.caps.n_slots) if slots is None else slots))
    heads = store.heads()
    checks = Checks(
        store,
        findings,
        Releases(store) if level >= 2 else None,
        {slot: lsn for slot, (lsn, _) in against.heads.items()} if against else {},
        standing(store),
        _counting(progress, sum(heads.get(slot, (0, GENESIS))[0] for slot in chosen)),
    )
    total, cases, not_judged = Walk(-1), 0, Counter[str]()
    for slot in chosen:
        walk = walk_slot(checks, slot)
        if against:
            _anchored(walk, against, findings)
        total.entries += walk.entries
        total.decisions += walk.decisions
        total.judged += walk.judged
        cases += len(walk.records)
        not_judged.update(walk.not_judged)
        total.erased += walk.erased
        total.erased_decisions += walk.erased_decisions
    if against and against.incarnation not in {life.incarnation for life in store.lives()}:
        findings.add(-1, 0, "anchor", "", "The anchor is of another store: this one was restored or made anew since.")
    suspects = list(checks.standing.suspects)
    if whole:
        suspects.extend(checks.standing.of)
    look_again(store, suspects, findings)
    if whole:
        _unrecorded(store, findings, cases)
    return VerifyReport(
        level,
        len(chosen),
        total.entries,
        cases,
        total.decisions,
        total.judged,
        dict(not_judged),
        against is not None,
        tuple(findings.kept),
        dict(findings.more),
        total.erased,
        total.erased_decisions,
    )


def _counting(progress: Callable[[int, int], None] | None, total: int) -> Callable[[int], None]:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, max(total, done))

    return count


def _anchored(walk: Walk, against: Anchor, findings: Findings) -> None:
    lsn, head = against.heads.get(walk.slot, (0, GENESIS))
    if not lsn:
        return
    if lsn > walk.lsn:
        text = f"The anchor has seen entry {lsn}; the ledger ends at {walk.lsn}: it was put back to an earlier state."
        findings.add(walk.slot, walk.lsn, "anchor", "", text)
    elif walk.heads.get(lsn) != head:
        findings.add(walk.slot, lsn, "anchor", "", f"The anchor has seen another entry {lsn}: history was rewritten.")


def _unrecorded(store: Store, findings: Findings, known: int) -> None:
    """Cases that are stored and have no entry. Counted first: only a difference is worth looking for."""
    after: CaseId | None = None
    suspects: list[CaseRecord] = []
    count = 0
    try:
        while page := store.cases(automation=None, status=None, after=after, limit=CASES_AT_ONCE):
            count += len(page)
            after = page[-1].case
        if count <= known:
            return
        after = None
        while page := store.cases(automation=None, status=None, after=after, limit=CASES_AT_ONCE):
            suspects.extend(record for record in page if not _has_entry(store, record))
            after = page[-1].case
    except StoreCorrupt as error:
        findings.add(-1, 0, "record", "", error.message)
    for record in suspects:
        slot = slot_of(record.case, store.caps.n_slots)
        findings.add(slot, 0, "record", record.case, "It has a stored record and no entry.")


def _has_entry(store: Store, record: CaseRecord) -> bool:
    lsn = store.newest(record.case)
    try:
        entry = store.entry(slot_of(record.case, store.caps.n_slots), lsn) if lsn else None
    except StoreCorrupt:
        return True  # The walk of its slot has reported it.
    return entry is not None and (entry.automation, entry.key) == record.case
