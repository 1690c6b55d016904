"""`[budgets.*]`: what is read, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.automation.policyschema import derive_schema
from interlock.releases import ReleaseSpec, load_folder
from interlock.releases.reading import read_release
from interlock.vocabulary.errors import Problem
from interlock.vocabulary.limits import BUDGET_WAIT_FOR_MS
from interlock.vocabulary.release import BudgetSpec

WORKLOAD = Path(__file__).resolve().parents[3] / "src" / "interlock" / "testing" / "simulator" / "workload"
DESK = load_folder(WORKLOAD).definition
QUESTION = '[questions.Assess]\nchain = ["first", "second"]\n[budgets.x]\n'


def read(text: str) -> tuple[ReleaseSpec, list[Problem]]:
    return read_release(QUESTION + text, DESK, derive_schema(DESK))


def budget(text: str) -> BudgetSpec:
    spec, problems = read(text)
    assert [str(problem) for problem in problems] == []
    (found,) = spec.budgets
    return found


def test_a_budget_of_actions() -> None:
    found = budget(
        'for = ["pay", "credit"]\nsum = "proposal.amount"\nmax = 600\nhard = 900.5\nper = "quarter Europe/Berlin"\n'
        'by = ["case.status", "proposal.source"]\non_exceeded = "wait"\nwait_for = "3d"\ngroup = "finance"\n'
        'currency = "EUR"\n'
    )
    assert found == BudgetSpec(
        "x",
        ("pay", "credit"),
        60_000,
        90_050,
        2,
        "proposal.amount",
        "case.status proposal.source",
        "quarter",
        "Europe/Berlin",
        on_exceeded="wait",
        group="finance",
        wait_for=3 * 86_400_000_000,
        currency="EUR",
    )


def test_a_budget_of_advice() -> None:
    found = budget(
        'advisors = ["first", "second"]\nsum = "usage.cost"\nreserve = 0.02\nmax = 50\ncurrency = "EUR"\n'
        'per = "month Europe/Berlin"\nby = "case.status"\n'
    )
    assert found == BudgetSpec(
        "x",
        (),
        50_000_000,
        50_000_000,
        6,
        "usage.cost",
        "case.status",
        "month",
        "Europe/Berlin",
        advisors=("first", "second"),
        each=20_000,
        currency="EUR",
    )
    counted = budget('advisors = "first"\ncount = true\nmax = 7\nper = "rolling 1h"\n')
    assert (counted.each, counted.auto, counted.sum, counted.rolling) == (1, 7, "", 3_600_000_000)
    tokens = budget('advisors = "first"\nsum = "usage.tokens"\nreserve = 4000\nmax = 1000000\n')
    assert (tokens.each, tokens.scale) == (4_000, 0)


def test_a_decision_waits_for_a_week_when_nothing_is_said() -> None:
    found = budget('for = "pay"\ncount = true\nmax = 1\non_exceeded = "wait"\n')
    assert found.wait_for == BUDGET_WAIT_FOR_MS * 1_000


ACTIONS = 'for = "pay"\nsum = "proposal.amount"\nmax = 5\n'
ADVICE = 'advisors = "first"\nsum = "usage.tokens"\nreserve = 5\nmax = 50\n'

# text below [budgets.x] in line 3, line of the problem, what is said
MISTAKES = [
    ("max = 5\ncount = true\n", 3, "it does not say what it covers"),
    (ACTIONS + 'by = ["case.status", "case.nothing"]\n', 7, "case.nothing is no single value that is known for pay"),
    (ACTIONS + 'by = "case.total"\n', 7, "case.total is no single value"),
    (ACTIONS + 'per = "fortnight"\n', 7, "'fortnight' is no window"),
    (ACTIONS + 'per = "rolling 30s"\n', 7, "a minute or more"),
    (ACTIONS + 'per = "rolling 61500ms"\n', 7, "whole seconds"),
    (ACTIONS + 'per = "day Europe/Nowhere"\n', 7, "there is no time zone 'Europe/Nowhere'"),
    (ACTIONS + 'wait_for = "1h"\n', 7, "nothing waits here"),
    (ACTIONS + 'currency = "euro"\n', 7, "'euro' is no currency"),
    (ACTIONS + 'settle = "result.id"\n', 7, "result.id is no bounded number in the result of pay"),
    (ACTIONS + 'settle = "proposal.amount"\n', 7, "proposal.amount is no bounded number in the result of pay"),
    ('for = "pay"\ncount = true\nmax = 1\nsettle = "result.id"\n', 7, "what is counted is one"),
    (ACTIONS + "reserve = 5\n", 7, "unknown key `reserve`"),
    (ADVICE + 'for = "pay"\n', 8, "it covers actions or advisors, not both"),
    (ADVICE + "hard = 60\n", 8, "`hard` is for budgets of actions"),
    (ADVICE + 'on_exceeded = "wait"\n', 8, "`on_exceeded` is for budgets of actions"),
    (ADVICE + 'by = "proposal.amount"\n', 8, "proposal.amount is no single value that is known"),
    (ADVICE.replace("first", "frist"), 4, "no question asks frist. Did you mean `first`?"),
    (ADVICE.replace("usage.tokens", "proposal.amount"), 5, "proposal.amount is nothing that an answer says it used"),
    (ADVICE.replace("reserve = 5\n", ""), 3, "it does not say what is reserved for one call"),
    (ADVICE.replace("reserve = 5", "reserve = 0"), 3, "it does not say what is reserved for one call"),
    (ADVICE.replace("reserve = 5", "reserve = 0.5"), 6, "`reserve` has more than 0 decimal places"),
    (ADVICE.replace("usage.tokens", "usage.cost"), 3, "it is of money and has no `currency`"),
    ('advisors = "first"\ncount = true\nmax = 5\nreserve = 2\n', 7, "a call that is counted takes one"),
]


def test_a_name_holds_nothing_that_names_of_accounts_are_made_with() -> None:
    _, problems = read_release(QUESTION.replace("budgets.x", 'budgets."a|b"') + ACTIONS, DESK, derive_schema(DESK))
    assert ["'a|b' is no name of a budget" in str(problem) for problem in problems] == [True]


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES)
def test_mistake(text: str, line: int, said: str) -> None:
    _, problems = read(text)
    found = [problem for problem in problems if said in str(problem)]
    assert found, [str(problem) for problem in problems]
    assert (found[0].file, found[0].line) == ("release.toml", line)
    assert len(problems) == 1, "one mistake, one problem"
