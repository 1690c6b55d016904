"""What a policy may read: typed, bounded inputs of a proposal, a case, advice and the health of dependencies.

A schema is derived from an automation's types, or written in the document's `schema:` block (then `parse.py` reads
it). It is a value: `to_data` and `from_data` give it a canonical form that a release stores, so that an old
decision is judged again without the code that it was made with.

INVARIANT: every visible type is bounded. What has no bound is `InvisibleType`, and naming it in a rule is an error
that says which bound is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from interlock.policy.tree import BOOL, DURATION, INT, STRING, TIMESTAMP, Kind

TIMESTAMP_MIN = -62_135_596_800_000_000
TIMESTAMP_MAX = 253_402_300_799_999_999
"""Years 1 to 9999, in microseconds since 1970."""

DURATION_MAX = TIMESTAMP_MAX - TIMESTAMP_MIN
"""The longest duration: between the first and the last timestamp, either way."""

STRING_CHARS_DEFAULT = 4_096
"""Characters of a `string` without a length in a `schema:` block."""

COUNT_MAX = 1_000_000_000
"""Bound of the kernel's own counters."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

SOURCES = ("advice", "rule", "person", "agent")
BREAKER_STATES = ("closed", "half_open", "open")


@dataclass(frozen=True, slots=True)
class BoolType:
    """true or false."""


@dataclass(frozen=True, slots=True)
class IntType:
    """A whole number, lo <= x <= hi."""

    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class DecimalType:
    """An exact decimal with at most `scale` places. Bounds are integers scaled by 10^scale; `of` takes them as text."""

    scale: int
    lo: int
    hi: int

    @classmethod
    def of(cls, scale: int, lo: str | int, hi: str | int) -> DecimalType:
        """Bounds as written: DecimalType.of(2, 0, "100000.00")."""
        return cls(scale, scaled(str(lo), scale), scaled(str(hi), scale))


@dataclass(frozen=True, slots=True)
class StringType:
    """Text of at most `max_length` characters."""

    max_length: int


@dataclass(frozen=True, slots=True)
class EnumType:
    """One of the values."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TimestampType:
    """A moment: microseconds since 1970, UTC."""


@dataclass(frozen=True, slots=True)
class DurationType:
    """A length of time in microseconds."""

    lo: int = -DURATION_MAX
    hi: int = DURATION_MAX


ScalarType = BoolType | IntType | DecimalType | StringType | EnumType | TimestampType | DurationType


@dataclass(frozen=True, slots=True)
class ListType:
    """At most `max_items` scalars of one type."""

    item: ScalarType
    max_items: int


@dataclass(frozen=True, slots=True)
class InvisibleType:
    """A field that rules cannot read. `reason` says which bound is missing: "float: use Decimal with bounds"."""

    reason: str


LeafType = ScalarType | ListType


@dataclass(frozen=True, slots=True)
class RecordType:
    """Named fields."""

    fields: Mapping[str, Field] = field(default_factory=dict[str, "Field"])


Type = LeafType | InvisibleType | RecordType


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record.

    `default` is the neutral value that a policy's own tests may leave out, in the raw form of the door (text for
    decimals, a list for lists); "now" for a timestamp is the test's own now. It is never used for a live decision:
    what is missing there is missing.
    """

    type: Type
    optional: bool = False
    default: object = None


@dataclass(frozen=True, slots=True)
class ActionSchema:
    """An action's arguments, and whether it is irreversible (None: not declared)."""

    args: RecordType = field(default_factory=RecordType)
    irreversible: bool | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """All that the rules of one policy may read.

    actions   every action by name with its arguments
    proposal  what every proposal has besides `action` and its arguments
    case      the user's state and the kernel's facts about the case
    advice    figures of the answer that the proposal is because of
    breaker   a state per dependency
    groups    people who may be asked, if they are known (None: any name)

    `now` is always there. An argument named like a field of every proposal would hide it and is refused.
    """

    actions: Mapping[str, ActionSchema]
    case: RecordType = field(default_factory=RecordType)
    proposal: RecordType = field(default_factory=RecordType)
    advice: RecordType = field(default_factory=RecordType)
    breaker: RecordType = field(default_factory=RecordType)
    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name, action in self.actions.items():
            for taken in ("action", *self.proposal.fields):
                if taken in action.args.fields:
                    raise ValueError(
                        f"argument `{taken}` of action `{name}` has the name of a field that every proposal has"
                    )

    @classmethod
    def standard(
        cls,
        *,
        actions: Mapping[str, ActionSchema],
        case: RecordType,
        statuses: Iterable[str] = (),
        dependencies: Iterable[str] = (),
        groups: Iterable[str] | None = None,
    ) -> Schema:
        """The schema of an automation: its own types and the facts that the kernel adds to every proposal and case.

        A case field with the name of a kernel fact is refused (ValueError); `status` is declared here, not in `case`.
        """
        facts: dict[str, Field] = {
            "in_doubt": Field(IntType(0, COUNT_MAX), default=0),
            "count": Field(RecordType({name: Field(IntType(0, COUNT_MAX), default=0) for name in actions})),
            "first_event_at": Field(TimestampType(), default="now"),
            "release": Field(StringType(200), default=""),
        }
        values = tuple(statuses)
        if values:
            facts["status"] = Field(EnumType(values), default=values[0])
        for name in facts:
            if name in case.fields:
                raise ValueError(f"case field `{name}` has the name of a fact that the kernel keeps")
        counter = Field(IntType(0, COUNT_MAX))
        return cls(
            actions=dict(actions),
            case=RecordType({**case.fields, **facts}),
            proposal=RecordType(
                {
                    "source": Field(EnumType(SOURCES)),
                    "irreversible": Field(BoolType()),
                    "score": Field(DecimalType(6, 0, 10**6), optional=True),
                }
            ),
            advice=RecordType({"agreed": counter, "rank": counter, "asked": counter}),
            breaker=RecordType({name: Field(EnumType(BREAKER_STATES), default="closed") for name in dependencies}),
            groups=None if groups is None else tuple(groups),
        )

    def roots(self, action: str) -> dict[str, Field]:
        """Every root as the rules for one action see it."""
        args = self.actions[action].args.fields
        return {
            "proposal": Field(RecordType({**self.proposal.fields, **args})),
            "case": Field(self.case),
            "advice": Field(self.advice),
            "breaker": Field(self.breaker),
            "now": Field(TimestampType()),
        }

    def to_data(self) -> dict[str, Any]:
        """Canonical plain form; equal schemas give equal data."""
        return {
            "actions": {
                name: {"args": type_to_data(action.args), "irreversible": action.irreversible}
                for name, action in self.actions.items()
            },
            "case": type_to_data(self.case),
            "proposal": type_to_data(self.proposal),
            "advice": type_to_data(self.advice),
            "breaker": type_to_data(self.breaker),
            "groups": None if self.groups is None else list(self.groups),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Schema:
        """The inverse of `to_data`. Raises ValueError for anything else."""
        try:
            return cls(
                actions={
                    name: ActionSchema(_record(action["args"]), action["irreversible"])
                    for name, action in data["actions"].items()
                },
                case=_record(data["case"]),
                proposal=_record(data["proposal"]),
                advice=_record(data["advice"]),
                breaker=_record(data["breaker"]),
                groups=None if data["groups"] is None else tuple(data["groups"]),
            )
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"not a policy schema: {error!r}") from error


def kind_of(type_: LeafType) -> Kind:
    """What an expression over this type is."""
    match type_:
        case BoolType():
            return BOOL
        case IntType():
            return INT
        case DecimalType(scale):
            return Kind("number", scale)
        case StringType():
            return STRING
        case EnumType(values):
            return Kind("enum", values=values)
        case TimestampType():
            return TIMESTAMP
        case DurationType():
            return DURATION
        case ListType(item):
            return Kind("list", item=kind_of(item))


def types_at(schema: Schema, actions: Iterable[str], path: str) -> tuple[Type, ...]:
    """The types that a dotted path has for these actions, each once; what an action does not have is left out."""
    found: dict[int, Type] = {}
    first, *rest = path.split(".")
    for action in sorted(actions):
        here = schema.roots(action).get(first)
        for part in rest:
            here = here.type.fields.get(part) if here is not None and isinstance(here.type, RecordType) else None
        if here is not None and here.type not in found.values():
            found[len(found)] = here.type
    return tuple(found.values())


def scaled(text: str, scale: int) -> int:
    """`12.5` with scale 2 is 1250. Raises ValueError if the text is no plain decimal or has more places."""
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text)
    whole, dot, places = digits.partition(".")
    if not (digits.isascii() and whole.isdigit()) or (dot and not places.isdigit()):
        raise ValueError("not a decimal number")
    if len(places) > scale:
        places = places.rstrip("0")
    if len(places) > scale:
        raise ValueError(f"more than {scale} decimal places" if scale else "not a whole number")
    return sign * int(whole + places.ljust(scale, "0"))


def unscaled(value: int, scale: int) -> str:
    """1250 with scale 2 is `12.50`."""
    if scale == 0:
        return str(value)
    digits = str(abs(value)).rjust(scale + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"


def type_to_data(type_: Type) -> Any:
    """A type as plain data: a list that begins with its name."""
    match type_:
        case BoolType():
            return ["bool"]
        case IntType(lo, hi):
            return ["int", lo, hi]
        case DecimalType(scale, lo, hi):
            return ["decimal", scale, lo, hi]
        case StringType(max_length):
            return ["string", max_length]
        case EnumType(values):
            return ["enum", *values]
        case TimestampType():
            return ["timestamp"]
        case DurationType(lo, hi):
            return ["duration", lo, hi]
        case ListType(item, max_items):
            return ["list", type_to_data(item), max_items]
        case InvisibleType(reason):
            return ["invisible", reason]
        case RecordType(fields):
            return ["record", {name: _field_to_data(f) for name, f in fields.items()}]


def type_from_data(data: Any) -> Type:
    """The inverse of `type_to_data`."""
    match data:
        case ["bool"]:
            return BoolType()
        case ["int", int(lo), int(hi)]:
            return IntType(lo, hi)
        case ["decimal", int(scale), int(lo), int(hi)]:
            return DecimalType(scale, lo, hi)
        case ["string", int(max_length)]:
            return StringType(max_length)
        case ["enum", *values]:
            return EnumType(tuple(str(value) for value in cast("list[object]", values)))
        case ["timestamp"]:
            return TimestampType()
        case ["duration", int(lo), int(hi)]:
            return DurationType(lo, hi)
        case ["list", item, int(max_items)]:
            return ListType(cast("ScalarType", type_from_data(item)), max_items)
        case ["invisible", str(reason)]:
            return InvisibleType(reason)
        case ["record", fields]:
            return RecordType({name: _field_from_data(value) for name, value in cast("dict[str, Any]", fields).items()})
        case _:
            raise ValueError(f"not a type of a policy schema: {data!r}")


def _record(data: Any) -> RecordType:
    type_ = type_from_data(data)
    if not isinstance(type_, RecordType):
        raise ValueError("a record is needed here")
    return type_


def _field_to_data(f: Field) -> dict[str, Any]:
    data: dict[str, Any] = {"type": type_to_data(f.type)}
    if f.optional:
        data["optional"] = True
    if f.default is not None:
        data["default"] = f.default
    return data


def _field_from_data(data: Mapping[str, Any]) -> Field:
    return Field(type_from_data(data["type"]), bool(data.get("optional", False)), data.get("default"))
