"""Concrete inputs: what a proof, a comparison or a contrast points at, made as plain as possible and put in words.

An example is given as *data*: canonical value by path, as `Bound.to_data` gives it. Whatever is done to one is judged
by the real `bound_from_data` and `judge`; a change that no input could have is refused there.

INVARIANT: `shrunk` returns data for which `still` holds, if it held for what was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.policy.bind import BindFailure, Bound, Slot
from interlock.policy.policy import Policy
from interlock.policy.rules import verdict_text
from interlock.policy.schema import (
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    IntType,
    LeafType,
    ListType,
    StringType,
    TimestampType,
)
from interlock.policy.values import words
from interlock.vocabulary.verdict import Verdict

Data = Mapping[str, Any]
"""Canonical value by dotted path; None is absent."""

PASSES_MAX = 3
"""Rounds over all inputs. One input's plainer value may permit another's."""

NOW = 1_767_225_600_000_000
"""The plainest moment: that of a policy's own tests, 2026-01-01."""


@dataclass(frozen=True, slots=True)
class Example:
    """An input of one action and the verdict that it really gets. `inputs`: path and value, in words."""

    action: str
    data: Data
    inputs: tuple[tuple[str, str], ...]
    verdict: Verdict

    def to_data(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "inputs": dict(self.inputs),
            "verdict": verdict_text(self.verdict),
            "by": by(self.verdict),
        }

    def __str__(self) -> str:
        told = ", ".join(f"{path} = {value}" for path, value in self.inputs)
        return f"{self.action}: {told or 'whatever the inputs'}"


def by(verdict: Verdict) -> list[str]:
    """What determined a verdict."""
    return ["default"] if verdict.default else list(verdict.rules)


def example(policy: Policy, action: str, data: Data) -> Example | None:
    """The example that these data are; None if they are no input."""
    bound = bound_of(policy, action, data)
    return None if bound is None else Example(action, data, told(policy, action, data), policy.judge(bound))


def bound_of(policy: Policy, action: str, data: Data) -> Bound | None:
    """What a policy binds of some data; None if they are no input of it."""
    bound = policy.bound_from_data(action, {path: data.get(path) for path in policy.inputs(action)})
    return None if isinstance(bound, BindFailure) else bound


def told(policy: Policy, action: str, data: Data) -> tuple[tuple[str, str], ...]:
    """The inputs in words, as far as the policy reads them."""
    found: list[tuple[str, str]] = []
    for slot in policy.slots(action):
        value = data.get(slot.path)
        found.append((slot.path, value_words(slot.type, value)))
    return tuple(found)


def value_words(type_: LeafType | None, value: Any) -> str:
    """One value in words. `type_` None: the presence of a record."""
    if value is None:
        return "absent"
    return "present" if type_ is None else words(type_, value)


def shrunk(
    slots: Sequence[Slot], data: Data, still: Callable[[Data], bool], *, towards: Iterable[Data] = ()
) -> dict[str, Any]:
    """Data as plain as can be for which `still` holds: values of `towards` where possible, then absent, then the
    plainest value of the type, then the value nearest to that. Greedy, so it is plain, not the plainest there is.
    """
    found = dict(data)
    for base in towards:
        found = _all_or_some(slots, found, base, still)
    settled = tuple(towards)
    for _ in range(PASSES_MAX):
        before = dict(found)
        for prefix in _optional_prefixes(slots):
            without = {path: None if path == prefix or path.startswith(f"{prefix}.") else found[path] for path in found}
            if without != found and not _is_settled(settled, found, prefix) and still(without):
                found = without
        for slot in slots:
            if slot.type is None or found.get(slot.path) is None or _is_settled(settled, found, slot.path):
                continue
            found = _plainer(slot, found, still)
        if found == before:
            break
    return found


def _is_settled(bases: tuple[Data, ...], found: Data, path: str) -> bool:
    return any(path in base and base[path] == found.get(path) for base in bases)


def _all_or_some(
    slots: Sequence[Slot], found: dict[str, Any], base: Data, still: Callable[[Data], bool]
) -> dict[str, Any]:
    """As much of a base as may be."""
    whole = {**found, **{path: base[path] for path in found if path in base}}
    if still(whole):
        return whole
    for slot in slots:
        if slot.path in base and found.get(slot.path) != base[slot.path]:
            moved = {**found, slot.path: base[slot.path]}
            if still(moved):
                found = moved
    return found


def _optional_prefixes(slots: Sequence[Slot]) -> list[str]:
    """Everything that may be missing, outermost first."""
    found: dict[str, None] = {}
    for slot in slots:
        for depth, optional in enumerate(slot.optional):
            if optional:
                found.setdefault(".".join(slot.parts[: depth + 1]))
    return sorted(found, key=lambda prefix: (prefix.count("."), prefix))


def _plainer(slot: Slot, found: dict[str, Any], still: Callable[[Data], bool]) -> dict[str, Any]:
    if slot.type is None:
        return found
    value = found[slot.path]
    for plain in plain_values(slot.type):
        if plain == value:
            return found
        moved = {**found, slot.path: plain}
        if still(moved):
            return moved
    match slot.type:
        case IntType() | DecimalType() | DurationType() | TimestampType():
            return _nearer(slot, found, next(iter(plain_values(slot.type))), still)
        case ListType():
            for index in reversed(range(len(value))):
                shorter = [*found[slot.path][:index], *found[slot.path][index + 1 :]]
                moved = {**found, slot.path: shorter}
                if still(moved):
                    found = moved
            return found
        case _:
            return found


def _nearer(slot: Slot, found: dict[str, Any], plain: int, still: Callable[[Data], bool]) -> dict[str, Any]:
    """A number nearer to the plainest: by halving, in round steps first, so that 173.52 becomes 100.01, not 100.02."""
    good, bad = found[slot.path], plain
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        if still({**found, slot.path: middle}):
            good = middle
        else:
            bad = middle
    return {**found, slot.path: good}


def plain_values(type_: LeafType) -> tuple[Any, ...]:
    """The plainest values of a type, plainest first."""
    match type_:
        case BoolType():
            return (False,)
        case IntType(lo, hi) | DurationType(lo, hi) | DecimalType(_, lo, hi):
            return (min(max(0, lo), hi),)
        case TimestampType():
            return (NOW,)
        case EnumType(values):
            return values
        case StringType():
            return ("",)
        case ListType():
            return ([],)
