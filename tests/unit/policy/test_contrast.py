# ruff: noqa: E501, ISC004 - policy documents as their authors write them
"""The smallest change of an input that gives another verdict."""

from typing import Any

import pytest

from interlock.policy import Bound, load
from interlock.policy.contrast import Contrasts, contrast
from interlock.vocabulary.verdict import Outcome
from tests.unit.policy.samples import cheques, payment
from tests.unit.policy.test_proofs import policy


def changes(
    when: str, data: dict[str, Any], target: Outcome | None = None, *, default: str = "{verdict: escalate, to: desk}"
) -> list[str]:
    """What flips a policy of one rule that allows where `when` holds."""
    return told(f"  - {{id: a, for: pay, when: '{when}', then: allow}}", data, target, default=default)


def found(rules: str, data: dict[str, Any], target: Outcome | None = None, **more: str) -> Contrasts:
    one = policy(rules, **more)
    bound = one.bound_from_data("pay", {**dict.fromkeys(one.inputs("pay")), **data})
    assert isinstance(bound, Bound), bound
    result = contrast(one, bound, target=target)
    for each in result.found:
        again = one.bound_from_data("pay", each.data)
        assert isinstance(again, Bound) and one.judge(again) == each.verdict
        assert each.verdict.outcome != result.verdict.outcome
        assert target in (None, each.verdict.outcome)
    return result


def told(rules: str, data: dict[str, Any], target: Outcome | None = None, **more: str) -> list[str]:
    return [str(one) for one in found(rules, data, target, **more).found]


@pytest.mark.parametrize(
    ("when", "data", "expected"),
    [
        ("proposal.amount <= 100", {"proposal.amount": 25_000}, ["allow with proposal.amount 100.00 instead of 250.00"]),
        ("proposal.amount < 100", {"proposal.amount": 25_000}, ["allow with proposal.amount 99.99 instead of 250.00"]),
        ("proposal.amount > 100", {"proposal.amount": 500}, ["allow with proposal.amount 100.01 instead of 5.00"]),
        ("proposal.amount == 100", {"proposal.amount": 500}, ["allow with proposal.amount 100.00 instead of 5.00"]),
        ("proposal.amount != 100", {"proposal.amount": 10_000}, ["allow with proposal.amount 99.99 instead of 100.00"]),
        ("proposal.amount * 3 >= 100", {"proposal.amount": 0}, ["allow with proposal.amount 33.34 instead of 0.00"]),
        ("proposal.amount in [7, 9]", {"proposal.amount": 0}, ["allow with proposal.amount 7.00 instead of 0.00"]),
        ("proposal.amount > 1000", {"proposal.amount": 0}, []),  # no amount is
        ("case.n * 10 - 5 > 40", {"case.n": 2}, ["allow with case.n 5 instead of 2"]),
        ("case.kind == \"loan\"", {"case.kind": "gift"}, ["allow with case.kind loan instead of gift"]),
        ("case.kind.startsWith(\"s\")", {"case.kind": "gift"}, ["allow with case.kind sale instead of gift"]),
        ("case.name == \"bob\"", {"case.name": "al"}, ['allow with case.name "bob" instead of "al"']),
        ("case.name != \"bob\"", {"case.name": "bob"}, ['allow with case.name "" instead of "bob"']),
        ("case.name.startsWith(\"bo\")", {"case.name": "al"}, ['allow with case.name "bo" instead of "al"']),
        ("\"vip\" in case.tags", {"case.tags": ["old"]}, ['allow with case.tags ["old", "vip"] instead of ["old"]']),
        ("!(\"vip\" in case.tags)", {"case.tags": ["old", "vip"]}, ['allow with case.tags ["old"] instead of ["old", "vip"]']),
        ("\"vip\" in case.tags", {"case.tags": ["a", "b"]}, ['allow with case.tags ["a", "vip"] instead of ["a", "b"]']),  # two fit
        ("size(case.tags) == 0", {"case.tags": ["old"]}, ['allow with case.tags [] instead of ["old"]']),
        ("has(proposal.score)", {}, ["allow with proposal.score 0.000000 instead of absent"]),
        ("has(proposal.score) && proposal.score >= 0.9", {}, ["allow with proposal.score 0.900000 instead of absent"]),
        ("!has(proposal.score)", {"proposal.score": 5}, ["allow with proposal.score absent instead of 0.000005"]),
        ("has(case.order) && case.order.total > 5", {}, ["allow with case.order.total 5.01 instead of absent"]),
        ("!has(case.order) || case.order.total > 5", {"case.order": True, "case.order.total": 1},
         ["allow with case.order absent instead of there", "allow with case.order.total 5.01 instead of 0.01"]),
        ("case.order.paid.orValue(false)", {}, ["allow with case.order.paid true instead of absent"]),
        ("now - case.due.orValue(now) > 3d", {"now": 10**12, "case.due": 10**12},
         ["allow with case.due 1970-01-09T13:46:39.999999Z instead of 1970-01-12T13:46:40Z",
          "allow with now 1970-01-15T13:46:40.000001Z instead of 1970-01-12T13:46:40Z"]),
    ],
)  # fmt: skip
def test_one_input_is_moved_to_the_nearest_value_that_counts(
    when: str, data: dict[str, Any], expected: list[str]
) -> None:
    assert changes(when, data) == expected


def test_both_ways_of_one_input_are_told() -> None:
    rules = """
  - {id: none, for: pay, when: proposal.amount < 1, then: deny}
  - {id: some, for: pay, when: proposal.amount <= 100, then: allow}"""
    assert told(rules, {"proposal.amount": 12_000}) == [
        "allow with proposal.amount 100.00 instead of 120.00",
        "deny with proposal.amount 0.99 instead of 120.00",
    ]
    assert told(rules, {"proposal.amount": 12_000}, "deny") == ["deny with proposal.amount 0.99 instead of 120.00"]


def test_several_inputs_are_moved_only_where_one_does_not_do() -> None:
    rules = """
  - {id: watched, for: pay, when: '"watch" in case.tags', then: escalate, to: fraud}
  - {id: odd, for: pay, when: case.n > 7, then: escalate, to: boss}
  - {id: small, for: pay, when: proposal.amount <= 100, then: allow}"""
    data = {"case.tags": ["watch"], "case.n": 9, "proposal.amount": 15_000}
    result = found(rules, data)
    assert result.searched == 3 and not result.cut
    assert [str(one) for one in result.found] == [
        'allow with case.n 7 instead of 9 and case.tags [] instead of ["watch"] and '
        "proposal.amount 100.00 instead of 150.00"
    ]
    assert found(rules, {**data, "proposal.amount": 50_00}).searched == 2
    assert found(rules, {**data, "proposal.amount": 50_00, "case.n": 1}).searched == 1


def test_two_inputs_of_one_comparison_meet_in_the_middle_where_neither_reaches_alone() -> None:
    rules = "  - {id: a, for: pay, when: proposal.amount + case.order.total.orValue(0) > 1400, then: allow}"
    data = {"proposal.amount": 20_000, "case.order": True, "case.order.total": 10_000}
    result = found(rules, {key: data[key] for key in data if key in policy(rules).inputs("pay")})
    assert result.searched == 2
    (one,) = result.found
    assert [str(change) for change in one.changes] == [
        "case.order.total 400.01 instead of 100.00",  # the nearest with which any amount is enough
        "proposal.amount 1000.00 instead of 200.00",
    ]


def test_what_keeps_stricter_rules_from_holding_is_changed_with_what_the_wanted_rule_reads() -> None:
    """More of the first input alone gives the same verdict again, each time by another rule that asks the desk."""
    rules = """
  - {id: odd, for: pay, when: case.n > 5 && proposal.amount > 100, then: escalate, to: desk}
  - {id: watched, for: pay, when: 'case.n > 5 && "watch" in case.tags', then: escalate, to: desk}
  - {id: some, for: pay, when: case.n > 5, then: allow}"""
    data = {"case.tags": ["watch"], "case.n": 1, "proposal.amount": 15_000}
    for target in (None, "allow"):
        result = found(rules, data, target)
        assert (result.searched, result.complete) == (3, True)
        assert [str(one) for one in result.found] == [
            'allow with case.n 6 instead of 1 and case.tags [] instead of ["watch"] and '
            "proposal.amount 100.00 instead of 150.00"
        ]
    assert told(rules, data, "deny") == []


def test_what_goes_with_its_record_is_not_moved_on_its_own() -> None:
    """An order that was taken away has no number that could be moved; judged with one, the rules would find no total."""
    text = """
policy: p
schema:
  actions: {pay: {irreversible: false, args: {amount: int 0..9}}}
  case: {n: int 0..9, order?: {all: int 0..9, k?: int 0..9}}
rules:
  - {id: no, when: case.n > 3 && proposal.amount > 3, then: deny}
  - {id: yes, when: has(case.order.k) && case.order.k > case.order.all.orValue(2) && proposal.amount == 4, then: allow}
default: {verdict: escalate, to: desk}
"""
    one = load(text)
    bound = one.bound_from_data("pay", {"case.n": 9, "case.order.all": 9, "case.order.k": 1, "proposal.amount": 5})
    assert isinstance(bound, Bound)
    for target in ("allow", "escalate"):
        for each in contrast(one, bound, target=target).found:
            again = one.bound_from_data("pay", each.data)
            assert isinstance(again, Bound) and one.judge(again) == each.verdict
            assert each.verdict.outcome == target


def test_of_a_list_several_items_are_changed_at_once() -> None:
    assert changes('"a" in case.tags && "b" in case.tags && !("c" in case.tags)', {"case.tags": ["c", "x"]}) == [
        'allow with case.tags ["a", "b"] instead of ["c", "x"]'  # two fit
    ]
    assert changes('size(case.tags) < 2 && "vip" in case.tags', {"case.tags": ["a", "vip"]}) == [
        'allow with case.tags ["vip"] instead of ["a", "vip"]'
    ]


def test_a_text_is_made_up_of_what_rules_ask_of_it() -> None:
    when = 'case.name.startsWith("DE") && case.name.endsWith("7") && size(case.name) > 4'
    assert changes(when.replace(" && size(case.name) > 4", ""), {"case.name": "x"}) == [
        'allow with case.name "DE7" instead of "x"'
    ]
    assert changes('case.name.startsWith("DE") && size(case.name) > 4', {"case.name": "x"}) == [
        'allow with case.name "DE---" instead of "x"'
    ]
    assert changes(when, {"case.name": "x"}) == []  # docs/limits.md: there is one, and it is not made up


def test_where_a_comparison_reads_several_inputs_there_may_be_more_and_it_says_so() -> None:
    """Two comparisons of the same two inputs that meet in one point: no boundary of the present leads there."""
    total = "case.order.total.orValue(0)"
    when = f"proposal.amount * 3 == {total} * 2 + 100 && proposal.amount * 5 == {total} * 3 + 200"
    rules = f"  - {{id: a, for: pay, when: {when}, then: allow}}"
    result = found(rules, {"proposal.amount": 70_000, "case.order.total": 3})
    assert (result.found, result.cut, result.joined, result.complete) == ((), False, True, False)
    assert result.remarks == (
        "No change of up to 3 inputs was found that gives another outcome; "
        "where a comparison reads several of them, there may be one.",
    )
    assert found(rules, {"proposal.amount": 10_000, "case.order.total": 10_000}).verdict.outcome == "allow"


def test_nothing_is_said_where_nothing_gives_what_is_wanted() -> None:
    result = found("  - {id: a, for: note, when: 'true', then: allow}", {}, "allow")
    assert (result.found, result.cut) == ((), False)
    assert found("  - {id: a, for: pay, when: 'true', then: allow}", {}, "allow").found == ()


def test_the_cheques_policy() -> None:
    one = cheques()
    bound = one.bind("pay", payment(case__frozen=True, proposal__amount="6000.00", case__funds="9000.00"))
    assert isinstance(bound, Bound)
    assert [str(each) for each in contrast(one, bound, target="allow").found] == [
        "allow with case.frozen false instead of true and proposal.amount 5000.00 instead of 6000.00"
    ]
