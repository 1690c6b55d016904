"""Bring two values to one kind and scale, or say why they cannot meet.

All arithmetic on scales happens here, once, while a policy loads.
"""

from __future__ import annotations

from interlock.policy import syntax
from interlock.policy.diagnostics import nearest
from interlock.policy.schema import scaled
from interlock.policy.scope import Checked, Spot, a_kind
from interlock.policy.syntax import Expr
from interlock.policy.tree import INT, STRING, Const, Consts, Kind, Node, Times, Value


def alike(spot: Spot, at: Expr, left: Checked, right: Checked, rule: str) -> tuple[Node, Node, Kind] | None:
    """Two values brought to one kind and scale."""
    if left.kind.name == "number" and right.kind.name == "number":
        scale = max(left.kind.scale, right.kind.scale)
        return (
            rescaled(left.node, left.kind, scale),
            rescaled(right.node, right.kind, scale),
            Kind("number", scale),
        )
    if not comparable(spot, at, left.kind, right.kind, rule):
        return None
    for kind, node in ((left.kind, right.node), (right.kind, left.node)):
        if not members(spot, at, kind, node):
            return None
    kind = left.kind
    if left.kind != right.kind:  # an enum and a string, or two enums
        enum = left.kind if left.kind.name == "enum" else right.kind
        other = right.node if enum is left.kind else left.node
        kind = enum if isinstance(other, Const) else STRING
    return left.node, right.node, kind


def comparable(spot: Spot, at: Expr, left: Kind, right: Kind, rule: str) -> bool:
    texts = ("string", "enum")
    if left.name in texts and right.name in texts:
        if left.name == right.name == "enum" and not set(left.values) & set(right.values):
            spot.note("type", at, f"{left} and {right} have no value in common: they are never equal")
            return False
        return True
    if left == right:
        return True
    names = {left.name, right.name}
    hint = ""
    if names == {"duration", "number"}:
        hint = "durations have units: 30d, 12h, 500ms"
    elif "number" in names and names & set(texts):
        hint = "write numbers without quotes"
    elif "bool" in names and names & set(texts):
        hint = "write true and false without quotes"
    elif "timestamp" in names and names & set(texts):
        hint = 'write timestamp("2026-01-31T00:00:00Z")'
    spot.note("type", at, f"{rule}: here {a_kind(left)} and {a_kind(right)}", hint)
    return False


def members(spot: Spot, at: Expr, kind: Kind, node: Node) -> bool:
    """Whether a constant that meets an enum is one of its values."""
    if kind.name != "enum" or not isinstance(node, Const | Consts):
        return True
    for value in (node.value,) if isinstance(node, Const) else node.values:
        if str(value) not in kind.values:
            start, end = _literal_place(spot, at, str(value))
            spot.span("unknown_value", start, end, f'"{value}" is none of {kind}', nearest(str(value), kind.values))
            return False
    return True


def _literal_place(spot: Spot, at: Expr, value: str) -> tuple[int, int]:
    stack = [at]
    while stack:
        here = stack.pop()
        if isinstance(here, syntax.Literal) and here.kind == "string" and here.value == value:
            return here.start, here.end
        stack.extend(syntax.parts(here))
    return at.start, at.end


def number(text: str) -> Const:
    """The constant of a number as written: 200.00 is 20000 with scale 2."""
    scale = len(text.partition(".")[2])
    return Const(Kind("number", scale) if scale else INT, scaled(text, scale))


def constants(items: list[Const]) -> Consts | None:
    """A constant list of one kind; numbers are brought to one scale. None if the kinds differ."""
    kinds = {item.kind for item in items}
    if all(kind.name == "number" for kind in kinds):
        scale = max(kind.scale for kind in kinds)
        kind = Kind("number", scale)
        values: tuple[Value, ...] = tuple(int(item.value) * 10 ** (scale - item.kind.scale) for item in items)
    elif len(kinds) == 1:
        kind = items[0].kind
        values = tuple(item.value for item in items)
    else:
        return None
    return Consts(kind, tuple(dict.fromkeys(values)))


def times(node: Node, kind: Kind, factor: int) -> Node:
    if isinstance(node, Const):
        return Const(kind, int(node.value) * factor, node.label)
    return Times(node, factor)


def rescaled(node: Node, kind: Kind, scale: int) -> Node:
    if kind.scale == scale:
        return node
    factor = 10 ** (scale - kind.scale)
    if isinstance(node, Const):
        return Const(Kind("number", scale), int(node.value) * factor, node.label)
    return Times(node, factor)
