# ruff: noqa: E501 - policy documents as their authors write them
"""Each mistake in a document is found where it stands, in words that say what to write instead.

In a case the place that the finding must point at is marked with «»; the marks are taken out before loading.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.policy import Diagnostic, PolicyErrors, load
from interlock.vocabulary.errors import DefinitionErrors
from tests.unit.policy.samples import CHEQUES, REFUNDS

HEAD = "policy: refunds\n"
TAIL = "default: {verdict: escalate, to: support}\n"


def findings(text: str, **options: object) -> tuple[Diagnostic, ...]:
    with pytest.raises(PolicyErrors) as caught:
        load(text, file="p.yaml", **options)  # pyright: ignore[reportArgumentType]
    return caught.value.diagnostics


def marked(text: str) -> tuple[str, int, int, str]:
    """The text without its marks, and line, column and content of what they enclose."""
    before, _, rest = text.partition("«")
    inside, _, after = rest.partition("»")
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return before + inside + after, line, column, inside


def check(text: str, code: str, message: str, suggestion: str, **options: object) -> None:
    plain, line, column, inside = marked(text)
    options.setdefault("schema", REFUNDS)
    options.setdefault("fallbacks", ("offer_store_credit",))
    found = findings(plain, **options)
    assert [(one.line, one.column, one.code) for one in found] == [(line, column, code)], "\n".join(map(str, found))
    assert message in found[0].message
    assert suggestion in found[0].suggestion
    assert found[0].file == "p.yaml"
    excerpt, carets = found[0].excerpt.split("\n")
    start = carets.index("^")
    shown = excerpt[start:].split("\n")[0]
    first = inside.split("\n")[0]
    assert shown.startswith(first[:40]), "the carets stand below what is wrong"


# code, rule's condition with marks, part of the message, part of the suggestion
CONDITIONS = [
    ("unknown_field", "case.«refunde» > 0", "no field `refunde`", "`refunded`"),
    ("unknown_field", "advice.«agred» < 2", "no field `agred`", "`agreed`"),
    ("unknown_field", "breaker.«payment» == 'open'", "no field `payment`", "`payments`"),
    ("unknown_field", "case.count.«refunds» > 0", "no field `refunds`", "`refund`"),
    ("unknown_field", "proposal.«amnt» > 1", "no field `amnt`", "`amount`"),
    ("unknown_name", "«amount» > 1", "nothing is called `amount`", "proposal.amount"),
    ("unknown_name", "«chargebacks» > 1", "nothing is called", "case.chargebacks"),
    ("unknown_name", "«cas».chargebacks > 1", "nothing is called `cas`", "`case`"),
    ("unknown_name", "«sizeof»(case.flags) > 1", "no function is called", "size"),
    ("unknown_name", "case.status.«matches»('a')", "no function is called", "regular expressions"),
    ("unknown_value", 'case.status == «"opne"»', "none of enum", "`open`"),
    ("unknown_value", 'case.status in ["open", «"closd"»]', "none of enum", "`closed`"),
    ("unknown_value", 'proposal.action == «"refnd"»', "none of enum", "`refund`"),
    ("type", "«case.chargebacks == '1'»", "only values of one type", "without quotes"),
    ("type", "«case.waited > 30»", "only values of one type", "30d"),
    ("type", "«now - case.first_event_at > 30»", "only values of one type", "30d"),
    ("type", "case.status «>» 'open'", "has no order", "=="),
    ("type", "«case.chargebacks»", "must be true or false", "compare"),
    ("type", "«case.chargebacks» && case.in_doubt > 0", "&& joins conditions", "compare"),
    ("type", "!«case.chargebacks»", "! turns true into false", "compare"),
    ("type", "has(case.order) && «case.order» == 'x'", "is a record", "delivered_at"),
    ("type", "case.chargebacks.«foo» > 1", "has no fields", ""),
    ("type", "«now + now» > now", "means nothing", ""),
    ("type", "«now + 5» > now", "means nothing", "units"),
    ("type", "-«case.status» == 'open'", "has no negative", ""),
    ("type", "case.flags == «[1]»", "after `in`", "x in"),
    ("type", "1 in «case.refunded»", "needs a list", "x in"),
    ("type", "case.chargebacks in [1, «case.in_doubt»]", "known when the policy loads", "=="),
    ("type", "case.chargebacks in «[1, 'a']»", "values of one type", ""),
    ("type", "size(«case.chargebacks») > 0", "of a string or a list", ""),
    ("type", "now > timestamp(«'yesterday'»)", "not a timestamp", ""),
    ("type", "case.waited > duration(«'P1M'»)", "no months", ""),
    ("not_total", "case.refunded «/» 2 > 1", "not exact", "multiply the other side"),
    ("not_total", "case.chargebacks «%» 2 == 1", "division", "multiply"),
    ("not_total", "«case.chargebacks * case.in_doubt» > 1", "known when the policy loads", "compute it"),
    ("maybe_missing", "«case.order.total» > 1", "may be missing (`case.order` is optional)", "has(case.order.total)"),
    ("maybe_missing", "has(case.order) && «case.order.delivered_at» < now", "may be missing", ".orValue"),
    (
        "maybe_missing",
        "has(case.order) || «case.order.total» > 1",
        "is missing wherever this is read",
        "has(case.order) &&",
    ),
    (
        "maybe_missing",
        "!has(case.order) && «case.order.total» > 1",
        "say that `case.order` is absent",
        "or leave this part out",
    ),
    (
        "maybe_missing",
        "has(case.order) ? true : «case.order.total» > 1",
        "say that `case.order` is absent",
        "has(case.order) &&",
    ),
    ("maybe_missing", "(has(case.order) || case.chargebacks > 1) && «case.order.total» > 1", "may be missing", "has("),
    ("maybe_missing", "«proposal.score» > 0.5", "may be missing", "has(proposal.score)"),
    ("not_for_action", "«proposal.amount» > 1", "only for refund, store_credit", "for: [refund, store_credit]"),
    ("not_for_action", "proposal.action != 'reply' && «proposal.amount» > 1", "also be close", "for:"),
    ("not_for_action", "proposal.action == 'close' && proposal.«amount» > 1", "does not exist for close", "refund"),
    ("syntax", "case.chargebacks «=» 1", "means nothing here", "=="),
    ("syntax", "case.chargebacks > 1 «and» case.in_doubt > 0", "should end before `and`", "write &&"),
    ("syntax", "«not» case.chargebacks > 1", "cannot stand here", "!"),
    ("syntax", "case.waited > «30days»", "neither a number nor a duration", "30d"),
    ("syntax", "case.refunded > «1e3»", "neither a number", "written out"),
    ("syntax", "(case.chargebacks > 1«»", "`)` is missing", "closes `(`"),
    ("syntax", "case.status == «'open»", "not closed", "end it with '"),
    ("syntax", "case.flags«[»0] == 'a'", "not indexed", "in list"),
    ("syntax", "«has()»", "takes 1 argument", ""),
    ("syntax", "case.status == 'a«\\q»b'", "unknown escape", ""),
]


@pytest.mark.parametrize(("code", "when", "message", "suggestion"), CONDITIONS, ids=[c[1] for c in CONDITIONS])
def test_a_mistake_in_a_condition(code: str, when: str, message: str, suggestion: str) -> None:
    body = "rules:\n  - id: r\n    when: >-\n      " + when + "\n    then: deny\n"
    check(HEAD + body + TAIL, code, message, suggestion)


@pytest.mark.parametrize(
    "written",
    [
        "when: case.«refunde» > 0",
        "when: 'case.status == ''open'' && case.«refunde» > 0'",
        'when: "case.status == \\"open\\" && case.«refunde» > 0"',
        'when: "\\u0063ase.«refunde» > 0"',
        "when: |\n      case.chargebacks > 0 &&\n        case.«refunde» > 0\n",
        "when: >\n      case.chargebacks > 0 &&\n      case.«refunde» > 0\n",
        "when: case.chargebacks > 0 &&\n      case.«refunde» > 0",
        'when: "case.chargebacks > 0 && \\\n      case.«refunde» > 0"',
        "when: 'case.chargebacks > 0 &&\n\n      case.«refunde» > 0'",
    ],
)
def test_the_place_is_right_in_every_style_of_scalar(written: str) -> None:
    body = "rules:\n  - id: r\n    then: deny\n    " + written + "\n"
    check(HEAD + body + TAIL, "unknown_field", "refunde", "`refunded`")


def test_the_place_is_right_inside_a_flow_mapping() -> None:
    body = "rules:\n  - {id: r, for: refund, when: 'proposal.«amnt» > 1', then: deny, reason: Größer.}\n"
    check(HEAD + body + TAIL, "unknown_field", "amnt", "`amount`")


DOCUMENTS = [
    ("unknown_key", HEAD + "«rulez»: []\nrules: []\n" + TAIL, "unknown key `rulez`", "`rules`"),
    ("unknown_key", HEAD + "rules:\n  - {id: a, «wehn»: x, when: 'true', then: deny}\n" + TAIL, "`wehn` in a rule", "`when`"),
    ("unknown_key", HEAD + "rules: []\ndefault: {verdict: deny, «too»: x}\n", "in default", ""),
    ("duplicate_key", HEAD + "rules: []\n«rules»: []\n" + TAIL, "given twice", ""),
    ("duplicate_id", HEAD + "rules:\n  - {id: a, when: 'true', then: deny}\n  - {id: «a», when: 'true', then: deny}\n" + TAIL, "in line 3", ""),
    ("order", HEAD + "rules:\n  - {id: a, when: 'true', then: allow}\n  - {id: b, when: 'true', then: «deny»}\n" + TAIL, "below an allow rule", "strictest"),
    ("order", HEAD + "rules:\n  - {id: a, when: 'true', then: fallback, to: offer_store_credit}\n  - {id: b, when: 'true', then: «escalate», to: x}\n" + TAIL, "below a fallback rule", "strictest"),
    ("default_allow", HEAD + "rules: []\ndefault: {verdict: «allow»}\n", "never be allow", "write a rule"),
    ("shape", HEAD + "rules:\n  - «{»id: a, then: deny}\n" + TAIL, "needs `when`", "'true'"),
    ("shape", HEAD + "rules:\n  - «{»when: 'true', then: deny}\n" + TAIL, "needs an `id`", ""),
    ("shape", HEAD + "rules:\n  - {id: a, when: 'true', then: «escalate»}\n" + TAIL, "needs `to`", "GROUP"),
    ("shape", HEAD + "rules:\n  - {id: a, when: 'true', then: deny, to: «x»}\n" + TAIL, "leads nowhere", "remove"),
    ("unknown_value", HEAD + "rules:\n  - {id: a, when: 'true', then: «denny»}\n" + TAIL, "no outcome", "`deny`"),
    ("unknown_action", HEAD + "rules:\n  - {id: a, for: «refnd», when: 'true', then: deny}\n" + TAIL, "`refnd`", "`refund`"),
    ("unknown_fallback", HEAD + "rules:\n  - {id: a, when: 'true', then: fallback, to: «offer_credit»}\n" + TAIL, "no fallback", "offer_store_credit"),
    ("value", HEAD + "rules:\n  - {id: a, when: 'true', then: escalate, to: {group: x, approvals: «0»}}\n" + TAIL, "1 to 99", ""),
    ("unused", HEAD + "params: {«limit»: 5}\nrules: []\n" + TAIL, "`limit` is used by no rule", "remove it"),
    ("unused", HEAD + "define: {«total»: case.refunded}\nrules: []\n" + TAIL, "`total` is used by no rule", "remove it"),
    ("name", HEAD + "params: {«case»: 5}\nrules: []\n" + TAIL, "cannot be a name", "roots"),
    ("type", HEAD + "params: {l: «30dd»}\nrules: [{id: a, when: case.refunded > 1, then: deny}]\n" + TAIL, "no number, duration", "30d"),
    ("shape", "«r»ules: []\n" + TAIL, "no name", "policy: NAME"),
    ("shape", "«p»olicy: x\nrules: []\n", "no rule does", "default:"),
    ("yaml", HEAD + "rules:\n  - {id: a, when: «!case.x», then: deny}\n" + TAIL, "YAML tag", "in quotes"),
    ("yaml", HEAD + "rules: «&a» []\n" + TAIL, "anchors", ""),
    ("yaml", HEAD + "rules: []\n" + TAIL + "«---»\npolicy: b\n", "second document", ""),
    ("shape", HEAD + "rules: []\n" + TAIL + "invariants: {a: {never: «deny», when: 'true'}}\n", "never allowed", "never: allow"),
    ("unknown_field", HEAD + "rules: []\n" + TAIL + "invariants: {a: {never: allow, when: case.«refnded» > 1}}\n", "refnded", "`refunded`"),
    ("unknown_field", HEAD + "rules: []\n" + TAIL + "cases: {base: {case: {«chargebaks»: 1}}, tests: []}\n", "chargebaks", "`chargebacks`"),
    ("value", HEAD + "rules: []\n" + TAIL + "cases: {base: {case: {chargebacks: «many»}}, tests: []}\n", "whole number", ""),
    ("unknown_field", HEAD + "rules: []\n" + TAIL + "cases:\n  base: {proposal: {action: close}}\n  tests:\n    - {name: a, with: {«case.reund»: 1}, expect: deny}\n", "case.reund", "`refunded`"),
    ("unknown_rule", HEAD + "rules: [{id: abc, when: 'true', then: deny}]\n" + TAIL + "cases:\n  base: {proposal: {action: close}}\n  tests:\n    - {name: a, expect: deny, by: [«abd»]}\n", "`abd`", "`abc`"),
    ("shape", HEAD + "rules: []\n" + TAIL + "cases:\n  base: {proposal: {action: close}}\n  tests:\n    - {name: a, expect: «alow»}\n", "no verdict", "allow"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text", "message", "suggestion"), DOCUMENTS, ids=[d[2] for d in DOCUMENTS])
def test_a_mistake_in_the_document(code: str, text: str, message: str, suggestion: str) -> None:
    check(text, code, message, suggestion)


def test_a_group_that_nobody_is_in_is_refused_where_the_groups_are_known() -> None:
    body = HEAD + "rules:\n  - {id: a, when: 'true', then: escalate, to: [support, «fruad»]}\n" + TAIL
    known = replace(REFUNDS, groups=("support", "fraud"))
    check(body, "unknown_group", "`fruad`", "`fraud`", schema=known)


def test_an_invisible_field_says_which_bound_is_missing() -> None:
    body = "policy: c\nrules:\n  - {id: a, when: «case.weight» > 1, then: deny}\n" + TAIL
    check(body, "invisible", "cannot read `case.weight`", "float: use Decimal with bounds", schema=CHEQUES)


def test_a_field_of_another_type_in_each_action_is_refused() -> None:
    text = """policy: x
schema:
  actions: {a: {args: {n: int 0..5}}, b: {args: {n: string(5)}}}
rules:
  - {id: r, when: proposal.«n» == 1, then: deny}
default: {verdict: deny}
"""
    check(text, "type", "another type in each of: a, b", "for: a", schema=None)


def test_everything_is_found_in_one_run() -> None:
    text = """policy: refunds
params: {unused_one: 1}
define: {total: case.order.totl}
rules:
  - {id: a, when: case.refunde > total, then: deny}
  - {id: a, for: refnd, when: advice.agred < 2, then: escalate}
  - {id: b, when: 'case.status == "opn" || case.chargebaks > 1', then: allow, unles: x}
default: {verdict: allow}
invariants: {i: {never: allow, when: now > 1}}
"""
    codes = [one.code for one in findings(text, schema=REFUNDS)]
    assert sorted(codes) == sorted(
        [
            "unused", "unknown_field", "unknown_field", "duplicate_id", "unknown_action", "unknown_field", "shape",
            "unknown_value", "unknown_field", "unknown_key", "default_allow", "type",
        ]
    )  # fmt: skip


def test_a_rule_with_a_mistake_has_its_name_all_the_same() -> None:
    rules = "rules:\n  - {id: a, when: proposal.amont > 1, then: deny}\n"
    cases = "cases: {base: {proposal: {action: refund}}, tests: [{name: t, expect: deny, by: [a]}, {name: u, expect: deny, by: [b]}]}\n"
    codes = [(one.code, one.message) for one in findings(HEAD + rules + TAIL + cases, schema=REFUNDS)]
    assert ("unknown_rule", "no rule is called `a`") not in codes
    assert [message for _, message in codes if "no rule is called" in message] == ["no rule is called `b`"]


def test_a_definition_used_twice_is_blamed_once() -> None:
    text = (
        HEAD
        + "define: {d: case.refunde > 1}\nrules:\n  - {id: a, when: d, then: deny}\n  - {id: b, when: d, then: deny}\n"
    )
    assert [one.line for one in findings(text + TAIL, schema=REFUNDS)] == [2]


def test_definitions_that_use_each_other_in_a_circle_are_refused() -> None:
    text = HEAD + "define: {a: b && case.in_doubt > 0, b: a}\nrules:\n  - {id: r, when: a, then: deny}\n" + TAIL
    found = findings(text, schema=REFUNDS)
    assert [one.code for one in found] == ["cycle"]
    assert "a -> b -> a" in found[0].message


def test_definitions_that_double_each_other_are_refused_before_they_grow() -> None:
    names = "\n".join(f"  d{i}: d{i + 1} && d{i + 1} && d{i + 1} && d{i + 1} && d{i + 1} && d{i + 1}" for i in range(4))
    wide = " && ".join(["case.in_doubt > 0"] * 100)
    text = f"{HEAD}define:\n{names}\n  d4: {wide}\nrules:\n  - {{id: r, when: d0, then: deny}}\n{TAIL}"
    assert {one.code for one in findings(text, schema=REFUNDS)} == {"too_large"}


@pytest.mark.parametrize(
    "when",
    ["(" * 300 + "true" + ")" * 300, "!" * 300 + "true", "1" + " + 1" * 500 + " > 1", "a" + ".a" * 500, "true ? " * 99],
)
def test_deep_expressions_are_refused_not_survived_by_luck(when: str) -> None:
    text = HEAD + f"rules:\n  - {{id: r, when: '{when}', then: deny}}\n" + TAIL
    assert "nested deeper" in findings(text, schema=REFUNDS)[0].message


def test_a_document_of_hostile_size_or_depth_is_refused() -> None:
    assert findings("a" * 300_000)[0].code == "too_large"
    assert findings("[" * 5_000)[0].code == "too_large"
    assert findings("a: [" + "1," * 30_000 + "]")[0].code == "too_large"
    assert findings("a: &x [1]\nb: [*x, *x]")[0].code == "yaml"


def test_without_schema_the_document_says_so_and_syntax_is_still_checked() -> None:
    text = "policy: x\nrules:\n  - {id: r, when: a =, then: deny}\n" + TAIL
    assert [one.code for one in findings(text)] == ["schema", "syntax"]


def test_the_errors_are_definition_errors_and_print_with_their_excerpt() -> None:
    text = HEAD + "rules:\n  - {id: r, when: case.refunde > 1, then: deny}\n" + TAIL
    with pytest.raises(DefinitionErrors) as caught:
        load(text, file="p.yaml", schema=REFUNDS)
    assert caught.value.code == "policy"
    assert str(caught.value) == (
        "p.yaml:3:24: `case` has no field `refunde`\n"
        "    3 |   - {id: r, when: case.refunde > 1, then: deny}\n"
        "      |                        ^^^^^^^\n"
        "    did you mean `refunded`?"
    )


def test_a_sentence_may_contain_commas_but_a_misspelt_key_with_a_value_is_still_an_error() -> None:
    good = HEAD + "rules:\n  - {id: r, when: 'true', then: deny, reason: Stopped, or late, or both.}\n" + TAIL
    assert load(good, schema=REFUNDS).rules[0].reason == "Stopped, or late, or both."
    bad = HEAD + "rules:\n  - {id: r, when: 'true', then: allow, reason: Stopped, unles: case.frozen}\n" + TAIL
    assert [one.code for one in findings(bad, schema=REFUNDS)] == ["unknown_key"]


def test_this_file_names_every_code_a_finding_may_have() -> None:
    here = Path(__file__).read_text()
    source = "".join(file.read_text() for file in Path(load.__code__.co_filename).parent.glob("*.py"))
    used = set(re.findall(r'(?:\.add|note)\(\s*"([a-z_]+)"', source))
    assert len(used) > 15
    assert {code for code in used if f'"{code}"' not in here} == set()
