"""An explanation as a value, and its two forms: data for programs, text for people.

What was known when it was decided and what was learned later are kept apart all the way: a decision is to be judged
by what it knew.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import to_builtins

from interlock.ledger import words
from interlock.policy import RuleOutcome
from interlock.policy.contrast import Contrasts
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.sealed import kept_whole

WIDTH = 100

CONTRASTS_MAX = 8
"""Changes shown of those that are equally small; `to_data` has them all."""


@dataclass(frozen=True)
class Happened:
    """Something in the record: when, in which entry of the slot, what. `more`: what the entry notes beside it."""

    at: int
    lsn: int
    text: str
    more: tuple[str, ...] = ()
    id: str = ""

    def to_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"at": words.iso(self.at), "lsn": self.lsn, "text": self.text}
        if self.more:
            data["notes"] = list(self.more)
        if self.id:
            data["id"] = self.id
        return data


@dataclass(frozen=True)
class Trigger:
    """The message that began it. `late`: it happened before something that had already been applied."""

    text: str
    id: str
    source: str
    principal: str
    occurred_at: int
    received_at: int
    late: bool

    def to_data(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "id": self.id,
            "source": self.source,
            "principal": self.principal,
            "occurred_at": words.iso(self.occurred_at),
            "received_at": words.iso(self.received_at),
            "late": self.late,
        }


@dataclass(frozen=True)
class Advised:
    """One advisor's part. `silent`: why it said nothing; `same`: whether it said what the leading one said.

    how   where its score comes from, what it claims of itself, what was refused before and what it took, in words
    """

    advisor: str
    leads: bool
    at: int
    value: Any = None
    score: int | None = None
    rationale: str = ""
    evidence: tuple[str, ...] = ()
    silent: str = ""
    same: bool = False
    how: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        if self.silent:
            return {"advisor": self.advisor, "leads": self.leads, "at": words.iso(self.at), "silent": self.silent}
        return {
            "advisor": self.advisor,
            "leads": self.leads,
            "at": words.iso(self.at),
            "value": self.value,
            "score": None if self.score is None else words.score(self.score),
            "rationale": self.rationale,
            "evidence": list(self.evidence),
            "same_as_leading": self.same,
            **({"how": list(self.how)} if self.how else {}),
        }


@dataclass(frozen=True)
class Budgeted:
    """What one budget said, amounts in its own unit as text."""

    budget: str
    account: str
    state: str
    amount: str
    limit: str
    spent: str
    held: str

    def to_data(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class Explanation:
    """Why one decision was as it was, and what came of it.

    why           what determined it, in words; earlier: judgements of the same proposal before this one
    occasion      what made it be judged again, where it was
    advised       the proposal that the advice led to: an edit has another one
    unreadable    why the release cannot be read back; then the rules are known by their ids only
    contrasts     the smallest changes of what was known after which the rules would have said something else
    open_now      what of it is still under way or waiting
    followed      what came of it; learned: facts older than the decision that were not known to it
    """

    id: str
    case: CaseId
    slot: int
    lsn: int
    version: int
    at: int
    release: str
    unreadable: str
    decision: Decision
    headline: str
    why: tuple[str, ...]
    trigger: Trigger | None
    occasion: str
    earlier: tuple[Happened, ...]
    question: str
    advised: str
    advice: tuple[Advised, ...]
    known: tuple[tuple[str, str], ...]
    rules: tuple[RuleOutcome, ...]
    default: str
    contrasts: tuple[Contrasts, ...]
    autonomy: tuple[str, ...]
    budgets: tuple[Budgeted, ...]
    people: tuple[Happened, ...]
    followed: tuple[Happened, ...]
    learned: tuple[Happened, ...]
    status_now: str
    open_now: tuple[str, ...]

    def to_data(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "case": str(self.case),
            "slot": self.slot,
            "lsn": self.lsn,
            "version": self.version,
            "at": words.iso(self.at),
            "release": self.release,
            "release_unreadable": self.unreadable or None,
            "headline": self.headline,
            "verdict": self.decision.verdict,
            "decided_by": list(self.decision.decided_by),
            "why": list(self.why),
            "trigger": self.trigger.to_data() if self.trigger else None,
            "occasion": self.occasion or None,
            "compensates": self.decision.proposal.compensates or None,
            "earlier": [one.to_data() for one in self.earlier],
            "question": self.question or None,
            "advice": [one.to_data() for one in self.advice],
            "agreed": self.decision.proposal.agreed,
            "asked": self.decision.proposal.asked,
            "known": dict(self.known),
            "rules": [
                {
                    "id": rule.id,
                    "line": rule.line,
                    "then": rule.then,
                    "result": rule.result,
                    "reason": rule.reason,
                    "condition": rule.condition,
                    "values": dict(rule.values),
                }
                for rule in self.rules
            ],
            "default": self.default or None,
            "contrasts": [one.to_data() for one in self.contrasts],
            "autonomy": list(self.autonomy),
            "budgets": [one.to_data() for one in self.budgets],
            "people": [one.to_data() for one in self.people],
            "followed": [one.to_data() for one in self.followed],
            "learned_later": [one.to_data() for one in self.learned],
            "status_now": self.status_now,
            "open_now": list(self.open_now),
            "decision": to_builtins(self.decision),
        }

    def to_text(self, width: int = WIDTH) -> str:
        page = _Page(width)
        page.line(self.headline)
        for text in self.why:
            page.item(text, "  ")
        page.line(
            f"Decision {self.id}, {words.moment(self.at)}, release {self.release} (slot {self.slot}, entry {self.lsn})"
        )
        page.section("What triggered it", self._triggered())
        page.section("What was advised", self._advised())
        page.section("What was known", (f"{path}: {value}" for path, value in self.known))
        page.section("How the rules judged", self._ruled())
        page.section("What would have made the rules say something else", self._contrasted())
        page.section("May it run without a person?", self.autonomy)
        page.section("Budgets", (_budget(one) for one in self.budgets))
        page.section("People", _told(self.people))
        now = f"The case is now: {self.status_now or 'not opened'}."
        page.section("What followed", [*_told(self.followed), *self.open_now, now])
        page.section("Learned later (not known when it was decided)", _told(self.learned))
        return page.text()

    def _triggered(self) -> list[str]:
        lines: list[str] = []
        if one := self.trigger:
            late = " It came late: something that happened after it had already been applied." if one.late else ""
            lines.append(
                f"{one.text}, sent by {one.principal}. It happened {words.moment(one.occurred_at)} "
                f"and was received {words.moment(one.received_at)}.{late}"
            )
        lines.append(f"Proposed because of: {self.decision.proposal.because}")
        if self.decision.proposal.compensates:
            lines.append(f"It is to make good what followed from: {self.decision.proposal.compensates}")
        if self.decision.proposal.text:
            lines.append(f"In the rule's words: {self.decision.proposal.text}")
        lines.extend(f"Judged before as {one.id}: {one.text} ({words.moment(one.at)})" for one in self.earlier)
        if self.occasion:
            ended = self.decision.decided_by in (("rejected",), ("expired",))
            lines.append(f"{'Ended by' if ended else 'Judged again because'}: {self.occasion}")
        return lines

    def _advised(self) -> list[str]:
        lines: list[str] = []
        for one in self.advice:
            role = "led" if one.leads else "asked beside"
            if one.silent:
                lines.append(f"{one.advisor} ({role}) gave no answer: {one.silent}")
                continue
            same = "" if one.leads else (", the same" if one.same else ", ANOTHER answer")
            lines.append(f"{one.advisor} ({role}): {words.value(one.value)}, score {words.score(one.score)}{same}")
            if one.rationale:
                lines.append(f'  "{one.rationale}"')
            lines.extend(f"  evidence: {words.value(item)}" for item in one.evidence)
            lines.extend(f"  {line}" for line in one.how)
        if lines:
            proposal = self.decision.proposal
            lines.insert(0, f"Question {self.question}:")
            if any(not one.silent for one in self.advice):
                lines.append(f"{proposal.agreed} of {proposal.asked} asked lead to: {self.advised}")
                lines.append("A score orders an advisor's answers; it is not a probability.")
        return lines

    def _ruled(self) -> list[str]:
        decision = self.decision
        if decision.policy is None:
            return [f"Not evaluated: {decision.bind_failure or decision.why or 'it ended before that'}"]
        if not self.rules:
            by = ", ".join(decision.policy.rules) or "the default"
            return [f"{decision.policy.outcome} by {by}. {self.unreadable}"]
        mark = {"matched": "+", "excused": "~", "not_matched": "-", "not_for_action": " "}
        lines = [f"{mark[rule.result]} {rule}" for rule in self.rules]
        if self.default:
            lines.append(f"+ {self.default}")
        return lines

    def _contrasted(self) -> list[str]:
        lines: list[str] = []
        for one in self.contrasts:
            lines += [str(contrast) for contrast in one.found[:CONTRASTS_MAX]]
            if len(one.found) > CONTRASTS_MAX:
                lines.append(f"and {len(one.found) - CONTRASTS_MAX} more such changes")
            lines += one.remarks
        return lines


def _budget(one: Budgeted) -> str:
    figures = f"{one.amount} of at most {one.limit}; {one.spent} spent and {one.held} held before it"
    return (
        f"{one.budget} ({one.account}): {one.state}: {figures}"
        if one.state != "needed"
        else (f"{one.budget} ({one.account}): asked for {one.amount} of at most {one.limit}")
    )


def _told(happened: Sequence[Happened]) -> list[str]:
    lines: list[str] = []
    for one in happened:
        lines.append(f"{words.moment(one.at)}  {one.text}")
        lines.extend(f"  {text}" for text in one.more)
    return lines


class _Page:
    """Text in sections, wrapped. A section without lines is left out."""

    def __init__(self, width: int) -> None:
        self._width = max(40, width)
        self._lines: list[str] = []

    def line(self, text: str) -> None:
        self.item(text, "")

    def item(self, text: str, indent: str) -> None:
        inner = indent + " " * (len(text) - len(text.lstrip()))

        def wrap(text: str) -> str:
            lines = textwrap.wrap(
                text, self._width, initial_indent=inner, subsequent_indent=inner + "    ", break_on_hyphens=False
            )
            return "\n".join(lines)

        if bare := text.strip():
            self._lines += kept_whole(bare, wrap).split("\n")

    def section(self, title: str, lines: Iterable[str]) -> None:
        kept = list(lines)
        if kept:
            self._lines += ["", title]
            for text in kept:
                self.item(text, "  ")

    def text(self) -> str:
        return "\n".join(self._lines)
