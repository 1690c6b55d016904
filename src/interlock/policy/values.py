"""Raw values, as JSON carries them, made canonical (exact int, bool, text, or a tuple of these) and put in words.

INVARIANT: `canonical` returns a value of the type, within its bounds, or raises Unfit; never another exception.
INVARIANT: a float is never accepted: what it says is not what its sender meant.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, cast

from interlock.policy.diagnostics import nearest
from interlock.policy.limits import SCALAR_CHARS_MAX
from interlock.policy.moments import duration_text, iso_duration_us, timestamp_text, timestamp_us
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
    unscaled,
)
from interlock.policy.tree import Kind, Value

_DECIMAL = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


class Unfit(ValueError):
    """A raw value is not of its type. The text says why, without the path."""


def canonical(type_: LeafType, raw: object) -> Any:
    """The canonical value of a raw one."""
    match type_:
        case BoolType():
            if raw is True or raw is False:
                return raw
            raise Unfit(f"true or false is needed, not {shown(raw)}")
        case IntType(lo, hi):
            if type(raw) is not int:
                raise Unfit(f"a whole number is needed, not {shown(raw)}")
            return _within(raw, lo, hi, 0)
        case DecimalType(scale, lo, hi):
            return _within(_decimal(raw, scale), lo, hi, scale)
        case StringType(max_length):
            text = _text(raw)
            if len(text) > max_length:
                raise Unfit(f"{len(text)} characters; at most {max_length} are allowed")
            return text
        case EnumType(values):
            text = _text(raw)
            if text not in values:
                near = nearest(text, values)
                raise Unfit(
                    f"{shown(raw)} is none of {', '.join(values)}" + (f"; {near}" if near.startswith("did") else "")
                )
            return text
        case TimestampType():
            moment = _moment(raw, timestamp_us, "a timestamp")
            if TIMESTAMP_MIN <= moment <= TIMESTAMP_MAX:
                return moment
            raise Unfit(f"{shown(raw)} is outside the years 1 to 9999")
        case DurationType(lo, hi):
            return _within(_moment(raw, iso_duration_us, "a duration"), lo, hi, 0)
        case ListType(item, max_items):
            if type(raw) is not list and type(raw) is not tuple:
                raise Unfit(f"a list is needed, not {shown(raw)}")
            items = cast("list[object]", raw)
            if len(items) > max_items:
                raise Unfit(f"{len(items)} items; at most {max_items} are allowed")
            return tuple(canonical(item, one) for one in items)


def raw_of(type_: LeafType, value: Any) -> Any:
    """A raw form of a canonical value, such that `canonical` gives it back."""
    match type_:
        case DecimalType(scale):
            return unscaled(value, scale)
        case ListType(item):
            return [raw_of(item, one) for one in value]
        case _:
            return value


def words(type_: LeafType, value: Any) -> str:
    """A canonical value for people."""
    match type_:
        case BoolType():
            return "true" if value else "false"
        case DecimalType(scale):
            return unscaled(value, scale)
        case TimestampType():
            return timestamp_text(value)
        case DurationType():
            return duration_text(value)
        case ListType(item):
            return "[" + ", ".join(words(item, one) for one in value) + "]"
        case StringType():
            return f'"{value}"'
        case _:
            return str(value)


def constant_words(kind: Kind, value: Value) -> str:
    """A constant of a typed tree, as its author would write it."""
    match kind.name:
        case "number":
            return unscaled(int(value), kind.scale)
        case "duration":
            return duration_text(int(value))
        case "timestamp":
            return timestamp_text(int(value))
        case "bool":
            return "true" if value else "false"
        case _:
            return f'"{value}"'


def shown(raw: object) -> str:
    """A raw value in a message: its beginning, or its type if it is no scalar."""
    if raw is None:
        return "nothing"
    if type(raw) is float:
        return f"the float {raw!r} (send decimals as text)"
    if isinstance(raw, str):
        return repr(raw if len(raw) <= SCALAR_CHARS_MAX else raw[:SCALAR_CHARS_MAX] + "...")
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int):
        return str(raw) if raw.bit_length() < 256 else "a huge integer"
    return f"a value of type {type(raw).__name__}"


def _within(value: int, lo: int, hi: int, scale: int) -> int:
    if lo <= value <= hi:
        return value
    text = unscaled(value, scale) if value.bit_length() < 1024 else "a huge number"
    raise Unfit(f"{text} is outside {unscaled(lo, scale)}..{unscaled(hi, scale)}")


def _decimal(raw: object, scale: int) -> int:
    if type(raw) is int:
        return raw * 10**scale
    if type(raw) is not str or len(raw) > SCALAR_CHARS_MAX or _DECIMAL.fullmatch(raw) is None:
        raise Unfit(f"a decimal as text is needed, not {shown(raw)}")
    sign, digits, exponent = Decimal(raw).as_tuple()
    number = int("".join(map(str, digits)))
    shift = int(exponent) + scale
    if shift >= 0:
        number *= 10**shift
    else:
        number, rest = divmod(number, 10**-shift)
        if rest:
            raise Unfit(f"{raw} has more than {scale} decimal places")
    return -number if sign else number


def _text(raw: object) -> str:
    if type(raw) is not str:
        raise Unfit(f"text is needed, not {shown(raw)}")
    if not raw.isascii():
        try:
            raw.encode()
        except UnicodeEncodeError:
            raise Unfit("text with half a surrogate pair") from None
    return raw


def _moment(raw: object, parse: Any, what: str) -> int:
    if type(raw) is int:
        return raw
    if type(raw) is not str:
        raise Unfit(f"{what} is needed, not {shown(raw)}")
    try:
        return parse(raw)
    except ValueError as error:
        raise Unfit(f"{shown(raw)} is {error}") from None
