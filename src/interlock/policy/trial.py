"""Run a policy's own tests, through the same `bind` and `judge` as live decisions, and check its invariants on the
way.
"""

from __future__ import annotations

from dataclasses import dataclass

from interlock.policy.bind import BindFailure
from interlock.policy.cases import PolicyTest
from interlock.policy.policy import Policy
from interlock.policy.rules import verdict_text
from interlock.vocabulary.verdict import Verdict


@dataclass(frozen=True, slots=True)
class TestResult:
    """What one test gave. `problem` says why it failed, and is empty if it passed."""

    __test__ = False  # not a test class, whatever a test runner thinks of its name

    name: str
    line: int
    expected: str
    got: str
    by: tuple[str, ...]
    violated: tuple[str, ...]
    problem: str

    @property
    def passed(self) -> bool:
        """Whether the verdict is as expected and breaks no invariant."""
        return not self.problem


def run_tests(policy: Policy) -> list[TestResult]:
    """Every test of the document, in its order."""
    return [_run(policy, test) for test in policy.tests]


def _run(policy: Policy, test: PolicyTest) -> TestResult:
    bound = policy.bind(test.action, test.raw)
    if isinstance(bound, BindFailure):
        problem = f"the rules for {test.action} read `{bound.path}`, which {bound.why}"
        if bound.why != "is missing":
            problem = f"`{bound.path}`: {bound.why}"
        return TestResult(test.name, test.line, test.expect.text, "no verdict", (), (), problem)
    verdict = policy.judge(bound)
    by = ("default",) if verdict.default else verdict.rules
    violated = policy.violated(bound, verdict)
    problems: list[str] = []
    if not _as_expected(test, verdict):
        problems.append(f"expected {test.expect.text}, got {verdict_text(verdict)} by {', '.join(by)}")
    elif test.by is not None and set(test.by) != set(by):
        problems.append(f"expected it by {', '.join(test.by)}, got it by {', '.join(by)}")
    problems.extend(f"breaks the invariant {name}" for name in violated)
    return TestResult(test.name, test.line, test.expect.text, verdict_text(verdict), by, violated, "; ".join(problems))


def _as_expected(test: PolicyTest, verdict: Verdict) -> bool:
    expect = test.expect
    return (
        verdict.outcome == expect.outcome
        and (expect.groups is None or expect.groups == verdict.groups)
        and (expect.fallback is None or expect.fallback == verdict.fallback)
    )
