# ruff: noqa: E501 - expressions are drawn where they are read
"""Random policy documents with their schema, and random inputs that lie near where their rules change their mind.

An expression is drawn together with how tightly it binds, and is put in parentheses only where CEL's precedence asks
for them (and sometimes where it does not), so that a reader with another precedence reads something else. Reads of optional
values are guarded in every way that the loader follows; a few are not, and then the loader must refuse.

Everything follows from (seed, document, input): the same three give the same draw on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

NOW = 1_767_225_600_000_000
DAY = 86_400_000_000
WORDS = ("a", "b", "ab", "late", "lost", "vip", "")
STRINGS = ("", "a", "ab", "ba", "vip", "late", "é", "😀a", "x y")
BREAKER = ("closed", "half_open", "open")

TERNARY, OR, AND, RELATION, SUM, PRODUCT, UNARY, ATOM = range(8)


@dataclass(frozen=True)
class Leaf:
    """One input: its path, its type as the schema's plain data has it, what must be there for it to be read, and for
    which actions alone it exists (none named: for all).
    """

    path: str
    type: tuple[Any, ...]
    gates: tuple[str, ...] = ()
    actions: frozenset[str] = frozenset()

    @property
    def kind(self) -> str:
        kinds = {"int": "number", "decimal": "number", "enum": "text", "string": "text"}
        return kinds.get(self.type[0], str(self.type[0]))


@dataclass(frozen=True)
class Scope:
    """What is known where an expression stands: values that are there, and the actions it may be about."""

    there: frozenset[str]
    actions: frozenset[str]

    def reads(self, leaf: Leaf) -> bool:
        return set(leaf.gates) <= self.there and (not leaf.actions or self.actions <= leaf.actions)

    def knowing(self, leaf: Leaf) -> Scope:
        actions = self.actions & leaf.actions if leaf.actions else self.actions
        return Scope(self.there | set(leaf.gates), actions)


@dataclass
class Drawn:
    """A document and what is needed to draw inputs for it. `near`: per path the constants it is compared with."""

    text: str
    actions: tuple[str, ...]
    leaves: tuple[Leaf, ...]
    near: dict[str, list[int]] = field(default_factory=dict)


Text = tuple[str, int]
"""An expression and how tightly it binds."""


# --- documents --------------------------------------------------------------------------------------------------------


def document(seed: object) -> Drawn:
    """Draw a document."""
    return _Author(Random(str(seed))).document()


class _Author:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.near: dict[str, list[int]] = {}
        self.actions = ("pay", "move", "drop")[: random.choice((2, 3, 3))]
        self.leaves = self._leaves()
        self.params = {"limit": self._decimal(), "window": random.choice(("1d", "36h", "30m")), "word": "vip"}
        self.definitions: dict[str, str] = {}

    def document(self) -> Drawn:
        everywhere = Scope(frozenset(), frozenset(self.actions))
        self.definitions = {"sure": self.wrapped(self.condition(everywhere, 1), TERNARY)}
        rules: list[str] = []
        for then in ("deny", "escalate", "fallback", "allow"):
            for _ in range(self.random.choice((0, 1, 1, 2))):
                rules.append(self._rule(f"r{len(rules)}", then, everywhere))
        # Every name is used by a rule that holds for nobody, so that nothing is refused for being unused.
        unused = "sure && limit > 1 && window > 1h && word == 'vip' && false"
        rules.append(f"  - {{id: last, when: {_quoted(unused)}, then: allow}}")
        invariants = [
            f"  i{number}: {{never: allow, when: {_quoted(self.wrapped(self.condition(everywhere, 1), TERNARY))}}}"
            for number in range(self.random.choice((0, 1, 2)))
        ]
        lines = [
            "policy: drawn",
            "schema:",
            *(f"  {line}" for line in self._schema()),
            "params: {" + ", ".join(f"{name}: {value}" for name, value in self.params.items()) + "}",
            "define:",
            *(f"  {name}: {_quoted(text)}" for name, text in self.definitions.items()),
            "rules:",
            *rules,
            "default: "
            + self.random.choice(
                (
                    "{verdict: escalate, to: z}",
                    "{verdict: deny}",
                    "{verdict: fallback, to: g}",
                    "{verdict: escalate, to: [y, {group: z, approvals: 2}]}",
                )
            ),
            *(["invariants:", *invariants] if invariants else []),
            "",
        ]
        return Drawn("\n".join(lines), self.actions, self.leaves, self.near)

    def _rule(self, id_: str, then: str, everywhere: Scope) -> str:
        parts = [f"id: {id_}"]
        scope = everywhere
        if self.random.random() < 0.5:
            named = self.random.sample(self.actions, self.random.choice((1, 1, 2)))
            scope = replace(scope, actions=frozenset(named))
            parts.append(f"for: [{', '.join(named)}]" if len(named) > 1 else f"for: {named[0]}")
        guard = self.guarded(scope) if self.random.random() < 0.3 else None
        if guard is None:
            parts.append(f"when: {_quoted(self.wrapped(self.condition(scope, 2), TERNARY))}")
        else:
            text, scope = guard  # what `when` checked holds in `unless` as well
            parts.append(f"when: {_quoted(text + ' && ' + self.wrapped(self.condition(scope, 2), RELATION))}")
        if self.random.random() < 0.35:
            parts.append(f"unless: {_quoted(self.wrapped(self.condition(scope, 1), TERNARY))}")
        parts.append(f"then: {then}")
        if then == "escalate":
            parts.append(
                "to: " + self.random.choice(("x", "y", "{group: x, approvals: 2}", "[x, {group: y, approvals: 3}]"))
            )
        if then == "fallback":
            parts.append("to: " + self.random.choice(("f", "g")))
        return "  - {" + ", ".join(parts) + "}"

    # --- the schema ---------------------------------------------------------------------------------------------------

    def _type(self, *kinds: str) -> tuple[Any, ...]:
        random = self.random
        kind = random.choice(kinds or ("bool", "int", "decimal", "decimal", "string", "enum", "timestamp", "duration"))
        if kind in ("int", "decimal"):
            lo = random.choice((0, 0, -5, -1000))
            hi = lo + random.choice((1, 10, 500, 100_000))
            places = random.choice((1, 2, 2, 3, 6))
            return (kind, lo, hi) if kind == "int" else (kind, places, lo * 10**places, hi * 10**places)
        match kind:
            case "string":
                return (kind, random.choice((2, 5, 40)))
            case "enum":
                return (kind, *random.sample(("a", "b", "ab", "late", "lost", "vip"), random.choice((2, 3, 4))))
            case "duration":
                return (kind, *random.choice(((0, 30 * DAY), (-DAY, DAY))))
            case "list":
                return (kind, self._type("string", "string", "int", "decimal", "enum"), random.choice((1, 3, 5)))
            case _:
                return (kind,)

    def _leaves(self) -> tuple[Leaf, ...]:
        random = self.random
        found = [
            Leaf("now", ("timestamp",)),
            Leaf("breaker.bank", ("enum", *BREAKER)),
            Leaf("advice.agreed", ("int", 0, 5)),
        ]
        found.append(Leaf("proposal.score", ("decimal", 6, 0, 10**6), ("proposal.score",)))
        kinds = ["bool", "int", "decimal", "string", "enum", "timestamp", "duration", "list", "list"]
        for number, kind in enumerate(random.sample(kinds, random.choice((4, 6, 8)))):
            path = f"case.f{number}"
            found.append(Leaf(path, self._type(kind), (path,) if random.random() < 0.4 else ()))
        above = ("case.rec",) if random.random() < 0.7 else ()
        for number in range(random.choice((1, 2))):
            path = f"case.rec.g{number}"
            found.append(Leaf(path, self._type(), (*above, path) if random.random() < 0.4 else above))
        inner = (*above, "case.rec.sub") if random.random() < 0.6 else above
        found.append(Leaf("case.rec.sub.k", self._type("int", "bool"), inner))
        for name in ("amount", "note", "tags"):
            path, kinds = (
                f"proposal.{name}",
                {"amount": ("decimal", "int"), "note": ("string", "enum")}.get(name, ("list",)),
            )
            shared = self._type(*kinds)
            for action in self.actions:
                if random.random() < 0.6:
                    type_ = shared if random.random() < 0.6 else self._type(*kinds)
                    found.append(Leaf(path, type_, (path,) if random.random() < 0.3 else (), frozenset([action])))
        return tuple(found)

    def _schema(self) -> list[str]:
        tree: dict[str, Any] = {"case": {}, "advice": {}, "breaker": {}, "proposal": {}}
        args: dict[str, Any] = {action: {} for action in self.actions}
        for leaf in self.leaves:
            if leaf.path == "now":
                continue
            *above, last = leaf.path.split(".")
            here = args[min(leaf.actions)] if leaf.actions else tree
            for depth, part in enumerate([] if leaf.actions else above, start=1):
                mark = "?" if ".".join(above[:depth]) in leaf.gates else ""
                here = here.setdefault(part + mark, {})
            here[last + ("?" if leaf.path in leaf.gates else "")] = _type_text(leaf.type)
        actions = {name: {"irreversible": "true", "args": found} for name, found in args.items()}
        return [f"{name}: {_flow(value)}" for name, value in {**tree, "actions": actions}.items()]

    # --- expressions --------------------------------------------------------------------------------------------------

    def wrapped(self, text: Text, level: int) -> str:
        """In parentheses where it binds less tightly than `level`, and now and then where it does not."""
        return f"({text[0]})" if text[1] < level or self.random.random() < 0.06 else text[0]

    def clashes(self, leaf: Leaf) -> bool:
        """Whether another action has an argument of this name with another type."""
        return any(one.path == leaf.path and one.type != leaf.type for one in self.leaves)

    def some(self, scope: Scope, *kinds: str) -> Leaf | None:
        """A leaf of one of these kinds that may be read here (one time in eighty, one that may not)."""
        careless = self.random.random() < 0.0125
        fit = [
            leaf
            for leaf in self.leaves
            if leaf.kind in kinds and (scope.reads(leaf) or (careless and not self.clashes(leaf)))
        ]
        return self.random.choice(fit) if fit else None

    def guarded(self, scope: Scope, *kinds: str) -> tuple[str, Scope] | None:
        """A condition, as tight as a comparison, behind which something more may be read."""
        fit = [leaf for leaf in self.leaves if not scope.reads(leaf) and (not kinds or leaf.kind in kinds)]
        if not fit:
            return None
        leaf = self.random.choice(fit)
        parts: list[str] = []
        if leaf.actions and not scope.actions <= leaf.actions:
            (only,) = leaf.actions
            if only not in scope.actions:
                return None
            parts.append(self.random.choice((f'proposal.action == "{only}"', f'proposal.action in ["{only}"]')))
        if leaf.gates and (missing := [gate for gate in leaf.gates if gate not in scope.there]):
            parts.append(f"has({missing[-1]})")
            if len(missing) > 1 and missing[-1] != leaf.gates[-1]:
                return None
        return (" && ".join(parts), scope.knowing(leaf)) if parts else None

    def condition(self, scope: Scope, depth: int) -> Text:
        random = self.random
        if depth > 0 and random.random() < 0.65:
            match random.randrange(9):
                case 0:
                    return f"!{self.wrapped(self.condition(scope, depth - 1), UNARY)}", UNARY
                case 1:
                    a, b, c = (self.condition(scope, depth - 1) for _ in range(3))
                    return f"{self.wrapped(a, OR)} ? {self.wrapped(b, OR)} : {self.wrapped(c, TERNARY)}", TERNARY
                case 2 | 3 | 4 if guard := self.guarded(scope):
                    return self._behind(guard, scope, depth)
                case 5 | 6:
                    parts = [
                        self.wrapped(self.condition(scope, depth - 1), RELATION)
                        for _ in range(random.choice((2, 2, 3)))
                    ]
                    return " && ".join(parts), AND
                case _:
                    parts = [
                        self.wrapped(self.condition(scope, depth - 1), AND) for _ in range(random.choice((2, 2, 3)))
                    ]
                    return " || ".join(parts), OR
        return self._simple(scope)

    def _behind(self, guard: tuple[str, Scope], scope: Scope, depth: int) -> Text:
        text, inner = guard
        here = self.condition(inner, depth - 1)
        match self.random.randrange(3):
            case 0:
                return f"{text} && {self.wrapped(here, RELATION)}", AND
            case 1:
                return f"!({text}) || {self.wrapped(here, AND)}", OR
            case _:
                other = self.condition(scope, depth - 1)
                return f"{text} ? {self.wrapped(here, OR)} : {self.wrapped(other, TERNARY)}", TERNARY

    def _simple(self, scope: Scope) -> Text:
        random = self.random
        match random.randrange(13):
            case 0:
                leaf = self.some(scope, "bool")
                return (leaf.path, ATOM) if leaf else ("true", ATOM)
            case 1:
                gates = sorted({gate for leaf in self.leaves if not leaf.actions for gate in leaf.gates})
                own = [leaf.path for leaf in self.leaves if leaf.actions & scope.actions and not self.clashes(leaf)]
                return f"has({random.choice([*gates, *own])})", ATOM
            case 2:
                action = random.choice(self.actions)
                return random.choice(
                    (
                        (f'proposal.action == "{action}"', RELATION),
                        (f'proposal.action != "{action}"', RELATION),
                        (f'proposal.action in ["{action}", "{self.actions[0]}"]', RELATION),
                        (f'"{action}" == proposal.action', RELATION),
                    )
                )
            case 3 | 4 if leaf := self.some(scope, "text"):
                return self._about_text(scope, leaf)
            case 5 if leaf := self.some(scope, "list"):
                return self._about_list(scope, leaf)
            case 6:
                a, b = self.duration(scope), self.duration(scope)
                return f"{self.wrapped(a, SUM)} {self._comparison()} {self.wrapped(b, SUM)}", RELATION
            case 7 if leaf := self.some(scope, "timestamp"):
                other = self.some(scope, "timestamp") or leaf
                shift = random.choice(("", f" {random.choice('+-')} {self.wrapped(self.duration(scope), PRODUCT)}"))
                stamp = random.choice((f"{other.path}{shift}", 'timestamp("2026-01-01T00:00:00Z")'))
                return f"{leaf.path} {self._comparison()} {stamp}", RELATION
            case 8:
                listed = ", ".join([*(self._decimal() for _ in range(random.choice((1, 2)))), "limit"])
                return f"{self.wrapped(self.number(scope, 1), SUM)} in [{listed}]", RELATION
            case 9 if random.random() < 0.3:
                return random.choice(
                    (("true", ATOM), ("false", ATOM), ("sure", ATOM) if self.definitions else ("false", ATOM))
                )
            case 10 if leaf := self.some(scope, "bool"):
                right = self.wrapped(self.condition(scope, 0), SUM)
                return f"{leaf.path} {random.choice(('==', '!='))} {right}", RELATION
            case 11 if leaf := self.some(scope, "number"):
                return f"{leaf.path} {self._comparison()} {self._constant(leaf)}", RELATION
            case _:
                a, b = self.number(scope, 2), self.number(scope, random.choice((0, 2)))
                return f"{self.wrapped(a, SUM)} {self._comparison()} {self.wrapped(b, SUM)}", RELATION

    def _about_text(self, scope: Scope, leaf: Leaf) -> Text:
        random = self.random
        if leaf.type[0] == "enum":
            values: Sequence[str] = leaf.type[1:]
            match random.randrange(3):
                case 0:
                    return f'{leaf.path} {random.choice(("==", "!="))} "{random.choice(values)}"', RELATION
                case 1:
                    some = ", ".join(f"'{value}'" for value in random.sample(values, random.choice((1, 2))))
                    return f"{leaf.path} in [{some}]", RELATION
                case _:
                    test = random.choice(("startsWith", "endsWith", "contains"))
                    return f'{leaf.path}.{test}("{random.choice(WORDS)}")', ATOM
        word = random.choice([one for one in STRINGS if len(one) <= leaf.type[1]])
        other = self.some(scope, "text")
        match random.randrange(5):
            case 0 if other is not None and other.type[0] == "string":
                return f"{leaf.path} == {other.path}", RELATION
            case 1:
                test = random.choice(("startsWith", "endsWith", "contains"))
                return f'{leaf.path}.{test}("{random.choice(STRINGS)}")', ATOM
            case 2:
                return f"size({leaf.path}) {self._comparison()} {random.choice((0, 1, 2))}", RELATION
            case 3:
                return f'{leaf.path} in ["{word}", word]', RELATION
            case _:
                return f'{leaf.path} {random.choice(("==", "!="))} "{word}"', RELATION

    def _about_list(self, scope: Scope, leaf: Leaf) -> Text:
        random = self.random
        if random.random() < 0.25:
            return f"size({leaf.path}) {self._comparison()} {random.choice((0, 1, 2))}", RELATION
        item = leaf.type[1]
        match item[0]:
            case "int" | "decimal":
                places = item[1] if item[0] == "decimal" else 0  # what has more of them could never be in it
                fit = [
                    one for one in self.leaves if scope.reads(one) and one.kind == "number" and _places(one) <= places
                ]
                items = [one.path for one in fit] + [f"size({leaf.path})", "2", "-1", "12"] + ["3.5"] * (places > 0)
                return f"{random.choice(items)} in {leaf.path}", RELATION
            case "enum":
                return f'"{random.choice(item[1:])}" in {leaf.path}', RELATION
            case _:
                return f'"{random.choice(STRINGS)}" in {leaf.path}', RELATION

    def number(self, scope: Scope, depth: int) -> Text:
        random = self.random
        match random.randrange(9 if depth > 0 else 4):
            case 0 if leaf := self.some(scope, "text", "list"):
                return f"size({leaf.path})", ATOM
            case 1:
                return random.choice(((self._decimal(), ATOM), ("limit", ATOM), (f"-{self._decimal()}", UNARY)))
            case 2:
                optional = [
                    leaf
                    for leaf in self.leaves
                    if leaf.kind == "number"
                    and not scope.reads(leaf)
                    and (not leaf.actions or leaf.actions & scope.actions)
                    and (not leaf.actions or scope.actions <= leaf.actions)
                ]
                if optional:
                    return f"{random.choice(optional).path}.orValue({self._decimal()})", ATOM
                return "limit", ATOM
            case 4 | 5:
                operator = random.choice("+-")
                a, b = self.number(scope, depth - 1), self.number(scope, depth - 1)
                return f"{self.wrapped(a, SUM)} {operator} {self.wrapped(b, PRODUCT)}", SUM
            case 6:
                a, b = (random.choice(("2", "1.5", "3", "limit")), PRODUCT), self.number(scope, depth - 1)
                if random.random() < 0.5:
                    a, b = b, a
                return f"{self.wrapped(a, PRODUCT)} * {self.wrapped(b, UNARY)}", PRODUCT
            case 7:
                return f"-{self.wrapped(self.number(scope, depth - 1), ATOM)}", UNARY
            case 8:
                a, b = self.number(scope, depth - 1), self.number(scope, depth - 1)
                return (
                    f"{self.wrapped(self.condition(scope, 0), OR)} ? {self.wrapped(a, OR)} : {self.wrapped(b, TERNARY)}",
                    TERNARY,
                )
            case _:
                leaf = self.some(scope, "number")
                return (leaf.path, ATOM) if leaf else (self._decimal(), ATOM)

    def duration(self, scope: Scope) -> Text:
        random = self.random
        match random.randrange(7):
            case 0 | 1:
                return random.choice(("1d", "36h", "90m", "0s", "1h30m", "500ms")), ATOM
            case 2:
                return "window", ATOM
            case 3 if leaf := self.some(scope, "duration"):
                return f"{leaf.path} * {random.choice((2, 3))}", PRODUCT
            case 4 if leaf := self.some(scope, "timestamp"):
                return f"now - {leaf.path}", SUM
            case 5:
                return f"window {random.choice('+-')} 1h", SUM
            case _:
                leaf = self.some(scope, "duration")
                return (leaf.path, ATOM) if leaf else ("2d", ATOM)

    def _comparison(self) -> str:
        return self.random.choice(("==", "!=", "<", "<=", ">", ">="))

    def _decimal(self) -> str:
        return self.random.choice(("0", "1", "2", "3.5", "0.05", "1.001", "12", "100", "2.50", "0.5"))

    def _constant(self, leaf: Leaf) -> str:
        """A constant within the leaf's bounds, remembered so that inputs come near it."""
        lo, hi = leaf.type[-2:]
        value = self.random.randint(lo, hi)
        self.near.setdefault(leaf.path, []).append(value)
        return decimal_text(value, _places(leaf))


def _places(leaf: Leaf) -> int:
    return leaf.type[1] if leaf.type[0] == "decimal" else 0


def decimal_text(value: int, places: int) -> str:
    sign, digits = "-" if value < 0 else "", str(abs(value)).rjust(places + 1, "0")
    return f"{sign}{digits[: len(digits) - places]}.{digits[len(digits) - places :]}" if places else f"{sign}{digits}"


def _type_text(type_: tuple[Any, ...]) -> Any:
    match type_:
        case ("int", lo, hi):
            return f"int {lo}..{hi}"
        case ("decimal", places, lo, hi):
            return f"decimal({places}) {decimal_text(lo, places)}..{decimal_text(hi, places)}"
        case ("string", most):
            return f"string({most})"
        case ("enum", *values):
            return "enum " + " | ".join(values)
        case ("duration", lo, hi):
            return f"duration {lo // 10**6}s..{hi // 10**6}s"
        case ("list", item, most):
            return {"list": _type_text(item), "max": most}
        case _:
            return type_[0]


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(one)}" for name, one in value.items()) + "}"
    return str(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# --- inputs -----------------------------------------------------------------------------------------------------------


def raw_input(drawn: Drawn, seed: object) -> tuple[str, dict[str, Any]]:
    """Draw an action and its input; one in twelve has a fault somewhere."""
    random = Random(str(seed))
    action = random.choice(drawn.actions)
    raw: dict[str, Any] = {"proposal": {"action": action}, "case": {"rec": {"sub": {}}}, "advice": {}, "breaker": {}}
    absent = {gate for leaf in drawn.leaves for gate in leaf.gates if random.random() < 0.3}
    leaves = [leaf for leaf in drawn.leaves if not leaf.actions or action in leaf.actions]
    spoiled = random.choice(leaves) if random.random() < 0.08 else None
    for leaf in leaves:
        *above, last = leaf.path.split(".")
        here = raw
        for part in above:
            here = here.setdefault(part, {})
        if leaf is spoiled:
            here[last] = random.choice((None, 1.5, True, "nonsense", "x" * 50, 10**9, -(10**9), [], {}, "1.0000001"))
        elif not absent & set(leaf.gates):
            here[last] = _raw(random, leaf.type, drawn.near.get(leaf.path, ()))
    for path in ("case.rec.sub", "case.rec"):
        if path in absent and spoiled is None:
            *above, last = path.split(".")
            here = raw
            for part in above:
                here = here.get(part) or {}
            here.pop(last, None)
    foreign = [leaf for leaf in drawn.leaves if leaf.actions and action not in leaf.actions]
    if foreign and random.random() < 0.3:  # what this action does not have is ignored, whatever its name
        leaf = random.choice(foreign)
        raw["proposal"].setdefault(leaf.path.removeprefix("proposal."), _raw(random, leaf.type, ()))
    return action, raw


def _raw(random: Random, type_: tuple[Any, ...], near: Sequence[int]) -> Any:
    match type_:
        case ("bool",):
            return random.random() < 0.5
        case ("int", lo, hi):
            return _number(random, lo, hi, near)
        case ("decimal", places, lo, hi):
            value = _number(random, lo, hi, near)
            if value % 10**places == 0 and random.random() < 0.3:
                return random.choice((value // 10**places, str(value // 10**places)))
            return decimal_text(value, places)
        case ("string", most):
            return random.choice([one for one in STRINGS if len(one) <= most])
        case ("enum", *values):
            return random.choice(values)
        case ("timestamp",):
            value = NOW + random.choice((0, 0, 1, -1, -DAY, -36 * DAY // 24, random.randint(-40 * DAY, DAY)))
            return "2025-12-31T23:00:00-01:00" if value == NOW and random.random() < 0.3 else value
        case ("duration", lo, hi):
            value = random.choice((0, DAY, 36 * DAY // 24, random.randint(lo, hi)))
            return "P1D" if value == DAY and random.random() < 0.3 else value
        case ("list", item, most):
            return [_raw(random, item, ()) for _ in range(random.randint(0, most))]
        case _:
            raise AssertionError(type_)


def _number(random: Random, lo: int, hi: int, near: Sequence[int]) -> int:
    if near and random.random() < 0.7:
        value = random.choice(near) + random.choice((-1, 0, 0, 1))
    else:
        value = random.choice((lo, hi, 0, 1, random.randint(lo, hi), random.randint(lo, min(hi, lo + 200))))
    return min(max(value, lo), hi)
