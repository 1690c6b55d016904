"""What follows when some conditions hold, by simple means: bounds of one sum, values of one text, presence, and
conditions that stand again word for word.

Sound and incomplete: what is said to follow does, and much that follows is not seen. It costs microseconds, so that
every check of a policy can afford it; the rest is the solver's.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, gcd

from interlock.policy.linear import Linear, Part, linear
from interlock.policy.ranges import TypesOf, decided
from interlock.policy.tree import And, Compare, Const, Consts, Has, If, In, Input, Node, Not, Or, Text, walk
from interlock.policy.wording import INVERSE, TURNED, kind_name

_Sum = tuple[tuple[Part, int], ...]
_Number = Fraction | float


class Knowledge:
    """Conditions that hold together. `impossible` once they contradict each other or the schema."""

    def __init__(self, types_of: TypesOf) -> None:
        self._types_of = types_of
        self._bounds: dict[_Sum, tuple[_Number, _Number]] = {}
        self._texts: dict[Node, tuple[frozenset[str] | None, frozenset[str]]] = {}
        self._known: dict[Node, bool] = {}
        self.impossible = False

    # --- learning -------------------------------------------------------------------------------------------------

    def learn(self, node: Node, holds: bool) -> None:
        """From now on a condition holds, or does not."""
        known = self.tell(node)
        if known is not None:
            self.impossible = self.impossible or known != holds
            return
        match node:
            case Not(operand):
                self.learn(operand, not holds)
            case And(parts) | Or(parts) if isinstance(node, And) == holds:
                for part in parts:
                    self.learn(part, holds)
            case And(parts) | Or(parts):
                # One of them is as it has to be; where all others are known not to be, it is the last.
                self._known[node] = holds
                open_ = [part for part in parts if self.tell(part) is None]
                if len(open_) == 1:
                    self.learn(open_[0], holds)
            case Compare(operator, left, right) if kind_name(left) not in ("bool", "string", "enum"):
                self._bound(operator if holds else INVERSE[operator], linear(left).plus(linear(right), -1))
            case Compare(operator, left, Const(_, value)) if isinstance(value, str):
                self._text(left, frozenset((value,)), (operator == "==") == holds)
            case In(item, Consts(kind, values)) if kind.name in ("string", "enum"):
                self._text(item, frozenset(str(value) for value in values), holds)
            case _:
                self._known[node] = holds

    def _bound(self, operator: str, difference: Linear) -> None:
        sum_, constant, turned = _normal(difference)
        limit = -constant
        operator = TURNED[operator] if turned else operator
        lo, hi = self._bounds.get(sum_, (float("-inf"), float("inf")))
        match operator:
            case "<":
                hi = min(hi, ceil(limit) - 1)
            case "<=":
                hi = min(hi, floor(limit))
            case ">":
                lo = max(lo, floor(limit) + 1)
            case ">=":
                lo = max(lo, ceil(limit))
            case "==":
                lo, hi = max(lo, limit), min(hi, limit)
            case _:
                lo, hi = (lo + 1 if lo == limit else lo), (hi - 1 if hi == limit else hi)
        self._bounds[sum_] = (lo, hi)
        self.impossible = self.impossible or lo > hi

    def _text(self, node: Node, values: frozenset[str], among: bool) -> None:
        only, none = self._texts.get(node, (None, frozenset[str]()))
        if among:
            only = values if only is None else only & values
        else:
            none = none | values
        if only is not None:
            only -= none
            self.impossible = self.impossible or not only
        self._texts[node] = (only, none)

    # --- telling --------------------------------------------------------------------------------------------------

    def tell(self, node: Node) -> bool | None:
        """Whether a condition holds; None: that does not follow."""
        match node:
            case Const(_, value):
                return bool(value)
            case Not(operand):
                inner = self.tell(operand)
                return None if inner is None else not inner
            case And(parts) | Or(parts):
                decisive = isinstance(node, Or)
                told = [self.tell(part) for part in parts]
                if decisive in told:
                    return decisive
                return self._known.get(node) if None in told else not decisive
            case If(condition, then, otherwise) if kind_name(then) == "bool":
                test = self.tell(condition)
                if test is None:
                    a, b = self.tell(then), self.tell(otherwise)
                    return a if a == b else None
                return self.tell(then if test else otherwise)
            case _:
                known = self._known.get(node)
                return known if known is not None else self._follows(node)

    def _follows(self, node: Node) -> bool | None:
        match node:
            case Has(path):
                below = [other for other in self._known if isinstance(other, Has) and self._known[other]]
                return True if any(other.path.startswith(f"{path}.") for other in below) else None
            case Compare(operator, left, right) if kind_name(left) not in ("bool", "string", "enum"):
                found = decided(node, self._types_of)
                return self._within(operator, linear(left).plus(linear(right), -1)) if found is None else found
            case Compare(operator, left, Const(_, value)) if isinstance(value, str):
                found = self._is(left, frozenset((value,)))
                return decided(node, self._types_of) if found is None else found == (operator == "==")
            case In(item, Consts(kind, values)) if kind.name in ("string", "enum"):
                found = self._is(item, frozenset(str(value) for value in values))
                return decided(node, self._types_of) if found is None else found
            case Compare() | In() | Text():
                return decided(node, self._types_of)
            case _:
                return None

    def _within(self, operator: str, difference: Linear) -> bool | None:
        sum_, constant, turned = _normal(difference)
        bounds = self._bounds.get(sum_)
        if bounds is None:
            return None
        (lo, hi), limit = bounds, -constant
        match TURNED[operator] if turned else operator:
            case "<":
                return True if hi < limit else False if lo >= limit else None
            case "<=":
                return True if hi <= limit else False if lo > limit else None
            case ">":
                return True if lo > limit else False if hi <= limit else None
            case ">=":
                return True if lo >= limit else False if hi < limit else None
            case "==":
                return False if limit < lo or limit > hi else True if lo == hi == limit else None
            case _:
                return True if limit < lo or limit > hi else False if lo == hi == limit else None

    def _is(self, node: Node, values: frozenset[str]) -> bool | None:
        only, none = self._texts.get(node, (None, frozenset[str]()))
        if only is not None and only <= values:
            return True
        return False if values <= none or (only is not None and not only & values) else None

    def paths(self) -> frozenset[str]:
        """The inputs that something is known of: what reads another one does not follow."""
        nodes: list[Node] = [*self._known, *self._texts, *(part for sum_ in self._bounds for part, _ in sum_)]
        return frozenset(here.path for node in nodes for here in walk(node) if isinstance(here, Input | Has))


def _normal(difference: Linear) -> tuple[_Sum, Fraction, bool]:
    """A sum in a form in which multiples of it are the same: parts in order, the first coefficient positive, without a
    common factor. With it the constant (exact or a fraction) and whether the sides were turned.
    """
    parts = sorted(difference.parts.items(), key=lambda item: repr(item[0]))
    common = gcd(*(coefficient for _, coefficient in parts)) or 1
    turned = bool(parts) and parts[0][1] < 0
    factor = -common if turned else common
    constant = Fraction(difference.constant, factor)
    return tuple((part, coefficient // factor) for part, coefficient in parts), constant, turned
