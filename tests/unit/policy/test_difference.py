"""Two versions of a policy: the same for every input, or how they differ."""

import pytest

from interlock.policy import Bound, load, verdict_text
from interlock.policy.policy import Policy
from interlock.policy.proof import Change, compare
from interlock.vocabulary.errors import Refused
from tests.unit.policy.test_proofs import policy

OLD = """
  - {id: late, when: now - case.due.orValue(now) > 3d, then: deny}
  - {id: large, for: pay, when: proposal.amount > 100, then: escalate, to: boss}
  - {id: odd, for: pay, when: case.n > 7, then: fallback, to: ask}
  - {id: small, for: pay, when: proposal.amount <= 100, then: allow}
"""


def changed(*pairs: tuple[str, str], schema: tuple[str, str] = ("", "")) -> Policy:
    text = OLD
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return load(policy(text).source.replace(*schema)) if schema[0] else policy(text)


def only(new: Policy) -> Change:
    found = compare(policy(OLD), new)
    assert not found.equivalent and not found.undecided
    (change,) = found.changes
    return change


@pytest.mark.parametrize(
    "pair",
    [
        ("proposal.amount > 100,", "proposal.amount >= 100.01,"),
        ("proposal.amount > 100,", "2 * proposal.amount > 200,"),
        ("case.n > 7", "'case.n in [8, 9]'"),
        ("proposal.amount <= 100", "proposal.amount != 500"),  # what is not small is large
        ("now - case.due.orValue(now) > 3d", "has(case.due) && case.due + 3d < now"),
        ("id: odd", "id: strange"),
    ],
)
def test_what_says_the_same_in_other_words_is_proved_to_be_equivalent(pair: tuple[str, str]) -> None:
    found = compare(policy(OLD), changed(pair))
    assert found.equivalent and found.tightening and found.changes == ()


@pytest.mark.parametrize(
    ("pair", "name", "stricter", "where", "amount", "verdicts"),
    [
        (("proposal.amount <= 100", "proposal.amount < 100"), "allow -> escalate", True,
         "proposal.amount is 100.00", "100.00", ("allow", "escalate:desk")),
        (("proposal.amount <= 100", "proposal.amount <= 90.5"), "allow -> escalate", True,
         "proposal.amount is more than 90.50 and at most 100.00", "90.51", ("allow", "escalate:desk")),
        (("to: boss", "to: {group: boss, approvals: 2}"), "escalate: other people", True,
         "proposal.amount is more than 100.00", "100.01", ("escalate:boss", "escalate:boss*2")),
        (("to: boss", "to: lead"), "escalate: other people", False,
         "proposal.amount is more than 100.00", "100.01", ("escalate:boss", "escalate:lead")),
        (("to: ask", "to: wait"), "fallback: another fallback", False,
         "case.n is more than 7", "0.00", ("fallback:ask", "fallback:wait")),
        (("case.n > 7", "case.n > 8"), "fallback -> allow", False,
         "case.n is more than 7 and at most 8", "0.00", ("fallback:ask", "allow")),
    ],
)  # fmt: skip
def test_a_difference_has_its_class_a_plain_example_and_its_region(
    pair: tuple[str, str], name: str, stricter: bool, where: str, amount: str, verdicts: tuple[str, str]
) -> None:
    change = only(changed(pair))
    assert (change.action, change.name, change.stricter) == ("pay", name, stricter)
    assert where in str(change.region) and change.region.whole
    assert dict(change.example.inputs)["proposal.amount"] == amount
    assert (verdict_text(change.example.verdict), verdict_text(change.now)) == verdicts


def test_an_example_of_a_difference_is_judged_again_by_both() -> None:
    old, new = policy(OLD), changed(("proposal.amount <= 100", "proposal.amount <= 20"))
    change = only(new)
    for one, verdict in ((old, change.example.verdict), (new, change.now)):
        bound = one.bound_from_data("pay", change.example.data)
        assert isinstance(bound, Bound) and one.judge(bound) == verdict


def test_a_region_that_is_said_to_be_whole_is() -> None:
    old, new = policy(OLD), changed(("proposal.amount <= 100", "proposal.amount <= 98"))
    change = only(new)
    assert change.region.whole
    said = str(change.region)
    assert "case.n is at most 7" in said and "at most 3d" in said
    for amount in ("98.00", "98.01", "100.00", "100.01"):
        for n in (7, 8):
            raw = {"proposal": {"amount": amount}, "case": {"n": n}, "now": 0}
            verdicts = []
            for one in (old, new):
                bound = one.bind("pay", raw)
                assert isinstance(bound, Bound)
                verdicts.append(one.judge(bound).outcome)
            inside = n <= 7 and amount in ("98.01", "100.00")
            assert (verdicts == ["allow", "escalate"]) == inside


def test_only_tightening_is_proved_or_not() -> None:
    both = changed(("proposal.amount > 100,", "proposal.amount > 90,"), ("case.n > 7", "case.n > 8"))
    found = compare(policy(OLD), both)
    assert {change.name for change in found.changes} == {
        "allow -> escalate",
        "fallback -> escalate",
        "fallback -> allow",
    }
    assert not found.tightening
    assert compare(policy(OLD), changed(("proposal.amount > 100,", "proposal.amount > 90,"))).tightening


def test_other_inputs_are_told_and_are_never_equivalent() -> None:
    narrower = changed(schema=("decimal(2) 0..1000,", "decimal(2) 0..500,"))
    found = compare(policy(OLD), narrower)
    assert found.inputs == ("pay.amount was decimal(2) 0..1000 and is decimal(2) 0..500",)
    assert found.changes == () and not found.equivalent and not found.tightening
    unread = changed(schema=("kind: enum gift | sale | loan", "kind: enum gift | sale"))
    assert compare(policy(OLD), unread).equivalent
    gone = changed(schema=("    note: {irreversible: false, args: {}}\n", ""))
    assert compare(policy(OLD), gone).inputs == ("the action note is gone",)


def test_one_path_with_two_meanings_cannot_be_compared() -> None:
    other = changed(schema=("decimal(2) 0..1000,", "decimal(3) 0..1000,"))
    with pytest.raises(Refused, match=r"decimal\(2\) in one policy and decimal\(3\)"):
        compare(policy(OLD), other)
