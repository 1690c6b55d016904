"""Recorded inputs read back quickly are what reading them slowly gives, whatever was done to the record."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.policy import (
    BoolType,
    Bound,
    DecimalType,
    DurationType,
    EnumType,
    IntType,
    ListType,
    StringType,
    TimestampType,
    load,
)
from interlock.policy.schema import LeafType
from tests.properties.test_policy_fuzz import SCALARS
from tests.unit.policy.samples import CHEQUES, CHEQUES_POLICY
from tests.unit.policy.test_difference import OLD
from tests.unit.policy.test_proofs import policy

POLICIES = (policy(OLD), load(CHEQUES_POLICY, schema=CHEQUES, fallbacks=("ask_again",)))
CHANGES = st.one_of(SCALARS, st.lists(st.one_of(SCALARS, st.sampled_from(["red", "blue"])), max_size=4), st.just({}))


def fitting(type_: LeafType | None) -> st.SearchStrategy[Any]:
    """Recorded values of a type."""
    match type_:
        case None:
            return st.just(value=True)
        case BoolType():
            return st.booleans()
        case IntType(lo, hi) | DecimalType(_, lo, hi) | DurationType(lo, hi):
            return st.integers(lo, hi)
        case TimestampType():
            return st.integers(0, 2**52)
        case EnumType(values):
            return st.sampled_from(values)
        case StringType(most):
            return st.text(max_size=most)
        case ListType(item, most):
            return st.lists(fitting(item), max_size=most)


@settings(max_examples=400)
@given(st.data())
def test_a_record_reads_back_the_same_on_both_ways(data: st.DataObject) -> None:
    judged = data.draw(st.sampled_from(POLICIES))
    action = data.draw(st.sampled_from(sorted(judged.schema.actions)))
    inputs = judged._programs[action].inputs  # pyright: ignore[reportPrivateUsage]
    record: dict[str, Any] = {slot.path: None for slot in inputs.slots}
    for slot in inputs.slots:
        record[slot.path] = data.draw(st.none() | fitting(slot.type) if any(slot.optional) else fitting(slot.type))
    for _ in range(data.draw(st.integers(0, 2))):
        path = data.draw(st.sampled_from([*record, "case.unknown"]))
        if data.draw(st.booleans()):
            record[path] = data.draw(CHANGES)
        else:
            record.pop(path, None)
    quick, slow = inputs.from_data(record), inputs.from_data_slowly(record)
    assert quick == slow
    if isinstance(quick, Bound):
        assert [type(value) for value in quick.values] == [type(value) for value in slow.values]  # type: ignore[union-attr]
        assert inputs.from_data(quick.to_data()) == quick
