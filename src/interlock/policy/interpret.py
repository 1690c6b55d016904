"""The reference evaluator: one line of meaning per kind of node, no generated code, no specialisation.

Slow and obvious. `compile.py` must agree with it on every input (tests/properties), and it must agree with CEL.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from interlock.policy.tree import (
    ActionName,
    And,
    Compare,
    Const,
    Consts,
    Has,
    If,
    In,
    Input,
    Node,
    Not,
    Or,
    Sum,
    Text,
    Times,
)

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXT: dict[str, Callable[[Any, Any], Any]] = {
    "size": lambda value, _: len(value),
    "startsWith": lambda value, with_: value.startswith(with_),
    "endsWith": lambda value, with_: value.endswith(with_),
    "contains": lambda value, with_: with_ in value,
}


def evaluate(node: Node, action: str, values: Mapping[str, Any]) -> Any:
    """The value of a tree for an action and its bound inputs by path. An absent input is None; an optional record
    is True or None.
    """
    match node:
        case Const(_, value):
            return value
        case Consts(_, items):
            return items
        case Input(_, path):
            return values[path]
        case ActionName():
            return action
        case Has(path):
            return values[path] is not None
        case Not(operand):
            return not evaluate(operand, action, values)
        case And(parts):
            return all(evaluate(part, action, values) for part in parts)
        case Or(parts):
            return any(evaluate(part, action, values) for part in parts)
        case If(condition, then, otherwise):
            return evaluate(then if evaluate(condition, action, values) else otherwise, action, values)
        case Compare(comparison, left, right):
            return _COMPARE[comparison](evaluate(left, action, values), evaluate(right, action, values))
        case Sum(minus, left, right):
            a, b = evaluate(left, action, values), evaluate(right, action, values)
            return a - b if minus else a + b
        case Times(operand, factor):
            return evaluate(operand, action, values) * factor
        case In(item, within):
            return evaluate(item, action, values) in evaluate(within, action, values)
        case Text(function, operand, with_):
            right = None if with_ is None else evaluate(with_, action, values)
            return _TEXT[function](evaluate(operand, action, values), right)
