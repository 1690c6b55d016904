"""Typed trees as the solver's terms, one line of meaning per kind of node, and rules combined into a verdict.

Exact: every construct of the language has a counterpart with the same value, because numbers are integers, products
have a constant factor and lists are only asked for single items and their size. Whoever adds a node without a
counterpart makes a free variable of it (then what cannot happen stays proved, and a model that is none is found out by
the real evaluator) and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from interlock.policy.proof.smt import Solver, Term
from interlock.policy.proof.variables import Variables
from interlock.policy.rules import STRICTNESS, Default, Rule
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
    Kind,
    Node,
    Not,
    Or,
    Sum,
    Text,
    Times,
    walk,
)
from interlock.vocabulary.verdict import Group

_TEXTS = ("string", "enum")
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "startsWith": lambda text, with_: text.startswith(with_),
    "endsWith": lambda text, with_: text.endswith(with_),
    "contains": lambda text, with_: with_ in text,
}


def looks_into_strings(trees: Sequence[Node]) -> bool:
    """Whether some tree asks for more of a string than whether it equals another. (An enum has few values; each is
    looked into beforehand.)
    """
    return any(
        isinstance(inner, Input) and inner.kind.name == "string"
        for tree in trees
        for node in walk(tree)
        if isinstance(node, Text)
        for part in (node.operand, node.with_)
        if part is not None
        for inner in walk(part)
    )


class Encoder:
    """Trees of one action, over its variables. A tree is encoded once."""

    def __init__(self, solver: Solver, variables: Variables) -> None:
        self._solver = solver
        self._variables = variables
        self._known: dict[Node, Term] = {}

    def condition(self, node: Node) -> Term:
        """A tree that is true or false."""
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self._condition(node)
        return known

    def _condition(self, node: Node) -> Term:
        solver = self._solver
        match node:
            case Const(_, value):
                return solver.truth(bool(value))
            case Input(_, path):
                return self._variables.scalar(path)
            case Has(path):
                return self._variables.there(path)
            case Not(operand):
                return solver.not_(self.condition(operand))
            case And(parts):
                return solver.all_([self.condition(part) for part in parts])
            case Or(parts):
                return solver.any_([self.condition(part) for part in parts])
            case If(condition, then, otherwise):
                return solver.if_(self.condition(condition), self.condition(then), self.condition(otherwise))
            case Compare():
                return self._compare(node)
            case In(item, within):
                return self._in(item, within)
            case Text(function, operand, with_) if with_ is not None:
                return self._test(function, operand, with_)
            case _:
                raise AssertionError(f"{type(node).__name__} is no condition")

    def _compare(self, node: Compare) -> Term:
        solver = self._solver
        kind = kind_of(node.left)
        if kind.name in ("bool", *_TEXTS):
            side = self.condition if kind.name == "bool" else self._text
            same = solver.equal(side(node.left), side(node.right))
            return same if node.operator == "==" else solver.not_(same)
        left, right = self._number(node.left), self._number(node.right)
        match node.operator:
            case "==":
                return solver.equal(left, right)
            case "!=":
                return solver.not_(solver.equal(left, right))
            case "<":
                return solver.less(left, right)
            case "<=":
                return solver.at_most(left, right)
            case ">":
                return solver.less(right, left)
            case ">=":
                return solver.at_most(right, left)

    def _number(self, node: Node) -> Term:
        solver = self._solver
        match node:
            case Const(_, value):
                return solver.integer(int(value))
            case Input(_, path):
                return self._variables.scalar(path)
            case If(condition, then, otherwise):
                return solver.if_(self.condition(condition), self._number(then), self._number(otherwise))
            case Sum(minus, left, right):
                return (solver.minus if minus else solver.plus)(self._number(left), self._number(right))
            case Times(operand, factor):
                return solver.times(self._number(operand), factor)
            case Text("size", operand, _):
                return self._list_size(operand) if kind_of(operand).name == "list" else self._length(operand)
            case _:
                raise AssertionError(f"{type(node).__name__} is no number")

    # --- texts ----------------------------------------------------------------------------------------------------

    def _text(self, node: Node) -> Term:
        match node:
            case Const(_, value):
                return self._variables.text(str(value))
            case Input(_, path):
                return self._variables.scalar(path)
            case If(condition, then, otherwise):
                return self._solver.if_(self.condition(condition), self._text(then), self._text(otherwise))
            case _:
                raise AssertionError(f"{type(node).__name__} is no text")

    def _values(self, node: Node) -> list[tuple[Term, str]]:
        """The texts that a tree may be, each with when it is."""
        solver = self._solver
        match node:
            case Const(_, value):
                return [(solver.true, str(value))]
            case Input(kind, path) if kind.name == "enum":
                variable = self._variables.scalar(path)
                return [(solver.equal(variable, self._variables.text(value)), value) for value in kind.values]
            case If(condition, then, otherwise):
                here = self.condition(condition)
                return [
                    (solver.all_([where, when]), value)
                    for where, side in ((here, then), (solver.not_(here), otherwise))
                    for when, value in self._values(side)
                ]
            case _:
                raise AssertionError("only texts of a few values are written out")

    def _test(self, function: str, operand: Node, with_: Node) -> Term:
        solver = self._solver
        if not self._variables.look_into:
            return solver.any_(
                [
                    solver.all_([when, also])
                    for when, text in self._values(operand)
                    for also, part in self._values(with_)
                    if _TESTS[function](text, part)
                ]
            )
        text, part = self._text(operand), self._text(with_)
        match function:
            case "startsWith":
                return solver.starts_with(text, part)
            case "endsWith":
                return solver.ends_with(text, part)
            case _:
                return solver.contains(text, part)

    def _length(self, operand: Node) -> Term:
        solver = self._solver
        if self._variables.look_into:
            return solver.length(self._text(operand))
        *others, (_, last) = self._values(operand)
        length = solver.integer(len(last))
        for when, text in others:
            length = solver.if_(when, solver.integer(len(text)), length)
        return length

    # --- lists ----------------------------------------------------------------------------------------------------

    def _in(self, item: Node, within: Node) -> Term:
        solver = self._solver
        match within:
            case Consts(kind, values):
                if kind.name == "bool":
                    here = self.condition(item)
                    return solver.any_([here if value else solver.not_(here) for value in values])
                if kind.name in _TEXTS:
                    text = self._text(item)
                    return solver.any_([solver.equal(text, self._variables.text(str(value))) for value in values])
                number = self._number(item)
                return solver.any_([solver.equal(number, solver.integer(int(value))) for value in values])
            case Input(_, path):
                return self._variables.holds(path, self._item(item), item.value if isinstance(item, Const) else None)
            case If(condition, then, otherwise):
                return solver.if_(self.condition(condition), self._in(item, then), self._in(item, otherwise))
            case _:
                raise AssertionError(f"{type(within).__name__} is no list")

    def _item(self, item: Node) -> Term:
        kind = kind_of(item)
        if kind.name == "bool":
            return self._solver.if_(self.condition(item), self._solver.integer(1), self._solver.integer(0))
        return self._text(item) if kind.name in _TEXTS else self._number(item)

    def _list_size(self, operand: Node) -> Term:
        match operand:
            case Consts(_, values):
                return self._solver.integer(len(values))
            case Input(_, path):
                return self._variables.size(path)
            case If(condition, then, otherwise):
                return self._solver.if_(self.condition(condition), self._list_size(then), self._list_size(otherwise))
            case _:
                raise AssertionError(f"{type(operand).__name__} is no list")


def kind_of(node: Node) -> Kind:
    """What a tree is. Numbers, timestamps and durations are all exact integers and need no telling apart."""
    match node:
        case Const(kind, _) | Input(kind, _) | ActionName(kind):
            return kind
        case Consts(kind, _):
            return Kind("list", item=kind)
        case If(_, then, _):
            return kind_of(then)
        case Sum() | Times() | Text("size", _, _):
            return Kind("number")
        case _:
            return Kind("bool")


# --- verdicts ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What a policy says, as terms. `held`: per bit that the rule's `when` holds and its `unless` does not.

    asked        per group and number of approvals, that so many of it are required (an escalation's groups)
    fallbacks    per name, that the verdict is that fallback
    """

    deny: Term
    escalate: Term
    fallback: Term
    allow: Term
    default: Term
    held: Mapping[int, Term]
    asked: Mapping[Group, Term] = field(default_factory=dict[Group, Term])
    fallbacks: Mapping[str, Term] = field(default_factory=dict[str, Term])

    def of(self, outcome: str) -> Term:
        """That the outcome is this one."""
        return {"deny": self.deny, "escalate": self.escalate, "fallback": self.fallback, "allow": self.allow}[outcome]


def outcomes(
    solver: Solver,
    encoder: Encoder,
    rules: Sequence[Rule],
    default: Default,
    trees: Mapping[int, tuple[Node, Node | None]],
    groups: Collection[Group],
) -> Outcomes:
    """The verdict of the rules that `trees` holds (by bit, specialised for one action), as `rules.combine` makes it.

    groups   those that are asked about: where two policies are compared, those that either of them names
    """
    held: dict[int, Term] = {}
    for bit, (when, unless) in trees.items():
        holds = encoder.condition(when)
        if unless is not None:
            holds = solver.all_([holds, solver.not_(encoder.condition(unless))])
        held[bit] = holds
    some = {name: solver.any_([held[bit] for bit in held if rules[bit].then == name]) for name in STRICTNESS}
    nothing = solver.not_(solver.any_(list(some.values())))
    final: dict[str, Term] = {}
    stricter: list[Term] = []
    for name in sorted(STRICTNESS, key=lambda one: STRICTNESS[one]):
        final[name] = solver.all_([*stricter, some[name]])
        stricter.append(solver.not_(some[name]))
    final[default.then] = solver.any_([final[default.then], nothing])
    return Outcomes(
        deny=final["deny"],
        escalate=final["escalate"],
        fallback=final["fallback"],
        allow=final["allow"],
        default=nothing,
        held=held,
        asked=_asked(solver, rules, default, held, groups, final["escalate"], nothing),
        fallbacks=_fallbacks(solver, rules, default, held, final["fallback"], nothing),
    )


def _asked(
    solver: Solver,
    rules: Sequence[Rule],
    default: Default,
    held: Mapping[int, Term],
    groups: Collection[Group],
    escalate: Term,
    nothing: Term,
) -> dict[Group, Term]:
    """For each group and count, that at least so many approvals of it are required."""
    found: dict[Group, Term] = {}
    for wanted in sorted(groups):
        who = [
            held[bit]
            for bit in held
            if any(g.name == wanted.name and g.approvals >= wanted.approvals for g in rules[bit].to)
        ]
        if any(g.name == wanted.name and g.approvals >= wanted.approvals for g in default.to):
            who.append(nothing)
        found[wanted] = solver.all_([escalate, solver.any_(who)])
    return found


def _fallbacks(
    solver: Solver, rules: Sequence[Rule], default: Default, held: Mapping[int, Term], fallback: Term, nothing: Term
) -> dict[str, Term]:
    """For each fallback, that it is the first that holds."""
    found: dict[str, list[Term]] = {}
    earlier: list[Term] = []
    for bit in sorted(held):
        name = rules[bit].fallback
        if rules[bit].then == "fallback" and name is not None:
            found.setdefault(name, []).append(solver.all_([*earlier, held[bit], fallback]))
            earlier.append(solver.not_(held[bit]))
    if default.fallback is not None:
        found.setdefault(default.fallback, []).append(nothing)
    return {name: solver.any_(terms) for name, terms in found.items()}


def groups_of(rules: Sequence[Rule], default: Default) -> set[Group]:
    """Every group and count that some rule or the default names."""
    return {group for rule in rules for group in rule.to} | set(default.to)


def differ(solver: Solver, left: Outcomes, right: Outcomes) -> Term:
    """That two verdicts differ: in the outcome, in who is asked, or in where it falls back to."""
    pairs = [(left.of(name), right.of(name)) for name in STRICTNESS]
    pairs += [
        (left.asked.get(g, solver.false), right.asked.get(g, solver.false)) for g in sorted({*left.asked, *right.asked})
    ]
    names = sorted({*left.fallbacks, *right.fallbacks})
    pairs += [(left.fallbacks.get(name, solver.false), right.fallbacks.get(name, solver.false)) for name in names]
    return solver.any_([solver.not_(solver.equal(a, b)) for a, b in pairs])
