"""Conditions in words, for people who do not read code.

    amount <= auto_limit                      proposal.amount is at most 200.00 (auto_limit)
    '"fraud_watch" in case.flags'             case.flags has "fraud_watch"
    !has(case.order.delivered_at)             case.order.delivered_at is absent

The words say what the typed tree means, not what its author typed: parameters stand with their values, definitions
are put in, and decimals have their point where it belongs. Both sides of a comparison are of one scale in the tree, so
dividing both by one power of ten keeps what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from interlock.policy.linear import Linear, Part, linear
from interlock.policy.moments import duration_text, timestamp_text
from interlock.policy.schema import TIMESTAMP_MAX, TIMESTAMP_MIN, unscaled
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
    Text,
    walk,
)
from interlock.policy.values import constant_words

Namer = Callable[[str], str]
"""How a dotted path is called."""

IS = {
    "==": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
}
_VERBS = {
    "startsWith": ("starts with", "does not start with"),
    "endsWith": ("ends with", "does not end with"),
    "contains": ("contains", "does not contain"),
}
INVERSE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
TURNED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


def by_path(path: str) -> str:
    """The path itself."""
    return path


def condition(node: Node, *, holds: bool = True, name: Namer = by_path) -> str:
    """What it says that a condition holds (or does not)."""
    return _Words(name).condition(node, holds)


def literals(parts: Sequence[tuple[Node, bool]], *, name: Namer = by_path) -> str:
    """Several conditions, each held or not, with the bounds of one number drawn together. Values without the names of
    their parameters: in two versions of a policy one name may have two values.
    """
    words = _Words(name, labels=False)
    told: list[str] = []
    bounds: dict[str, list[tuple[str, str]]] = {}
    for node, holds in parts:
        side = words.bound(node, holds)
        if side is None:
            told.append(words.condition(node, holds, joined=True))
        else:
            subject, operator, limit = side
            if subject not in bounds:
                told.append(subject)
            bounds.setdefault(subject, []).append((operator, limit))
    lines: list[str] = []
    for one in told:
        if one not in bounds:
            lines.append(one)
            continue
        order = sorted(set(bounds[one]), key=lambda side: (side[0].startswith("<"), side[0]))
        limits = [limit for _, limit in order]
        if [operator for operator, _ in order] == [">=", "<="] and limits[0] == limits[1]:
            order = [("==", limits[0])]
        said = " and ".join(f"{IS[operator][2:]} {limit}".strip() for operator, limit in order)
        lines.append(f"{one} is {said}")
    return " and ".join(dict.fromkeys(lines))


class _Words:
    def __init__(self, name: Namer, *, labels: bool = True) -> None:
        self._name = name
        self._labels = labels

    def _named(self, text: str, label: str) -> str:
        """A value with the name of its parameter."""
        return f"{text} ({label})" if label and self._labels else text

    def condition(self, node: Node, holds: bool, *, joined: bool = False) -> str:
        """`joined`: whether the words stand among others that `and` joins."""
        match node:
            case Const(_, value):
                return "always" if bool(value) == holds else "never"
            case Input(_, path):
                return f"{self._name(path)} is {'true' if holds else 'false'}"
            case Has(path):
                return f"{self._name(path)} is {'there' if holds else 'absent'}"
            case Not(operand):
                return self.condition(operand, not holds, joined=joined)
            case And(parts) | Or(parts):
                both = isinstance(node, And) == holds
                text = (" and " if both else " or ").join(self.condition(part, holds, joined=both) for part in parts)
                return f"({text})" if joined and not both else text
            case If(test, then, otherwise):
                return (
                    f"(if {self.condition(test, True)}: {self.condition(then, holds)}; "
                    f"otherwise: {self.condition(otherwise, holds)})"
                )
            case Compare():
                return self._compare(node, holds)
            case In(item, within):
                return self._in(item, within, holds)
            case Text(function, operand, with_) if with_ is not None:
                verb = _VERBS[function][0 if holds else 1]
                return f"{self._value(operand)} {verb} {self._value(with_)}"
            case _:
                raise AssertionError(f"{type(node).__name__} is no condition")

    def bound(self, node: Node, holds: bool) -> tuple[str, str, str] | None:
        """A comparison of something with a constant: what, how, and with what."""
        if isinstance(node, Not):
            return self.bound(node.operand, not holds)
        if not isinstance(node, Compare) or kind_name(node.left) in ("bool", "string", "enum"):
            return None
        return self._sides(node, node.operator if holds else INVERSE[node.operator])

    def _compare(self, node: Compare, holds: bool) -> str:
        operator: str = node.operator if holds else INVERSE[node.operator]
        if kind_name(node.left) == "bool":
            if isinstance(node.right, Const):
                return self.condition(node.left, bool(node.right.value) == (operator == "=="))
            same = "as true as" if operator == "==" else "not as true as"
            return f"({self.condition(node.left, True)}) is {same} ({self.condition(node.right, True)})"
        if kind_name(node.left) in ("string", "enum"):
            left, right = (node.right, node.left) if isinstance(node.left, Const) else (node.left, node.right)
            return f"{self._value(left)} {IS[operator]} {self._value(right)}"
        subject, operator, limit = self._sides(node, operator)
        return f"{subject} {IS[operator]} {limit}"

    def _sides(self, node: Compare, operator: str) -> tuple[str, str, str]:
        """Subject, operator and limit of a comparison of numbers or moments."""
        left, right = linear(node.left), linear(node.right)
        moments = [part for side in (left, right) for part in side.parts if kind_name(part) != "number"]
        scale = max((_scale(part) for side in (left, right) for part in side.parts), default=_scale(node.left))
        label = node.right.label if isinstance(node.right, Const) else ""
        if not left.parts and right.parts:
            label = node.left.label if isinstance(node.left, Const) else ""
            left, right, operator = right, left, TURNED[operator]
        if right.parts:
            return self._sum(left, scale, moments), operator, self._sum(right, scale, moments)
        limit = right.constant - left.constant
        whole = Linear(left.parts, 0)
        if len(whole.parts) == 1:  # 2 * x > 7 is said of x where the other side is exact
            ((part, coefficient),) = whole.parts.items()
            exact = Fraction(limit, coefficient)
            if exact.denominator == 1 or (not moments and _ends(exact)):
                places = _scale(part)
                while (exact * 10 ** (places - _scale(part))).denominator != 1:
                    places += 1
                shifted = int(exact * 10 ** (places - _scale(part)))
                one = Linear({part: 1}, 0)
                text = self._limit(one, shifted, places)
                turned = operator if coefficient > 0 else TURNED[operator]
                return self._sum(one, _scale(part), moments), turned, self._named(text, label)
        if all(coefficient < 0 for coefficient in whole.parts.values()):
            whole, limit, operator = Linear({}, 0).plus(whole, -1), -limit, TURNED[operator]
        text = self._limit(whole, limit, scale)
        return self._sum(whole, scale, moments), operator, self._named(text, label)

    def _limit(self, subject: Linear, limit: int, scale: int) -> str:
        """A constant beside a subject: a number, a moment where the subject is one, else a length of time."""
        kinds = {kind_name(part) for part in subject.parts}
        if kinds <= {"number"}:
            return unscaled(limit, scale)
        stamps = sum(c for part, c in subject.parts.items() if kind_name(part) == "timestamp")
        if stamps == 1 and TIMESTAMP_MIN <= limit <= TIMESTAMP_MAX:
            return timestamp_text(limit)
        return duration_text(limit)

    def _sum(self, sum_: Linear, scale: int, moments: Sequence[Node]) -> str:
        text = ""
        for part, coefficient in sorted(sum_.parts.items(), key=lambda item: item[1] < 0):
            factor = Fraction(coefficient) * Fraction(10) ** (_scale(part) - (0 if moments else scale))
            sign = "-" if factor < 0 else "+"
            amount = abs(factor)
            shown = self._part(part, scale)
            if amount != 1:
                shown = f"{_exact(amount)} * {shown}"
            text += (f" {sign} " if text else ("-" if factor < 0 else "")) + shown
        if sum_.constant or not text:
            value = abs(sum_.constant)
            shown = duration_text(value) if moments else unscaled(value, scale)
            text += (f" {'-' if sum_.constant < 0 else '+'} " if text else ("-" if sum_.constant < 0 else "")) + shown
        return text

    def _part(self, part: Part, scale: int) -> str:
        match part:
            case Input(_, path):
                return self._name(path)
            case If(Has(path), Input(_, read), otherwise) if path == read:
                return f"{self._name(path)} (or {self._value(otherwise)})"
            case Text(_, operand, _):
                return f"the size of {self._value(operand)}"
            case If(test, then, otherwise):
                a, b = self._value(then), self._value(otherwise)
                return f"(if {self.condition(test, True)}: {a}; otherwise: {b})"

    def _in(self, item: Node, within: Node, holds: bool) -> str:
        if isinstance(within, Consts):
            one_of = ", ".join(constant_words(within.kind, value) for value in within.values) or "nothing"
            if len(within.values) == 1:
                return f"{self._value(item)} {'is' if holds else 'is not'} {one_of}"
            return f"{self._value(item)} is {'one' if holds else 'none'} of {self._named(one_of, within.label)}"
        if isinstance(item, Const | Input):
            return f"{self._value(within)} {'has' if holds else 'does not have'} {self._value(item)}"
        return f"{self._value(item)} is {'' if holds else 'not '}in {self._value(within)}"

    def _value(self, node: Node) -> str:
        """A value that is no sum: a name or a constant."""
        match node:
            case Const(kind, value, label):
                return self._named(constant_words(kind, value), label)
            case Consts(kind, values, label):
                return (
                    label
                    if label and self._labels
                    else "[" + ", ".join(constant_words(kind, value) for value in values) + "]"
                )
            case Input(_, path):
                return self._name(path)
            case ActionName():
                return "the action"
            case If(Has(path), Input(_, read), otherwise) if path == read:
                return f"{self._name(path)} (or {self._value(otherwise)})"
            case If(test, then, otherwise):
                return f"(if {self.condition(test, True)}: {self._value(then)}; otherwise: {self._value(otherwise)})"
            case _ if kind_name(node) in ("number", "timestamp", "duration"):
                sum_ = linear(node)
                scale = max((_scale(part) for part in sum_.parts), default=0)
                moments = [part for part in sum_.parts if kind_name(part) != "number"]
                return self._sum(sum_, scale, moments)
            case _:
                return f"({self.condition(node, True)})"


def kind_name(node: Node) -> str:
    """number, timestamp, duration, string, enum, list or bool, as far as the tree itself tells."""
    match node:
        case Const(kind, _) | Input(kind, _) | ActionName(kind):
            return kind.name
        case Consts():
            return "list"
        case If(_, then, _):
            return kind_name(then)
        case Text("size", _, _):
            return "number"
        case _:
            inner = {here.kind.name for here in walk(node) if isinstance(here, Input | Const)}
            if type(node).__name__ not in ("Sum", "Times"):
                return "bool"
            return next((name for name in ("timestamp", "duration") if name in inner), "number")


def _scale(node: Node) -> int:
    """Decimal places of what a number is made of."""
    return max((here.kind.scale for here in walk(node) if isinstance(here, Input | Const)), default=0)


def _ends(value: Fraction) -> bool:
    """Whether it is written with finitely many decimals."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def _exact(value: Fraction) -> str:
    """A factor as a decimal where it has an end, else as a fraction."""
    if not _ends(value):
        return f"{value.numerator}/{value.denominator}"
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
    return unscaled(int(value * 10**places), places)
