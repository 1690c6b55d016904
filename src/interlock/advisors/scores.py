"""Where a score comes from: the probability of the tokens that spell the value, or how many samples agree on it.

Both are figures about the model, not probabilities of being right: they order answers, and a rung of that order is
trusted when people's verdicts have earned it or somebody vouches for it. What a model says of its own sureness is no
score at all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from interlock.advisors.models import Token
from interlock.vocabulary.advice import SCORE_ONE

_SPACE = " \t\n\r"


def agreement(values: Sequence[Any], asked: int) -> tuple[int, int]:
    """Index of the first value of the largest group of equal ones, and that group's share of all samples asked for,
    in millionths rounded down. Of two groups of one size the one that came first leads.
    """
    counts = [sum(one == other for other in values) for one in values]
    best = max(range(len(values)), key=lambda i: (counts[i], -i))
    return best, counts[best] * SCORE_ONE // asked


def of_tokens(text: str, tokens: Sequence[Token], key: str, fields: tuple[str, ...]) -> int | None:
    """Probability, in millionths rounded down, of the tokens that spell the value of `key` in the JSON object `text`.

    With `fields`, only those fields of the value count. None where the tokens do not spell the text, or a figure among
    them is none.
    """
    raw = text.encode()
    if not tokens or b"".join(token.piece for token in tokens) != raw:
        return None
    spans = _spans(text, key, fields)
    if not spans:
        return None
    # Positions in characters become positions in bytes: tokens may split a character.
    ranges = [(len(text[:start].encode()), len(text[:end].encode())) for start, end in spans]
    total, at = 0.0, 0
    for token in tokens:
        begin, at = at, at + len(token.piece)
        if any(begin < end and start < at for start, end in ranges):
            if not token.logprob.is_finite() or token.logprob > 0:
                return None
            total += float(token.logprob)
    return int(Decimal(repr(math.exp(total))) * SCORE_ONE)


def _spans(text: str, key: str, fields: tuple[str, ...]) -> list[tuple[int, int]]:
    """Where the value stands, as (start, end) in characters; with `fields`, where those of its members stand."""
    members = _members(text, _skip(text, 0))
    if key not in members:
        return []
    start, end = members[key]
    if not fields or text[start] != "{":
        return [(start, end)]
    inner = _members(text, start)
    return [inner[name] for name in fields if name in inner]


def _members(text: str, at: int) -> dict[str, tuple[int, int]]:
    """The spans of the values of the JSON object that begins at `at`. The text is valid JSON."""
    decoder = json.JSONDecoder()
    found: dict[str, tuple[int, int]] = {}
    if at >= len(text) or text[at] != "{":
        return found
    at = _skip(text, at + 1)
    while at < len(text) and text[at] == '"':
        name, at = decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        _, end = decoder.raw_decode(text, at)
        found[name] = (at, end)
        at = _skip(text, end)
        if at < len(text) and text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
