"""The example policies' own tests and invariants notice single faults in them.

Every fourth fault here; `./dev exec python -m tests.properties.soundness --mutants` tries all of them.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.properties.soundness.examples import EXAMPLES, example
from tests.properties.soundness.mutants import GUARDS, fate, mutants

EVERY = 4


def test_there_are_at_least_two_hundred() -> None:
    assert sum(len(list(mutants(example(name)[0].source))) for name in EXAMPLES) >= 200


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_fault_in_an_example_is_noticed(name: str) -> None:
    policy, schema = example(name)
    fates: Counter[str] = Counter()
    for mutant in list(mutants(policy.source))[::EVERY]:
        found, what = fate(policy, mutant, schema=schema)
        fates[found] += 1
        assert found in ("test", "invariant", "refused", "equivalent"), (mutant.what, found, what)
        assert found != "refused" or what in GUARDS, (mutant.what, what)
    assert fates["test"] + fates["invariant"] > fates["refused"] + fates["equivalent"]
