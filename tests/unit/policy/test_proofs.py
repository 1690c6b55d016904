# ruff: noqa: E501, ISC004 - policy documents as their authors write them
"""What is proved, what is refuted with an example, and what is neither."""

import pytest

from interlock.policy import Bound, load, run_tests
from interlock.policy.policy import Policy
from interlock.policy.proof import Finding, Proof, prove
from interlock.vocabulary.release import Certificate
from tests.unit.policy.samples import REFUNDS, cheques

SCHEMA = """
schema:
  actions:
    pay: {irreversible: true, args: {amount: decimal(2) 0..1000, to: string(20)}}
    note: {irreversible: false, args: {}}
  proposal: {source: enum advice | rule | person | agent, irreversible: bool, score?: decimal(6) 0..1}
  case:
    n: int 0..9
    due?: timestamp
    kind: enum gift | sale | loan
    name: string(12)
    tags: {list: string(10), max: 2}
    marks: {list: enum red | blue, max: 3}
    order?: {total: decimal(2) 0..500, paid?: bool}
"""


def policy(
    rules: str, *, invariants: str = "{}", default: str = "{verdict: escalate, to: desk}", more: str = ""
) -> Policy:
    return load(f"policy: p\n{SCHEMA}\n{more}\nrules:\n{rules}\ndefault: {default}\ninvariants: {invariants}\n")


def only(found: Proof, about: str) -> Finding:
    (finding,) = [one for one in found.findings if one.about == about]
    return finding


def never(when: str, rules: str) -> Finding:
    return only(prove(policy(rules, invariants=f"{{i: {{never: allow, for: pay, when: '{when}'}}}}")), "invariant")


# --- invariants -------------------------------------------------------------------------------------------------------


def test_a_hole_that_the_documents_own_tests_do_not_show_is_found() -> None:
    """A cheque that a person proposes is excused from being read twice, and then from being read at all."""
    one = cheques()
    assert all(result.passed for result in run_tests(one))
    found = prove(one)
    stopped, unread = found.about("invariant")
    assert (stopped.standing, unread.standing) == ("proved", "refuted")
    assert unread.example is not None and unread.example.verdict.rules == ("pay_small",)
    assert dict(unread.example.inputs)["proposal.source"] == "person"
    assert found.about("rule") == () and not found.ok and found.questions > 10


ALLOW = "  - {id: a, for: pay, when: %s, then: allow}"


@pytest.mark.parametrize(
    ("never_where", "allowed_where"),
    [
        ("proposal.amount > 100", "proposal.amount <= 100"),
        ("proposal.amount * 3 > 100", "proposal.amount <= 33.33"),
        ("has(case.order) && case.order.total < 5", "case.order.total.orValue(0) >= 5"),
        ("now - case.due.orValue(now) > 3d", "!has(case.due) || now < case.due + 3d"),
        ("case.kind in [\"gift\", \"loan\"]", "case.kind == \"sale\""),
        ("size(case.tags) > 1", "size(case.tags) <= 1"),
        ("\"a\" in case.tags && \"b\" in case.tags && \"c\" in case.tags", "case.n > 3"),  # only two fit
        ("size(case.marks) > 0 && !(\"red\" in case.marks) && !(\"blue\" in case.marks)", "case.n > 3"),
        ("case.name in case.tags && size(case.tags) == 0", "case.n > 3"),
        ("case.name in case.tags && size(case.name) > 10", "case.n > 3"),  # no tag is that long
        ("case.name.startsWith(\"ab\") && !case.name.contains(\"b\")", "case.n > 3"),
        ("case.name == proposal.to && size(proposal.to) > 12", "case.n > 3"),
        ("case.kind.startsWith(\"g\") && case.kind != \"gift\"", "case.n > 3"),
        ("case.name == \"a name that is far too long\"", "case.n > 3"),
    ],
)  # fmt: skip
def test_what_no_input_can_do_is_proved(never_where: str, allowed_where: str) -> None:
    found = never(never_where, ALLOW % f"'{allowed_where}'")
    assert found.standing == "proved", found.example


@pytest.mark.parametrize(
    ("never_where", "shown"),
    [
        ("proposal.amount > 100", {"proposal.amount": "100.01"}),
        ("has(case.order) && case.order.total > 5", {"case.order.total": "5.01"}),
        ("has(case.due) && now - case.due > 3d", {"case.due": "2025-12-28T23:59:59.999999Z"}),
        ("size(case.tags) > 1", {"case.tags": '["other", "other"]'}),
        ("\"a\" in case.tags && \"b\" in case.tags", {"case.tags": '["a", "b"]'}),
        ("size(case.marks) == 3 && !(\"red\" in case.marks)", {"case.marks": "[blue, blue, blue]"}),
        ("case.name in case.tags && size(case.tags) == 2", {}),
        ("case.name.startsWith(\"ü\") && case.name.endsWith(\"\\\\\\\\\") && size(case.name) == 5", {}),
        ("case.name != proposal.to && !(case.name in [\"\", \"other\"])", {}),
        ("case.order.paid.orValue(false)", {"case.order.paid": "true"}),
    ],
)  # fmt: skip
def test_what_an_input_can_do_is_shown_by_a_plain_one(never_where: str, shown: dict[str, str]) -> None:
    rules = ALLOW % "case.n < 7"
    found = never(never_where, rules)
    assert found.standing == "refuted" and found.problem and found.example is not None
    assert found.example.verdict.outcome == "allow" and found.example.verdict.rules == ("a",)
    inputs = dict(found.example.inputs)
    assert {path: inputs[path] for path in shown} == shown
    assert inputs["case.n"] == "0"


def test_an_example_is_judged_again_from_its_data() -> None:
    one = policy(ALLOW % "proposal.amount < 50", invariants="{i: {never: allow, when: 'case.n > 3'}}")
    example = only(prove(one), "invariant").example
    assert example is not None
    bound = one.bound_from_data("pay", example.data)
    assert isinstance(bound, Bound)
    assert one.judge(bound) == example.verdict and one.violated(bound, example.verdict) == ("i",)


def test_examples_begin_with_what_the_policys_own_tests_find_usual() -> None:
    text = f"""
policy: p
{SCHEMA}
rules:
  - {{id: a, for: pay, when: proposal.amount < 500, then: allow}}
default: {{verdict: deny}}
invariants: {{i: {{never: allow, for: pay, when: proposal.amount > 100}}}}
cases:
  base: {{proposal: {{action: pay, amount: 20, to: me}}}}
  tests: [{{name: usual, expect: allow}}, {{name: large, with: {{proposal.amount: 250}}, expect: allow}}]
"""
    loaded = load(text)
    assert [result.passed for result in run_tests(loaded)] == [True, False]
    example = only(prove(loaded), "invariant").example
    assert example is not None and example.data == {"proposal.amount": 10_001}


def test_what_the_solver_cannot_decide_in_time_is_neither_proved_nor_refuted() -> None:
    """Nine pigeons in eight holes: easy to see, long to show."""
    holes, pigeons = range(8), range(9)
    fields = ", ".join(f"p{p}h{h}: bool" for p in pigeons for h in holes)
    housed = " && ".join("(" + " || ".join(f"case.p{p}h{h}" for h in holes) + ")" for p in pigeons)
    rules = "\n".join(
        f"  - {{id: h{h}p{p}, when: '{' || '.join(f'case.p{p}h{h} && case.p{q}h{h}' for q in pigeons if q > p)}', then: deny}}"
        for h in holes
        for p in pigeons[:-1]
    )
    text = f"""
policy: pigeons
schema: {{actions: {{go: {{args: {{}}}}}}, case: {{{fields}}}}}
rules:
{rules}
  - {{id: all, when: '{housed}', then: allow}}
default: {{verdict: deny}}
invariants: {{crowded: {{never: allow, when: 'true'}}}}
"""
    found = prove(load(text), timeout_ms=20)
    (invariant,) = found.about("invariant")
    assert invariant.standing == "undecided" and invariant.problem and invariant.example is None
    assert not found.ok


# --- rules ------------------------------------------------------------------------------------------------------------


def rule_texts(rules: str, **more: str) -> list[tuple[str, bool]]:
    return [(one.text, one.problem) for one in prove(policy(rules, **more)).about("rule")]


@pytest.mark.parametrize(
    ("rules", "texts"),
    [
        (
            "  - {id: a, when: case.n > 5 && case.n < 5, then: deny}\n  - {id: b, when: case.n > 2, then: allow}",
            [("a can never hold", True)],
        ),
        (
            "  - {id: a, when: case.n > 5, then: deny}\n  - {id: b, when: case.n > 6, then: allow}",
            [("b (allow) never counts: wherever it holds, so does a (deny)", True)],
        ),
        (
            "  - {id: a, when: case.n > 5, unless: case.n > 4, then: deny}\n  - {id: b, when: case.n > 2, then: allow}",
            [("a is always excused by its `unless`", True)],
        ),
        (
            "  - {id: a, when: case.n > 5, then: deny}\n  - {id: b, when: case.n > 6, then: deny}",
            [("b changes no verdict: wherever it would decide, so does a without it", False)],
        ),
        (  # together they hide it, neither does alone
            "  - {id: a, when: case.n > 5, then: deny}\n  - {id: b, when: case.n < 6, then: escalate, to: x}\n"
            "  - {id: c, when: 'true', then: allow}",
            [("c (allow) never counts: wherever it holds, so does a (deny), b (escalate)", True)],
        ),
        (  # the same group with more approvals is something else
            "  - {id: a, when: case.n > 5, then: escalate, to: x}\n"
            "  - {id: b, when: case.n > 5, then: escalate, to: {group: x, approvals: 2}}",
            [("a changes no verdict: wherever it would decide, so does b without it", False)],
        ),
        (  # a rule that says what the default says matters only where it stands before another
            "  - {id: a, when: case.n > 5, then: escalate, to: desk}\n  - {id: b, when: case.n < 5, then: allow}",
            [("a changes no verdict: wherever it would decide, the verdict would be the same without it", False)],
        ),
        ("  - {id: a, when: case.n > 5, then: escalate, to: desk}\n  - {id: b, when: case.n > 4, then: allow}", []),
    ],
)  # fmt: skip
def test_rules_that_can_never_matter_are_found_with_what_hides_them(rules: str, texts: list[tuple[str, bool]]) -> None:
    assert sorted(rule_texts(rules)) == sorted(texts)


def test_two_fallbacks_at_once_are_told_with_the_one_that_counts() -> None:
    found = prove(
        policy(
            "  - {id: a, when: case.n > 5, then: fallback, to: one}\n"
            "  - {id: b, when: case.n > 3, then: fallback, to: two}\n"
            "  - {id: c, when: case.n == 1, then: fallback, to: three}"
        )
    )
    conflict = only(found, "conflict")
    assert conflict.text == "a and b can both hold, and lead to one and two: a stands first and counts"
    assert conflict.example is not None and dict(conflict.example.inputs)["case.n"] == "6"


def test_whether_the_default_is_reached() -> None:
    reached = only(prove(policy("  - {id: a, when: case.n > 0, then: allow}")), "default")
    assert (reached.standing, reached.problem) == ("refuted", False)
    assert reached.example is not None and reached.example.verdict.default
    closed = "  - {id: a, when: case.n > 0, then: deny}\n  - {id: b, when: case.n <= 0, then: allow}"
    assert only(prove(policy(closed)), "default").standing == "proved"


# --- irreversible actions ---------------------------------------------------------------------------------------------


def certificate(**terms: object) -> Certificate:
    given = {"id": "c", "action": "pay", "kind": "vouched", "by": "owner", "reason": "r", "until": 10**18, **terms}
    return Certificate(**given)  # pyright: ignore[reportArgumentType]


def guarded(rules: str, *certificates: Certificate, final: tuple[str, ...] = ()) -> str:
    return only(prove(policy(rules), certificates={"pay": certificates}, final=final), "irreversible").text


def test_how_an_irreversible_action_is_guarded() -> None:
    small = "  - {id: a, for: pay, when: proposal.amount >= 10 && has(proposal.score), then: allow}"
    assert guarded("  - {id: a, for: note, when: 'true', then: allow}") == (
        "pay never runs without a person: no rule ever allows it"
    )
    assert guarded(small, final=("pay",)) == "pay always takes a person: it is of class final"
    assert guarded(small) == "pay always takes a person: its release names no certificate for it"
    narrow = certificate(rung=900_000, amount=999, amount_path="proposal.amount", scale=2)
    assert "covers nothing of pay that the policy allows" in guarded(small, narrow)
    wide = certificate(rung=900_000, amount=10, amount_path="proposal.amount", scale=0)
    found = only(prove(policy(small), certificates={"pay": (wide,)}), "irreversible")
    assert found.text == (
        "pay runs without a person under certificate c (vouched, scores from 0.900000 and proposal.amount up to 10)"
    )
    assert found.example is not None
    assert dict(found.example.inputs) == {"proposal.amount": "10.00", "proposal.score": "0.900000"}


def test_a_policy_that_stands_alone_says_what_an_irreversible_action_takes() -> None:
    found = only(prove(policy("  - {id: a, for: pay, when: 'true', then: allow}")), "irreversible")
    assert found.text == "pay may be allowed by a rule; it then takes a certificate in force or a person"


def test_the_refunds_schema_of_an_automation_can_be_asked_about() -> None:
    text = "policy: r\nrules:\n  - {id: a, for: refund, when: proposal.amount < case.order.total.orValue(0), then: allow}\n"
    text += (
        "default: {verdict: deny}\ninvariants: {i: {never: allow, for: refund, when: proposal.amount > 999999.99}}\n"
    )
    assert prove(load(text, schema=REFUNDS)).ok
