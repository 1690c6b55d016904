# ruff: noqa: E501 - policy documents as their authors write them
"""What a policy's author cannot have meant, found without a solver, each where it stands."""

import time

import pytest

from interlock.policy import Diagnostic, PolicyErrors, lint, load
from tests.unit.policy.samples import cheques
from tests.unit.policy.test_proofs import SCHEMA, policy


def remarks(when: str, **more: str) -> list[tuple[str, str]]:
    found = lint(policy(f"  - {{id: a, for: pay, when: '{when}', then: allow}}", **more))
    return sorted((one.code, one.message) for one in found)


NEVER, ALWAYS = ("impossible", "this never holds"), ("always", "this always holds")
UNREACHABLE = ("unreachable", "no input satisfies this rule")


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ("proposal.amount > 1000", [NEVER, UNREACHABLE]),
        ("proposal.amount > 999.99", []),
        ("proposal.amount <= 1000", [ALWAYS]),
        ("proposal.amount < 0", [NEVER, UNREACHABLE]),
        ("proposal.amount + case.n > 1009", [NEVER, UNREACHABLE]),
        ("proposal.amount + case.n > 1008.99", []),
        ("proposal.amount - case.n * 2 < -18", [NEVER, UNREACHABLE]),
        ("proposal.amount == 1.005", [NEVER, UNREACHABLE]),  # it has two places
        ("proposal.amount != 1.005", [ALWAYS]),
        ("proposal.amount > 1.005", []),
        ("proposal.amount * 2 == 0.01", [NEVER, UNREACHABLE]),
        ("case.n in [10, 11]", [NEVER, UNREACHABLE]),
        ("case.n in [9, 10]", []),
        ("case.name == \"a name of more than twelve\"", [NEVER, UNREACHABLE]),
        ("case.name in [\"a name of more than twelve\"]", [NEVER, UNREACHABLE]),
        ("case.name.contains(\"a name of more than twelve\")", [NEVER, UNREACHABLE]),
        ("\"much too long\" in case.tags", [NEVER, UNREACHABLE]),
        ("size(case.tags) > 2", [NEVER, UNREACHABLE]),
        ("size(case.tags) >= 0", [ALWAYS]),
        ("size(case.name) > 12", [NEVER, UNREACHABLE]),
        ("case.order.total.orValue(0) > 500", [NEVER, UNREACHABLE]),
        ("case.order.total.orValue(501) > 500", []),
        ("case.n > 5 && case.n < 5", [UNREACHABLE]),
        ("case.n > 4 && case.n < 6", []),
        ("case.n >= 5 && case.n <= 5 && case.n != 5", [UNREACHABLE]),
        ("case.n * 2 > 9 && 3 * case.n < 14", [UNREACHABLE]),
        ("proposal.amount - case.n > 5 && case.n - proposal.amount > 5", [UNREACHABLE]),
        ("case.kind == \"gift\" && case.kind == \"loan\"", [UNREACHABLE]),
        ("case.kind in [\"gift\", \"loan\"] && !(case.kind in [\"gift\", \"loan\"])", [UNREACHABLE]),
        ("\"a\" in case.tags && !(\"a\" in case.tags)", [UNREACHABLE]),
        ("has(case.due) && !has(case.due)", [UNREACHABLE]),
        ("(case.n > 5 || case.kind == \"gift\") && case.n < 3 && case.kind != \"gift\"", [UNREACHABLE]),
        ("case.n > 5 || case.n <= 5", []),  # always true, which only the solver sees
    ],
)  # fmt: skip
def test_what_can_never_or_always_hold(when: str, found: list[tuple[str, str]]) -> None:
    assert remarks(when) == found


def hidden(first: str, second: str) -> list[str]:
    return [f"{one.code}: {one.message}" for one in lint(policy(f"  - {first}\n  - {second}"))]


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("{id: a, when: case.n > 5, then: deny}", "{id: b, when: case.n > 6, then: allow}",
         ["hidden: this rule never counts: wherever it holds, so does a (deny, line 19)"]),
        ("{id: a, when: case.n > 5, then: deny}", "{id: b, when: case.n > 4, then: allow}", []),
        ("{id: a, when: case.n > 5, unless: case.n > 7, then: deny}", "{id: b, when: case.n > 6, then: allow}", []),
        ("{id: a, when: case.n > 5, unless: case.n < 2, then: deny}", "{id: b, when: case.n > 6, then: allow}",
         ["hidden: this rule never counts: wherever it holds, so does a (deny, line 19)"]),
        ("{id: a, for: pay, when: case.n > 5, then: deny}", "{id: b, when: case.n > 6, then: allow}", []),
        ("{id: a, when: case.n > 5, then: deny}", "{id: b, for: pay, when: case.n > 5 && proposal.amount > 3, then: escalate, to: x}",
         ["hidden: this rule never counts: wherever it holds, so does a (deny, line 19)"]),
        ("{id: a, when: case.n > 5, then: escalate, to: x}", "{id: b, when: case.n > 5, then: allow}",
         ["conflict: this rule says allow where a (escalate, line 19) says otherwise"]),
        ("{id: a, when: case.n > 5, then: deny}", "{id: b, when: case.n > 6, then: deny}",
         ["hidden: this rule changes nothing: wherever it holds, so does a (deny, line 19)"]),
        ("{id: a, when: case.n > 5, then: escalate, to: x}", "{id: b, when: case.n > 6, then: escalate, to: {group: x, approvals: 2}}", []),
        ("{id: a, when: case.n > 5, then: fallback, to: x}", "{id: b, when: case.n > 6, then: fallback, to: y}",
         ["hidden: this rule changes nothing: wherever it holds, so does a (fallback, line 19)"]),
        ("{id: a, when: case.n > 5, unless: case.n > 3, then: deny}", "{id: b, when: case.n == 1, then: allow}",
         ["excused: this rule is always excused by its `unless`"]),
    ],
)  # fmt: skip
def test_rules_that_others_hide(first: str, second: str, found: list[str]) -> None:
    assert hidden(first, second) == found


def test_a_remark_stands_under_what_it_is_about() -> None:
    one: Diagnostic
    one, two = lint(
        policy(
            "  - id: a\n    for: pay\n    when: |\n      case.n > 3 &&\n      proposal.amount > 2000\n    then: allow"
        )
    )
    first, second = (two, one) if one.code == "impossible" else (one, two)
    assert (second.line, second.column) == (23, 7)
    assert second.excerpt.splitlines()[1].strip(" |") == "^" * len("proposal.amount > 2000")
    assert second.suggestion == "proposal.amount is decimal(2) 0..1000" and second.remark
    assert (first.line, first.column) == (19, 9) and first.code == "unreachable"


def test_mistakes_and_remarks_are_found_in_one_run() -> None:
    text = f"policy: p\n{SCHEMA}\nrules:\n  - {{id: a, for: pay, when: proposal.amount > 1000 && case.m, then: allow}}\ndefault: {{verdict: deny}}\n"
    with pytest.raises(PolicyErrors) as caught:
        load(text)
    assert [one.code for one in caught.value.diagnostics] == ["unknown_field"]
    assert [one.code for one in caught.value.remarks if isinstance(one, Diagnostic)] == ["impossible"]


def test_a_remark_changes_nothing_of_the_policy() -> None:
    said = policy("  - {id: a, for: pay, when: 'proposal.amount <= 1000', then: allow}")
    assert lint(said) and said.hash == load(said.source).hash and "always" not in str(said.to_data())


def test_the_cheques_policy_has_nothing_to_remark_on() -> None:
    assert lint(cheques()) == ()


def test_fifty_rules_are_loaded_and_checked_in_the_time_of_a_keystroke() -> None:
    rules = "\n".join(
        f"  - {{id: r{n}, for: pay, when: 'proposal.amount > {n} && case.n != {n % 9} && case.kind == \"gift\"', then: deny, reason: Rule {n}.}}"
        for n in range(50)
    )
    took: list[float] = []
    for _ in range(5):
        begun = time.process_time()
        lint(policy(rules))
        took.append(time.process_time() - begun)
    assert min(took) < 0.5, took  # 50 ms on a machine of its own; most of it is reading YAML
