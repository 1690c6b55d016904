"""Compare two versions of a policy over all inputs that both admit: the same (proved), or how they differ.

Differences come in classes: from one outcome to another, and within escalate and fallback where other people are asked
or another fallback is taken. Each class that exists has an example, made plain and judged by both policies, and the
region in words.

INVARIANT: `equivalent` means proved so: no input of any action has two verdicts, and nothing was left undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.policy.examples import Data, Example, by
from interlock.policy.policy import Policy
from interlock.policy.proof.encode import Outcomes, differ
from interlock.policy.proof.findings import Progress, silent
from interlock.policy.proof.question import Question, Undecided
from interlock.policy.proof.regions import Region, region
from interlock.policy.proof.smt import TIMEOUT_MS, Solver, Term
from interlock.policy.rules import STRICTNESS, tightens, unlike, verdict_text
from interlock.policy.schema import RecordType, Schema
from interlock.policy.schema_text import type_text
from interlock.vocabulary.verdict import Outcome, Verdict

OUTCOMES: tuple[Outcome, ...] = ("deny", "escalate", "fallback", "allow")


@dataclass(frozen=True, slots=True)
class Change:
    """One class of differences of one action.

    before, after   outcomes; equal where other people are asked or another fallback is taken
    stricter        whether it only takes away: the outcome is stricter, or more is asked of people
    example         the input and what the first policy says of it; `now` is what the second says
    """

    action: str
    before: Outcome
    after: Outcome
    stricter: bool
    example: Example
    now: Verdict
    region: Region

    @property
    def name(self) -> str:
        """The class in words."""
        if self.before != self.after:
            return f"{self.before} -> {self.after}"
        return f"{self.before}: {'other people' if self.before == 'escalate' else 'another fallback'}"

    def to_data(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "before": self.before,
            "after": self.after,
            "stricter": self.stricter,
            "region": self.region.to_data(),
            "example": {
                "inputs": dict(self.example.inputs),
                "before": {"verdict": verdict_text(self.example.verdict), "by": by(self.example.verdict)},
                "after": {"verdict": verdict_text(self.now), "by": by(self.now)},
            },
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """What two policies differ in.

    inputs      how the schemas differ, in words; verdicts are compared where both admit the input
    undecided   what could not be decided, in words
    """

    before: str
    after: str
    same_hash: bool
    changes: tuple[Change, ...]
    inputs: tuple[str, ...]
    undecided: tuple[str, ...]
    questions: int

    @property
    def equivalent(self) -> bool:
        """Whether no input has two verdicts: proved."""
        return not self.changes and not self.undecided and not self.inputs

    @property
    def tightening(self) -> bool:
        """Whether every change is towards the stricter: proved."""
        return not self.undecided and not self.inputs and all(change.stricter for change in self.changes)

    def to_data(self) -> dict[str, Any]:
        return {
            "equivalent": self.equivalent,
            "tightening": self.tightening,
            "same_hash": self.same_hash,
            "before": self.before,
            "after": self.after,
            "questions": self.questions,
            "inputs": list(self.inputs),
            "undecided": list(self.undecided),
            "changes": [change.to_data() for change in self.changes],
        }


def compare(before: Policy, after: Policy, *, timeout_ms: int = TIMEOUT_MS, progress: Progress = silent) -> Difference:
    """Compare two policies.

    Raises NotInstalled without the extra `prove`, Refused (not_comparable) where one path means two kinds of value.
    """
    changes: list[Change] = []
    undecided: list[str] = []
    asked = 0
    actions = [name for name in before.schema.actions if name in after.schema.actions]
    for done, action in enumerate(actions, start=1):
        question = Question([before, after], action, timeout_ms=timeout_ms)
        found, unknown = _action(question)
        changes += found
        undecided += unknown
        asked += question.solver.asked
        progress("actions", done, len(actions))
    return Difference(
        before=before.hash,
        after=after.hash,
        same_hash=before.hash == after.hash,
        changes=tuple(changes),
        inputs=tuple(inputs_differ(before, after)),
        undecided=tuple(undecided),
        questions=asked,
    )


def _action(question: Question) -> tuple[list[Change], list[str]]:
    old, new = question.says
    solver = question.solver
    if differ(solver, old, new) is solver.false:
        return [], []
    some = question.find(differ(solver, old, new), holds=_judge(question, unlike), shrink=False)
    if some is None:
        return [], []
    changes: list[Change] = []
    undecided: list[str] = []
    for was in OUTCOMES:
        for is_ in OUTCOMES:
            for term, meant, stricter in _classes(solver, old, new, was, is_):
                holds = _judge(question, meant)
                data = question.find(term, holds=holds, towards=question.bases())
                if isinstance(data, Undecided):
                    undecided.append(f"{question.action}: {was} -> {is_}: {data.why}")
                elif data is not None:
                    shown, bounds = question.judged(data), question.bounds(data)
                    if shown is None or bounds is None:
                        raise AssertionError("an example was judged before")
                    now = question.policies[1].judge(bounds[1])
                    where = region(question, term, data, holds)
                    changes.append(Change(question.action, was, is_, stricter, shown, now, where))
    return changes, undecided


Meant = Callable[[Verdict, Verdict], bool]


def _classes(
    solver: Solver, old: Outcomes, new: Outcomes, was: Outcome, is_: Outcome
) -> Sequence[tuple[Term, Meant, bool]]:
    """The classes between two outcomes: the term, the same of two verdicts, and whether it is only stricter."""
    both = solver.all_([old.of(was), new.of(is_)])
    if was != is_:
        return [(both, lambda a, b: (a.outcome, b.outcome) == (was, is_), STRICTNESS[is_] < STRICTNESS[was])]
    if was == "escalate":
        groups = sorted({*old.asked, *new.asked})
        dropped = solver.any_(
            [solver.all_([old.asked.get(g, solver.false), solver.not_(new.asked.get(g, solver.false))]) for g in groups]
        )
        added = solver.any_(
            [solver.all_([new.asked.get(g, solver.false), solver.not_(old.asked.get(g, solver.false))]) for g in groups]
        )
        return [
            (solver.all_([both, dropped]), lambda a, b: _both_ask(a, b) and not tightens(a, b), False),
            (
                solver.all_([both, added, solver.not_(dropped)]),
                lambda a, b: _both_ask(a, b) and tightens(a, b) and a.groups != b.groups,
                True,
            ),
        ]
    if was == "fallback":
        names = sorted({*old.fallbacks, *new.fallbacks})
        other = solver.any_(
            [
                solver.all_([old.fallbacks.get(one, solver.false), solver.not_(new.fallbacks.get(one, solver.false))])
                for one in names
            ]
        )
        term = solver.all_([both, other])
        return [(term, lambda a, b: a.outcome == b.outcome == "fallback" and a.fallback != b.fallback, False)]
    return []


def _both_ask(a: Verdict, b: Verdict) -> bool:
    return a.outcome == b.outcome == "escalate"


def _judge(question: Question, meant: Meant) -> Callable[[Data], bool]:
    old, new = question.policies

    def holds(data: Data) -> bool:
        bounds = question.bounds(data)
        return bounds is not None and meant(old.judge(bounds[0]), new.judge(bounds[1]))

    return holds


# --- schemas ----------------------------------------------------------------------------------------------------------


def inputs_differ(before: Policy, after: Policy) -> list[str]:
    """Actions that only one has, and inputs that rules of one read and the other has not or admits otherwise."""
    old, new = before.schema.actions, after.schema.actions
    told = [f"the action {name} is gone" for name in old if name not in new]
    told += [f"the action {name} is new" for name in new if name not in old]
    was, is_ = _leaves(before.schema), _leaves(after.schema)
    for path in sorted(_read(before) | _read(after)):
        a, b = was.get(path), is_.get(path)
        if a == b or path.partition(".")[0] in (old.keys() ^ new.keys()):
            continue
        told.append(
            f"{path} ({a}) is gone"
            if b is None
            else f"{path} ({b}) is new"
            if a is None
            else f"{path} was {a} and is {b}"
        )
    return told


def _read(policy: Policy) -> set[str]:
    """What the rules read, arguments named by their action, with the records on the way."""
    found: set[str] = set()
    for name, action in policy.schema.actions.items():
        for path in policy.inputs(name):
            root, *rest = path.split(".")
            parts = [name, *rest] if root == "proposal" and rest[0] in action.args.fields else [root, *rest]
            found |= {".".join(parts[:count]) for count in range(2, len(parts) + 1)}
    return found


def _leaves(schema: Schema) -> dict[str, str]:
    found: dict[str, str] = {}
    roots: list[tuple[str, RecordType]] = [(name, action.args) for name, action in schema.actions.items()]
    roots += [
        ("case", schema.case),
        ("proposal", schema.proposal),
        ("advice", schema.advice),
        ("breaker", schema.breaker),
    ]
    while roots:
        path, record = roots.pop()
        for name, field in record.fields.items():
            here = f"{path}.{name}"
            if isinstance(field.type, RecordType):
                roots.append((here, field.type))
                if field.optional:
                    found[here] = "an optional record"
            else:
                found[here] = type_text(field.type) + (", optional" if field.optional else "")
    return found
