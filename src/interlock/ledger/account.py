"""What a report counts, and its two forms: data for programs, text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from interlock.ledger import words

Way = Literal["people", "certificate", "rules"]

WAYS: dict[Way, str] = {
    "certificate": "without a person, under a certificate",
    "rules": "without a person, by rules alone (reversible)",
    "people": "approved or asked for by people",
}


@dataclass
class ActionAccount:
    """One action's effects. `done` by who let them run; `amounts`: sums of its decimal arguments, by argument and
    way.
    """

    done: Counter[Way] = field(default_factory=Counter[Way])
    failed: int = 0
    withdrawn: int = 0
    doubts: int = 0
    held: int = 0
    amounts: dict[tuple[str, Way], Decimal] = field(default_factory=dict[tuple[str, Way], Decimal])

    def to_data(self) -> dict[str, Any]:
        amounts: dict[str, dict[str, str]] = {}
        for (argument, way), amount in sorted(self.amounts.items()):
            amounts.setdefault(argument, {})[way] = str(amount)
        return {
            "done": {way: self.done[way] for way in WAYS},
            "failed": self.failed,
            "withdrawn": self.withdrawn,
            "doubts": self.doubts,
            "held": self.held,
            "amounts": amounts,
        }


@dataclass(frozen=True)
class Correction:
    """A fact that was older than a decision of its case and came after it."""

    decision: str
    fact: str
    occurred_at: int
    decided_at: int
    known_at: int

    def to_data(self) -> dict[str, Any]:
        return {
            "decision": self.decision,
            "fact": self.fact,
            "occurred_at": words.iso(self.occurred_at),
            "decided_at": words.iso(self.decided_at),
            "known_at": words.iso(self.known_at),
        }


@dataclass
class Report:
    """Counts of one stretch of time. Examples (`flagged`, `set_aside`, `corrections`) are the first ones met.

    verdicts       people's, by what they did; verdicts_void: those that did not count (late, not asked, own request)
    corrected      facts that came after a decision that they are older than; they are no part of the other counts
    budgets        per account: what was charged, and how often it had no room
    pauses         per scope: when it was first and last seen in force
    """

    since: int
    until: int | None
    automation: str | None
    entries: int = 0
    events: Counter[str] = field(default_factory=Counter[str])
    calls: Counter[str] = field(default_factory=Counter[str])
    timers: Counter[str] = field(default_factory=Counter[str])
    late: int = 0
    cases_opened: int = 0
    cases_finished: int = 0
    reached: Counter[str] = field(default_factory=Counter[str])
    answers: Counter[str] = field(default_factory=Counter[str])
    silences: Counter[str] = field(default_factory=Counter[str])
    stale: int = 0
    decisions: int = 0
    verdicts_by_action: Counter[str] = field(default_factory=Counter[str])
    decided_by: Counter[str] = field(default_factory=Counter[str])
    escalations: Counter[str] = field(default_factory=Counter[str])
    actions: dict[str, ActionAccount] = field(default_factory=dict[str, ActionAccount])
    doubts_open: int = 0
    verdicts: Counter[str] = field(default_factory=Counter[str])
    verdicts_void: int = 0
    reviewers: Counter[str] = field(default_factory=Counter[str])
    reviews_expired: int = 0
    reviews_waiting: int | None = None
    budgets: dict[str, tuple[Decimal, int]] = field(default_factory=dict[str, tuple[Decimal, int]])
    flags: int = 0
    flagged: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    quarantined: int = 0
    released: int = 0
    set_aside: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    pauses: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    releases: Counter[str] = field(default_factory=Counter[str])
    corrected: int = 0
    corrections: list[Correction] = field(default_factory=list[Correction])

    def to_data(self) -> dict[str, Any]:
        return {
            "since": words.iso(self.since),
            "until": None if self.until is None else words.iso(self.until),
            "automation": self.automation,
            "entries": self.entries,
            "events": _ranked(self.events),
            "calls": _ranked(self.calls),
            "timers": _ranked(self.timers),
            "late": self.late,
            "cases": {
                "opened": self.cases_opened,
                "finished": self.cases_finished,
                "reached": _ranked(self.reached),
            },
            "advice": {
                "answers": _ranked(self.answers),
                "silences": _ranked(self.silences),
                "stale": self.stale,
            },
            "decisions": {
                "total": self.decisions,
                "by_action": _ranked(self.verdicts_by_action),
                "by_rule": _ranked(self.decided_by),
                "escalations": _ranked(self.escalations),
            },
            "actions": {name: self.actions[name].to_data() for name in sorted(self.actions)},
            "doubts_open": self.doubts_open,
            "people": {
                "verdicts": _ranked(self.verdicts),
                "void": self.verdicts_void,
                "by": _ranked(self.reviewers),
                "expired": self.reviews_expired,
                "waiting_now": self.reviews_waiting,
            },
            "budgets": {
                name: {"charged": str(charged), "refused": refused} for name, (charged, refused) in self.budgets.items()
            },
            "flags": {"total": self.flags, "examples": [list(one) for one in self.flagged]},
            "quarantine": {
                "set_aside": self.quarantined,
                "released": self.released,
                "examples": [list(one) for one in self.set_aside],
            },
            "pauses": {
                scope: {"first_seen": words.iso(first), "last_seen": words.iso(last)}
                for scope, (first, last) in self.pauses.items()
            },
            "releases": _ranked(self.releases),
            "learned_later": {"total": self.corrected, "examples": [one.to_data() for one in self.corrections]},
        }

    def to_text(self) -> str:
        whose = f" of {self.automation}" if self.automation else ""
        end = words.moment(self.until) if self.until is not None else "now"
        lines = [f"Report{whose}: {words.moment(self.since)} to {end}"]

        def section(title: str, rows: Iterable[str]) -> None:
            kept = list(rows)
            if kept:
                lines.extend(["", title, *(f"  {row}" for row in kept)])

        late = f", {self.late:,} of them late" if self.late else ""
        heard = sum(self.events.values())
        section(f"{_count(heard, 'event')}{late}", _rows(self.events))
        section(
            f"{_count(self.cases_opened, 'case')} opened, {self.cases_finished:,} finished",
            (f"{n:>7,}  reached {status}" for status, n in self.reached.most_common()),
        )
        section("Done", self._done())
        section(_count(self.decisions, "decision"), _rows(_in_words(self.verdicts_by_action)))
        section("Decided by", _rows(_in_words(self.decided_by)))
        section("Why people were asked", _rows(self.escalations))
        section("People", self._people())
        advice = [f"{n:>7,}  answers of {advisor}" for advisor, n in self.answers.most_common()]
        advice += [f"{n:>7,}  silent: {why}" for why, n in self.silences.most_common()]
        if self.stale:
            advice.append(f"{self.stale:>7,}  answers were stale and asked again")
        section("Advice", advice)
        section(
            "Budgets",
            (
                f"{name}: {charged} charged" + (f", no room {refused:,} times" if refused else "")
                for name, (charged, refused) in self.budgets.items()
            ),
        )
        section(_count(self.flags, "flag"), (f"{case}: {text}" for case, text in self.flagged))
        section(
            f"{_count(self.quarantined, 'message')} into quarantine, {self.released:,} out of it"
            if self._poisoned()
            else "",
            [f"{case}: {why}" for case, why in self.set_aside] or (["none of them new"] if self._poisoned() else []),
        )
        section(
            "Pauses seen in force",
            (f"{scope}: {words.moment(a)} to {words.moment(b)}" for scope, (a, b) in self.pauses.items()),
        )
        section("Releases", (f"{n:>7,}  entries under {id or '(none)'}" for id, n in self.releases.most_common()))
        section(
            f"Learned later: {_count(self.corrected, 'fact')} older than a decision that could not know it",
            (
                f"{one.decision} ({words.moment(one.decided_at)}): {one.fact}, of {words.moment(one.occurred_at)}, "
                f"known {words.moment(one.known_at)}"
                for one in self.corrections
            ),
        )
        return "\n".join(lines)

    def _poisoned(self) -> bool:
        return bool(self.quarantined or self.released)

    def _done(self) -> list[str]:
        rows: list[str] = []
        for name in sorted(self.actions):
            one = self.actions[name]
            rest = [
                f"{n:,} {what}"
                for n, what in (
                    (one.failed, "failed"),
                    (one.withdrawn, "withdrawn before the start"),
                    (one.doubts, "in doubt for a time"),
                    (one.held, "held by a pause"),
                )
                if n
            ]
            rows.append(f"{name}: {one.done.total():,} done" + (f"; {', '.join(rest)}" if rest else ""))
            for way, said in WAYS.items():
                if not one.done[way]:
                    continue
                sums = [f"{arg} {amount:,}" for (arg, by), amount in sorted(one.amounts.items()) if by == way]
                rows.append(f"  {one.done[way]:>5,} {said}" + (f": {', '.join(sums)}" if sums else ""))
        if self.doubts_open:
            rows.append(f"still in doubt: {_count(self.doubts_open, 'effect')}")
        return rows

    def _people(self) -> list[str]:
        rows = [
            f"{self.verdicts[verb]:>7,}  {said}"
            for verb, said in (("approve", "approvals"), ("edit", "edits"), ("reject", "rejections"))
            if self.verdicts[verb]
        ]
        rows += [f"{n:>7,}  by {who}" for who, n in self.reviewers.most_common(20)]
        if self.verdicts_void:
            rows.append(f"{self.verdicts_void:>7,}  verdicts did not count")
        if self.reviews_expired:
            rows.append(f"{self.reviews_expired:>7,}  reviews ended without a verdict")
        if self.reviews_waiting:
            rows.append(f"{self.reviews_waiting:>7,}  reviews are waiting now")
        return rows


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common())


def _rows(counts: Mapping[str, int]) -> list[str]:
    return [f"{n:>7,}  {name}" for name, n in Counter(counts).most_common()]


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


_VERDICTS = {
    "allow": "permitted",
    "deny": "denied",
    "escalate": "sent to people",
    "fallback": "replaced by its fallback",
}


def _in_words(counts: Mapping[str, int]) -> dict[str, int]:
    """`pay: escalate` and `escalate by large` with the verdict in words."""
    told: dict[str, int] = {}
    for name, n in counts.items():
        parts = [_VERDICTS.get(part, part) for part in name.split(" ")]
        told[" ".join(parts)] = n
    return told
