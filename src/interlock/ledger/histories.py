"""History: everything that happened to one case, in order, and what the case was at any moment of it.

Works for the interlock's own cases as for any: a budget account (automation `interlock.budgets`, its key the account's
name), and who decides for a person (`interlock.people`, the person's name).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec import to_builtins

from interlock.kernel import fold
from interlock.ledger import changes, words
from interlock.ledger.reading import Plain, entries_of, folded, slot_in
from interlock.ports import Store
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.errors import NotFound
from interlock.vocabulary.ids import CaseId


@dataclass(frozen=True)
class Moment:
    """One entry of the case: what came in (`line`), what that led to (`then`), and the status after it."""

    entry: Entry
    line: str
    then: tuple[str, ...]
    status: str

    @property
    def lsn(self) -> int:
        return self.entry.lsn

    def to_data(self) -> dict[str, Any]:
        entry = self.entry
        return {
            "lsn": entry.lsn,
            "version": entry.version,
            "at": words.iso(entry.at),
            "kind": entry.kind,
            "late": entry.late,
            "release": entry.release,
            "what": self.line,
            "then": list(self.then),
            "status": self.status,
            "decisions": [decision.id for decision in entry.decisions],
            "entry": to_builtins(entry),
        }


@dataclass(frozen=True)
class History:
    """A case up to a moment: `record` is its state then; `newest` says whether that is its state now."""

    case: CaseId
    slot: int
    moments: tuple[Moment, ...]
    record: CaseRecord
    newest: bool

    def to_data(self) -> dict[str, Any]:
        return {
            "case": str(self.case),
            "slot": self.slot,
            "newest": self.newest,
            "moments": [moment.to_data() for moment in self.moments],
            "record": to_builtins(self.record),
        }

    def to_text(self) -> str:
        lines = [f"Case {self.case} (slot {self.slot})", ""]
        for moment in self.moments:
            late = "  LATE: it happened before something already applied" if moment.entry.late else ""
            lines.append(f"{moment.entry.version:>4}  {words.moment(moment.entry.at)}  {moment.line}{late}")
            lines.extend(f"      {text}" for text in moment.then)
        record = self.record
        when = "now" if self.newest else f"after entry {self.moments[-1].entry.version}, not as it is now"
        lines += ["", f"State {when}: {record.status or 'not opened'}"]
        lines.extend(f"      {name}: {words.value(one)}" for name, one in record.state.items() if name != "status")
        for effect in record.effects.values():
            lines.append(f"      {words.action(effect.action, effect.args)} is {effect.status} ({effect.decision})")
        for review in record.reviews.values():
            lines.append(
                f"      review {self.case}/{review.id}: {review.about} waits for {words.groups(review.groups)}"
            )
        for question in record.questions.values():
            out = [name for name, asked in question.asked.items() if asked.outcome is None]
            lines.append(f"      question {question.type} is open, asked: {', '.join(out)}")
        for name, timer in record.timers.items():
            lines.append(f"      timer {name} is due {words.moment(timer.due)}")
        lines.extend(f"      ! {flag}" for flag in record.flags)
        if record.blocked:
            lines.append(f"      blocked by message {record.blocked} in quarantine")
        return "\n".join(lines)


def history(store: Store, case: CaseId, *, at: int | None = None, version: int | None = None) -> History:
    """A case's entries, oldest first, up to and including microsecond `at` or `version`, and its state as of the last.

    NotFound for a case that nobody has heard of, or had heard of by then.
    """
    entries = entries_of(store, case)
    kept = [
        entry for entry in entries if (at is None or entry.at <= at) and (version is None or entry.version <= version)
    ]
    if not kept:
        when = f"by {words.moment(at)}" if at is not None else f"at version {version}"
        raise NotFound(
            f"Nothing was known of case {case} {when}.", hint=f"Its first entry is of {words.moment(entries[0].at)}."
        )
    moments: list[Moment] = []
    plain: Plain = {}
    for entry, after in folded(kept):
        moments.append(moment_of(entry, plain, after))
        plain = after
    return History(case, slot_in(store, case), tuple(moments), fold.record(plain), len(kept) == len(entries))


def moment_of(entry: Entry, before: Plain, after: Plain) -> Moment:
    """One entry in words. The records before and after it name the actions that a message names by command only."""
    effects = {**before.get("effects", {}), **after.get("effects", {})}
    reviews = {**before.get("reviews", {}), **after.get("reviews", {})}

    def named(command: str) -> str:
        known = effects.get(command) or reviews.get(command)
        return f"{known['action'] or 'question ' + known['question']} ({command})" if known else command

    line = words.message(entry.cause, named) if entry.cause else entry.kind
    if entry.kind == "quarantined":
        line = f"QUARANTINED: {line}"
    elif entry.kind == "released":
        line = f"out of quarantine: {line}"
    then = [f"asked {question}" for question in entry.asked]
    then += [f"{decision.id}: {words.decided(decision)}" for decision in entry.decisions]
    then += list(entry.notes)
    for name, patch in changes.effects(entry.delta).items():
        if changes.value_of(patch, "status") == "started":
            then.append(f"{named(name)} started, attempt {effects[name].get('attempt', 0)}")
    for name, how in changes.settled(entry.delta).items():
        then.append(f"{named(name)} {_ENDED[how]}")
    old, new = before.get("status", ""), after.get("status", "")
    if old != new:
        then.append(f"status {old or 'none'} -> {new}")
    known_flags = before.get("flags", ())
    then += [f"! {flag}" for flag in after.get("flags", ()) if flag not in known_flags]
    return Moment(entry, line, tuple(then), new)


_ENDED = {
    "happened": "is settled: it took effect",
    "not_happened": "is settled: it did not take effect",
    "withdrawn": "was withdrawn before its start",
}
