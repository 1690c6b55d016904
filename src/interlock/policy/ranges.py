"""What a comparison can come to, given the bounds of the schema: true, false, or either.

Interval arithmetic over sums. It is sound (what is said to be impossible is) and knows nothing of how inputs depend
on each other: that is the solver's.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd

from interlock.policy.linear import Linear, Part, linear
from interlock.policy.schema import (
    TIMESTAMP_MAX,
    TIMESTAMP_MIN,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    IntType,
    ListType,
    StringType,
    TimestampType,
    Type,
)
from interlock.policy.tree import Compare, Const, Consts, If, In, Input, Node, Text

Interval = tuple[int, int]
TypesOf = Callable[[str], tuple[Type, ...]]
"""The types that a path may have where it is read: one per action that the proposal may be about."""


def decided(node: Node, types_of: TypesOf) -> bool | None:
    """What a comparison, membership or test of a string always is; None: it may be either, or is not known."""
    match node:
        case Compare(operator, left, right):
            if _orders(left) and _orders(right):
                return _compared(operator, linear(left).plus(linear(right), -1), types_of)
            for one, other in ((left, right), (right, left)):
                if (
                    isinstance(other, Const)
                    and isinstance(other.value, str)
                    and not _may_be(one, other.value, types_of)
                ):
                    return operator == "!="
            return None
        case In(item, Consts(kind, values)):
            if kind.name in ("string", "enum"):
                return None if any(_may_be(item, str(value), types_of) for value in values) else False
            if kind.name == "bool":
                return None if values else False
            answers = [_compared("==", linear(item).plus(Linear({}, -int(value))), types_of) for value in values]
            return False if all(answer is False for answer in answers) else None
        case In(Const(_, value), Input(_, path)):
            types = types_of(path)
            fits = [not isinstance(t, ListType) or _item_may_be(t, value) for t in types]
            return None if any(fits) or not types else False
        case Text(function, operand, Const(_, value)) if function != "size" and isinstance(operand, Input):
            longest = [t.max_length for t in types_of(operand.path) if isinstance(t, StringType)]
            return False if longest and len(str(value)) > max(longest) else None
        case _:
            return None


def interval(node: Node, types_of: TypesOf) -> Interval | None:
    """The bounds of a number."""
    return _sum(linear(node), types_of)


def _orders(node: Node) -> bool:
    """Whether a tree is a number, a moment or a length of time."""
    match node:
        case Const(kind, _) | Input(kind, _):
            return kind.name in ("number", "timestamp", "duration")
        case If(_, then, _):
            return _orders(then)
        case Text(function, _, _):
            return function == "size"
        case _:
            return type(node).__name__ in ("Sum", "Times")


def _compared(operator: str, difference: Linear, types_of: TypesOf) -> bool | None:
    """What `difference operator 0` always is."""
    bounds = _sum(difference, types_of)
    if bounds is None:
        return None
    lo, hi = bounds
    step = gcd(*difference.parts.values()) if difference.parts else 0
    never_equal = lo > 0 or hi < 0 or (step > 1 and difference.constant % step != 0)
    match operator:
        case "==" | "!=":
            known = False if never_equal else True if lo == hi == 0 else None
            return known if operator == "==" or known is None else not known
        case "<":
            return True if hi < 0 else False if lo >= 0 else None
        case "<=":
            return True if hi <= 0 else False if lo > 0 else None
        case ">":
            return True if lo > 0 else False if hi <= 0 else None
        case _:
            return True if lo >= 0 else False if hi < 0 else None


def _sum(sum_: Linear, types_of: TypesOf) -> Interval | None:
    lo = hi = sum_.constant
    for part, coefficient in sum_.parts.items():
        bounds = _part(part, types_of)
        if bounds is None:
            return None
        a, b = bounds[0] * coefficient, bounds[1] * coefficient
        lo, hi = lo + min(a, b), hi + max(a, b)
    return lo, hi


def _part(part: Part, types_of: TypesOf) -> Interval | None:
    match part:
        case Input(_, path):
            bounds = [_bounds(type_) for type_ in types_of(path)]
            known = [one for one in bounds if one is not None]
            if not known or len(known) < len(bounds):
                return None
            return min(lo for lo, _ in known), max(hi for _, hi in known)
        case If(_, then, otherwise):
            a, b = interval(then, types_of), interval(otherwise, types_of)
            return None if a is None or b is None else (min(a[0], b[0]), max(a[1], b[1]))
        case Text(_, Input(_, path), _):
            sizes = [
                t.max_items if isinstance(t, ListType) else t.max_length
                for t in types_of(path)
                if isinstance(t, ListType | StringType)
            ]
            if sizes:
                return 0, max(sizes)
            lengths = [len(value) for t in types_of(path) if isinstance(t, EnumType) for value in t.values]
            return (min(lengths), max(lengths)) if lengths else None
        case Text():
            return None


def _bounds(type_: Type) -> Interval | None:
    match type_:
        case IntType(lo, hi) | DurationType(lo, hi) | DecimalType(_, lo, hi):
            return lo, hi
        case TimestampType():
            return TIMESTAMP_MIN, TIMESTAMP_MAX
        case _:
            return None


def _may_be(node: Node, value: str, types_of: TypesOf) -> bool:
    if not isinstance(node, Input):
        return True
    types = types_of(node.path)
    return not types or any(
        value in t.values if isinstance(t, EnumType) else not isinstance(t, StringType) or len(value) <= t.max_length
        for t in types
    )


def _item_may_be(type_: ListType, value: object) -> bool:
    match type_.item:
        case StringType(most):
            return not isinstance(value, str) or len(value) <= most
        case EnumType(values):
            return value in values
        case BoolType():
            return True
        case item:
            bounds = _bounds(item)
            return bounds is None or not isinstance(value, int) or bounds[0] <= value <= bounds[1]
