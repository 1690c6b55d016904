"""Bind: take from raw data the inputs that the rules for one action read, check them and make them canonical.

What is bound is all that a verdict depends on, so it is what a decision records and what a review is bound to.
Binding fails as a value: data that does not fit is a reason to decide strictly, not an accident.

Two binders: generated straight-line code for the usual case, and `Inputs.reference`, which says precisely what is
wrong. The fast one handles plain dicts and gives up on anything that surprises it; then the reference decides.

INVARIANT: `bind` never raises, whatever plain data it is given.
INVARIANT: whenever the fast binder returns values, the reference returns the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from msgspec import Struct

from interlock.policy.schema import (
    TIMESTAMP_MAX,
    TIMESTAMP_MIN,
    BoolType,
    DecimalType,
    EnumType,
    Field,
    IntType,
    InvisibleType,
    LeafType,
    RecordType,
    StringType,
    TimestampType,
)
from interlock.policy.values import Unfit, canonical, raw_of, shown


class BindFailure(Struct, frozen=True, gc=False):
    """Raw data does not fit: the first path that does not, and why."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class Bound(Struct, frozen=True, gc=False):
    """The inputs of one judgement. `values` follow `paths`; an absent optional is None, a present optional record
    True.
    """

    action: str
    paths: tuple[str, ...]
    values: tuple[Any, ...]

    def to_data(self) -> dict[str, Any]:
        """Path to canonical value: integers (decimals scaled by their type), texts, bools, lists, None."""
        return {
            path: [*value] if type(value) is tuple else value
            for path, value in zip(self.paths, self.values, strict=True)
        }


@dataclass(frozen=True, slots=True)
class Slot:
    """One input: its path, its type (None: the presence of a record), and how many of its prefixes are optional."""

    path: str
    parts: tuple[str, ...]
    type: LeafType | None
    optional: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of one action, sorted by path, with both binders."""

    action: str
    slots: tuple[Slot, ...]
    paths: tuple[str, ...]
    fast: Callable[[Any], tuple[Any, ...]]
    recorded: Callable[[Any], tuple[Any, ...]]

    def bind(self, raw: Mapping[str, object]) -> Bound | BindFailure:
        """Bind raw data, quickly where it is as expected."""
        try:
            return Bound(self.action, self.paths, self.fast(raw))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            return self.reference(raw)

    def reference(self, raw: Mapping[str, object]) -> Bound | BindFailure:
        """Bind raw data and say what is wrong with it."""
        values: list[Any] = []
        for slot in self.slots:
            value = _find(slot, raw)
            if isinstance(value, BindFailure):
                return value
            values.append(value)
        return Bound(self.action, self.paths, tuple(values))

    def from_data(self, data: Mapping[str, object]) -> Bound | BindFailure:
        """The inverse of `Bound.to_data`, checked as strictly as data from outside: records may have been tampered
        with.
        """
        try:
            return Bound(self.action, self.paths, self.recorded(data))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            return self.from_data_slowly(data)

    def from_data_slowly(self, data: Mapping[str, object]) -> Bound | BindFailure:
        """The same by way of raw data: what is right in an unusual form, and what is wrong, in words."""
        raw: dict[str, Any] = {}
        for path in data:
            if path not in self.paths:
                return BindFailure(path, f"is no input of the rules for {self.action}")
        for slot in self.slots:
            if slot.path not in data:
                return BindFailure(slot.path, "is missing in the record")
            value = data[slot.path]
            here = raw
            if value is None:
                # Absent, but the records above it that cannot be absent were there.
                for depth, part in enumerate(slot.parts[:-1]):
                    if slot.optional[depth]:
                        break
                    here = here.setdefault(part, {})
            else:
                for part in slot.parts[:-1]:
                    here = here.setdefault(part, {})
                if slot.type is None:
                    here.setdefault(slot.parts[-1], {})
                else:
                    try:
                        here[slot.parts[-1]] = raw_of(slot.type, value)
                    except (TypeError, ValueError, OverflowError):
                        return BindFailure(slot.path, f"{shown(value)} is not canonical")
        bound = self.reference(raw)
        if isinstance(bound, Bound) and bound.to_data() != dict(data):
            return BindFailure(self.action, "the recorded inputs contradict each other")
        return bound


def inputs_for(action: str, roots: Mapping[str, Field], paths: Iterable[str]) -> Inputs:
    """Prepare the binders for the inputs that some rules read."""
    slots = tuple(_slot(path, roots) for path in sorted(paths))
    return Inputs(action, slots, tuple(slot.path for slot in slots), _generate(slots), _generate_recorded(slots))


def _slot(path: str, roots: Mapping[str, Field]) -> Slot:
    parts = tuple(path.split("."))
    here = roots[parts[0]]
    optional = [here.optional]
    for part in parts[1:]:
        if not isinstance(here.type, RecordType):
            raise AssertionError(f"{path} was checked and is no path")
        here = here.type.fields[part]
        optional.append(here.optional)
    if isinstance(here.type, InvisibleType):
        raise AssertionError(f"{path} was checked and is invisible")
    return Slot(path, parts, None if isinstance(here.type, RecordType) else here.type, tuple(optional))


def _find(slot: Slot, raw: object) -> Any:
    here = raw
    for depth, part in enumerate(slot.parts):
        path = ".".join(slot.parts[: depth + 1])
        if not isinstance(here, Mapping):
            above = ".".join(slot.parts[:depth]) or "the input"
            return BindFailure(above, f"a record is needed, not {shown(here)}")
        here = cast("Mapping[str, object]", here).get(part)
        if here is None:
            return None if slot.optional[depth] else BindFailure(path, "is missing")
    if slot.type is None:
        return True if isinstance(here, Mapping) else BindFailure(slot.path, f"a record is needed, not {shown(here)}")
    try:
        return canonical(slot.type, here)
    except Unfit as error:
        return BindFailure(slot.path, str(error))


# --- the generated binder ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Record:
    """A record on the way to some slots."""

    optional: bool
    presence: int | None
    leaves: list[tuple[str, int]]
    records: dict[str, _Record]


def _generate(slots: tuple[Slot, ...]) -> Callable[[Any], tuple[Any, ...]]:
    root = _Record(False, None, [], {})
    for index, slot in enumerate(slots):
        here = root
        ways = slot.parts if slot.type is None else slot.parts[:-1]
        for depth, part in enumerate(ways):
            here = here.records.setdefault(part, _Record(slot.optional[depth], None, [], {}))
        if slot.type is None:
            here.presence = index
        else:
            here.leaves.append((slot.parts[-1], index))
    writer = _Writer(slots)
    writer.record(root, "raw", 1)
    values = "".join(f"v{index}, " for index in range(len(slots)))
    source = "\n".join(["def fast(raw):", *writer.lines, f"    return ({values})"])
    scope: dict[str, Any] = {"Unfit": Unfit, **writer.names}
    exec(compile(source, "<policy inputs>", "exec"), scope)
    return scope["fast"]


def _generate_recorded(slots: tuple[Slot, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """A binder of recorded values where every record is there. Anything else raises, and the slow way takes over."""
    lines = [f"    if data.__class__ is not dict or len(data) != {len(slots)}: raise Unfit"]
    scope: dict[str, Any] = {"Unfit": Unfit, "canonical": canonical, "raw_of": raw_of}
    for index, slot in enumerate(slots):
        v, type_ = f"v{index}", slot.type
        lines.append(f"    {v} = data[{slot.path!r}]")
        indent = "    "
        if type_ is not None and slot.optional[-1] and not any(slot.optional[:-1]):
            lines.append(f"    if {v} is not None:")
            indent = "        "
        match type_:
            case None:
                wrong = f"{v} is not True"
            case BoolType():
                wrong = f"{v} is not True and {v} is not False"
            case IntType(lo, hi) | DecimalType(_, lo, hi):
                wrong = f"{v}.__class__ is not int or {v} < {lo} or {v} > {hi}"
            case TimestampType():
                wrong = f"{v}.__class__ is not int or {v} < {TIMESTAMP_MIN} or {v} > {TIMESTAMP_MAX}"
            case StringType(max_length):
                wrong = f"{v}.__class__ is not str or len({v}) > {max_length} or not {v}.isascii()"
            case EnumType(values):
                scope[f"e{index}"] = frozenset(values)
                wrong = f"{v}.__class__ is not str or {v} not in e{index}"
            case _:
                scope[f"t{index}"] = type_
                lines.append(f"{indent}c = canonical(t{index}, raw_of(t{index}, {v}))")
                plain = "[*c] if c.__class__ is tuple else c"
                lines.append(f"{indent}if ({plain}) != {v} or c.__class__ is bool: raise Unfit")
                lines.append(f"{indent}{v} = c")
                continue
        lines.append(f"{indent}if {wrong}: raise Unfit")
    values = "".join(f"v{index}, " for index in range(len(slots)))
    source = "\n".join(["def recorded(data):", *lines, f"    return ({values})"])
    exec(compile(source, "<recorded inputs>", "exec"), scope)
    return scope["recorded"]


class _Writer:
    """Writes the body of a binder. A value that is not plainly right raises, and the reference takes over."""

    def __init__(self, slots: tuple[Slot, ...]) -> None:
        self._slots = slots
        self._records = 0
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}

    def _line(self, indent: int, text: str) -> None:
        self.lines.append("    " * indent + text)

    def record(self, record: _Record, name: str, indent: int) -> None:
        """Read what lies below a record that is there."""
        self._line(indent, f"if {name}.__class__ is not dict: raise Unfit")
        if record.presence is not None:
            self._line(indent, f"v{record.presence} = True")
        for key, index in record.leaves:
            value = f"v{index}"
            if self._slots[index].optional[-1]:
                self._line(indent, f"{value} = {name}.get({key!r})")
                self._line(indent, f"if {value} is not None:")
                self.leaf(index, indent + 1)
            else:
                self._line(indent, f"{value} = {name}[{key!r}]")
                self.leaf(index, indent)
        for key, below in record.records.items():
            self._records += 1
            inner = f"r{self._records}"
            if not below.optional:
                self._line(indent, f"{inner} = {name}[{key!r}]")
                self.record(below, inner, indent)
                continue
            self._line(indent, f"{inner} = {name}.get({key!r})")
            self._line(indent, f"if {inner} is None:")
            self._line(indent + 1, " = ".join([*(f"v{index}" for index in _below(below)), "None"]))
            self._line(indent, "else:")
            self.record(below, inner, indent + 1)

    def leaf(self, index: int, indent: int) -> None:
        """Check and convert the value in v<index>."""
        type_ = self._slots[index].type
        v = f"v{index}"
        match type_:
            case BoolType():
                self._line(indent, f"if {v} is not True and {v} is not False: raise Unfit")
            case IntType(lo, hi):
                self._line(indent, f"if {v}.__class__ is not int or {v} < {lo} or {v} > {hi}: raise Unfit")
            case TimestampType():
                outside = f"{v} < {TIMESTAMP_MIN} or {v} > {TIMESTAMP_MAX}"
                self._line(indent, f"if {v}.__class__ is not int or {outside}: {v} = {self._convert(index)}")
            case DecimalType(scale, lo, hi) if scale > 0:
                # `120.00` with exactly the declared places is what every sender of ours writes.
                self._line(indent, f"if {v}.__class__ is str and {v}[-{scale + 1}:-{scale}] == '.' and len({v}) < 40:")
                self._line(indent + 1, f"n = {v}[:-{scale + 1}] + {v}[-{scale}:]")
                self._line(indent + 1, f"{v} = int(n) if n.isdigit() and n.isascii() else {self._convert(index)}")
                self._line(indent + 1, f"if {v} < {lo} or {v} > {hi}: raise Unfit")
                self._line(indent, "else:")
                self._line(indent + 1, f"{v} = {self._convert(index)}")
            case StringType(max_length):
                self._line(indent, f"if {v}.__class__ is not str or len({v}) > {max_length}: raise Unfit")
                self._line(indent, f"if not {v}.isascii(): {v}.encode()")
            case EnumType(values):
                self.names[f"e{index}"] = frozenset(values)
                self._line(indent, f"if {v}.__class__ is not str or {v} not in e{index}: raise Unfit")
            case _:
                self._line(indent, f"{v} = {self._convert(index)}")

    def _convert(self, index: int) -> str:
        type_ = self._slots[index].type
        self.names["canonical"] = canonical
        self.names[f"t{index}"] = type_
        return f"canonical(t{index}, v{index})"


def _below(record: _Record) -> list[int]:
    found = [index for _, index in record.leaves]
    if record.presence is not None:
        found.append(record.presence)
    for inner in record.records.values():
        found.extend(_below(inner))
    return found
