"""A rule for one action: `proposal.action` becomes a constant and what cannot happen disappears.

A field that only some actions have is read only where the action is one of them (check.py proved it), so after
folding no node names an input that the action does not have.

INVARIANT: for every bound input of the action, the specialised tree and the original have the same value.
INVARIANT: `reads` receives every input that evaluating the original, left to right, may look at for this action.
"""

from __future__ import annotations

from interlock.policy.tree import (
    FALSE,
    TRUE,
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
    negated,
)


def specialise(node: Node, action: str, reads: dict[str, Input | Has]) -> Node:
    """The tree as it is for `action`; the inputs on its way are added to `reads` by path."""
    match node:
        case Const() | Consts():
            return node
        case Input(_, path):
            reads[path] = node
            return node
        case Has(path):
            reads.setdefault(path, node)
            return node
        case ActionName(kind):
            return Const(kind, action)
        case Not(operand):
            return negated(specialise(operand, action, reads))
        case And(parts) | Or(parts):
            return _chain(parts, isinstance(node, And), action, reads)
        case If(condition, then, otherwise):
            known = specialise(condition, action, reads)
            if isinstance(known, Const):
                return specialise(then if known.value else otherwise, action, reads)
            left, right = specialise(then, action, reads), specialise(otherwise, action, reads)
            return left if left == right else If(known, left, right)
        case Compare(operator, left, right):
            a, b = specialise(left, action, reads), specialise(right, action, reads)
            if isinstance(a, Const) and isinstance(b, Const) and operator in ("==", "!="):
                return TRUE if (a.value == b.value) == (operator == "==") else FALSE
            return Compare(operator, a, b)
        case Sum(minus, left, right):
            return Sum(minus, specialise(left, action, reads), specialise(right, action, reads))
        case Times(operand, factor):
            return Times(specialise(operand, action, reads), factor)
        case In(item, within):
            a, b = specialise(item, action, reads), specialise(within, action, reads)
            if isinstance(a, Const) and isinstance(b, Consts):
                return TRUE if a.value in b.values else FALSE
            return In(a, b)
        case Text(function, operand, with_):
            a = specialise(operand, action, reads)
            return Text(function, a, None if with_ is None else specialise(with_, action, reads))


def _chain(parts: tuple[Node, ...], conjunction: bool, action: str, reads: dict[str, Input | Has]) -> Node:
    """Left to right; a part that decides the chain ends it, and makes the whole a constant, because every part is
    total.
    """
    decisive, neutral = (FALSE, TRUE) if conjunction else (TRUE, FALSE)
    kept: list[Node] = []
    for part in parts:
        here = specialise(part, action, reads)
        if here == decisive:
            return decisive
        if here != neutral:
            kept.append(here)
    if not kept:
        return neutral
    if len(kept) == 1:
        return kept[0]
    return And(tuple(kept)) if conjunction else Or(tuple(kept))
