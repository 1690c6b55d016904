"""Generated Python: all rules of one action in one function from bound values to a bit mask.

The text is written from the typed tree alone. Nothing of the user's document reaches it except through `repr` of
constants; inputs are local variables named by their position.

INVARIANT: the function equals `interpret.evaluate` on every bound input, and cannot raise, loop or read anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    walk,
)

Mask = Callable[[tuple[Any, ...]], int]


def generate(rules: Sequence[tuple[int, Node, Node | None]], paths: Sequence[str], shift: int) -> Mask:
    """Compile (bit, when, unless) of one action.

    The function returns `mask | excused << shift`: bit i is set where rule i's `when` held, and again where its
    `unless` did.
    """
    names = {path: f"v{index}" for index, path in enumerate(paths)}
    lines = ["def judge(values):"]
    trees = [node for _, when, unless in rules for node in (when, unless) if node is not None]
    used = {here.path for tree in trees for here in walk(tree) if isinstance(here, Input | Has)}
    if used:
        lines.append(f"    {', '.join(names[path] if path in used else '_' for path in paths)}, = values")
    lines.append("    mask = 0")
    for bit, when, unless in rules:
        lines.append(f"    if {_code(when, names)}:")
        if unless is None:
            lines.append(f"        mask |= {1 << bit}")
        else:
            both = 1 << bit | 1 << (bit + shift)
            lines.append(f"        mask |= {both} if {_code(unless, names)} else {1 << bit}")
    lines.append("    return mask")
    scope: dict[str, Any] = {"__builtins__": {"len": len}}
    exec(compile("\n".join(lines), "<policy rules>", "exec"), scope)
    return scope["judge"]


def _code(node: Node, names: Mapping[str, str]) -> str:
    """One expression; everything that is not atomic stands in its own parentheses."""
    match node:
        case Const(_, value):
            return repr(value) if not isinstance(value, int) or value >= 0 else f"({value!r})"
        case Consts(_, values):
            return repr(values)
        case Input(_, path):
            return names[path]
        case Has(path):
            return f"({names[path]} is not None)"
        case ActionName():
            raise AssertionError("the action is a constant in a specialised tree")
        case Not(operand):
            return f"(not {_code(operand, names)})"
        case And(parts):
            return "(" + " and ".join(_code(part, names) for part in parts) + ")"
        case Or(parts):
            return "(" + " or ".join(_code(part, names) for part in parts) + ")"
        case If(condition, then, otherwise):
            return f"({_code(then, names)} if {_code(condition, names)} else {_code(otherwise, names)})"
        case Compare(operator, left, right):
            return f"({_code(left, names)} {operator} {_code(right, names)})"
        case Sum(minus, left, right):
            return f"({_code(left, names)} {'-' if minus else '+'} {_code(right, names)})"
        case Times(operand, factor):
            return f"({_code(operand, names)} * {factor if factor >= 0 else f'({factor})'})"
        case In(item, within):
            return f"({_code(item, names)} in {_code(within, names)})"
        case Text("size", operand, _):
            return f"len({_code(operand, names)})"
        case Text("contains", operand, with_):
            return f"({_code(with_, names) if with_ is not None else ''} in {_code(operand, names)})"
        case Text(function, operand, with_):
            method = "startswith" if function == "startsWith" else "endswith"
            return f"{_code(operand, names)}.{method}({'' if with_ is None else _code(with_, names)})"
