"""JSON from outside, read strictly: what cannot be recorded exactly or can be read in two ways is refused.

Refused: more bytes than an event may have, text that is not UTF-8 or holds lone surrogates, the same key twice in an
object, NaN and infinities, integers beyond any business number, nesting deeper than any business fact. Numbers with a
fraction become Decimal, exactly as written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from interlock.vocabulary import limits
from interlock.vocabulary.errors import Refused

_INTEGER_MAX = 2**limits.INTEGER_BITS_MAX
_INTEGER_CHARS_MAX = len(str(_INTEGER_MAX)) + 1


def parse(text: str | bytes, *, bytes_max: int = limits.EVENT_BYTES_MAX) -> Any:
    """The value of a JSON text. Raises Refused with what is wrong and where."""
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > bytes_max:
        raise Refused(f"{size} bytes of JSON; at most {bytes_max} are taken.", code="too_large")
    try:
        value: Any = json.loads(
            # The standard library would guess at UTF-16 and UTF-32. A byte order mark says nothing, and is common.
            text.decode("utf-8-sig") if isinstance(text, bytes) else text,
            object_pairs_hook=_object,
            parse_float=_fraction,
            parse_int=_integer,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise Refused(f"Not UTF-8 at byte {error.start}.", code="bad_unicode") from None
    except json.JSONDecodeError as error:
        raise Refused(f"Not JSON: {error.msg} at line {error.lineno}, column {error.colno}.", code="bad_json") from None
    except RecursionError:
        raise Refused(f"Nested deeper than {limits.DEPTH_MAX} levels.", code="too_deep") from None
    check(value)
    return value


def check(value: Any, path: str = "$", depth: int = 0) -> None:
    """Refuse plain data that cannot be recorded exactly. For data that did not come through `parse`, too."""
    if depth > limits.DEPTH_MAX:
        raise Refused(f"{path}: nested deeper than {limits.DEPTH_MAX} levels.", code="too_deep")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _text(value, path)
    elif isinstance(value, int):
        if not -_INTEGER_MAX < value < _INTEGER_MAX:
            raise Refused(f"{path}: an integer of more than {limits.INTEGER_BITS_MAX} bits.", code="integer_too_large")
    elif isinstance(value, float | Decimal):
        if not Decimal(value).is_finite():
            raise Refused(f"{path}: {value} is not a finite number.", code="not_finite")
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[Any, Any]", value).items():
            if not isinstance(key, str):
                raise Refused(f"{path}: the key {key!r} is not text.", code="bad_json")
            _text(key, f"{path} (a key)")
            check(inner, f"{path}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(cast("list[Any]", value)):
            check(inner, f"{path}[{index}]", depth + 1)
    else:
        raise Refused(f"{path}: {type(value).__name__} has no place in JSON.", code="bad_json")


def _text(value: str, path: str) -> None:
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Refused(
            f"{path}: a lone surrogate at character {error.start}; not valid Unicode.", code="bad_unicode"
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Refused(f"The key {key!r} stands twice in one object.", code="duplicate_key")
            seen.add(key)
    return found


def _integer(text: str) -> int:
    if len(text) > _INTEGER_CHARS_MAX:
        raise Refused(
            f"An integer of {len(text)} digits; at most {limits.INTEGER_BITS_MAX} bits are taken.",
            code="integer_too_large",
        )
    return int(text)


def _fraction(text: str) -> Decimal:
    if len(text) > _INTEGER_CHARS_MAX * 2:
        raise Refused(f"A number of {len(text)} characters.", code="integer_too_large")
    value = Decimal(text)
    exponent = value.as_tuple().exponent
    if not value.is_finite() or not isinstance(exponent, int) or abs(value.adjusted()) > _INTEGER_CHARS_MAX:
        raise Refused(f"The number {text} is out of range.", code="integer_too_large")
    return value


def _constant(name: str) -> Any:
    raise Refused(f"{name} is not a number.", code="not_finite")
