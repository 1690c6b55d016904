# ruff: noqa: PLC3002, B023, E501 - a called lambda binds what a closure in a loop must not share
"""What a policy document means, written a second time from docs/reference/policy.md.

It shares no code with `interlock.policy`: another reader of the YAML, another parser, fractions instead of scaled integers,
names looked up while judging instead of a typed tree. Of the loaded policy it takes one thing, the schema as plain data
(`Policy.to_data()["schema"]`), because an automation's schema is nowhere in the document. It checks nothing: it is asked
only about documents that the loader accepted, and reading a missing value is then a fault of the loader (`Missing`).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import yaml

MICROSECONDS = {"us": 1, "ms": 1_000, "s": 10**6, "m": 60 * 10**6, "h": 3_600 * 10**6, "d": 86_400 * 10**6}
MICROSECONDS["w"] = 7 * MICROSECONDS["d"]
ORDER = ("deny", "escalate", "fallback", "allow")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
LAST = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)

TOKENS = re.compile(
    r"\s*(?:(?P<duration>(?:\d+(?:us|ms|[smhdw]))+)(?!\w)|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<string>\"[^\"\\]*\"|'[^'\\]*')|(?P<op>&&|\|\||[=!<>]=|[-+*<>!?:()\[\].,]))"
)


class Missing(Exception):
    """An expression read a value that is not there: no accepted document does."""


class Unreadable(Exception):
    """The text is outside of what the generator writes."""


@dataclass(frozen=True)
class Judgement:
    """A verdict. Bit i of `matched` says that rule i's `when` held, of `excused` that its `unless` did too."""

    outcome: str
    groups: Mapping[str, int]
    fallback: str | None
    rules: tuple[str, ...]
    default: bool
    matched: int
    excused: int
    violated: tuple[str, ...]


@dataclass
class Input:
    """One proposal with everything that is known beside it, as raw data."""

    action: str
    raw: Mapping[str, Any]
    types: Mapping[str, Any]
    known: dict[str, Any] = field(default_factory=dict)

    def read(self, path: str) -> Any:
        if path not in self.known:
            self.known[path] = self.action if path == "proposal.action" else self._find(path)
        value = self.known[path]
        if value is None:
            raise Missing(path)
        return value

    def has(self, path: str) -> bool:
        """Whether a value is there. What this action has and may not be left out always is, so nothing looks."""
        fields, here = self.types, self.raw
        for part in path.split("."):
            if part not in fields:
                return False
            if here.get(part) is None and fields[part].get("optional"):
                return False
            type_, here = fields[part]["type"], here.get(part)
            fields = type_[1] if type_[0] == "record" else {}
            here = here if isinstance(here, dict) else {}
        return True

    def _find(self, path: str) -> Any:
        fields, here, type_ = self.types, self.raw, ["record"]
        for part in path.split("."):
            if part not in fields or here.get(part) is None:
                return None
            here, type_ = here[part], fields[part]["type"]
            fields = type_[1] if type_[0] == "record" else {}
        return meaning(type_, here)


Expression = Callable[[Input], Any]


# --- values -----------------------------------------------------------------------------------------------------------


def meaning(type_: Sequence[Any], raw: Any) -> Any:
    """A raw value as what it stands for: numbers as fractions, times in microseconds, a record as its presence."""
    match type_[0]:
        case "int" | "decimal":
            return Fraction(raw)
        case "timestamp":
            return Fraction(raw) if isinstance(raw, int) else moment(raw)
        case "duration":
            return Fraction(raw) if isinstance(raw, int) else period(raw)
        case "list":
            return tuple(meaning(type_[1], one) for one in raw)
        case "record":
            return True
        case _:
            return raw


def moment(text: str) -> Fraction:
    return Fraction((datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1))


def period(text: str) -> Fraction:
    found = re.fullmatch(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", text)
    if found is None:
        raise Unreadable(text)
    parts = zip(found.groups()[1:], "dhms", strict=True)
    return (-1 if found[1] else 1) * Fraction(sum(int(count or 0) * MICROSECONDS[unit] for count, unit in parts))


def literal_period(text: str) -> Fraction:
    parts = re.findall(r"(\d+)(us|ms|[smhdw])", text)
    return Fraction(sum(int(count) * MICROSECONDS[unit] for count, unit in parts))


def admits(type_: Sequence[Any], raw: Any) -> bool:
    """Whether a raw value is of a type and within its bounds. Floats never are."""
    match type_:
        case ["bool"]:
            return isinstance(raw, bool)
        case ["int", lo, hi]:
            return type(raw) is int and lo <= raw <= hi
        case ["decimal", places, lo, hi]:
            if type(raw) is not int and not (isinstance(raw, str) and re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", raw)):
                return False
            scaled = Fraction(raw) * 10**places
            return scaled.denominator == 1 and lo <= scaled <= hi
        case ["string", most]:
            return isinstance(raw, str) and len(raw) <= most
        case ["enum", *values]:
            return isinstance(raw, str) and raw in values
        case ["timestamp"]:
            return (type(raw) is int and FIRST <= raw <= LAST) or (isinstance(raw, str) and _is(moment, raw))
        case ["duration", lo, hi]:
            if type(raw) is not int and not (isinstance(raw, str) and _is(period, raw)):
                return False
            return lo <= meaning(type_, raw) <= hi
        case ["list", item, most]:
            return isinstance(raw, list) and len(raw) <= most and all(admits(item, one) for one in raw)
        case _:
            return isinstance(raw, dict)


def _is(reader: Callable[[str], Any], text: str) -> bool:
    try:
        reader(text)
    except (ValueError, TypeError, Unreadable):  # TypeError: a moment without an offset cannot be told from others
        return False
    return True


# --- expressions ------------------------------------------------------------------------------------------------------

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda item, within: item in within,
}
METHODS: dict[str, Callable[[str, str], bool]] = {
    "startsWith": lambda text, part: text[: len(part)] == part,
    "endsWith": lambda text, part: text[len(text) - len(part) :] == part if len(part) <= len(text) else False,
    "contains": lambda text, part: text.find(part) >= 0,
}


class Reader:
    """Reads one expression into a function from an input to its value, by CEL's precedence."""

    def __init__(self, text: str, names: Mapping[str, Expression]) -> None:
        self.names = names
        self.tokens: list[tuple[str, str]] = []
        position, text = 0, text.strip()
        while position < len(text):
            found = TOKENS.match(text, position)
            if found is None:
                raise Unreadable(text[position:])
            self.tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            position = found.end()
        self.tokens.append(("end", ""))
        self.at = 0

    def next_is(self, *texts: str) -> str | None:
        kind, text = self.tokens[self.at]
        if kind in ("op", "name") and text in texts:
            self.at += 1
            return text
        return None

    def take(self, text: str) -> None:
        if self.next_is(text) is None:
            raise Unreadable(f"{text} is missing before {self.tokens[self.at :]}")

    def whole(self) -> Expression:
        value = self.ternary()
        if self.tokens[self.at][0] != "end":
            raise Unreadable(str(self.tokens[self.at :]))
        return value

    def ternary(self) -> Expression:
        condition = self.either()
        if self.next_is("?") is None:
            return condition
        then = self.either()
        self.take(":")
        otherwise = self.ternary()
        return lambda of: then(of) if condition(of) else otherwise(of)

    def either(self) -> Expression:
        value = self.both()
        while self.next_is("||"):
            value = (lambda a, b: lambda of: a(of) or b(of))(value, self.both())
        return value

    def both(self) -> Expression:
        value = self.relation()
        while self.next_is("&&"):
            value = (lambda a, b: lambda of: a(of) and b(of))(value, self.relation())
        return value

    def relation(self) -> Expression:
        value = self.sum()
        while found := self.next_is(*COMPARISONS):
            value = (lambda a, b, compare: lambda of: compare(a(of), b(of)))(value, self.sum(), COMPARISONS[found])
        return value

    def sum(self) -> Expression:
        value = self.product()
        while found := self.next_is("+", "-"):
            sign = 1 if found == "+" else -1
            value = (lambda a, b, sign: lambda of: a(of) + sign * b(of))(value, self.product(), sign)
        return value

    def product(self) -> Expression:
        value = self.unary()
        while self.next_is("*"):
            value = (lambda a, b: lambda of: a(of) * b(of))(value, self.unary())
        return value

    def unary(self) -> Expression:
        if self.next_is("!"):
            return (lambda a: lambda of: not a(of))(self.unary())
        if self.next_is("-"):
            return (lambda a: lambda of: -a(of))(self.unary())
        return self.member()

    def member(self) -> Expression:
        value = self.primary()
        while self.next_is("."):
            _, name = self.tokens[self.at]
            self.at += 1
            self.take("(")
            argument = self.ternary()
            self.take(")")
            if name == "orValue":
                value = (lambda a, b: lambda of: _or(a, b, of))(value, argument)
            else:
                value = (lambda a, b, test: lambda of: test(a(of), b(of)))(value, argument, METHODS[name])
        return value

    def primary(self) -> Expression:
        kind, text = self.tokens[self.at]
        self.at += 1
        match kind:
            case "number":
                return _constant(Fraction(text))
            case "duration":
                return _constant(literal_period(text))
            case "string":
                return _constant(text[1:-1])
            case "name":
                return self.named(text)
        if text == "(":
            inside = self.ternary()
            self.take(")")
            return inside
        if text == "[":
            items: list[Expression] = []
            while self.next_is("]") is None:
                items.append(self.ternary())
                self.next_is(",")
            return lambda of: tuple(item(of) for item in items)
        raise Unreadable(text)

    def named(self, name: str) -> Expression:
        if name in ("true", "false"):
            return _constant(name == "true")
        if name in ("has", "size", "timestamp", "duration") and self.next_is("("):
            if name == "has":
                path = self.path(self.tokens[self.at][1], 1)
                self.take(")")
                return lambda of: of.has(path)
            inside = self.ternary()
            self.take(")")
            made: dict[str, Callable[[Any], Any]] = {"size": _size, "timestamp": moment, "duration": period}
            return (lambda function: lambda of: function(inside(of)))(made[name])
        if name in self.names:
            return self.names[name]
        path = self.path(name, 0)
        return lambda of: of.read(path)

    def path(self, first: str, skip: int) -> str:
        """A dotted path, up to a name that is called."""
        self.at += skip
        parts = [first]
        while self.tokens[self.at] == ("op", ".") and self.tokens[self.at + 2] != ("op", "("):
            parts.append(self.tokens[self.at + 1][1])
            self.at += 2
        return ".".join(parts)


def _constant(value: Any) -> Expression:
    return lambda of: value


def _or(value: Expression, otherwise: Expression, of: Input) -> Any:
    try:
        return value(of)
    except Missing:
        return otherwise(of)


def _size(value: Any) -> Fraction:
    return Fraction(len(value))


def parameter(written: Any) -> Any:
    """A parameter as its author meant it: a list, a number, a duration, a timestamp, true or false, else a word."""
    if isinstance(written, list):
        return tuple(parameter(one) for one in written)
    sign, digits = (-1, written[1:]) if written[:1] == "-" else (1, written)
    if re.fullmatch(r"\d+(\.\d+)?", digits):
        return sign * Fraction(digits)
    if re.fullmatch(r"(\d+(us|ms|[smhdw]))+", digits):
        return sign * literal_period(digits)
    if written in ("true", "false"):
        return written == "true"
    return moment(written) if re.match(r"\d{4}-\d\d-\d\dT", written) else written


# --- documents --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WrittenRule:
    id: str
    actions: tuple[str, ...] | None
    when: Expression
    unless: Expression | None
    then: str
    to: Any

    def is_for(self, action: str) -> bool:
        return self.actions is None or action in self.actions


class Specification:
    """A document, ready to judge inputs."""

    def __init__(self, document: str, schema: Mapping[str, Any]) -> None:
        written = yaml.load(document, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
        self.schema = schema
        self.default = written["default"]
        names: dict[str, Expression] = {}
        for name, value in (written.get("params") or {}).items():
            names[name] = _constant(parameter(value))
        definitions = written.get("define") or {}
        names.update({name: _later(names, f"define {name}") for name in definitions})
        names.update({f"define {name}": Reader(text, names).whole() for name, text in definitions.items()})
        self.rules = tuple(
            WrittenRule(
                rule["id"],
                _actions(rule.get("for")),
                Reader(rule["when"], names).whole(),
                Reader(rule["unless"], names).whole() if "unless" in rule else None,
                rule["then"],
                rule.get("to"),
            )
            for rule in written["rules"]
        )
        self.invariants = {
            name: (_actions(one.get("for")), Reader(one["when"], names).whole())
            for name, one in (written.get("invariants") or {}).items()
        }

    def roots(self, action: str) -> dict[str, Any]:
        """The fields of every root for an action."""
        proposal = {**self.schema["proposal"][1], **self.schema["actions"][action]["args"][1]}
        found = {name: {"type": self.schema[name]} for name in ("case", "advice", "breaker")}
        return {**found, "proposal": {"type": ["record", proposal]}, "now": {"type": ["timestamp"]}}

    def admits(self, action: str, raw: Mapping[str, Any], paths: Collection[str]) -> bool:
        """Whether the values at these paths are there where they must be, and of their types."""
        return all(self._admits(action, raw, path) for path in paths)

    def _admits(self, action: str, raw: Any, path: str) -> bool:
        fields = self.roots(action)
        for part in path.split("."):
            known = fields[part]
            if not isinstance(raw, dict):
                return False
            if raw.get(part) is None:
                return bool(known.get("optional"))
            raw, type_ = raw[part], known["type"]
            if not admits(type_, raw):
                return False
            fields = type_[1] if type_[0] == "record" else {}
        return True

    def judge(self, action: str, raw: Mapping[str, Any]) -> Judgement:
        """The verdict: the strictest outcome of the rules that hold and are not excused, else the default."""
        given = Input(action, raw, self.roots(action))
        matched = excused = 0
        held: list[WrittenRule] = []
        for place, rule in enumerate(self.rules):
            if rule.is_for(action) and rule.when(given):
                matched += 2**place
                if rule.unless is not None and rule.unless(given):
                    excused += 2**place
                else:
                    held.append(rule)
        outcome = next((one for one in ORDER if any(rule.then == one for rule in held)), self.default["verdict"])
        deciding = [rule for rule in held if rule.then == outcome]
        wants = [rule.to for rule in deciding] if held else [self.default.get("to")]
        violated = [
            name
            for name, (actions, when) in self.invariants.items()
            if outcome == "allow" and (actions is None or action in actions) and when(given)
        ]
        return Judgement(
            outcome,
            _groups(wants) if outcome == "escalate" else {},
            str(wants[0]) if outcome == "fallback" else None,
            tuple(rule.id for rule in (deciding[:1] if outcome == "fallback" else deciding)),
            not held,
            matched,
            excused,
            tuple(violated),
        )

    def after(self, judged: Judgement, approved: Collection[str]) -> tuple[str, Mapping[str, int], str | None]:
        """Outcome, groups and fallback once these groups have approved."""
        if judged.outcome != "escalate":
            return judged.outcome, judged.groups, judged.fallback
        left = {name: count for name, count in judged.groups.items() if name not in approved}
        if left:
            return "escalate", left, None
        for place, rule in enumerate(self.rules):
            if rule.then == "fallback" and judged.matched >> place & 1 and not judged.excused >> place & 1:
                return "fallback", {}, rule.to
        return "allow", {}, None


def _later(names: Mapping[str, Expression], name: str) -> Expression:
    return lambda of: names[name](of)


def _actions(written: Any) -> tuple[str, ...] | None:
    return None if written is None else tuple(written) if isinstance(written, list) else (written,)


def _groups(wants: Sequence[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for want in wants:
        for one in want if isinstance(want, list) else [want]:
            name, count = (one, 1) if isinstance(one, str) else (one["group"], int(one.get("approvals", 1)))
            found[name] = max(count, found.get(name, 0))
    return found
