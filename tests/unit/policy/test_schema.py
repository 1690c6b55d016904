# ruff: noqa: E501 - policy documents as their authors write them
"""The schema of a policy: written, read, narrowed, stored."""

import pytest

from interlock.policy import (
    ActionSchema,
    BindFailure,
    DecimalType,
    EnumType,
    Field,
    IntType,
    PolicyErrors,
    RecordType,
    Schema,
    load,
    run_tests,
    schema_text,
)
from tests.unit.policy.samples import CHEQUES, CHEQUES_POLICY, REFUNDS

RULES = "rules: []\ndefault: {verdict: deny}\n"


@pytest.mark.parametrize("schema", [CHEQUES, REFUNDS])
def test_a_schema_is_the_same_after_writing_and_storing(schema: Schema) -> None:
    assert Schema.from_data(schema.to_data()) == schema
    assert load("policy: p\n" + schema_text(schema) + RULES).schema == schema


def test_a_policy_means_the_same_with_a_derived_and_a_written_schema() -> None:
    derived = load(CHEQUES_POLICY, schema=CHEQUES, fallbacks=("ask_again",))
    assert load(schema_text(CHEQUES) + CHEQUES_POLICY).hash == derived.hash


def test_the_design_documents_example_loads_without_any_python() -> None:
    policy = load("""
policy: refunds
schema:
  now: timestamp
  proposal: {action: enum refund | reply | close, irreversible: bool, score: decimal(6) 0..1, amount?: decimal(2) 0..100000}
  case: {status: enum open | refunded | closed, flags: {list: string, max: 20}, order: {total: decimal(2) 0..100000, delivered_at?: timestamp}}
params: {auto_limit: 200.00}
define: {amount: proposal.amount.orValue(0)}
rules:
  - {id: more_than_paid, when: amount > case.order.total, then: deny, reason: Never refund more than was paid.}
  - {id: fraud_watch, when: '"fraud_watch" in case.flags', unless: proposal.action == "reply", then: escalate, to: fraud, reason: On fraud watch.}
  - {id: small_refund, when: proposal.action == "refund" && amount <= auto_limit, then: allow, reason: Small refund.}
default: {verdict: escalate, to: support}
invariants:
  never_over_paid: {never: allow, when: amount > case.order.total}
""")
    raw = {"proposal": {"amount": "12.00"}, "case": {"flags": [], "order": {"total": "50.00"}}}
    bound = policy.bind("refund", raw)
    assert not isinstance(bound, BindFailure)
    assert policy.judge(bound).rules == ("small_refund",)
    assert list(policy.schema.actions) == ["refund", "reply", "close"]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("int", "numbers need bounds: int 0..1000"),
        ("int 5..1", "is empty"),
        ("decimal 0..1", "needs its places"),
        ("decimal(2) 0..1.005", "more than 2 decimal places"),
        ("float", "floats are not exact"),
        ("str", "string(80)"),
        ("strng(5)", "did you mean `string`?"),
        ("bool(3)", "nothing in parentheses"),
        ("bool maybe", "not followed by"),
        ("enum", "needs its values"),
        ("enum a | a", "each once"),
        ("enum a |", "each once"),
        ("int 0..5 = 6", "the default does not fit: 6 is outside 0..5"),
        ("enum a | b = c", "the default does not fit"),
        ("duration 5..6", "no range of durations"),
        ("{list: string}", "needs `max`"),
        ("{list: {a: bool}, max: 3}", "one scalar type"),
        ("[bool]", "a text or a mapping"),
    ],
)
def test_a_type_that_is_not_one_is_refused_once(written: str, message: str) -> None:
    text = f"policy: p\nschema:\n  proposal: {{action: enum a}}\n  case:\n    x: {written}\n"
    text += "rules: [{id: r, when: case.x == case.x, then: deny}]\ndefault: {verdict: deny}\n"
    with pytest.raises(PolicyErrors) as caught:
        load(text)
    found = caught.value.diagnostics
    assert len(found) == 1, str(caught.value)
    assert message in f"{found[0].message} {found[0].suggestion}"
    assert found[0].line == 5


def test_beside_an_automation_the_block_narrows() -> None:
    block = "schema: {case: {funds: 'decimal(2) 0..500', status: enum presented | held}, actions: {pay: {args: {amount: 'decimal(2) 1..100'}}}}\n"
    policy = load(block + CHEQUES_POLICY.split("cases:")[0], schema=CHEQUES, fallbacks=("ask_again",))
    assert policy.schema.case.fields["funds"] == Field(DecimalType(2, 0, 50_000))
    assert policy.schema.case.fields["status"].type == EnumType(("presented", "held"))
    assert policy.schema.actions["pay"].args.fields["amount"].type == DecimalType(2, 100, 10_000)
    assert policy.schema.actions["pay"].irreversible is True
    assert policy.schema.case.fields["frozen"] == CHEQUES.case.fields["frozen"]
    raw = {"proposal": {"amount": "100.01"}}
    assert isinstance(policy.bind("pay", raw), BindFailure)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("{case: {funds: 'decimal(2) 0..1000001'}}", "can only narrow"),
        ("{case: {funds: 'decimal(3) 0..5'}}", "can only narrow"),
        ("{case: {funds: int 0..5}}", "can only narrow"),
        ("{case: {stopped?: bool}}", "is always there"),
        ("{case: {status: enum presented | lost}}", "can only narrow"),
        ("{case: {fund: 'decimal(2) 0..5'}}", "no `case.fund`"),
        ("{actions: {pya: {args: {}}}}", "no action is called `pya`"),
    ],
)
def test_beside_an_automation_the_block_can_only_narrow(block: str, message: str) -> None:
    with pytest.raises(PolicyErrors) as caught:
        load(f"policy: p\nschema: {block}\n" + RULES, schema=CHEQUES)
    assert message in caught.value.diagnostics[0].message


def test_names_that_would_hide_the_kernels_facts_are_refused() -> None:
    with pytest.raises(ValueError, match="`in_doubt` has the name of a fact"):
        Schema.standard(actions={}, case=RecordType({"in_doubt": Field(IntType(0, 1))}))
    with pytest.raises(ValueError, match="argument `score` of action `a`"):
        Schema.standard(actions={"a": ActionSchema(RecordType({"score": Field(IntType(0, 1))}))}, case=RecordType())


def test_plain_data_that_is_no_schema_is_refused() -> None:
    for data in ({}, {"actions": 1}, {**CHEQUES.to_data(), "case": ["bool"]}, {**CHEQUES.to_data(), "case": ["what"]}):
        with pytest.raises(ValueError):
            Schema.from_data(data)


def test_one_base_serves_actions_whose_arguments_differ_under_one_name() -> None:
    policy = load("""policy: p
schema: {actions: {pay: {args: {n: 'decimal(2) 0..9'}}, count: {args: {n: int 0..9}}}}
rules:
  - {id: half, for: pay, when: proposal.n == 0.5, then: deny}
  - {id: three, for: count, when: proposal.n == 3, then: allow}
default: {verdict: deny}
cases:
  base: {proposal: {action: pay, n: 3}}
  tests:
    - {name: a half, with: {proposal.n: 0.50}, expect: deny, by: half}
    - {name: a count, action: count, expect: allow}
""")
    assert [result.problem for result in run_tests(policy)] == ["", ""]
