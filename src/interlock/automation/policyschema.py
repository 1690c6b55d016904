"""What policies may read of an automation, from its types: bounded fields by their type, everything else invisible
with the missing bound named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, TypeAlias, cast

from interlock.automation.definition import ActionType, Definition
from interlock.automation.shape import Shape, shape_of
from interlock.policy.schema import (
    NAME,
    ActionSchema,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    Field,
    IntType,
    InvisibleType,
    ListType,
    RecordType,
    Schema,
    StringType,
    TimestampType,
    Type,
)

SCALE_MAX = 18
PAYLOAD_REASON = "a picture or document is content, not a value to compare"


Visible: TypeAlias = "tuple[tuple[str, Visible | None], ...]"
"""The fields of a record that policies may read: worked out once, gone through for every decision."""


def derive_schema(
    definition: Definition, *, dependencies: Iterable[str] = (), groups: Iterable[str] | None = None
) -> Schema:
    """The schema that `interlock policy schema` prints: roots proposal, case, advice, breaker and now."""
    case = _record(shape_of(definition.case_codec.schema), _hidden(definition, definition.case.__name__))
    fields = {name: field for name, field in case.fields.items() if name != "status"}
    actions = {
        name: ActionSchema(
            _record(shape_of(action.codec.schema), _hidden(definition, action.type.__name__)),
            irreversible=not action.spec.reversible,
        )
        for name, action in definition.actions.items()
    }
    return Schema.standard(
        actions=actions,
        case=RecordType(fields),
        statuses=_first(definition.initial, definition.statuses),
        dependencies=dependencies,
        groups=groups,
    )


def result_field(action: ActionType) -> Field:
    """What an action results in, as a policy would see it: a record, or a single bounded value."""
    return _field({"type": shape_of(action.result.schema)}, frozenset(), "")


def visible_fields(record: RecordType) -> Visible:
    """Names of a record's fields that policies may read, each with its own such fields where it is a record."""
    return tuple(
        (name, visible_fields(field.type) if isinstance(field.type, RecordType) else None)
        for name, field in record.fields.items()
        if not isinstance(field.type, InvisibleType)
    )


def visible_part(fields: Visible, data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record's plain data that policies may read. Nulls are absent."""
    seen: dict[str, Any] = {}
    for name, inner in fields:
        value = data.get(name)
        if value is not None:
            seen[name] = value if inner is None else visible_part(inner, value)
    return seen


def _first(initial: str, statuses: tuple[str, ...]) -> tuple[str, ...]:
    """The initial status first: it is the neutral value in a policy's own tests."""
    return (initial, *(status for status in statuses if status != initial))


def _hidden(definition: Definition, type_name: str) -> frozenset[str]:
    return frozenset(definition.sensitive.get(type_name, ()))


def _record(shape: Shape, hidden: Collection[str], path: str = "") -> RecordType:
    fields: dict[str, Field] = {}
    for name, one in cast("dict[str, Shape]", shape["fields"]).items():
        if not NAME.fullmatch(name):
            continue
        here = f"{path}.{name}" if path else name
        fields[name] = _field(one, hidden, here)
    return RecordType(fields)


def _field(described: Shape, hidden: Collection[str], path: str) -> Field:
    shape: Shape = described["type"]
    optional = False
    while shape["is"] == "optional":
        optional, shape = True, shape["of"]
    if path in hidden:
        return Field(InvisibleType("it is personal data (Sensitive), which rules do not read"), optional)
    type_ = _type(shape, hidden, path)
    default = described.get("default")
    neutral = (
        default
        if default is not None and not isinstance(default, dict) and not isinstance(type_, InvisibleType)
        else None
    )
    return Field(type_, optional, neutral)


def _type(shape: Shape, hidden: Collection[str], path: str) -> Type:
    match shape["is"]:
        case "bool":
            return BoolType()
        case "int":
            return _int(shape)
        case "decimal":
            return _decimal(shape)
        case "enum":
            values = shape["values"]
            if all(isinstance(value, str) for value in values):
                return EnumType(tuple(values))
            return InvisibleType("a Literal or Enum of anything but text: use text values")
        case "datetime":
            return TimestampType()
        case "timedelta":
            return DurationType()
        case "str":
            length = shape.get("max_length")
            return (
                StringType(int(length))
                if length is not None
                else InvisibleType("str without max_length: use Annotated[str, Field(max_length=...)], e.g. Name")
            )
        case "list" | "set" | "frozenset":
            return _list(shape, hidden, path)
        case "record":
            return _record(shape, hidden, path)
        case "float":
            return InvisibleType("float: use Decimal with ge, le and decimal_places, e.g. Money")
        case "payload":
            return InvisibleType(PAYLOAD_REASON)
        case "union":
            return InvisibleType("a union: rules need one type; use separate fields")
        case "date" | "time":
            return InvisibleType(f"{shape['is']}: use an aware datetime")
        case other:
            return InvisibleType(
                f"{other}: rules read bool, int, Decimal, Literal, datetime, timedelta, str and lists, all with bounds"
            )


def _int(shape: Shape) -> Type:
    lo = shape.get("ge", int(shape["gt"]) + 1 if "gt" in shape else None)
    hi = shape.get("le", int(shape["lt"]) - 1 if "lt" in shape else None)
    if lo is None or hi is None:
        return InvisibleType(f"int without {_missing(lo, hi)}: use Annotated[int, Field(ge=..., le=...)], e.g. Count")
    return IntType(int(lo), int(hi))


def _decimal(shape: Shape) -> Type:
    places = shape.get("decimal_places")
    lo, hi = shape.get("ge", shape.get("gt")), shape.get("le", shape.get("lt"))
    missing = [name for name, value in (("ge", lo), ("le", hi), ("decimal_places", places)) if value is None]
    if missing:
        return InvisibleType(
            f"Decimal without {' and '.join(missing)}: "
            "use Annotated[Decimal, Field(ge=..., le=..., decimal_places=...)], e.g. Money"
        )
    scale = int(cast("int", places))
    if scale > SCALE_MAX:
        return InvisibleType(f"Decimal with more than {SCALE_MAX} decimal_places")
    low, high = Decimal(str(lo)).scaleb(scale), Decimal(str(hi)).scaleb(scale)
    least = _whole(low, ROUND_CEILING) if "ge" in shape else _whole(low, ROUND_FLOOR) + 1
    most = _whole(high, ROUND_FLOOR) if "le" in shape else _whole(high, ROUND_CEILING) - 1
    return DecimalType(scale, least, most)


def _list(shape: Shape, hidden: Collection[str], path: str) -> Type:
    length = shape.get("max_length")
    if length is None:
        return InvisibleType("list without max_length: use Annotated[list[...], Field(max_length=...)]")
    item = _type(shape["of"], hidden, path)
    if isinstance(item, InvisibleType):
        return replace(item, reason=f"its items: {item.reason}")
    if isinstance(item, RecordType | ListType):
        return InvisibleType("a list of records or lists: rules read lists of single values")
    return ListType(item, int(length))


def _missing(lo: object, hi: object) -> str:
    return " and ".join(name for name, value in (("ge", lo), ("le", hi)) if value is None)


def _whole(bound: Decimal, rounding: str) -> int:
    return int(bound.to_integral_value(rounding=rounding))
