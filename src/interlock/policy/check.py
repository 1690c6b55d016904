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

from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.policy import syntax
from interlock.policy.diagnostics import Report, nearest
from interlock.policy.document import Scalar
from interlock.policy.limits import (
    DEFINE_NESTING_MAX,
    EXPANDED_DEPTH_MAX,
    EXPANDED_NODES_MAX,
    MAGNITUDE_MAX,
    SCALE_MAX,
)
from interlock.policy.moments import iso_duration_us, timestamp_us
from interlock.policy.schema import (
    EnumType,
    Field,
    InvisibleType,
    RecordType,
    Schema,
    TimestampType,
    Type,
    kind_of,
    scaled,
)
from interlock.policy.syntax import Expr, SyntaxProblem
from interlock.policy.tree import (
    BOOL,
    DURATION,
    FALSE,
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
    Has,
    If,
    In,
    Input,
    Kind,
    Node,
    Or,
    Sum,
    Text,
    Times,
    Value,
    measure,
    negated,
)

ROOTS = ("proposal", "case", "advice", "breaker", "now")
FUNCTIONS = ("has", "size", "duration", "timestamp")
METHODS = ("orValue", "size", "startsWith", "endsWith", "contains")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at a point of an expression: inputs that are present, actions that are possible."""

    present: frozenset[str]
    actions: frozenset[str]

    def both(self, other: Facts) -> Facts:
        """Where both hold."""
        return Facts(self.present | other.present, self.actions & other.actions)

    def either(self, other: Facts) -> Facts:
        """Where at least one of them holds."""
        return Facts(self.present & other.present, self.actions | other.actions)


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
class _Path:
    """A dotted path that exists: its type, its optional prefixes, and the actions whose proposals have it."""

    text: str
    type: Type
    optional: tuple[str, ...]
    having: frozenset[str]
    sure: frozenset[str]

    @property
    def prefixes(self) -> frozenset[str]:
        parts = self.text.split(".")
        return frozenset(".".join(parts[:count]) for count in range(1, len(parts) + 1))


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
        checker.note(
            "type", tree, f"a condition must be true or false; this is {_a(checked.kind)}", "compare it with something"
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
        self._scope = scope
        self._scalar = scalar

    def note(self, code: str, at: Expr, message: str, suggestion: str = "") -> None:
        self._note(code, at.start, at.end, message, suggestion)

    def _note(self, code: str, start: int, end: int, message: str, suggestion: str = "") -> None:
        self._scope.report.add(code, self._scalar.locate(start), message, suggestion, width=max(1, end - start))

    def fits(self, at: Expr, node: Node) -> bool:
        """Whether the tree, with definitions put in, stays within the limits."""
        depth, size = measure(node)
        if depth > EXPANDED_DEPTH_MAX or size > EXPANDED_NODES_MAX:
            self.note("too_large", at, "with its definitions put in, this expression is too large", "split the rule")
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
                self.note("type", tree, "a list can only stand after `in`", 'write x in ["a", "b"]')
                return None

    # --- values ---------------------------------------------------------------------------------------------------

    def _literal(self, tree: syntax.Literal, facts: Facts) -> Checked:
        match tree.kind:
            case "number":
                return _value(number(str(tree.value)), facts)
            case "duration":
                return _value(Const(DURATION, tree.value), facts)
            case "string":
                return _value(Const(STRING, tree.value), facts)
            case _:
                return _value(Const(BOOL, tree.value), facts)

    def _named(self, tree: syntax.Name | syntax.Member, facts: Facts) -> Checked | None:
        if isinstance(tree, syntax.Name) and tree.name not in ROOTS:
            return self._word(tree, facts)
        path = self._path(tree, facts)
        if path is None:
            return None
        if path.having != facts.actions:
            self._only_for(tree, path, facts)
            return None
        missing = [prefix for prefix in path.optional if prefix not in facts.present]
        if missing:
            guard = path.text
            self.note(
                "maybe_missing",
                tree,
                f"`{path.text}` may be missing" + (f" (`{missing[0]}` is optional)" if missing[0] != path.text else ""),
                f"guard it: has({guard}) && ..., or say what stands in for it: {guard}.orValue(...)",
            )
            return None
        return self._input(tree, path, facts)

    def _input(self, at: Expr, path: _Path, facts: Facts) -> Checked | None:
        """Read a path whose presence is settled."""
        if isinstance(path.type, RecordType):
            self.note(
                "type",
                at,
                f"`{path.text}` is a record",
                "name one of its fields: " + ", ".join(sorted(path.type.fields)),
            )
            return None
        if isinstance(path.type, InvisibleType):
            self._invisible(at, path.text, path.type)
            return None
        kind = kind_of(path.type)
        if path.text == "proposal.action":
            return _value(ActionName(kind), facts)
        return _value(Input(kind, path.text), facts)

    def _invisible(self, at: Expr, path: str, type_: InvisibleType) -> None:
        """A field without a bound. One without a reason had a type that could not be read, which was reported there."""
        if type_.reason:
            self.note("invisible", at, f"rules cannot read `{path}`", type_.reason)

    def _word(self, tree: syntax.Name, facts: Facts) -> Checked | None:
        scope, name = self._scope, tree.name
        if name in scope.params:
            scope.used.add(name)
            param = scope.params[name]
            return _value(param, facts)
        if name in scope.defines:
            scope.used.add(name)
            if name in scope.opened:
                self.note("cycle", tree, f"`{name}` is defined by itself: " + " -> ".join([*scope.opened, name]))
                return None
            if len(scope.opened) >= DEFINE_NESTING_MAX:
                self.note("too_large", tree, f"definitions use each other more than {DEFINE_NESTING_MAX} deep")
                return None
            return definition(scope, name, facts)
        near = nearest(name, [*ROOTS, *scope.params, *scope.defines])
        for root in ("proposal", "case"):
            if name in self._fields_of(root):
                near = f"write `{root}.{name}`"
        self.note("unknown_name", tree, f"nothing is called `{name}`", near)
        return None

    def _fields_of(self, root: str) -> set[str]:
        schema = self._scope.schema
        if root == "case":
            return set(schema.case.fields)
        return {"action", *schema.proposal.fields} | {
            name for action in schema.actions.values() for name in action.args.fields
        }

    def _action_kind(self) -> Kind:
        return Kind("enum", values=tuple(self._scope.schema.actions))

    # --- paths ----------------------------------------------------------------------------------------------------

    def _path(self, tree: Expr, facts: Facts) -> _Path | None:
        """Follow `root.field.field` through the schema."""
        steps: list[syntax.Member] = []
        here = tree
        while isinstance(here, syntax.Member):
            steps.append(here)
            here = here.of
        if not isinstance(here, syntax.Name):
            self.check(here, facts)
            self.note("type", tree, "only inputs have fields")
            return None
        if here.name not in ROOTS:
            if here.name in self._scope.params or here.name in self._scope.defines:
                self._scope.used.add(here.name)
                self.note(
                    "type",
                    tree,
                    f"`{here.name}` is a value and has no fields",
                    "name records where they stand: case.order.total",
                )
            else:
                self._word(here, facts)
            return None
        steps.reverse()
        schema = self._scope.schema
        type_: Type
        match here.name:
            case "proposal":
                return self._proposal(tree, here, steps, facts)
            case "now":
                type_ = TimestampType()
            case "case":
                type_ = schema.case
            case "advice":
                type_ = schema.advice
            case _:
                type_ = schema.breaker
        return self._follow(_Path(here.name, type_, (), facts.actions, facts.actions), steps)

    def _proposal(self, tree: Expr, root: syntax.Name, steps: list[syntax.Member], facts: Facts) -> _Path | None:
        schema = self._scope.schema
        everyone = facts.actions
        if not steps:
            return _Path("proposal", RecordType(schema.proposal.fields), (), everyone, everyone)
        first, rest = steps[0], steps[1:]
        text = f"proposal.{first.name}"
        if first.name == "action":
            return self._follow(_Path(text, EnumType(tuple(schema.actions)), (), everyone, everyone), rest)
        shared = schema.proposal.fields.get(first.name)
        if shared is not None:
            optional = (text,) if shared.optional else ()
            sure = frozenset[str]() if shared.optional else everyone
            return self._follow(_Path(text, shared.type, optional, everyone, sure), rest)
        # Where no action is possible the expression is unreachable; it is still checked, against all of them.
        possible = everyone or frozenset(schema.actions)
        fields = {name: schema.actions[name].args.fields.get(first.name) for name in sorted(possible)}
        known = {name: f for name, f in fields.items() if f is not None}
        if not known:
            self._unknown_argument(first, possible)
            return None
        joined = _join(list(known.values()))
        if joined is None:
            self._note(
                "type",
                first.name_start,
                first.end,
                f"`{text}` has another type in each of: {', '.join(known)}",
                "narrow to one action: for: " + next(iter(known)),
            )
            return None
        having = frozenset(known) if everyone else everyone
        sure = frozenset(name for name, f in known.items() if not f.optional) & having
        return self._follow(_Path(text, joined.type, (text,) if joined.optional else (), having, sure), rest)

    def _unknown_argument(self, step: syntax.Member, possible: frozenset[str]) -> None:
        schema = self._scope.schema
        others = [name for name, action in schema.actions.items() if step.name in action.args.fields]
        here = ", ".join(sorted(possible))
        if others:
            self._note(
                "not_for_action",
                step.name_start,
                step.end,
                f"`proposal.{step.name}` does not exist for {here}",
                f"it exists for {', '.join(sorted(others))}",
            )
            return
        known = {"action", *schema.proposal.fields} | {name for a in possible for name in schema.actions[a].args.fields}
        self._note(
            "unknown_field",
            step.name_start,
            step.end,
            f"`proposal` has no field `{step.name}`",
            nearest(step.name, known),
        )

    def _only_for(self, tree: Expr, path: _Path, facts: Facts) -> None:
        if not facts.actions:
            return
        having = sorted(path.having)
        others = sorted(facts.actions - path.having)
        shown = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
        limit = having[0] if len(having) == 1 else f"[{', '.join(having)}]"
        self.note(
            "not_for_action",
            tree,
            f"`{path.text}` exists only for {', '.join(having)}; here the action may also be {shown}",
            f'limit the rule with `for: {limit}`, or write proposal.action == "{having[0]}" && ...',
        )

    def _follow(self, path: _Path, steps: list[syntax.Member]) -> _Path | None:
        for step in steps:
            if isinstance(path.type, InvisibleType):
                self._invisible(step, path.text, path.type)
                return None
            if not isinstance(path.type, RecordType):
                kind = _a(kind_of(path.type))
                methods = f"write {path.text}.{step.name}(...)" if step.name in METHODS else ""
                self._note("type", step.name_start, step.end, f"`{path.text}` is {kind} and has no fields", methods)
                return None
            f = path.type.fields.get(step.name)
            if f is None:
                self._note(
                    "unknown_field",
                    step.name_start,
                    step.end,
                    f"`{path.text}` has no field `{step.name}`",
                    nearest(step.name, path.type.fields),
                )
                return None
            text = f"{path.text}.{step.name}"
            if f.optional:
                path = _Path(text, f.type, (*path.optional, text), path.having, frozenset())
            else:
                path = _Path(text, f.type, path.optional, path.having, path.sure)
        return path

    # --- calls ----------------------------------------------------------------------------------------------------

    def _call(self, tree: syntax.Call, facts: Facts) -> Checked | None:
        known = METHODS if tree.of is not None else FUNCTIONS
        if tree.name not in known:
            instead = nearest(tree.name, known)
            if tree.name == "matches":
                instead = "regular expressions may run for ever; use startsWith, endsWith, contains or in"
            elif tree.name in METHODS or tree.name in FUNCTIONS:
                instead = f"write x.{tree.name}(...)" if tree.of is None else f"write {tree.name}(...)"
            self._note(
                "unknown_name",
                tree.name_start,
                tree.name_start + len(tree.name),
                f"no function is called `{tree.name}`",
                instead,
            )
            return None
        wanted = 0 if tree.of is not None and tree.name == "size" else 1
        if len(tree.arguments) != wanted:
            self.note(
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

    def _optional(self, at: Expr, facts: Facts, function: str) -> _Path | None:
        if not isinstance(at, syntax.Name | syntax.Member):
            self.note("type", at, f"`{function}` is about one input", "name it by its path: case.order.total")
            return None
        path = self._path(at, facts)
        if path is not None and isinstance(path.type, InvisibleType):
            self._invisible(at, path.text, path.type)
            return None
        return path

    def _presence(self, path: _Path, facts: Facts) -> Node:
        """Whether a path is there, with everything known that is known: the action may decide it, or a fact."""
        sure = path.having if all(prefix in facts.present for prefix in path.optional) else path.sure
        has = Has(path.text, isinstance(path.type, RecordType))
        maybe = path.having - sure
        if maybe == facts.actions:
            return has
        if sure == facts.actions:
            return TRUE
        by_action: list[Node] = []
        name = ActionName(self._action_kind())
        if sure:
            by_action.append(In(name, Consts(name.kind, tuple(sorted(sure)))))
        if maybe:
            by_action.append(And((In(name, Consts(name.kind, tuple(sorted(maybe)))), has)))
        return by_action[0] if len(by_action) == 1 else Or(tuple(by_action))

    def _has(self, at: Expr, facts: Facts) -> Checked | None:
        path = self._optional(at, facts, "has")
        if path is None:
            return None
        there = Facts(facts.present | path.prefixes, facts.actions & path.having)
        absent = facts
        if path.sure:  # for these actions it is always there, so where it is absent the action is another
            absent = Facts(facts.present, facts.actions - path.sure)
        return Checked(self._presence(path, facts), BOOL, there, absent)

    def _or_value(self, tree: syntax.Call, of: Expr, facts: Facts) -> Checked | None:
        path = self._optional(of, facts, "orValue")
        default = self.check(tree.arguments[0], facts)
        if path is None or default is None:
            return None
        there = Facts(facts.present | path.prefixes, facts.actions & path.having)
        value = self._input(of, path, there)
        if value is None:
            return None
        pair = self._alike(tree, value, default, "orValue gives a value of the same type")
        if pair is None:
            return None
        left, right, kind = pair
        presence = self._presence(path, facts)
        node = left if presence == TRUE else If(presence, left, right)
        return Checked(node, kind, facts, facts)

    def _size(self, at: Expr, facts: Facts) -> Checked | None:
        operand = self.check(at, facts)
        if operand is None:
            return None
        if operand.kind.name not in ("string", "enum", "list"):
            self.note("type", at, f"size is of a string or a list; this is {_a(operand.kind)}")
            return None
        if isinstance(operand.node, Const):
            return _value(Const(INT, len(str(operand.node.value))), facts)
        if isinstance(operand.node, Consts):
            return _value(Const(INT, len(operand.node.values)), facts)
        return Checked(Text("size", operand.node), INT, facts, facts)

    def _moment(self, tree: syntax.Call, facts: Facts) -> Checked | None:
        argument = tree.arguments[0]
        if not (isinstance(argument, syntax.Literal) and argument.kind == "string"):
            self.note(
                "type",
                argument,
                f"{tree.name}(...) takes a text in quotes",
                'for example timestamp("2026-01-31T00:00:00Z")',
            )
            return None
        text = str(argument.value)
        try:
            if tree.name == "timestamp":
                return _value(Const(TIMESTAMP, timestamp_us(text)), facts)
            if syntax.DURATION.fullmatch(text):
                return _value(Const(DURATION, syntax.duration_us(text)), facts)
            return _value(Const(DURATION, iso_duration_us(text)), facts)
        except ValueError as error:
            self.note("type", argument, str(error))
            return None

    def _text_test(self, tree: syntax.Call, facts: Facts) -> Checked | None:
        operand = self.check(tree.of, facts) if tree.of is not None else None
        argument = self.check(tree.arguments[0], facts)
        if operand is None or argument is None:
            return None
        for at, side in ((tree.of or tree, operand), (tree.arguments[0], argument)):
            if side.kind.name not in ("string", "enum"):
                self.note("type", at, f"{tree.name} is about strings; this is {_a(side.kind)}")
                return None
        function = tree.name
        if function not in ("startsWith", "endsWith", "contains"):
            return None
        return Checked(Text(function, operand.node, argument.node), BOOL, facts, facts)

    # --- operators ------------------------------------------------------------------------------------------------

    def _unary(self, tree: syntax.Unary, facts: Facts) -> Checked | None:
        operand = self.check(tree.operand, facts)
        if operand is None:
            return None
        if tree.operator == "!":
            if operand.kind != BOOL:
                self.note(
                    "type",
                    tree.operand,
                    f"! turns true into false; this is {_a(operand.kind)}",
                    "compare it with something",
                )
                return None
            return Checked(negated(operand.node), BOOL, operand.otherwise, operand.then)
        if operand.kind.name not in ("number", "duration"):
            self.note("type", tree.operand, f"{_a(operand.kind)} has no negative")
            return None
        return Checked(_times(operand.node, operand.kind, -1), operand.kind, facts, facts)

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
                self.note(
                    "type",
                    part,
                    f"{tree.operator} joins conditions; this is {_a(checked.kind)}",
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
            self.note("type", tree.condition, f"before ? stands a condition; this is {_a(condition_.kind)}")
            condition_ = None
        then = self.check(tree.then, facts if condition_ is None else condition_.then)
        otherwise = self.check(tree.otherwise, facts if condition_ is None else condition_.otherwise)
        if condition_ is None or then is None or otherwise is None:
            return None
        pair = self._alike(tree, then, otherwise, "both sides of `:` must be of one type")
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
            self._note(
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
        pair = self._alike(tree, left, right, "only values of one type can be compared")
        if pair is None:
            return None
        a, b, kind = pair
        if operator not in ("==", "!=") and kind.name not in ("number", "timestamp", "duration"):
            self._note(
                "type",
                tree.operator_start,
                tree.operator_start + len(operator),
                f"{_a(kind)} has no order",
                "compare with == or !=" + ("" if kind == BOOL else ', or write x in ["a", "b"]'),
            )
            return None
        if kind.name == "list":
            self.note("type", tree, "lists are not compared", "ask for one value: x in list, or for size(list)")
            return None
        node = Compare(operator, a, b)
        name, other = (a, b) if isinstance(a, ActionName) else (b, a)
        if isinstance(name, ActionName) and isinstance(other, Const):
            same = Facts(facts.present, facts.actions & {str(other.value)})
            others = Facts(facts.present, facts.actions - {str(other.value)})
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
            self.note("type", tree.right, f"`in` needs a list; this is {_a(within.kind)}", 'write x in ["a", "b"]')
            return None
        element, node = within.kind.item, item.node
        values = within.node
        if item.kind.name == "number" and element.name == "number":
            if item.kind.scale < element.scale:
                node = _times(node, item.kind, 10 ** (element.scale - item.kind.scale))
            elif item.kind.scale > element.scale:
                if not isinstance(values, Consts):
                    self.note(
                        "type",
                        tree.left,
                        f"the list holds {element} and this is {_a(item.kind)}: it could never be in it",
                    )
                    return None
                factor = 10 ** (item.kind.scale - element.scale)
                values = Consts(item.kind, tuple(int(value) * factor for value in values.values), values.label)
        else:
            if not self._comparable(tree, item.kind, element, "an item is of the type of its list"):
                return None
            for kind, const in ((item.kind, values), (element, node)):
                if not self._members(tree, kind, const):
                    return None
        if isinstance(node, ActionName) and isinstance(values, Consts):
            names = frozenset(str(value) for value in values.values)
            there = Facts(facts.present, facts.actions & names)
            return Checked(In(node, values), BOOL, there, Facts(facts.present, facts.actions - names))
        return Checked(In(node, values), BOOL, facts, facts)

    def _list(self, tree: syntax.Several, item: Checked | None, facts: Facts) -> Checked | None:
        found: list[Const] = []
        wrong = False
        for part in tree.items:
            checked = self.check(part, facts)
            if checked is None:
                wrong = True
            elif not isinstance(checked.node, Const):
                self.note(
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
            return _value(Consts(item.kind, ()), facts)
        made = constants(found)
        if made is None:
            self.note("type", tree, "a list holds values of one type")
            return None
        return _value(made, facts)

    def _sum(self, tree: syntax.Binary, left: Checked, right: Checked, facts: Facts) -> Checked | None:
        minus = tree.operator == "-"
        names = (left.kind.name, right.kind.name)
        a, b = left.node, right.node
        match names:
            case ("number", "number"):
                scale = max(left.kind.scale, right.kind.scale)
                a, b = _rescaled(a, left.kind, scale), _rescaled(b, right.kind, scale)
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
                self.note(
                    "type",
                    tree,
                    f"{_a(left.kind)} {tree.operator} {_a(right.kind)} means nothing",
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
            self.note("type", tree, f"{_a(left.kind)} * {_a(right.kind)} means nothing")
            return None
        known, other = (left, right) if isinstance(left.node, Const) else (right, left)
        if not isinstance(known.node, Const):
            self.note(
                "not_total",
                tree,
                "one side of * must be known when the policy loads",
                "products of two inputs cannot be proved about; let the automation compute it as a field",
            )
            return None
        if "duration" in names and left.kind.scale + right.kind.scale:
            self.note(
                "type", tree, "a duration times a decimal is not exact", "write the duration itself: 36h, not 1.5 * 24h"
            )
            return None
        scale = left.kind.scale + right.kind.scale
        if scale > SCALE_MAX:
            self.note("too_large", tree, f"a product with more than {SCALE_MAX} decimal places")
            return None
        kind = DURATION if "duration" in names else Kind("number", scale)
        factor = int(known.node.value)
        if isinstance(other.node, Const):
            return self._bounded(tree, Const(kind, int(other.node.value) * factor), facts)
        return Checked(Times(other.node, factor), kind, facts, facts)

    def _bounded(self, at: Expr, const: Const, facts: Facts) -> Checked | None:
        if abs(int(const.value)) > MAGNITUDE_MAX:
            self.note("too_large", at, "this number is too large")
            return None
        return _value(const, facts)

    # --- agreement of types ---------------------------------------------------------------------------------------

    def _alike(self, at: Expr, left: Checked, right: Checked, rule: str) -> tuple[Node, Node, Kind] | None:
        """Two values brought to one kind and scale."""
        if left.kind.name == "number" and right.kind.name == "number":
            scale = max(left.kind.scale, right.kind.scale)
            return (
                _rescaled(left.node, left.kind, scale),
                _rescaled(right.node, right.kind, scale),
                Kind("number", scale),
            )
        if not self._comparable(at, left.kind, right.kind, rule):
            return None
        for kind, node in ((left.kind, right.node), (right.kind, left.node)):
            if not self._members(at, kind, node):
                return None
        kind = left.kind
        if left.kind != right.kind:  # an enum and a string, or two enums
            enum = left.kind if left.kind.name == "enum" else right.kind
            other = right.node if enum is left.kind else left.node
            kind = enum if isinstance(other, Const) else STRING
        return left.node, right.node, kind

    def _comparable(self, at: Expr, left: Kind, right: Kind, rule: str) -> bool:
        texts = ("string", "enum")
        if left.name in texts and right.name in texts:
            if left.name == right.name == "enum" and not set(left.values) & set(right.values):
                self.note("type", at, f"{left} and {right} have no value in common: they are never equal")
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
        self.note("type", at, f"{rule}: here {_a(left)} and {_a(right)}", hint)
        return False

    def _members(self, at: Expr, kind: Kind, node: Node) -> bool:
        """Whether a constant that meets an enum is one of its values."""
        if kind.name != "enum" or not isinstance(node, Const | Consts):
            return True
        for value in (node.value,) if isinstance(node, Const) else node.values:
            if str(value) not in kind.values:
                start, end = self._literal_place(at, str(value))
                self._note(
                    "unknown_value", start, end, f'"{value}" is none of {kind}', nearest(str(value), kind.values)
                )
                return False
        return True

    def _literal_place(self, at: Expr, value: str) -> tuple[int, int]:
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


def _value(node: Const | Consts | Input | ActionName, facts: Facts) -> Checked:
    """A value that establishes nothing, except a constant condition: where `true` is false, nothing is possible."""
    if node in (TRUE, FALSE):
        nowhere = Facts(facts.present, frozenset())
        return Checked(node, BOOL, *((facts, nowhere) if node == TRUE else (nowhere, facts)))
    return Checked(node, Kind("list", item=node.kind) if isinstance(node, Consts) else node.kind, facts, facts)


def _times(node: Node, kind: Kind, factor: int) -> Node:
    if isinstance(node, Const):
        return Const(kind, int(node.value) * factor, node.label)
    return Times(node, factor)


def _rescaled(node: Node, kind: Kind, scale: int) -> Node:
    if kind.scale == scale:
        return node
    factor = 10 ** (scale - kind.scale)
    if isinstance(node, Const):
        return Const(Kind("number", scale), int(node.value) * factor, node.label)
    return Times(node, factor)


def _join(fields: list[Field]) -> Field | None:
    """One field for several actions: leaves of one kind, records equal."""
    first = fields[0]
    for other in fields[1:]:
        if isinstance(first.type, RecordType | InvisibleType) or isinstance(other.type, RecordType | InvisibleType):
            if first.type != other.type:
                return None
        elif kind_of(first.type) != kind_of(other.type):
            return None
    return Field(first.type, any(f.optional for f in fields))


def _a(kind: Kind) -> str:
    text = str(kind)
    return f"an {text}" if text[0] in "aeiou" else f"a {text}"
