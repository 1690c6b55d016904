"""One slot's ledger, walked once from its first entry to its head: chain, canonical bytes, links, fold (level 1), and
with a judge every decision and effect on the way (level 2).

The walk keeps of each case of the slot its folded record and what later entries must agree with; a slot is a 256th of
the store, so memory stays flat. Entries that cannot be read do not stop it: each is one finding, and the walk resumes
behind it.

A writer may be at work meanwhile: the walk ends where the head stood at its beginning, and a case that has moved on
since is compared again after the entries that moved it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from interlock.kernel import fold
from interlock.ledger.delegations import cited, was_recorded
from interlock.ledger.findings import Findings
from interlock.ledger.reading import Plain, beginning
from interlock.ledger.recorded import Recorded, Releases
from interlock.ledger.rejudge import Past, decision_again, effects_again, own_again
from interlock.ledger.standing import Standing
from interlock.ports import Store
from interlock.vocabulary import canonical
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.entry import GENESIS, Entry, chain, citing
from interlock.vocabulary.errors import StoreCorrupt
from interlock.vocabulary.facts import SEMANTICS, Facts
from interlock.vocabulary.ids import OWN, CaseId, slot_of

ENTRIES_AT_ONCE = 512
"""Entries read in one call: some hundred kilobytes."""

MOVES_FOLLOWED_MAX = 5
"""How often a case may move on while it is compared with its record."""


@dataclass
class Walk:
    """A slot's ledger so far.

    head      hash after the last entry; None behind one that could not be read
    records   per case the folded record and the lsn of its newest entry; broken: cases whose fold failed
    heads     hashes at the lsns that `Checks.watched` names
    erased    cases whose personal data is gone; erased_decisions: those made in them
    """

    slot: int
    lsn: int = 0
    head: bytes | None = GENESIS
    at: int = 0
    era: int = 0
    entries: int = 0
    decisions: int = 0
    judged: int = 0
    not_judged: Counter[str] = field(default_factory=Counter[str])
    facts_at: int = 0
    facts: Facts | None = None
    records: dict[CaseId, tuple[Plain, int]] = field(default_factory=dict[CaseId, tuple[Plain, int]])
    broken: set[CaseId] = field(default_factory=set[CaseId])
    past: dict[CaseId, Past] = field(default_factory=dict[CaseId, Past])
    heads: dict[int, bytes] = field(default_factory=dict[int, bytes])
    erased: int = 0
    erased_decisions: int = 0


@dataclass(frozen=True)
class Checks:
    """What all walks of one run share.

    releases   None: level 1
    watched    per slot an lsn whose head is to be kept
    standing   what is stored beside the records
    """

    store: Store
    findings: Findings
    releases: Releases | None
    watched: Mapping[int, int]
    standing: Standing
    progress: Callable[[int], None]


def walk_slot(checks: Checks, slot: int) -> Walk:
    """Check one slot whole, as far as its head stands now."""
    walk = Walk(slot)
    lsn, head = checks.store.heads().get(slot, (0, GENESIS))
    _advance(checks, walk, lsn)
    _head(checks, walk, lsn, head)
    for case in list(walk.records):
        _record(checks, walk, case)
        if walk.records[case][0].get("erased"):
            _erased(checks, walk, case)
    return walk


# --- entries ---------------------------------------------------------------------------------------------------------


def _advance(checks: Checks, walk: Walk, upto: int) -> None:
    """Take in the entries beyond the walk's place up to a number. A writer's newer ones are left for the next run."""
    place = walk.lsn
    while place < upto:
        limit = min(ENTRIES_AT_ONCE, upto - place)
        try:
            batch = checks.store.ledger(walk.slot, after=place, limit=limit)
        except StoreCorrupt:
            place = _one_by_one(checks, walk, place)
            continue
        if not batch:
            return
        for entry, body, stored in batch:
            _entry(checks, walk, entry, body, stored)
        # As many rows as numbers: a row under another number than its bytes say would begin the next batch.
        place = max(place + len(batch), walk.lsn)
        checks.progress(len(batch))


def _one_by_one(checks: Checks, walk: Walk, place: int) -> int:
    """Step over the next entry that cannot be read, taking in those before it. Returns the place behind it."""
    while True:
        try:
            single = checks.store.ledger(walk.slot, after=place, limit=1)
        except StoreCorrupt as error:
            checks.findings.add(walk.slot, place + 1, "unreadable", "", error.message)
            walk.lsn, walk.head = place + 1, None
            return place + 1
        if not single:
            return place
        _entry(checks, walk, *single[0])
        place = max(place + 1, walk.lsn)


def _entry(checks: Checks, walk: Walk, entry: Entry, body: bytes, stored: bytes) -> None:
    lsn, case = walk.lsn + 1, CaseId(entry.automation, entry.key)
    walk.entries += 1

    def wrong(code: str, text: str, about: object = "") -> None:
        checks.findings.add(walk.slot, entry.lsn, code, about or case, text)

    if entry.slot != walk.slot:
        wrong("place", f"Its bytes say slot {entry.slot}, it lies in slot {walk.slot}.")
    if entry.lsn != lsn:
        gone = f"entries {lsn} to {entry.lsn - 1} are missing" if entry.lsn > lsn else "it stands where a later one was"
        wrong("gap", f"Entry {entry.lsn} follows entry {walk.lsn}: {gone}.")
    if entry.era < walk.era:
        wrong("place", f"Its bytes say era {entry.era}, after era {walk.era}.")
    if walk.head is not None and chain(walk.head, body) != stored:
        wrong("chain", "Its hash is not that of the hash before it and its bytes: one of the two was changed.")
    if canonical.encode(entry) != body and canonical.encode(citing(entry)[0]) != body:
        wrong("canonical", "Its bytes are not the canonical ones of what they say.")
    if case not in walk.records and (home := slot_of(case, checks.store.caps.n_slots)) != walk.slot:
        wrong("place", f"Case {case} belongs to slot {home}.")
    walk.lsn, walk.head, walk.era = entry.lsn, stored, entry.era
    if checks.watched.get(walk.slot) == entry.lsn:
        walk.heads[entry.lsn] = stored
    facts = _facts(walk, entry, wrong)
    before, after = _fold(walk, entry, case, wrong)
    if checks.releases is not None:
        _judge(checks, walk, entry, case, facts, before, after, wrong)
    else:
        walk.decisions += len(entry.decisions)


Wrong = Callable[..., None]


def _facts(walk: Walk, entry: Entry, wrong: Wrong) -> Facts | None:
    """The facts that the entry cites: its own, or those of the entry before it that opened the unit."""
    if entry.facts is not None:
        walk.facts, walk.facts_at = entry.facts, entry.lsn
        if entry.facts_at:
            wrong("facts", f"It holds facts and cites those of entry {entry.facts_at} as well.")
    elif walk.facts is None or entry.facts_at != walk.facts_at:
        wrong("facts", f"It cites the facts of entry {entry.facts_at}, which do not open its unit.")
        return None
    facts = walk.facts
    if entry.at != facts.now:
        wrong("facts", f"Its time is {entry.at}, that of its unit's facts {facts.now}.")
    if entry.at < walk.at:
        wrong("facts", "Its time is before that of the entry before it: the clock of a slot never goes back.")
    walk.at = max(walk.at, entry.at)
    return facts


def _fold(walk: Walk, entry: Entry, case: CaseId, wrong: Wrong) -> tuple[Plain, Plain]:
    before, newest = walk.records.get(case, (None, 0))
    if entry.prev != newest:
        wrong("link", f"It follows entry {entry.prev} of its case; the one before it is {newest or 'none'}.")
    start = beginning(entry) if before is None else before
    try:
        after = fold.apply(start, entry.delta)
    except (AttributeError, TypeError, ValueError, KeyError):
        wrong("fold", "Its delta cannot be applied to the record before it.")
        walk.broken.add(case)
        after = start
    version = start.get("version", 0)
    if after.get("version") != entry.version or entry.version != version + 1:
        wrong("fold", f"It is version {entry.version} of its case; the one before it is {version}.")
    if entry.cause is not None and entry.cause.case != case:
        wrong("place", f"Its message is for case {entry.cause.case}.")
    walk.records[case] = (after, entry.lsn)
    return start, after


def _judge(
    checks: Checks,
    walk: Walk,
    entry: Entry,
    case: CaseId,
    facts: Facts | None,
    before: Plain,
    after: Plain,
    wrong: Wrong,
) -> None:
    past = walk.past.setdefault(case, Past())
    past.take(entry)
    walk.decisions += len(entry.decisions)
    release = checks.releases.get(entry.release) if checks.releases and entry.automation not in OWN else None
    why = ""
    if facts is None:
        why = "its facts are missing"
    elif facts.semantics != SEMANTICS:
        why = f"made under version {facts.semantics} of the kernel's semantics; this program has {SEMANTICS}"
    elif entry.decisions and not isinstance(release, Recorded):
        why = release.why if release else "no release"
        wrong("release", why, entry.release)
    if entry.automation in OWN and facts and not why:
        for code, text in own_again(before, entry, facts):
            wrong(code, text)
    delegation = cited(entry)
    if delegation is not None and not was_recorded(checks.store, delegation):
        wrong("delegation", f"{delegation.by} is said to have delegated to {delegation.to}; that is not recorded.")
    for decision in entry.decisions:
        if why or facts is None or not isinstance(release, Recorded):
            walk.not_judged[why] += 1
        else:
            walk.judged += 1
            for code, text in decision_again(decision, entry, facts, release, past):
                wrong(code, text, decision.id)
        past.remember(decision)
    if before.get("effects") or after.get("effects"):
        for code, text in effects_again(before, after, entry, past, release if isinstance(release, Recorded) else None):
            wrong(code, text)


# --- what else the store holds ---------------------------------------------------------------------------------------


def _head(checks: Checks, walk: Walk, lsn: int, head: bytes) -> None:
    """The slot's recorded head is the hash of its last entry, and there is nothing behind it."""
    if walk.lsn < lsn:
        text = f"The slot's head is entry {lsn}; the ledger ends at {walk.lsn}: its tail was cut off."
        checks.findings.add(walk.slot, walk.lsn, "tail", "", text)
    elif walk.lsn == lsn and walk.head is not None and head != walk.head:
        checks.findings.add(walk.slot, lsn, "head", "", "The slot's recorded head is not the hash of its last entry.")
    if _beyond(checks, walk, lsn) and checks.store.heads().get(walk.slot, (0, GENESIS))[0] <= lsn:
        checks.findings.add(
            walk.slot, lsn, "head", "", f"The slot's head is entry {lsn}; the ledger goes on behind it."
        )


def _beyond(checks: Checks, walk: Walk, lsn: int) -> bool:
    try:
        return bool(checks.store.ledger(walk.slot, after=max(lsn, walk.lsn), limit=1)) or walk.lsn > lsn
    except StoreCorrupt:
        return True


def _record(checks: Checks, walk: Walk, case: CaseId) -> None:
    """The stored record equals the fold of the case's entries."""
    if case in walk.broken:
        return

    def wrong(code: str, text: str) -> None:
        checks.findings.add(walk.slot, walk.records[case][1], code, case, text)

    for _ in range(MOVES_FOLLOWED_MAX):
        plain, newest = walk.records[case]
        try:
            expected = fold.record(plain)
        except (msgspec.ValidationError, TypeError) as error:
            wrong("fold", f"The fold of its entries is no case: {error}.")
            return
        try:
            stored = checks.store.case(case)
            linked = checks.store.newest(case)
        except StoreCorrupt as error:
            wrong("record", error.message)
            return
        if stored == expected and linked == newest:
            checks.standing.visit(expected)
            return
        if stored is None or stored.version <= expected.version:
            break
        _advance(checks, walk, checks.store.heads().get(walk.slot, (0, GENESIS))[0])
        if walk.records[case][1] == newest:
            break
    else:
        return
    if stored is None:
        wrong("record", "It has entries and no stored record.")
    elif stored != expected:
        wrong("record", f"Its stored record is not the fold of its entries: {', '.join(_differing(stored, expected))}.")
    else:
        wrong("link", f"Its record names entry {linked} as its newest; that is {newest}.")


def _erased(checks: Checks, walk: Walk, case: CaseId) -> None:
    """The entries of an erased case are chained, folded and judged like any; what is said of it must be true."""
    walk.erased += 1
    if case in walk.past:
        walk.erased_decisions += len(walk.past[case].decisions)
    if any(seal.secret for seal in checks.store.seals(case)):
        text = "The ledger says that its personal data was erased; the key is still there."
        checks.findings.add(walk.slot, walk.records[case][1], "erasure", case, text)


def _differing(stored: CaseRecord, expected: CaseRecord) -> list[str]:
    return [name for name in CaseRecord.__struct_fields__ if getattr(stored, name) != getattr(expected, name)]
