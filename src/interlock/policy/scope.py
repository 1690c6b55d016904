"""What is known while one expression is checked: the document's names, and facts about a point of the expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from interlock.policy.diagnostics import Report
from interlock.policy.document import Scalar
from interlock.policy.schema import Schema
from interlock.policy.syntax import Expr
from interlock.policy.tree import BOOL, FALSE, TRUE, ActionName, Const, Consts, Input, Kind, Node


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at a point of an expression: inputs that are present, actions that are possible.

    absent    inputs that are not there. Only for what is said of a mistake: it permits nothing
    """

    present: frozenset[str]
    actions: frozenset[str]
    absent: frozenset[str] = frozenset()

    def both(self, other: Facts) -> Facts:
        """Where both hold."""
        return Facts(self.present | other.present, self.actions & other.actions, self.absent | other.absent)

    def either(self, other: Facts) -> Facts:
        """Where at least one of them holds."""
        return Facts(self.present & other.present, self.actions | other.actions, self.absent & other.absent)


@dataclass(frozen=True, slots=True)
class Checked:
    """A typed expression, and the facts where it is true and where it is false."""

    node: Node
    kind: Kind
    then: Facts
    otherwise: Facts


@dataclass(frozen=True, slots=True)
class Definition:
    """A named expression of the document: its text and its syntax tree (None where it could not be read)."""

    scalar: Scalar
    tree: Expr | None


@dataclass(slots=True)
class Scope:
    """What the names of one document mean, and which of them were used."""

    schema: Schema
    report: Report
    params: Mapping[str, Const | Consts] = field(default_factory=dict[str, Const | Consts])
    defines: Mapping[str, Definition] = field(default_factory=dict[str, Definition])
    used: set[str] = field(default_factory=set[str])
    opened: list[str] = field(default_factory=list[str])
    memo: dict[tuple[str, Facts], Checked | None] = field(default_factory=dict[tuple[str, Facts], Checked | None])

    def facts(self, actions: frozenset[str] | None = None) -> Facts:
        """What is known before anything is read."""
        return Facts(frozenset(), frozenset(self.schema.actions) if actions is None else actions)


@dataclass(frozen=True, slots=True)
class Spot:
    """One expression of the document: findings about its parts are placed in the file."""

    scope: Scope
    scalar: Scalar

    def note(self, code: str, at: Expr, message: str, suggestion: str = "") -> None:
        """A finding about a part of the expression."""
        self.span(code, at.start, at.end, message, suggestion)

    def remark(self, code: str, at: Expr, message: str, suggestion: str = "") -> None:
        """A remark about a part of the expression."""
        width = max(1, at.end - at.start)
        self.scope.report.remark(code, self.scalar.locate(at.start), message, suggestion, width=width)

    def span(self, code: str, start: int, end: int, message: str, suggestion: str = "") -> None:
        """A finding about characters of the expression."""
        self.scope.report.add(code, self.scalar.locate(start), message, suggestion, width=max(1, end - start))


def value(node: Const | Consts | Input | ActionName, facts: Facts) -> Checked:
    """A value that establishes nothing, except a constant condition: where `true` is false, nothing is possible."""
    if node in (TRUE, FALSE):
        nowhere = replace(facts, actions=frozenset[str]())
        return Checked(node, BOOL, *((facts, nowhere) if node == TRUE else (nowhere, facts)))
    return Checked(node, Kind("list", item=node.kind) if isinstance(node, Consts) else node.kind, facts, facts)


def a_kind(kind: Kind) -> str:
    """The kind in a sentence: `an int`, `a timestamp`."""
    text = str(kind)
    return f"an {text}" if text[0] in "aeiou" else f"a {text}"
