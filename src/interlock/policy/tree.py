"""The typed tree: what a rule means, after names, parameters, definitions, units and scales are resolved.

Fourteen kinds of node. Numbers are exact integers; a decimal with s places is an integer times 10^s, and the
checker has put both sides of every comparison and sum to one scale, so an evaluator needs no arithmetic of its own.
The tree is closed: no node reads anything but a bound input, calls nothing and repeats nothing, so every walk over
it ends.

Four readers share it: generated Python, the reference interpreter, CEL text for the oracle, and proofs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value is: `number` with its decimal places (int is scale 0), `list` with its item's kind, `enum` with
    its values.
    """

    name: Literal["bool", "number", "string", "enum", "timestamp", "duration", "list"]
    scale: int = 0
    values: tuple[str, ...] = ()
    item: Kind | None = None

    def __str__(self) -> str:
        match self.name:
            case "number":
                return f"decimal({self.scale})" if self.scale else "int"
            case "enum":
                return "enum " + " | ".join(self.values)
            case "list":
                return f"list of {self.item}"
            case _:
                return self.name


BOOL = Kind("bool")
INT = Kind("number")
STRING = Kind("string")
TIMESTAMP = Kind("timestamp")
DURATION = Kind("duration")

Value = bool | int | str
Comparison = Literal["==", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Const:
    """A value known when the policy loads. `label` is the parameter it came from: words only, no part of the
    meaning.
    """

    kind: Kind
    value: Value
    label: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Consts:
    """A list known when the policy loads."""

    kind: Kind
    values: tuple[Value, ...]
    label: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Input:
    """A bound value by its dotted path. Flow checking proved it present wherever it is evaluated."""

    kind: Kind
    path: str


@dataclass(frozen=True, slots=True)
class ActionName:
    """`proposal.action`."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class Has:
    """Whether an optional input, or an optional record, is there."""

    path: str
    record: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    operand: Node


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class If:
    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Compare:
    """Both sides are of one kind and scale (strings and enums compare as text)."""

    operator: Comparison
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Sum:
    """left + right, or left - right where `minus`. Both sides are of one scale."""

    minus: bool
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Times:
    """A number or duration times an integer known when the policy loads; negation is times -1."""

    operand: Node
    factor: int


@dataclass(frozen=True, slots=True)
class In:
    """Membership in a constant list or in a list input, item and list of one scale."""

    item: Node
    within: Node


@dataclass(frozen=True, slots=True)
class Text:
    """`size` of a string (characters) or list, and the three tests of strings, whose second operand is `with_`."""

    function: Literal["size", "startsWith", "endsWith", "contains"]
    operand: Node
    with_: Node | None = None


Node = Const | Consts | Input | ActionName | Has | Not | And | Or | If | Compare | Sum | Times | In | Text

TRUE = Const(BOOL, True)
FALSE = Const(BOOL, False)


def children(node: Node) -> tuple[Node, ...]:
    """Direct parts, in the order of evaluation."""
    match node:
        case Const() | Consts() | Input() | ActionName() | Has():
            return ()
        case Not(operand) | Times(operand, _):
            return (operand,)
        case And(parts) | Or(parts):
            return parts
        case If(condition, then, otherwise):
            return (condition, then, otherwise)
        case Compare(_, left, right) | Sum(_, left, right) | In(left, right):
            return (left, right)
        case Text(_, operand, with_):
            return (operand,) if with_ is None else (operand, with_)


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    stack = [node]
    while stack:
        here = stack.pop()
        yield here
        stack.extend(reversed(children(here)))


def measure(node: Node) -> tuple[int, int]:
    """(depth, number of nodes) of the tree written out; shared parts are measured once, so the cost is that of the
    shared form.
    """
    known: dict[int, tuple[int, int]] = {}

    def of(here: Node) -> tuple[int, int]:
        found = known.get(id(here))
        if found is None:
            below = [of(part) for part in children(here)]
            found = (
                1 + max((depth for depth, _ in below), default=0),
                1 + sum(size for _, size in below) + (len(here.values) if isinstance(here, Consts) else 0),
            )
            known[id(here)] = found
        return found

    return of(node)


def negated(node: Node) -> Node:
    """`!node`, without stacking negations."""
    if isinstance(node, Const):
        return FALSE if node.value else TRUE
    return node.operand if isinstance(node, Not) else Not(node)


def to_data(node: Node) -> list[Any]:
    """The tree as plain lists: what the policy's hash is made of and what a prover reads."""
    match node:
        case Const(kind, value):
            return ["const", str(kind), value]
        case Consts(kind, values):
            return ["consts", str(kind), list(values)]
        case Input(kind, path):
            return ["input", str(kind), path]
        case ActionName():
            return ["action"]
        case Has(path, record):
            return ["has_record" if record else "has", path]
        case Not(operand):
            return ["not", to_data(operand)]
        case And(parts):
            return ["and", *(to_data(part) for part in parts)]
        case Or(parts):
            return ["or", *(to_data(part) for part in parts)]
        case If(condition, then, otherwise):
            return ["if", to_data(condition), to_data(then), to_data(otherwise)]
        case Compare(operator, left, right):
            return [operator, to_data(left), to_data(right)]
        case Sum(minus, left, right):
            return ["-" if minus else "+", to_data(left), to_data(right)]
        case Times(operand, factor):
            return ["*", to_data(operand), factor]
        case In(item, within):
            return ["in", to_data(item), to_data(within)]
        case Text(function, operand, with_):
            return [function, to_data(operand), *([] if with_ is None else [to_data(with_)])]
