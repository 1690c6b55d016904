"""One value, one byte string: the encoding under every hash and every ledger entry.

JSON with sorted keys, decimals as strings, no floats. `encode` is what is stored; `digest` is what is compared.

INVARIANT: equal values encode to equal bytes on every machine and Python version, so a hash of today verifies in years.
A frozen value and its plain form encode alike (fields are sorted like keys): a reader that knows an entry's delta only
as plain data gets the very bytes back.

A float has no place here: 0.1 is not 0.1. Values come through typed models that turn floats into their shortest text.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="sorted", decimal_format="string")
_decoder = msgspec.json.Decoder()

encode = _encoder.encode
"""Canonical bytes of plain data and of the frozen values in this package."""


def decode(body: bytes | str) -> Any:
    """Plain data (dict, list, str, int, bool, None) of canonical bytes."""
    return _decoder.decode(body)


def digest(value: object) -> str:
    """Hex sha256 of the canonical bytes of `value`."""
    return hashlib.sha256(encode(value)).hexdigest()


def short(value: object) -> str:
    """First 16 hex digits of `digest`: names questions and arguments inside one case, where 64 bits are ample."""
    return hashlib.sha256(encode(value)).hexdigest()[:16]
