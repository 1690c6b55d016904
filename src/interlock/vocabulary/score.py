"""An advisor's score, made exact: whole millionths, rounded down.

    floor(Decimal(repr(x)) * 10^6)

A model reports a binary float; its shortest text is what was meant. Going through binary fractions instead (`int(x * 1e6)`)
gets about half of such values wrong, and a threshold must not depend on that.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from interlock.vocabulary.errors import Refused

SCORE_SCALE = 6
"""Decimal places of a score."""


def score_micro(x: float) -> int:
    """Millionths of a score between 0 and 1. NaN, infinities and anything outside are Refused (code `score`)."""
    if type(x) not in (int, float) or not 0 <= x <= 1:
        raise Refused(f"A score is a number between 0 and 1, not {x!r}.", code="score")
    return int((Decimal(repr(x)) * 10**SCORE_SCALE).to_integral_value(rounding=ROUND_FLOOR))
