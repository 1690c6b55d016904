"""Numbers of a typed tree as sums: integer coefficients of the inputs, and a constant.

Every number in a policy is such a sum, because products have a constant factor. What is chosen by a condition
(`orValue`, `?:`) and sizes stand in it as parts of their own.

INVARIANT: the sum has the value of the tree, in the same raw integers, for every input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from interlock.policy.tree import Const, If, Input, Node, Sum, Text, Times

Part = Input | If | Text


@dataclass(frozen=True, slots=True)
class Linear:
    """The sum of `parts`, each times its coefficient, and `constant`."""

    parts: Mapping[Part, int]
    constant: int

    def plus(self, other: Linear, factor: int = 1) -> Linear:
        """This and another one times a factor."""
        parts = dict(self.parts)
        for part, coefficient in other.parts.items():
            parts[part] = parts.get(part, 0) + coefficient * factor
        kept = {part: coefficient for part, coefficient in parts.items() if coefficient}
        return Linear(kept, self.constant + other.constant * factor)


def linear(node: Node) -> Linear:
    """The sum that a number, timestamp or duration is."""
    match node:
        case Const(_, value):
            return Linear({}, int(value))
        case Input() | If() | Text("size", _, _):
            return Linear({node: 1}, 0)
        case Sum(minus, left, right):
            return linear(left).plus(linear(right), -1 if minus else 1)
        case Times(operand, factor):
            return Linear({}, 0).plus(linear(operand), factor)
        case _:
            raise AssertionError(f"{type(node).__name__} is no number")
