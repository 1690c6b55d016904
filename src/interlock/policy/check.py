"""From a syntax tree to a typed tree: names, types, scales, and the proof that nothing missing is ever read.

The proof is a flow analysis. Facts say which optional inputs are present and which actions the proposal may have at
a point of an expression; `has(x)`, `proposal.action == "pay"` and the rule's `for` establish them, `&&`, `||`, `!`,
`?:` and definitions carry them on. A rule's `unless` is read with what its `when` established, because it is only
evaluated where that held.

INVARIANT: a tree that leaves here evaluates to a value for every bound input of every action it is meant for.
INVARIANT: every mistake is reported where it stands; a wrong part makes the whole expression None but hides no
other mistake.
"""

from __future__ import annotations

from dataclasses import replace

from interlock.policy import syntax
from interlock.policy.agree import alike, comparable, constants, members, number, rescaled, times
from interlock.policy.diagnostics import nearest
from interlock.policy.document import Scalar
from interlock.policy.limits import (
    DEFINE_NESTING_MAX,
    EXPANDED_DEPTH_MAX,
    EXPANDED_NODES_MAX,
    MAGNITUDE_MAX,
    SCALE_MAX,
)
from interlock.policy.moments import iso_duration_us, timestamp_us
from interlock.policy.paths import METHODS, ROOTS, Path, invisible, only_for, presence, resolve, unknown
from interlock.policy.ranges import decided
from interlock.policy.schema import InvisibleType, RecordType, Schema, kind_of, types_at
from interlock.policy.schema_text import type_text
from interlock.policy.scope import Checked, Facts, Scope, Spot, a_kind, value
from interlock.policy.syntax import Expr, SyntaxProblem
from interlock.policy.tree import (
    BOOL,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    TRUE,
    ActionName,
    And,
    Compare,
    Comparison,
    Const,
    Consts,
    If,
    In,
    Input,
    Kind,
    Node,
    Or,
    Sum,
    Text,
    Times,
    measure,
    negated,
    walk,
)

FUNCTIONS = ("has", "size", "duration", "timestamp")


def parse(scope: Scope, scalar: Scalar) -> Expr | None:
    """The syntax tree of a scalar; None if it has none (reported)."""
    try:
        return syntax.parse(scalar.text)
    except SyntaxProblem as problem:
        scope.report.add(
            "syntax",
            scalar.locate(problem.start),
            problem.message,
            problem.suggestion,
            width=problem.end - problem.start,
        )
        return None


def condition(scope: Scope, scalar: Scalar, facts: Facts) -> Checked | None:
    """A `when` or `unless`: an expression that must be a bool."""
    tree = parse(scope, scalar)
    if tree is None:
        return None
    checker = _Checker(scope, scalar)
    checked = checker.check(tree, facts)
    if checked is None:
        return None
    if checked.kind != BOOL:
        checker.spot.note(
            "type",
            tree,
            f"a condition must be true or false; this is {a_kind(checked.kind)}",
            "compare it with something",
        )
        return None
    return checked if checker.fits(tree, checked.node) else None


def definition(scope: Scope, name: str, facts: Facts) -> Checked | None:
    """A definition where it is used, under the facts of that place, so that `has(x) && d` may guard what d reads."""
    key = (name, facts)
    if key not in scope.memo:
        scope.opened.append(name)
        found = scope.defines[name]
        checked = None
        if found.tree is not None:
            checker = _Checker(scope, found.scalar)
            checked = checker.check(found.tree, facts)
            if checked is not None and not checker.fits(found.tree, checked.node):
                checked = None
        scope.opened.pop()
        scope.memo[key] = checked
    return scope.memo[key]


class _Checker:
    """Checks one expression; its places are those of one scalar."""

    def __init__(self, scope: Scope, scalar: Scalar) -> None:
        self.spot = Spot(scope, scalar)

    def fits(self, at: Expr, node: Node) -> bool:
        """Whether the tree, with definitions put in, stays within the limits."""
        depth, size = measure(node)
        if depth > EXPANDED_DEPTH_MAX or size > EXPANDED_NODES_MAX:
            self.spot.note(
                "too_large", at, "with its definitions put in, this expression is too large", "split the rule"
            )
            return False
        return True

    def check(self, tree: Expr, facts: Facts) -> Checked | None:
        """Type one expression under facts. None: something in it is wrong, and reported."""
        match tree:
            case syntax.Literal():
                return self._literal(tree, facts)
            case syntax.Name() | syntax.Member():
                return self._named(tree, facts)
            case syntax.Call():
                return self._call(tree, facts)
            case syntax.Unary():
                return self._unary(tree, facts)
            case syntax.Binary():
                return self._binary(tree, facts)
            case syntax.Chain():
                return self._chain(tree, facts)
            case syntax.Ternary():
                return self._ternary(tree, facts)
            case syntax.Several():
                self.spot.note("type", tree, "a list can only stand after `in`", 'write x in ["a", "b"]')
                return None

    # --- values ---------------------------------------------------------------------------------------------------

    def _literal(self, tree: syntax.Literal, facts: Facts) -> Checked:
        match tree.kind:
            case "number":
                return value(number(str(tree.value)), facts)
            case "duration":
                return value(Const(DURATION, tree.value), facts)
            case "string":
                return value(Const(STRING, tree.value), facts)
            case _:
                return value(Const(BOOL, tree.value), facts)

    def _named(self, tree: syntax.Name | syntax.Member, facts: Facts) -> Checked | None:
        if isinstance(tree, syntax.Name) and tree.name not in ROOTS:
            return self._word(tree, facts)
        path = resolve(self.spot, tree, facts)
        if path is None:
            return None
        if path.having != facts.actions:
            only_for(self.spot, tree, path, facts)
            return None
        missing = [prefix for prefix in path.optional if prefix not in facts.present]
        gone = next((prefix for prefix in path.optional if prefix in facts.absent), None)
        if missing and gone is not None:
            self.spot.note(
                "maybe_missing",
                tree,
                f"`{path.text}` is missing wherever this is read: the conditions before say that `{gone}` is absent",
                f"read it where it is there: has({gone}) && ..., or leave this part out",
            )
            return None
        if missing:
            guard = path.text
            self.spot.note(
                "maybe_missing",
                tree,
                f"`{path.text}` may be missing" + (f" (`{missing[0]}` is optional)" if missing[0] != path.text else ""),
                f"guard it: has({guard}) && ..., or say what stands in for it: {guard}.orValue(...)",
            )
            return None
        return self._input(tree, path, facts)

    def _input(self, at: Expr, path: Path, facts: Facts) -> Checked | None:
        """Read a path whose presence is settled."""
        if isinstance(path.type, RecordType):
            self.spot.note(
                "type",
                at,
                f"`{path.text}` is a record",
                "name one of its fields: " + ", ".join(sorted(path.type.fields)),
            )
            return None
        if isinstance(path.type, InvisibleType):
            invisible(self.spot, at, path.text, path.type)
            return None
        kind = kind_of(path.type)
        if path.text == "proposal.action":
            return value(ActionName(kind), facts)
        return value(Input(kind, path.text), facts)

    def _word(self, tree: syntax.Name, facts: Facts) -> Checked | None:
        scope, name = self.spot.scope, tree.name
        if name in scope.params:
            scope.used.add(name)
            param = scope.params[name]
            return value(param, facts)
        if name in scope.defines:
            scope.used.add(name)
            if name in scope.opened:
                self.spot.note("cycle", tree, f"`{name}` is defined by itself: " + " -> ".join([*scope.opened, name]))
                return None
            if len(scope.opened) >= DEFINE_NESTING_MAX:
                self.spot.note("too_large", tree, f"definitions use each other more than {DEFINE_NESTING_MAX} deep")
                return None
            return definition(scope, name, facts)
        unknown(self.spot, tree)
        return None

    # --- calls ----------------------------------------------------------------------------------------------------

    def _call(self, tree: syntax.Call, facts: Facts) -> Checked | None:
        known = METHODS if tree.of is not None else FUNCTIONS
        if tree.name not in known:
            instead = nearest(tree.name, known)
            if tree.name == "matches":
                instead = "regular expressions may run for ever; use startsWith, endsWith, contains or in"
            elif tree.name in METHODS or tree.name in FUNCTIONS:
                instead = f"write x.{tree.name}(...)" if tree.of is None else f"write {tree.name}(...)"
            self.spot.span(
                "unknown_name",
                tree.name_start,
                tree.name_start + len(tree.name),
                f"no function is called `{tree.name}`",
                instead,
            )
            return None
        wanted = 0 if tree.of is not None and tree.name == "size" else 1
        if len(tree.arguments) != wanted:
            self.spot.note(
                "syntax",
                tree,
                f"`{tree.name}` takes {wanted or 'no'} argument{'s' * (wanted != 1)}, not {len(tree.arguments)}",
            )
            return None
        match tree.name:
            case "has":
                return self._has(tree.arguments[0], facts)
            case "orValue" if tree.of is not None:
                return self._or_value(tree, tree.of, facts)
            case "size":
                return self._size(tree.of or tree.arguments[0], facts)
            case "duration" | "timestamp":
                return self._moment(tree, facts)
            case _:
                return self._text_test(tree, facts)

    def _optional(self, at: Expr, facts: Facts, function: str) -> Path | None:
        if not isinstance(at, syntax.Name | syntax.Member):
            self.spot.note("type", at, f"`{function}` is about one input", "name it by its path: case.order.total")
            return None
        path = resolve(self.spot, at, facts)
        if path is not None and isinstance(path.type, InvisibleType):
            invisible(self.spot, at, path.text, path.type)
            return None
        return path

    def _has(self, at: Expr, facts: Facts) -> Checked | None:
        path = self._optional(at, facts, "has")
        if path is None:
            return None
        there = replace(facts, present=facts.present | path.prefixes, actions=facts.actions & path.having)
        # For the actions of `sure` it is always there, so where it is absent the action is another.
        absent = replace(facts, actions=facts.actions - path.sure, absent=facts.absent | {path.text})
        return Checked(presence(self.spot, path, facts), BOOL, there, absent)

    def _or_value(self, tree: syntax.Call, of: Expr, facts: Facts) -> Checked | None:
        path = self._optional(of, facts, "orValue")
        default = self.check(tree.arguments[0], facts)
        if path is None or default is None:
            return None
        there = replace(facts, present=facts.present | path.prefixes, actions=facts.actions & path.having)
        value = self._input(of, path, there)
        if value is None:
            return None
        pair = alike(self.spot, tree, value, default, "orValue gives a value of the same type")
        if pair is None:
            return None
        left, right, kind = pair
        there_is = presence(self.spot, path, facts)
        node = left if there_is == TRUE else If(there_is, left, right)
        return Checked(node, kind, facts, facts)

    def _size(self, at: Expr, facts: Facts) -> Checked | None:
        operand = self.check(at, facts)
        if operand is None:
            return None
        if operand.kind.name not in ("string", "enum", "list"):
            self.spot.note("type", at, f"size is of a string or a list; this is {a_kind(operand.kind)}")
            return None
        if isinstance(operand.node, Const):
            return value(Const(INT, len(str(operand.node.value))), facts)
        if isinstance(operand.node, Consts):
            return value(Const(INT, len(operand.node.values)), facts)
        return Checked(Text("size", operand.node), INT, facts, facts)

    def _moment(self, tree: syntax.Call, facts: Facts) -> Checked | None:
        argument = tree.arguments[0]
        if not (isinstance(argument, syntax.Literal) and argument.kind == "string"):
            self.spot.note(
                "type",
                argument,
                f"{tree.name}(...) takes a text in quotes",
                'for example timestamp("2026-01-31T00:00:00Z")',
            )
            return None
        text = str(argument.value)
        try:
            if tree.name == "timestamp":
                return value(Const(TIMESTAMP, timestamp_us(text)), facts)
            if syntax.DURATION.fullmatch(text):
                return value(Const(DURATION, syntax.duration_us(text)), facts)
            return value(Const(DURATION, iso_duration_us(text)), facts)
        except ValueError as error:
            self.spot.note("type", argument, str(error))
            return None

    def _text_test(self, tree: syntax.Call, facts: Facts) -> Checked | None:
        operand = self.check(tree.of, facts) if tree.of is not None else None
        argument = self.check(tree.arguments[0], facts)
        if operand is None or argument is None:
            return None
        for at, side in ((tree.of or tree, operand), (tree.arguments[0], argument)):
            if side.kind.name not in ("string", "enum"):
                self.spot.note("type", at, f"{tree.name} is about strings; this is {a_kind(side.kind)}")
                return None
        function = tree.name
        if function not in ("startsWith", "endsWith", "contains"):
            return None
        node = Text(function, operand.node, argument.node)
        self._settled(tree, node, facts)
        return Checked(node, BOOL, facts, facts)

    # --- operators ------------------------------------------------------------------------------------------------

    def _unary(self, tree: syntax.Unary, facts: Facts) -> Checked | None:
        operand = self.check(tree.operand, facts)
        if operand is None:
            return None
        if tree.operator == "!":
            if operand.kind != BOOL:
                self.spot.note(
                    "type",
                    tree.operand,
                    f"! turns true into false; this is {a_kind(operand.kind)}",
                    "compare it with something",
                )
                return None
            return Checked(negated(operand.node), BOOL, operand.otherwise, operand.then)
        if operand.kind.name not in ("number", "duration"):
            self.spot.note("type", tree.operand, f"{a_kind(operand.kind)} has no negative")
            return None
        return Checked(times(operand.node, operand.kind, -1), operand.kind, facts, facts)

    def _chain(self, tree: syntax.Chain, facts: Facts) -> Checked | None:
        conjunction = tree.operator == "&&"
        here = facts
        ended: Facts | None = None  # where the chain was decided by a part: false for &&, true for ||
        nodes: list[Node] = []
        wrong = False
        for part in tree.parts:
            checked = self.check(part, here)
            if checked is None:
                wrong = True
                continue
            if checked.kind != BOOL:
                self.spot.note(
                    "type",
                    part,
                    f"{tree.operator} joins conditions; this is {a_kind(checked.kind)}",
                    "compare it with something",
                )
                wrong = True
                continue
            flat = And if conjunction else Or
            nodes.extend(checked.node.parts if isinstance(checked.node, flat) else (checked.node,))
            here, out = (checked.then, checked.otherwise) if conjunction else (checked.otherwise, checked.then)
            ended = out if ended is None else ended.either(out)
        if wrong or ended is None:
            return None
        if conjunction:
            return Checked(And(tuple(nodes)), BOOL, here, ended)
        return Checked(Or(tuple(nodes)), BOOL, ended, here)

    def _ternary(self, tree: syntax.Ternary, facts: Facts) -> Checked | None:
        condition_ = self.check(tree.condition, facts)
        if condition_ is not None and condition_.kind != BOOL:
            self.spot.note("type", tree.condition, f"before ? stands a condition; this is {a_kind(condition_.kind)}")
            condition_ = None
        then = self.check(tree.then, facts if condition_ is None else condition_.then)
        otherwise = self.check(tree.otherwise, facts if condition_ is None else condition_.otherwise)
        if condition_ is None or then is None or otherwise is None:
            return None
        pair = alike(self.spot, tree, then, otherwise, "both sides of `:` must be of one type")
        if pair is None:
            return None
        left, right, kind = pair
        node = If(condition_.node, left, right)
        if kind == BOOL:
            return Checked(node, BOOL, then.then.either(otherwise.then), then.otherwise.either(otherwise.otherwise))
        return Checked(node, kind, facts, facts)

    def _binary(self, tree: syntax.Binary, facts: Facts) -> Checked | None:
        if tree.operator == "in":
            return self._in(tree, facts)
        if tree.operator in ("/", "%"):
            self.check(tree.left, facts)
            self.check(tree.right, facts)
            self.spot.span(
                "not_total",
                tree.operator_start,
                tree.operator_start + 1,
                f"`{tree.operator}` is not part of policies: division is not exact and fails on zero",
                "multiply the other side instead: a * 2 > b rather than a > b / 2",
            )
            return None
        left, right = self.check(tree.left, facts), self.check(tree.right, facts)
        if left is None or right is None:
            return None
        match tree.operator:
            case "+" | "-":
                return self._sum(tree, left, right, facts)
            case "*":
                return self._product(tree, left, right, facts)
            case "==" | "!=" | "<" | "<=" | ">" | ">=":
                return self._comparison(tree, tree.operator, left, right, facts)
            case _:
                raise AssertionError(tree.operator)

    def _comparison(
        self, tree: syntax.Binary, operator: Comparison, left: Checked, right: Checked, facts: Facts
    ) -> Checked | None:
        pair = alike(self.spot, tree, left, right, "only values of one type can be compared")
        if pair is None:
            return None
        a, b, kind = pair
        if operator not in ("==", "!=") and kind.name not in ("number", "timestamp", "duration"):
            self.spot.span(
                "type",
                tree.operator_start,
                tree.operator_start + len(operator),
                f"{a_kind(kind)} has no order",
                "compare with == or !=" + ("" if kind == BOOL else ', or write x in ["a", "b"]'),
            )
            return None
        if kind.name == "list":
            self.spot.note("type", tree, "lists are not compared", "ask for one value: x in list, or for size(list)")
            return None
        node = Compare(operator, a, b)
        self._settled(tree, node, facts)
        name, other = (a, b) if isinstance(a, ActionName) else (b, a)
        if isinstance(name, ActionName) and isinstance(other, Const):
            same = replace(facts, actions=facts.actions & {str(other.value)})
            others = replace(facts, actions=facts.actions - {str(other.value)})
            return Checked(node, BOOL, *((same, others) if operator == "==" else (others, same)))
        return Checked(node, BOOL, facts, facts)

    def _in(self, tree: syntax.Binary, facts: Facts) -> Checked | None:
        item = self.check(tree.left, facts)
        if isinstance(tree.right, syntax.Several):
            within = self._list(tree.right, item, facts)
        else:
            within = self.check(tree.right, facts)
        if item is None or within is None:
            return None
        if within.kind.item is None:
            self.spot.note(
                "type", tree.right, f"`in` needs a list; this is {a_kind(within.kind)}", 'write x in ["a", "b"]'
            )
            return None
        element, node = within.kind.item, item.node
        values = within.node
        if item.kind.name == "number" and element.name == "number":
            if item.kind.scale < element.scale:
                node = times(node, item.kind, 10 ** (element.scale - item.kind.scale))
            elif item.kind.scale > element.scale:
                if not isinstance(values, Consts):
                    self.spot.note(
                        "type",
                        tree.left,
                        f"the list holds {element} and this is {a_kind(item.kind)}: it could never be in it",
                    )
                    return None
                factor = 10 ** (item.kind.scale - element.scale)
                values = Consts(item.kind, tuple(int(value) * factor for value in values.values), values.label)
        else:
            if not comparable(self.spot, tree, item.kind, element, "an item is of the type of its list"):
                return None
            for kind, const in ((item.kind, values), (element, node)):
                if not members(self.spot, tree, kind, const):
                    return None
        self._settled(tree, In(node, values), facts)
        if isinstance(node, ActionName) and isinstance(values, Consts):
            names = frozenset(str(value) for value in values.values)
            there, rest = (replace(facts, actions=some) for some in (facts.actions & names, facts.actions - names))
            return Checked(In(node, values), BOOL, there, rest)
        return Checked(In(node, values), BOOL, facts, facts)

    def _list(self, tree: syntax.Several, item: Checked | None, facts: Facts) -> Checked | None:
        found: list[Const] = []
        wrong = False
        for part in tree.items:
            checked = self.check(part, facts)
            if checked is None:
                wrong = True
            elif not isinstance(checked.node, Const):
                self.spot.note(
                    "type",
                    part,
                    "a list holds only values known when the policy loads",
                    "compare with == and join with ||",
                )
                wrong = True
            else:
                found.append(checked.node)
        if wrong:
            return None
        if not found:
            if item is None:
                return None
            return value(Consts(item.kind, ()), facts)
        made = constants(found)
        if made is None:
            self.spot.note("type", tree, "a list holds values of one type")
            return None
        return value(made, facts)

    def _sum(self, tree: syntax.Binary, left: Checked, right: Checked, facts: Facts) -> Checked | None:
        minus = tree.operator == "-"
        names = (left.kind.name, right.kind.name)
        a, b = left.node, right.node
        match names:
            case ("number", "number"):
                scale = max(left.kind.scale, right.kind.scale)
                a, b = rescaled(a, left.kind, scale), rescaled(b, right.kind, scale)
                kind = Kind("number", scale)
            case ("duration", "duration"):
                kind = DURATION
            case ("timestamp", "timestamp") if minus:
                kind = DURATION
            case ("timestamp", "duration"):
                kind = TIMESTAMP
            case ("duration", "timestamp") if not minus:
                kind = TIMESTAMP
            case _:
                advice = "durations have units: 30d, 12h" if "number" in names and len(set(names)) == 2 else ""
                self.spot.note(
                    "type",
                    tree,
                    f"{a_kind(left.kind)} {tree.operator} {a_kind(right.kind)} means nothing",
                    advice,
                )
                return None
        if isinstance(a, Const) and isinstance(b, Const):
            value = int(a.value) - int(b.value) if minus else int(a.value) + int(b.value)
            return self._bounded(tree, Const(kind, value), facts)
        return Checked(Sum(minus, a, b), kind, facts, facts)

    def _product(self, tree: syntax.Binary, left: Checked, right: Checked, facts: Facts) -> Checked | None:
        names = {left.kind.name, right.kind.name}
        if not names <= {"number", "duration"} or names == {"duration"}:
            self.spot.note("type", tree, f"{a_kind(left.kind)} * {a_kind(right.kind)} means nothing")
            return None
        known, other = (left, right) if isinstance(left.node, Const) else (right, left)
        if not isinstance(known.node, Const):
            self.spot.note(
                "not_total",
                tree,
                "one side of * must be known when the policy loads",
                "products of two inputs cannot be proved about; let the automation compute it as a field",
            )
            return None
        if "duration" in names and left.kind.scale + right.kind.scale:
            self.spot.note(
                "type", tree, "a duration times a decimal is not exact", "write the duration itself: 36h, not 1.5 * 24h"
            )
            return None
        scale = left.kind.scale + right.kind.scale
        if scale > SCALE_MAX:
            self.spot.note("too_large", tree, f"a product with more than {SCALE_MAX} decimal places")
            return None
        kind = DURATION if "duration" in names else Kind("number", scale)
        factor = int(known.node.value)
        if isinstance(other.node, Const):
            return self._bounded(tree, Const(kind, int(other.node.value) * factor), facts)
        return Checked(Times(other.node, factor), kind, facts, facts)

    def _settled(self, at: Expr, node: Node, facts: Facts) -> None:
        """Remark on a condition that the bounds of its inputs decide: it says nothing, or not what was meant."""
        schema = self.spot.scope.schema
        actions = facts.actions or frozenset(schema.actions)
        known = decided(node, lambda path: types_at(schema, actions, path))
        if known is None:
            return
        read = dict.fromkeys(here.path for here in walk(node) if isinstance(here, Input))
        why = "; ".join(f"{path} is {' or '.join(_types_text(schema, actions, path))}" for path in read)
        self.spot.remark(
            "impossible" if not known else "always", at, f"this {'always' if known else 'never'} holds", why
        )

    def _bounded(self, at: Expr, const: Const, facts: Facts) -> Checked | None:
        if abs(int(const.value)) > MAGNITUDE_MAX:
            self.spot.note("too_large", at, "this number is too large")
            return None
        return value(const, facts)


def _types_text(schema: Schema, actions: frozenset[str], path: str) -> list[str]:
    return list(dict.fromkeys(type_text(type_) for type_ in types_at(schema, actions, path)))
