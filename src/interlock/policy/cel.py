"""A typed tree as plain CEL text, for an oracle that knows neither our parser nor our types.

Decimals, timestamps and durations appear as the exact integers that they are inside; parameters and definitions are
put in. An optional record is asked for level by level, because CEL's `has(a.b.c)` fails where `a.b` is missing and
ours is false.
"""

from __future__ import annotations

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
    Value,
)


def cel_text(node: Node) -> str:
    """CEL that has the same value. Every operation is in parentheses: precedence is the parser's business, tested
    elsewhere.
    """
    match node:
        case Const(_, value):
            return _literal(value)
        case Consts(_, values):
            return "[" + ", ".join(_literal(value) for value in values) + "]"
        case Input(_, path):
            return path
        case ActionName():
            return "proposal.action"
        case Has(path):
            parts = path.split(".")
            return "(" + " && ".join(f"has({'.'.join(parts[:count])})" for count in range(2, len(parts) + 1)) + ")"
        case Not(operand):
            return f"(!{cel_text(operand)})"
        case And(parts):
            return "(" + " && ".join(cel_text(part) for part in parts) + ")"
        case Or(parts):
            return "(" + " || ".join(cel_text(part) for part in parts) + ")"
        case If(condition, then, otherwise):
            return f"({cel_text(condition)} ? {cel_text(then)} : {cel_text(otherwise)})"
        case Compare(operator, left, right):
            return f"({cel_text(left)} {operator} {cel_text(right)})"
        case Sum(minus, left, right):
            return f"({cel_text(left)} {'-' if minus else '+'} {cel_text(right)})"
        case Times(operand, factor):
            return f"({cel_text(operand)} * {_literal(factor)})"
        case In(item, within):
            return f"({cel_text(item)} in {cel_text(within)})"
        case Text("size", operand, _):
            return f"size({cel_text(operand)})"
        case Text(function, operand, with_):
            return f"{cel_text(operand)}.{function}({'' if with_ is None else cel_text(with_)})"


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"({value})" if value < 0 else str(value)
    escaped = "".join(
        char if char.isascii() and char.isprintable() and char not in "\\\"'" else _escape(char) for char in value
    )
    return f'"{escaped}"'


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
