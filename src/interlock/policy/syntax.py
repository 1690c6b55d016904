"""From the text of an expression to its syntax tree: CEL's grammar as far as policies use it, and duration literals.

Precedence and associativity are CEL's. Left out because they are not total or not exact: floats, regular expressions,
macros over lists, indexing, maps, user functions. What is left out is named in the error, with what to write instead.

INVARIANT: `parse` returns a tree or raises SyntaxProblem, whatever the text; a tree is nested at most
EXPRESSION_DEPTH_MAX deep.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from interlock.policy.limits import EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX, NUMBER_DIGITS_MAX

DURATION_UNITS: dict[str, int] = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
"""Microseconds per unit of a duration literal."""

_DURATION = r"(?:[0-9]+(?:us|ms|[smhdw]))+"
DURATION = re.compile(rf"-?{_DURATION}", re.ASCII)
NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_DURATION_PART = re.compile(r"([0-9]+)(us|ms|[smhdw])", re.ASCII)
_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<duration>{_DURATION})(?![A-Za-z0-9_.])
    |(?P<number>[0-9]+(?:\.[0-9]+)?)(?![A-Za-z0-9_])
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<op>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:()\[\].,])""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "`": "`", "?": "?"}
_WORDS = {"and": "&&", "or": "||", "not": "!", "True": "true", "False": "false", "None": "has(...)", "null": "has(...)"}


class SyntaxProblem(Exception):
    """The text is no expression: where (offsets into the text), why, and what to write."""

    def __init__(self, start: int, end: int, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.start, self.end, self.message, self.suggestion = start, max(end, start + 1), message, suggestion


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Literal:
    """`kind` bool, number (exact text kept), duration (microseconds) or string (decoded)."""

    start: int
    end: int
    kind: str
    value: str | int | bool


@dataclass(frozen=True, slots=True)
class Name:
    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class Member:
    start: int
    end: int
    of: Expr
    name: str
    name_start: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function `name(arguments)` or, with `of`, a method."""

    start: int
    end: int
    name: str
    name_start: int
    arguments: tuple[Expr, ...]
    of: Expr | None


@dataclass(frozen=True, slots=True)
class Unary:
    start: int
    end: int
    operator: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary:
    start: int
    end: int
    operator: str
    operator_start: int
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Chain:
    """`a && b && c` or the same with `||`: flat, so that a long list of conditions is not a deep tree."""

    start: int
    end: int
    operator: str
    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Ternary:
    start: int
    end: int
    condition: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Several:
    """A list literal."""

    start: int
    end: int
    items: tuple[Expr, ...]


Expr = Literal | Name | Member | Call | Unary | Binary | Chain | Ternary | Several


def duration_us(text: str) -> int:
    """Microseconds of a duration as written (`1h30m`, `-5s`). The text must match DURATION."""
    total = sum(int(count) * DURATION_UNITS[unit] for count, unit in _DURATION_PART.findall(text))
    return -total if text.startswith("-") else total


def tokens(text: str) -> list[Token]:
    """Split an expression. The last token is `end`."""
    if len(text) > EXPRESSION_CHARS_MAX:
        raise SyntaxProblem(
            0, 1, f"longer than {EXPRESSION_CHARS_MAX} characters", "give parts of it a name in `define`"
        )
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(text, at)
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, match.group(), at, match.end()))
        at = match.end()
    found.append(Token("end", "", len(text), len(text)))
    return found


def _unreadable(text: str, at: int) -> SyntaxProblem:
    char = text[at]
    if char in "\"'":
        return SyntaxProblem(at, len(text), "this string is not closed", f"end it with {char}")
    if char.isdigit():
        end = next((i for i in range(at, len(text)) if not (text[i].isalnum() or text[i] in "._")), len(text))
        return SyntaxProblem(
            at,
            end,
            f"`{text[at:end]}` is neither a number nor a duration",
            "numbers are written out (1000, 0.25); durations have units w d h m s ms us (30d, 1h30m)",
        )
    instead = {"=": "compare with ==", "&": "write &&", "|": "write ||", "^": "write &&, || or !"}.get(char, "")
    return SyntaxProblem(at, at + 1, f"`{char}` means nothing here", instead)


def parse(text: str) -> Expr:
    """The syntax tree of a whole text."""
    parser = _Parser(tokens(text))
    tree = parser.expression()
    left_over = parser.token
    if left_over.kind != "end":
        hint = _WORDS.get(left_over.text)
        raise SyntaxProblem(
            left_over.start,
            left_over.end,
            f"the expression should end before `{left_over.text}`",
            f"write {hint}" if hint else "join two conditions with && or ||",
        )
    _bounded(tree)
    return tree


def _bounded(tree: Expr) -> None:
    """Refuse a tree that is deeper than it looked while it was read: `((a + b) + c) + d` nests to the left."""
    stack: list[tuple[Expr, int]] = [(tree, 1)]
    while stack:
        here, depth = stack.pop()
        if depth > EXPRESSION_DEPTH_MAX:
            raise SyntaxProblem(
                here.start,
                here.end,
                f"nested deeper than {EXPRESSION_DEPTH_MAX}",
                "give parts of it a name in `define`",
            )
        stack.extend((part, depth + 1) for part in parts(here))


def parts(tree: Expr) -> tuple[Expr, ...]:
    """Direct parts of a syntax tree."""
    match tree:
        case Literal() | Name():
            return ()
        case Member():
            return (tree.of,)
        case Call():
            return (*tree.arguments, *(() if tree.of is None else (tree.of,)))
        case Unary():
            return (tree.operand,)
        case Binary():
            return (tree.left, tree.right)
        case Chain():
            return tree.parts
        case Ternary():
            return (tree.condition, tree.then, tree.otherwise)
        case Several():
            return tree.items


class _Parser:
    """Recursive descent. `_deeper` is entered once per level of nesting that a reader would see."""

    def __init__(self, stream: list[Token]) -> None:
        self._stream = stream
        self._at = 0
        self._depth = 0
        self.token = stream[0]

    def _advance(self) -> Token:
        token = self.token
        self._at += 1
        self.token = self._stream[min(self._at, len(self._stream) - 1)]
        return token

    def _take(self, *texts: str) -> Token | None:
        if self.token.kind == "op" and self.token.text in texts:
            return self._advance()
        return None

    def _expect(self, text: str, opened: Token) -> Token:
        token = self._take(text)
        if token is None:
            here = self.token
            got = f"before `{here.text}`" if here.text else "at the end"
            raise SyntaxProblem(here.start, here.end, f"`{text}` is missing {got}", f"it closes `{opened.text}`")
        return token

    def _deeper(self, at: Token, levels: int = 1) -> None:
        self._depth += levels
        if self._depth > EXPRESSION_DEPTH_MAX:
            raise SyntaxProblem(
                at.start, at.end, f"nested deeper than {EXPRESSION_DEPTH_MAX}", "give parts of it a name in `define`"
            )

    def expression(self) -> Expr:
        condition = self._chain("||")
        mark = self._take("?")
        if mark is None:
            return condition
        self._deeper(mark)
        then = self.expression()
        self._expect(":", mark)
        otherwise = self.expression()
        self._depth -= 1
        return Ternary(condition.start, otherwise.end, condition, then, otherwise)

    def _chain(self, operator: str) -> Expr:
        def part() -> Expr:
            return self._chain("&&") if operator == "||" else self._relation()

        parts = [part()]
        while self._take(operator):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Chain(parts[0].start, parts[-1].end, operator, tuple(parts))

    def _relation(self) -> Expr:
        left = self._sum()
        before = self._depth
        while True:
            token = self._take("==", "!=", "<", "<=", ">", ">=")
            if token is None and self.token.kind == "name" and self.token.text == "in":
                token = self._advance()
            if token is None:
                self._depth = before
                return left
            self._deeper(token)
            right = self._sum()
            left = Binary(left.start, right.end, token.text, token.start, left, right)

    def _sum(self) -> Expr:
        left = self._product()
        before = self._depth
        while token := self._take("+", "-"):
            self._deeper(token)
            right = self._product()
            left = Binary(left.start, right.end, token.text, token.start, left, right)
        self._depth = before
        return left

    def _product(self) -> Expr:
        left = self._unary()
        before = self._depth
        while token := self._take("*", "/", "%"):
            self._deeper(token)
            right = self._unary()
            left = Binary(left.start, right.end, token.text, token.start, left, right)
        self._depth = before
        return left

    def _unary(self) -> Expr:
        marks: list[Token] = []
        while token := self._take("!", "-"):
            self._deeper(token)
            marks.append(token)
        operand = self._postfix()
        for mark in reversed(marks):
            operand = Unary(mark.start, operand.end, mark.text, operand)
        self._depth -= len(marks)
        return operand

    def _postfix(self) -> Expr:
        operand = self._primary()
        before = self._depth
        while mark := self._take(".", "["):
            self._deeper(mark)
            if mark.text == "[":
                raise SyntaxProblem(
                    mark.start, mark.end, "lists are not indexed here", 'use `"x" in list` or size(list)'
                )
            name = self._advance()
            if name.kind != "name":
                raise SyntaxProblem(name.start, name.end, "a field name should follow the dot")
            if opened := self._take("("):
                arguments, end = self._arguments(opened)
                operand = Call(operand.start, end, name.text, name.start, arguments, operand)
            else:
                operand = Member(operand.start, name.end, operand, name.text, name.start)
        self._depth = before
        return operand

    def _arguments(self, opened: Token) -> tuple[tuple[Expr, ...], int]:
        items = self._items(opened, ")")
        return items, self._expect(")", opened).end

    def _items(self, opened: Token, closing: str) -> tuple[Expr, ...]:
        self._deeper(opened)
        items: list[Expr] = []
        if not (self.token.kind == "op" and self.token.text == closing):
            items.append(self.expression())
            while self._take(","):
                items.append(self.expression())
        self._depth -= 1
        return tuple(items)

    def _primary(self) -> Expr:
        token = self._advance()
        match token.kind:
            case "number":
                if len(token.text) > NUMBER_DIGITS_MAX:
                    raise SyntaxProblem(token.start, token.end, f"a number of more than {NUMBER_DIGITS_MAX} digits")
                return Literal(token.start, token.end, "number", token.text)
            case "duration":
                if len(token.text) > NUMBER_DIGITS_MAX:
                    raise SyntaxProblem(
                        token.start, token.end, f"a duration of more than {NUMBER_DIGITS_MAX} characters"
                    )
                return Literal(token.start, token.end, "duration", duration_us(token.text))
            case "string":
                return Literal(token.start, token.end, "string", _unquoted(token))
            case "name":
                return self._name(token)
            case "op" if token.text == "(":
                self._deeper(token)
                inner = self.expression()
                self._expect(")", token)
                self._depth -= 1
                return inner
            case "op" if token.text == "[":
                items = self._items(token, "]")
                return Several(token.start, self._expect("]", token).end, items)
            case "op" if token.text == "{":
                raise SyntaxProblem(token.start, token.end, "maps are not part of policies")
            case "end":
                raise SyntaxProblem(
                    token.start, token.end, "the expression ends too early", "something is missing here"
                )
            case _:
                raise SyntaxProblem(
                    token.start, token.end, f"`{token.text}` cannot stand here", "a value is missing before it"
                )

    def _name(self, token: Token) -> Expr:
        if token.text in ("true", "false"):
            return Literal(token.start, token.end, "bool", token.text == "true")
        if token.text in _WORDS or token.text == "in":
            raise SyntaxProblem(
                token.start,
                token.end,
                f"`{token.text}` cannot stand here",
                f"write {_WORDS.get(token.text, 'a value first')}",
            )
        if opened := self._take("("):
            arguments, end = self._arguments(opened)
            return Call(token.start, end, token.text, token.start, arguments, None)
        return Name(token.start, token.end, token.text)


def _unquoted(token: Token) -> str:
    def decode(match: re.Match[str]) -> str:
        what = match.group(1)
        if what[0] == "u" and len(what) == 5:
            char = chr(int(what[1:], 16))
            if "\ud800" <= char <= "\udfff":
                raise SyntaxProblem(
                    token.start, token.end, "half a surrogate pair in a string", "write the character itself"
                )
            return char
        if what not in _ESCAPED:
            raise SyntaxProblem(
                token.start + 1 + match.start(),
                token.start + 1 + match.end(),
                f"unknown escape \\{what}",
                "write \\\\ for \\",
            )
        return _ESCAPED[what]

    return _ESCAPE.sub(decode, token.text[1:-1])
