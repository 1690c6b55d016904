"""The solver: the one module that knows z3. Exact integers, truth values and texts; no floats, no quantifiers.

Everything else in this package speaks of terms, whose kind it need not know, and of the three answers of `Solver.ask`:
a model, that there is none (a proof), or that the solver does not know.

INVARIANT: `Unknown` is an answer of its own; nothing here turns it into one of the others.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interlock.vocabulary.errors import InterlockBug, NotInstalled

Term = Any
"""A term of the solver. Opaque: made and combined by a Solver alone."""

TIMEOUT_MS = 10_000
"""How long one question may take. What is not answered by then is said to be unknown."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The solver gave up. `why` in its words: a timeout, or that it is incomplete here."""

    why: str


def _z3() -> Any:
    try:
        import z3
    except ImportError as error:
        raise NotInstalled(
            "Proofs need the solver z3, which is not installed.", hint="Install it: pip install 'interlock[prove]'."
        ) from error
    return z3


def available() -> bool:
    """Whether the extra `prove` is installed."""
    try:
        _z3()
    except NotInstalled:
        return False
    return True


class Model:
    """Values that satisfy what was asked."""

    def __init__(self, z3: Any, model: Any) -> None:
        self._z3 = z3
        self._model = model

    def integer(self, term: Term) -> int:
        return int(self._model.eval(term, model_completion=True).as_long())

    def truth(self, term: Term) -> bool:
        return bool(self._z3.is_true(self._model.eval(term, model_completion=True)))

    def text(self, term: Term) -> str:
        return _decoded(self._z3, self._model.eval(term, model_completion=True))


def _decoded(z3: Any, value: Any) -> str:
    """The text of a string value, code point by code point: as_string() escapes what is not ASCII."""
    if z3.is_string_value(value):
        raw: str = value.as_string()
        return _unescaped(raw)
    raise InterlockBug(f"the solver gave {value} for a text")


def _unescaped(raw: str) -> str:
    parts = raw.split("\\u{")
    return parts[0] + "".join(
        chr(int(code, 16)) + rest for code, _, rest in (part.partition("}") for part in parts[1:])
    )


class Solver:
    """Terms in a context of their own, and questions about them. Not for several threads."""

    def __init__(self, *, timeout_ms: int = TIMEOUT_MS) -> None:
        self._z3 = z3 = _z3()
        self._context = z3.Context()
        self._solver = z3.SimpleSolver(ctx=self._context)
        self._solver.set("timeout", timeout_ms)
        self.true: Term = z3.BoolVal(True, self._context)
        self.false: Term = z3.BoolVal(False, self._context)
        self.asked = 0

    # --- terms ----------------------------------------------------------------------------------------------------

    def truth_variable(self, name: str) -> Term:
        return self._z3.Bool(name, self._context)

    def integer_variable(self, name: str) -> Term:
        return self._z3.Int(name, self._context)

    def text_variable(self, name: str) -> Term:
        return self._z3.String(name, self._context)

    def predicate(self, name: str, *, of_texts: bool) -> Term:
        """An unknown set: apply it with `holds`."""
        z3 = self._z3
        sort = z3.StringSort(self._context) if of_texts else z3.IntSort(self._context)
        return z3.Function(name, sort, z3.BoolSort(self._context))

    def holds(self, predicate: Term, argument: Term) -> Term:
        return predicate(argument)

    def truth(self, value: bool) -> Term:
        return self.true if value else self.false

    def integer(self, value: int) -> Term:
        return self._z3.IntVal(value, self._context)

    def text(self, value: str) -> Term:
        return self._z3.StringVal("".join(_escaped(char) for char in value), self._context)

    def not_(self, term: Term) -> Term:
        if term is self.true:
            return self.false
        return self.true if term is self.false else self._z3.Not(term)

    def all_(self, terms: Sequence[Term]) -> Term:
        kept = [term for term in terms if term is not self.true]
        if any(term is self.false for term in kept):
            return self.false
        return self.true if not kept else kept[0] if len(kept) == 1 else self._z3.And(kept)

    def any_(self, terms: Sequence[Term]) -> Term:
        kept = [term for term in terms if term is not self.false]
        if any(term is self.true for term in kept):
            return self.true
        return self.false if not kept else kept[0] if len(kept) == 1 else self._z3.Or(kept)

    def if_(self, condition: Term, then: Term, otherwise: Term) -> Term:
        if condition is self.true:
            return then
        return otherwise if condition is self.false else self._z3.If(condition, then, otherwise)

    def equal(self, left: Term, right: Term) -> Term:
        return left == right

    def less(self, left: Term, right: Term) -> Term:
        return left < right

    def at_most(self, left: Term, right: Term) -> Term:
        return left <= right

    def sum_(self, terms: Sequence[Term]) -> Term:
        return self._z3.Sum(list(terms)) if terms else self.integer(0)

    def plus(self, left: Term, right: Term) -> Term:
        return left + right

    def minus(self, left: Term, right: Term) -> Term:
        return left - right

    def times(self, term: Term, factor: int) -> Term:
        return term * self.integer(factor)

    def length(self, text: Term) -> Term:
        return self._z3.Length(text)

    def starts_with(self, text: Term, prefix: Term) -> Term:
        return self._z3.PrefixOf(prefix, text)

    def ends_with(self, text: Term, suffix: Term) -> Term:
        return self._z3.SuffixOf(suffix, text)

    def contains(self, text: Term, part: Term) -> Term:
        return self._z3.Contains(text, part)

    # --- questions ------------------------------------------------------------------------------------------------

    def require(self, term: Term) -> None:
        """From now on this holds."""
        self._solver.add(term)

    def ask(self, *terms: Term) -> Model | Unknown | None:
        """Values for which all of these hold; None: there are none, which is a proof that they never hold together."""
        self.asked += 1
        if any(term is self.false for term in terms):
            return None
        self._solver.push()
        try:
            self._solver.add(*[term for term in terms if term is not self.true])
            answer = self._solver.check()
            if answer == self._z3.unsat:
                return None
            if answer == self._z3.sat:
                return Model(self._z3, self._solver.model())
            return Unknown(str(self._solver.reason_unknown()))
        finally:
            self._solver.pop()

    def core(self, fixed: Sequence[Term], candidates: Sequence[Term]) -> list[int] | None:
        """Indices of few candidates which, with what is fixed, cannot hold together; None: they can, or it is unknown.

        What is left is minimal: without any one of them it is no longer known to be impossible.
        """
        self.asked += 1
        marks = [self._z3.Bool(f"core!{index}", self._context) for index in range(len(candidates))]
        self._solver.push()
        try:
            self._solver.add(*[term for term in fixed if term is not self.true])
            for mark, term in zip(marks, candidates, strict=True):
                self._solver.add(self._z3.Implies(mark, term))
            if self._solver.check(*marks) != self._z3.unsat:
                return None
            named = {mark.get_id(): index for index, mark in enumerate(marks)}
            left = sorted(named[mark.get_id()] for mark in self._solver.unsat_core())
            for index in list(left):
                kept = [one for one in left if one != index]
                if self._solver.check(*[marks[one] for one in kept]) == self._z3.unsat:
                    left = kept
            return left
        finally:
            self._solver.pop()


def _escaped(char: str) -> str:
    return char if char.isascii() and char.isprintable() and char != "\\" else f"\\u{{{ord(char):x}}}"
