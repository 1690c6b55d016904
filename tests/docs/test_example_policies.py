"""What the documents say of the three example policies is so: their size, their tests, and what is proved of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from interlock.policy import run_tests
from interlock.policy.proof import prove
from tests.properties.soundness.examples import example

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "policy.md"
SAID = {"access": "24 rules, 9 invariants\nand 52 tests", "cheques": "15 rules", "refunds": "40 rules"}


@pytest.mark.parametrize("name", SAID)
def test_it_passes_its_own_tests_and_is_proved(name: str) -> None:
    policy, _ = example(name)
    results = run_tests(policy)
    assert results and [result.name for result in results if not result.passed] == []
    proof = prove(policy)
    assert [finding.text for finding in proof.findings if finding.problem] == []
    proved = [finding.name for finding in proof.about("invariant") if finding.standing == "proved"]
    assert proved == [invariant.name for invariant in policy.invariants] and len(proved) >= 5
    assert [finding.name for finding in proof.about("rule")] == []  # each rule decides some input


def test_the_default_of_refunds_is_never_reached_and_every_refund_takes_a_certificate_or_a_person() -> None:
    proof = prove(example("refunds")[0], certificates={})
    (default,) = proof.about("default")
    assert (default.standing, default.example) == ("proved", None) and "never reached" in default.text
    (irreversible,) = proof.about("irreversible")
    assert (irreversible.name, irreversible.standing) == ("refund", "proved")


@pytest.mark.parametrize("name", SAID)
def test_each_rule_decides_one_of_its_tests(name: str) -> None:
    policy, _ = example(name)
    deciding = {rule for result in run_tests(policy) for rule in result.by}
    assert {rule.id for rule in policy.rules} - deciding == set()


def test_the_tutorial_counts_them_rightly() -> None:
    text = TUTORIAL.read_text().partition("## 4.")[2]
    for name, said in SAID.items():
        assert said in text
        policy, _ = example(name)
        numbers = [int(number) for number in re.findall(r"\d+", said)]
        assert numbers == [len(policy.rules), len(policy.invariants), len(run_tests(policy))][: len(numbers)]
        assert 12 <= len(policy.rules) <= 40
    policy, _ = example("refunds")
    assert f"{len(policy.invariants)} invariants and {len(run_tests(policy))} tests; its" in text
