"""Where a verdict may change along one input: the values at which some comparison of the rules turns over.

With everything else fixed, what the rules say is constant between two such values. So the value nearest to the present
one with another verdict is among them: a search over them is complete for one input, whatever its range.

INVARIANT: every value is of its type and within its bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, islice, product
from typing import Any, cast

from interlock.policy.bind import Slot
from interlock.policy.examples import plain_values
from interlock.policy.interpret import evaluate
from interlock.policy.policy import Policy
from interlock.policy.schema import (
    TIMESTAMP_MAX,
    TIMESTAMP_MIN,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    IntType,
    LeafType,
    ListType,
    StringType,
    TimestampType,
)
from interlock.policy.tree import Compare, Const, Consts, Has, If, In, Input, Node, Sum, Text, Times, walk

Values = Mapping[str, Any]
"""Bound values by path: None is absent, a tuple is a list."""

FILLER = "other"
"""A text that no rule is likely to name; it is made another one where some rule does."""


TEXTS_MAX = 64
"""Texts that are made up of what rules ask of one input."""

TOGETHER_MAX = 6
"""Items of a list of which every selection is tried; of more, every two. (2^6 lists.)"""


@dataclass(frozen=True, slots=True)
class Move:
    """One input put to another value. `values` are all that this takes: a record that appears brings its fields.

    cost   how far it is: a value that changes before one that appears or goes; then the distance, or the place among
           the values of a type without distances; of two that are equally far the smaller
    """

    path: str
    values: Mapping[str, Any]
    cost: tuple[int, int, int]


class Boundaries:
    """The comparisons of the rules for one action, by the input that they look at."""

    def __init__(self, policy: Policy, action: str) -> None:
        self.action = action
        self.slots = {slot.path: slot for slot in policy.slots(action)}
        self._atoms: dict[str, list[Node]] = {path: [] for path in self.slots}
        self._reads: dict[int, frozenset[str]] = {}
        for bit, trees in policy.trees(action).items():
            nodes = [node for tree in trees if tree is not None for node in walk(tree)]
            self._reads[bit] = frozenset(node.path for node in nodes if isinstance(node, Input | Has))
            for node in nodes:
                if isinstance(node, Compare | In | Text):
                    for path in {inner.path for inner in walk(node) if isinstance(inner, Input)}:
                        if node not in self._atoms[path]:
                            self._atoms[path].append(node)

    def reads(self, bit: int) -> frozenset[str]:
        """The inputs that one rule reads."""
        return self._reads[bit]

    def joined(self, paths: tuple[str, ...]) -> bool:
        """Whether one comparison reads several of these inputs, so that moving one moves the boundaries of another."""
        return any(
            any(atom in self._atoms[other] for atom in self._atoms[path]) for path, other in combinations(paths, 2)
        )

    def moves(self, path: str, values: Values) -> list[Move]:
        """Everything that is worth trying of one input, nearest first."""
        slot = self.slots[path]
        now = values[path]
        found: list[Move] = []
        if slot.type is not None and self._may_appear(slot, values):
            around = self._brings(slot, values)
            context = {**values, **around}
            for index, value in enumerate(self._candidates(path, slot.type, context)):
                if value != now:
                    origin = plain_values(slot.type)[0] if now is None else now
                    order = value if type(value) is int else index
                    cost = (int(now is None), _distance(slot.type, origin, value, index), order)
                    found.append(Move(path, {**around, path: value}, cost))
        if now is not None:
            found += [Move(gone, self._without(gone, values), (1, 0, 0)) for gone in self._may_go(slot)]
        elif slot.type is None:
            found.append(Move(path, {**self._brings(slot, values), path: True}, (1, 0, 0)))
        found.sort(key=lambda move: move.cost)
        return found

    # --- presence -------------------------------------------------------------------------------------------------

    def _may_go(self, slot: Slot) -> Iterator[str]:
        """The optional prefixes of an input that end with it: its own absence, or that of the record that it is."""
        if slot.optional[-1]:
            yield slot.path
        for depth in range(1, len(slot.parts)):
            if slot.optional[depth - 1]:
                yield ".".join(slot.parts[:depth])

    def _without(self, prefix: str, values: Values) -> dict[str, Any]:
        return {path: None for path in values if path == prefix or path.startswith(f"{prefix}.")}

    def _may_appear(self, slot: Slot, values: Values) -> bool:
        return values[slot.path] is not None or any(slot.optional)

    def _brings(self, slot: Slot, values: Values) -> dict[str, Any]:
        """What else must be there for an input to be there: the other fields of a record that was absent."""
        if values[slot.path] is not None:
            return {}
        brought: dict[str, Any] = {}
        for depth in range(1, len(slot.parts) + (slot.type is None)):
            prefix = ".".join(slot.parts[:depth])
            inside = [path for path in self.slots if path.startswith(f"{prefix}.") and path != slot.path]
            absent = all(values[path] is None for path in inside) and values.get(prefix) is None
            if not slot.optional[depth - 1] or not absent:
                continue
            if prefix in self.slots:
                brought[prefix] = True
            for path in inside:
                other = self.slots[path]
                if other.type is not None and not any(other.optional[depth:]):
                    brought[path] = _bound_form(plain_values(other.type)[0])
        return brought

    # --- values ---------------------------------------------------------------------------------------------------

    def _candidates(self, path: str, type_: LeafType, values: Values) -> Iterable[Any]:
        match type_:
            case BoolType():
                return (False, True)
            case EnumType(options):
                return options
            case IntType(lo, hi) | DurationType(lo, hi) | DecimalType(_, lo, hi):
                return self._numbers(path, values, lo, hi, type_)
            case TimestampType():
                return self._numbers(path, values, TIMESTAMP_MIN, TIMESTAMP_MAX, type_)
            case StringType(most):
                return self._texts(path, values, most)
            case ListType():
                return self._lists(path, values, type_)

    def _numbers(self, path: str, values: Values, lo: int, hi: int, type_: LeafType) -> list[int]:
        found: set[int] = set(plain_values(type_)) if values[path] is None else set()
        here = {**values, path: plain_values(type_)[0]} if values[path] is None else values
        for atom in self._atoms[path]:
            for at in _turns(atom, path, self.action, here):
                low = at.numerator // at.denominator
                found.update((low - 1, low, low + 1, low + 2))
        kept = {min(max(value, lo), hi) for value in found}
        now = values[path]
        return sorted(kept, key=lambda value: (abs(value - now) if now is not None else abs(value), value))

    def _texts(self, path: str, values: Values, most: int) -> list[str]:
        named: dict[str, None] = {}
        for atom in self._atoms[path]:
            for node in walk(atom):
                if isinstance(node, Const) and node.kind.name in ("string", "enum"):
                    named.setdefault(str(node.value))
                elif isinstance(node, Consts) and node.kind.name in ("string", "enum"):
                    named.update(dict.fromkeys(str(value) for value in node.values))
                elif isinstance(node, Input) and node.path != path:
                    other = values[node.path]
                    for one in cast("tuple[Any, ...]", other) if isinstance(other, tuple) else (other,):
                        if isinstance(one, str):
                            named.setdefault(one)
        filler = next(one for one in (FILLER, *(f"{FILLER}{n}" for n in range(len(named) + 1))) if one not in named)
        made = self._composed(path)
        bases = (*sorted(named), "", filler[:most], *made)
        sizes = sorted({size for size in self._sizes(path, values) if size <= most})
        sized = (text[:size].ljust(size, "-") for size in sizes for text in bases[:TEXTS_MAX])
        return [text for text in dict.fromkeys((*bases, *sized)) if len(text) <= most]

    def _composed(self, path: str) -> list[str]:
        """Texts that begin, go on and end as several rules ask."""
        parts: dict[str, dict[str, None]] = {"startsWith": {}, "contains": {}, "endsWith": {}}
        for atom in self._atoms[path]:
            for node in walk(atom):
                if isinstance(node, Text) and node.function in parts and isinstance(node.with_, Const):
                    parts[node.function].setdefault(str(node.with_.value))
        chosen = ("".join(one) for one in product(*(("", *parts[name]) for name in parts)))
        return [text for text in islice(chosen, TEXTS_MAX) if text]

    def _sizes(self, path: str, values: Values) -> Iterator[int]:
        """The lengths of a text, or sizes of a list, around which a comparison turns over."""
        for atom in self._atoms[path]:
            if isinstance(atom, Compare):
                for at in _turns(atom, path, self.action, values, sized=True):
                    low = at.numerator // at.denominator
                    yield from (size for size in (low - 1, low, low + 1, low + 2) if size >= 0)

    def _lists(self, path: str, values: Values, type_: ListType) -> list[tuple[Any, ...]]:
        now: tuple[Any, ...] = values[path] if values[path] is not None else ()
        asked: dict[Any, None] = {}
        sizes = {size for size in self._sizes(path, values) if size <= type_.max_items}
        for atom in self._atoms[path]:
            for node in walk(atom):
                if isinstance(node, In) and _reads(node.within, path):
                    item = _value(node.item, self.action, values)
                    if item is not None:
                        asked.setdefault(item)
        known = [item for item in asked if item in now or _fits(type_, item)]
        filler = _bystander(type_, now, known)
        found: list[tuple[Any, ...]] = []
        for items in _some_of(known):
            others = tuple(one for one in now if one not in items)
            added = tuple(item for item in items if item not in now)
            changed = (*_first(others, type_.max_items - len(added), known), *added)
            found.append(changed)
            for size in sorted(sizes):
                if len(changed) < size:
                    found.append((*changed, *([filler] * (size - len(changed)))))
                else:
                    found.append((*_first(others, max(0, size - len(added)), known), *added))
        found.append(())
        return [one for one in dict.fromkeys(found) if len(one) <= type_.max_items]


def _some_of(items: list[Any]) -> Iterator[tuple[Any, ...]]:
    """Selections of the items that rules ask for: those that are put in or taken out together."""
    most = len(items) if len(items) <= TOGETHER_MAX else 2
    for count in range(most + 1):
        yield from combinations(items, count)


def _first(items: tuple[Any, ...], room: int, known: list[Any]) -> tuple[Any, ...]:
    """As many of a list's items as there is room for, in their order; those that rules ask for go last."""
    spare = len(items) - room
    for index in range(len(items) - 1, -1, -1):
        if spare > 0 and items[index] not in known:
            items, spare = items[:index] + items[index + 1 :], spare - 1
    return items[:room]


def _bystander(type_: ListType, now: tuple[Any, ...], known: list[Any]) -> Any:
    """An item that no rule asks for, to make a list longer; one of its own where it has such."""
    item = type_.item
    candidates: list[Any] = [*now]
    match item:
        case EnumType(options):
            candidates += options
        case StringType(most):
            candidates += [text for text in (FILLER, "", "-") if len(text) <= most]
        case IntType(lo, hi) | DurationType(lo, hi) | DecimalType(_, lo, hi):
            candidates += range(lo, min(hi, lo + len(known)) + 1)
        case _:
            pass
    plain = _bound_form(plain_values(item)[0])
    return next((one for one in candidates if one not in known), plain)


def _fits(type_: ListType, item: Any) -> bool:
    match type_.item:
        case IntType(lo, hi) | DurationType(lo, hi) | DecimalType(_, lo, hi):
            return lo <= item <= hi
        case StringType(most):
            return len(item) <= most
        case EnumType(options):
            return item in options
        case _:
            return True


def _distance(type_: LeafType, now: Any, value: Any, index: int) -> int:
    match type_:
        case IntType() | DecimalType() | DurationType() | TimestampType():
            return abs(value - now)
        case ListType():
            there, here = list(now), list(value)
            return sum(item not in here for item in there) + sum(item not in there for item in here) + abs(
                len(there) - len(here)
            )  # fmt: skip
        case _:
            return index


def _bound_form(plain: Any) -> Any:
    return () if plain == [] else plain


# --- where a comparison turns over ------------------------------------------------------------------------------------


def _turns(atom: Node, path: str, action: str, values: Values, *, sized: bool = False) -> Iterator[Fraction]:
    """The values of one input (or the sizes of one list) at which an atom may turn over, all others being fixed."""
    for node in walk(atom):
        if isinstance(node, Compare):
            left, right = (_slope(side, path, action, values, sized) for side in (node.left, node.right))
            if left is not None and right is not None and left[0] != right[0]:
                yield Fraction(right[1] - left[1], left[0] - right[0])
        elif isinstance(node, In) and not sized:
            item = _slope(node.item, path, action, values, sized)
            if item is None or item[0] == 0:
                continue
            within = _value(node.within, action, values)
            for value in cast("tuple[Any, ...]", within) if isinstance(within, tuple) else ():
                if isinstance(value, int):
                    yield Fraction(value - item[1], item[0])


def _slope(node: Node, path: str, action: str, values: Values, sized: bool) -> tuple[int, int] | None:
    """A number as coefficient * input + constant; None where it is no number, or something it needs is absent."""
    match node:
        case Input(_, here) if here == path and not sized:
            return 1, 0
        case Text("size", Input(_, here), _) if here == path and sized:
            return 1, 0
        case If(condition, then, otherwise):
            held = _value(condition, action, values)
            return None if held is None else _slope(then if held else otherwise, path, action, values, sized)
        case Sum(minus, left, right):
            a, b = _slope(left, path, action, values, sized), _slope(right, path, action, values, sized)
            if a is None or b is None:
                return None
            sign = -1 if minus else 1
            return a[0] + sign * b[0], a[1] + sign * b[1]
        case Times(operand, factor):
            inner = _slope(operand, path, action, values, sized)
            return None if inner is None else (inner[0] * factor, inner[1] * factor)
        case _:
            value = _value(node, action, values)
            return (0, value) if isinstance(value, int) and not isinstance(value, bool) else None


def _value(node: Node, action: str, values: Values) -> Any:
    """The value of a tree; None where it reads something that is absent (it stands behind a guard that fails)."""
    try:
        return evaluate(node, action, values)
    except TypeError:  # None has no order, no sum and no size: the guard before this part does not hold
        return None


def _reads(node: Node, path: str) -> bool:
    return any(isinstance(part, Input) and part.path == path for part in walk(node))
