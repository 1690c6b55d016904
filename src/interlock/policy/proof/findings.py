"""What a proof says, as values: one finding per statement, with its standing and, where there is one, an example.

proved      it holds for every input that the schema admits
refuted     it does not; the example has been run through the evaluator
undecided   neither; the solver gave up or its input was not confirmed. Never counted as proved
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from interlock.policy.examples import Example

Standing = Literal["proved", "refuted", "undecided"]
About = Literal["invariant", "rule", "conflict", "default", "irreversible"]

Progress = Callable[[str, int, int], None]
"""Told what is being worked on, how much is done and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement about a policy.

    name      the invariant, rule or action that it is about; `line` is where that stands (0: nowhere)
    problem   whether somebody should do something about it; `undecided` always is one
    """

    about: About
    name: str
    line: int
    standing: Standing
    text: str
    problem: bool = False
    example: Example | None = None

    def to_data(self) -> dict[str, Any]:
        return {
            "about": self.about,
            "name": self.name,
            "line": self.line or None,
            "standing": self.standing,
            "problem": self.problem,
            "text": self.text,
            "example": None if self.example is None else self.example.to_data(),
        }


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that was asked about one policy. `questions`: how many the solver was asked."""

    policy: str
    hash: str
    findings: tuple[Finding, ...]
    questions: int

    @property
    def ok(self) -> bool:
        """Whether every invariant is proved and nothing else is wrong."""
        return not any(finding.problem for finding in self.findings)

    def about(self, what: About) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.about == what)

    def to_data(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "policy": self.policy,
            "hash": self.hash,
            "questions": self.questions,
            "findings": [finding.to_data() for finding in self.findings],
        }
