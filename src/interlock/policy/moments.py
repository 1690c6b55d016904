"""Timestamps and durations between ISO 8601 text and exact microseconds. No floats on the way, no clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from interlock.policy.limits import SCALAR_CHARS_MAX

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_DURATION = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<w>[0-9]+)W)?(?:(?P<d>[0-9]+)D)?"
    r"(?:T(?:(?P<h>[0-9]+)H)?(?:(?P<m>[0-9]+)M)?(?:(?P<s>[0-9]+)(?:\.(?P<f>[0-9]{1,6}))?S)?)?",
    re.ASCII,
)
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}


def timestamp_us(text: str) -> int:
    """Microseconds of `2026-01-31T08:00:00Z`. An offset is needed; ValueError says what is wrong."""
    if len(text) > SCALAR_CHARS_MAX or _TIMESTAMP.fullmatch(text) is None:
        raise ValueError("not a timestamp: write 2026-01-31T08:00:00Z, with an offset and at most 6 decimals")
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MICROSECOND
    except OverflowError as error:
        raise ValueError("a timestamp outside the years 1 to 9999") from error


def timestamp_text(us: int) -> str:
    """The inverse, in UTC."""
    moment = _EPOCH + timedelta(microseconds=us)
    return moment.replace(tzinfo=None).isoformat() + "Z"


def iso_duration_us(text: str) -> int:
    """Microseconds of `P30D` or `PT1H30M`. Months and years have no length and are refused with ValueError."""
    match = _DURATION.fullmatch(text) if len(text) <= SCALAR_CHARS_MAX else None
    if match is None or text[-1] in "PT":
        raise ValueError("not a duration: write P30D or PT1H30M (no months, no years)")
    total = sum(int(match[unit] or 0) * seconds for unit, seconds in _SECONDS.items()) * 1_000_000
    total += int((match["f"] or "").ljust(6, "0"))
    return -total if match["sign"] == "-" else total


def duration_text(us: int) -> str:
    """A duration as policies write it: `30d`, `1h30m`, `-5s`."""
    if us == 0:
        return "0s"
    rest = abs(us)
    parts: list[str] = []
    for unit, size in (
        ("d", 86_400_000_000),
        ("h", 3_600_000_000),
        ("m", 60_000_000),
        ("s", 1_000_000),
        ("ms", 1_000),
        ("us", 1),
    ):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if us < 0 else "") + "".join(parts)
