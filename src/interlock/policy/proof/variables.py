"""The inputs of one action as the solver's variables, over exactly the values that `bind` admits, and back again.

    bool, number, timestamp, duration    a truth value; an integer within its bounds, decimals scaled as they are inside
    enum, string                         an integer that names the text; texts that no rule names are all alike, so a
                                         few spare integers stand for them
    string that rules look into          the solver's own texts (`startsWith`, `endsWith`, `contains`, `size`)
    list                                 a set, asked about a few items only, with a size that those items fit into
    `x?`, a record that may be missing   a truth value per optional prefix

INVARIANT: every input that `bind` accepts is a model of these variables, so what no model satisfies no input does.
The other direction is not relied on: a model is turned into raw data and given to the real `bind` and `judge`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from interlock.policy.bind import Slot
from interlock.policy.proof.smt import Model, Solver, Term
from interlock.policy.schema import (
    TIMESTAMP_MAX,
    TIMESTAMP_MIN,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    IntType,
    ListType,
    ScalarType,
    StringType,
    TimestampType,
)
from interlock.policy.values import raw_of

SPARE = 1_000_000
"""Names of texts from here on stand for texts that no rule names."""

DOMAIN_WHOLE_MAX = 64
"""Item types with at most so many values are asked about every one of them."""


@dataclass(slots=True)
class _List:
    """A list input as a set: its size, and the items that somebody asked about."""

    type: ListType
    size: Term
    member: Term
    sized: bool = False
    whole: tuple[Any, ...] = ()
    known: dict[int, Any] = field(default_factory=dict[int, Any])
    asked: list[Term] = field(default_factory=list[Term])


class Variables:
    """The inputs that some rules for one action read.

    slots       the inputs; of two slots with one path (two versions of a policy) the values that both admit count
    look_into   whether some rule looks into a string: then all texts are the solver's own
    """

    def __init__(self, solver: Solver, slots: Iterable[Slot], *, look_into: bool) -> None:
        self.solver = solver
        self.look_into = look_into
        self._texts: dict[str, int] = {}
        self._slots: dict[str, list[Slot]] = {}
        self._there: dict[str, Term] = {}
        self._scalars: dict[str, Term] = {}
        self._lists: dict[str, _List] = {}
        self._closed = False
        for slot in slots:
            self._slots.setdefault(slot.path, []).append(slot)
        for path, same in self._slots.items():
            self._declare(path, same)

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted(self._slots))

    # --- declaring ------------------------------------------------------------------------------------------------

    def _declare(self, path: str, slots: list[Slot]) -> None:
        for slot in slots:
            above = ""
            for depth, part in enumerate(slot.parts):
                above = f"{above}.{part}" if above else part
                # Where one version may leave it out and the other may not, inputs of both have it.
                if all(s.optional[depth] for s in slots) and above not in self._there:
                    self._there[above] = self.solver.truth_variable(f"has {above}")
        leaf = slots[0].type
        if leaf is None:
            return
        if isinstance(leaf, ListType):
            self._lists[path] = _List(
                leaf,
                self.solver.integer_variable(f"size {path}"),
                self.solver.predicate(f"in {path}", of_texts=self.look_into and _textual(leaf.item)),
            )
            for slot in slots:
                if isinstance(slot.type, ListType):
                    listed = self._lists[path]
                    self.solver.require(self.solver.at_most(self.solver.integer(0), listed.size))
                    self.solver.require(self.solver.at_most(listed.size, self.solver.integer(slot.type.max_items)))
            return
        self._scalars[path] = self._variable(path, leaf)
        for slot in slots:
            if slot.type is not None and not isinstance(slot.type, ListType):
                self.solver.require(self.within(self._scalars[path], slot.type))

    def _variable(self, path: str, type_: ScalarType) -> Term:
        if isinstance(type_, BoolType):
            return self.solver.truth_variable(path)
        if self.look_into and _textual(type_):
            return self.solver.text_variable(path)
        return self.solver.integer_variable(path)

    def within(self, term: Term, type_: ScalarType) -> Term:
        """That a term is a value of the type. What strings named by integers need beside is said by `close`."""
        solver = self.solver
        match type_:
            case BoolType():
                return solver.true
            case IntType(lo, hi) | DurationType(lo, hi):
                return self._range(term, lo, hi)
            case DecimalType(_, lo, hi):
                return self._range(term, lo, hi)
            case TimestampType():
                return self._range(term, TIMESTAMP_MIN, TIMESTAMP_MAX)
            case EnumType(values):
                return solver.any_([solver.equal(term, self.text(value)) for value in values])
            case StringType(max_length):
                if self.look_into:
                    return solver.at_most(solver.length(term), solver.integer(max_length))
                return solver.true if max_length else solver.equal(term, self.text(""))

    def _range(self, term: Term, lo: int, hi: int) -> Term:
        solver = self.solver
        return solver.all_([solver.at_most(solver.integer(lo), term), solver.at_most(term, solver.integer(hi))])

    # --- reading --------------------------------------------------------------------------------------------------

    def text(self, value: str) -> Term:
        """A text that a rule or a type names."""
        if self.look_into:
            return self.solver.text(value)
        return self.solver.integer(self._texts.setdefault(value, len(self._texts)))

    def scalar(self, path: str) -> Term:
        """The value at a path; anything in its bounds where it is absent."""
        return self._scalars[path]

    def there(self, path: str) -> Term:
        """Whether a path is there: it and everything above it."""
        parts = path.split(".")
        prefixes = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
        return self.solver.all_([self._there[prefix] for prefix in prefixes if prefix in self._there])

    def holds(self, path: str, item: Term, constant: Any = None) -> Term:
        """Whether the list at a path has an item. `constant`: what the item is, where that is known now."""
        if self._closed:
            raise AssertionError("the lists have been closed")
        listed = self._lists[path]
        if constant is not None:
            listed.known[len(listed.asked)] = constant
        listed.asked.append(item)
        return self.solver.holds(listed.member, item)

    def size(self, path: str) -> Term:
        """How many items the list at a path has."""
        self._lists[path].sized = True
        return self._lists[path].size

    def pinned(self, path: str, value: Any) -> Term:
        """That an input has a canonical value (None: that it is absent), as far as anybody asks. After `close`."""
        solver, there = self.solver, self.there(path)
        if value is None:
            return solver.not_(there)
        type_ = self._slots[path][0].type
        if type_ is None:
            return there
        if not isinstance(type_, ListType):
            same = solver.equal(self._scalars[path], self._constant_of(type_, value))
            return solver.all_([there, same])
        listed = self._lists[path]
        terms = [self._constant(type_.item, one) for one in dict.fromkeys(value)]
        same = [solver.equal(listed.size, solver.integer(len(value)))]
        for item in (*listed.asked, *(self._constant(type_.item, one) for one in listed.whole)):
            among = solver.any_([solver.equal(item, term) for term in terms])
            same.append(solver.equal(solver.holds(listed.member, item), among))
        return solver.all_([there, *same])

    def _constant_of(self, type_: ScalarType, value: Any) -> Term:
        return self.solver.truth(value) if isinstance(type_, BoolType) else self._constant(type_, value)

    # --- what depends on everything that was asked ----------------------------------------------------------------

    def close(self) -> None:
        """Say what holds of lists and texts now that all questions about them are known. Once, before any question."""
        self._closed = True
        for path, listed in self._lists.items():
            for slot in self._slots[path]:
                if isinstance(slot.type, ListType):
                    self._close_list(listed, slot.type)
        if not self.look_into:
            for path, slots in self._slots.items():
                for slot in slots:
                    if isinstance(slot.type, StringType):
                        self.solver.require(self._named(self._scalars[path], slot.type.max_length))

    def _close_list(self, listed: _List, type_: ListType) -> None:
        solver = self.solver
        whole = _domain(type_.item)
        if whole is not None and len(whole) > max(DOMAIN_WHOLE_MAX, len(listed.asked)):
            whole = None
        items = listed.asked
        if whole is not None:
            listed.whole = whole
            terms = [self._constant(type_.item, value) for value in whole]
            items = [*terms, *listed.asked]
            some = solver.any_([solver.holds(listed.member, term) for term in terms])
            solver.require(solver.any_([solver.at_most(listed.size, solver.integer(0)), some]))
        for index, item in enumerate(listed.asked):
            if index in listed.known:
                if not _fits(type_.item, listed.known[index]):
                    solver.require(solver.not_(solver.holds(listed.member, item)))
                continue
            fits = self.within(item, type_.item)
            if isinstance(type_.item, StringType) and not self.look_into:
                fits = solver.all_([fits, self._named(item, type_.item.max_length)])
            solver.require(solver.any_([solver.not_(solver.holds(listed.member, item)), fits]))
        if not listed.sized and len(items) <= type_.max_items:
            return
        # A long list of asked items only needs the count where the items could be too many.
        counted: list[Term] = []
        one, none = solver.integer(1), solver.integer(0)
        for index, item in enumerate(items):
            first = [solver.not_(solver.equal(item, earlier)) for earlier in items[:index]]
            counted.append(solver.if_(solver.all_([solver.holds(listed.member, item), *first]), one, none))
        solver.require(solver.at_most(solver.sum_(counted), listed.size))

    def _constant(self, type_: ScalarType, value: Any) -> Term:
        if isinstance(type_, BoolType):
            return self.solver.integer(int(value))
        return self.text(value) if _textual(type_) else self.solver.integer(value)

    def _named(self, term: Term, max_length: int) -> Term:
        """That a term names a text of at most that length."""
        solver = self.solver
        fitting = [
            solver.equal(term, solver.integer(id_)) for text, id_ in self._texts.items() if len(text) <= max_length
        ]
        spare = solver.at_most(solver.integer(SPARE), term) if max_length else solver.false
        return solver.any_([*fitting, spare])

    # --- back -----------------------------------------------------------------------------------------------------

    def raw(self, model: Model) -> dict[str, Any]:
        """The nested plain data of a model, as it would come through the door."""
        names = {id_: text for text, id_ in self._texts.items()}
        raw: dict[str, Any] = {}
        for path, slots in self._slots.items():
            here = raw
            parts = slots[0].parts
            for depth, part in enumerate(parts):
                above = self._there.get(".".join(parts[: depth + 1]))
                if above is not None and not model.truth(above):
                    break
                if depth < len(parts) - 1:
                    here = here.setdefault(part, {})
                elif slots[0].type is None:
                    here.setdefault(part, {})
                else:
                    here[part] = self._value(path, slots[0], model, names)
        return raw

    def _value(self, path: str, slot: Slot, model: Model, names: dict[int, str]) -> object:
        type_ = slot.type
        if type_ is None:
            raise AssertionError("a record has no value")
        if not isinstance(type_, ListType):
            return raw_of(type_, self._plain(type_, self._scalars[path], model, names))
        listed = self._lists[path]
        terms = [*(self._constant(type_.item, value) for value in listed.whole), *listed.asked]
        items: list[Any] = []
        others: set[Any] = set()
        for term in terms:
            value = self._plain(type_.item, term, model, names, listed=True)
            others.add(value)
            if value not in items and model.truth(self.solver.holds(listed.member, term)):
                items.append(value)
        wanted = model.integer(listed.size) if listed.sized else len(items)
        if wanted > len(items):
            filler = items[0] if items else _fresh(type_.item, others)
            items += [filler] * (wanted - len(items))
        return raw_of(type_, tuple(items))

    def _plain(
        self, type_: ScalarType, term: Term, model: Model, names: dict[int, str], *, listed: bool = False
    ) -> Any:
        if isinstance(type_, BoolType):
            return bool(model.integer(term)) if listed else model.truth(term)
        if not _textual(type_):
            return model.integer(term)
        if self.look_into:
            return model.text(term)
        id_ = model.integer(term)
        if id_ not in names:
            names[id_] = _fresh(type_, set(names.values()))
        return names[id_]


def _fits(type_: ScalarType, value: Any) -> bool:
    """Whether a constant that a rule asks a list for is a value of its items' type."""
    match type_:
        case IntType(lo, hi) | DurationType(lo, hi) | DecimalType(_, lo, hi):
            return lo <= value <= hi
        case StringType(most):
            return len(value) <= most
        case EnumType(values):
            return value in values
        case TimestampType():
            return TIMESTAMP_MIN <= value <= TIMESTAMP_MAX
        case BoolType():
            return True


def _textual(type_: ScalarType) -> bool:
    return isinstance(type_, StringType | EnumType)


def _domain(type_: ScalarType) -> tuple[Any, ...] | None:
    """All values of a type that has few."""
    match type_:
        case BoolType():
            return (False, True)
        case EnumType(values):
            return values
        case StringType(0):
            return ("",)
        case IntType(lo, hi) | DurationType(lo, hi) if hi - lo < 4 * DOMAIN_WHOLE_MAX:
            return tuple(range(lo, hi + 1))
        case DecimalType(_, lo, hi) if hi - lo < 4 * DOMAIN_WHOLE_MAX:
            return tuple(range(lo, hi + 1))
        case _:
            return None


def _fresh(type_: ScalarType, taken: set[Any]) -> Any:
    """A value that is none of those; the first of the type where there is no other."""
    match type_:
        case StringType(max_length):
            words = ("other"[:max_length], *(f"{index}"[:max_length] for index in range(len(taken) + 1)))
            singles = (chr(code) for code in range(ord("a"), ord("a") + len(taken) + 1)) if max_length else ("",)
            return next((word for word in (*words, *singles) if word not in taken), "")
        case IntType(lo, hi) | DurationType(lo, hi):
            return next((value for value in range(lo, hi + 1) if value not in taken), lo)
        case DecimalType(_, lo, hi):
            return next((value for value in range(lo, hi + 1) if value not in taken), lo)
        case TimestampType():
            return next(value for value in range(len(taken) + 1) if value not in taken)
        case EnumType(values):
            return next((value for value in values if value not in taken), values[0])
        case BoolType():
            return next((value for value in (False, True) if value not in taken), False)
