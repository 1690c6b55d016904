"""Sealed values: personal data as it stands in records, messages and commands.

A sealed value is one text, `sealed~ID~FIELD~BODY`: the seal (one key, of one case) that it was closed under, the field
that it belongs to, and the ciphertext. It holds no character that JSON escapes or that ends a word, so it can be found
and opened inside any other text, in a record as in what a command prints.

INVARIANT: nothing here can open a value. Whoever holds only a record holds ciphertext.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from interlock.vocabulary.ids import CaseId

PREFIX = "sealed~"

TOKEN = re.compile(r"sealed~(?P<seal>[0-9]+\.[0-9a-f]{16})~(?P<field>[\w.]{1,200})~(?P<body>[A-Za-z0-9_-]{22,})")
"""A sealed value, wherever it stands. 22 characters of body are the 16 bytes that authenticate an empty one."""


@dataclass(frozen=True, slots=True)
class Seal:
    """The key that the personal data of one case is closed under.

    id          slot and a random part: names the seal in every value that it closes
    secret      the key; empty once it was destroyed, at `erased_at` (microseconds)
    """

    id: str
    case: CaseId
    secret: bytes
    made_at: int
    erased_at: int = 0

    @property
    def slot(self) -> int:
        return slot_of_seal(self.id)


def seal_id(slot: int, random: bytes) -> str:
    """Name of a new seal; `random` is 8 bytes that nobody can foretell."""
    return f"{slot}.{random.hex()}"


def slot_of_seal(seal: str) -> int:
    return int(seal.partition(".")[0])


def token(seal: str, field: str, body: str) -> str:
    """The sealed value as it is stored."""
    return f"{PREFIX}{seal}~{field}~{body}"


def is_sealed(value: object) -> bool:
    """Whether a plain value is one sealed value, and nothing beside it."""
    return isinstance(value, str) and value.startswith(PREFIX) and TOKEN.fullmatch(value) is not None


def holds_sealed(value: Any) -> bool:
    """Whether plain data holds a sealed value anywhere in it."""
    if isinstance(value, str):
        return PREFIX in value and TOKEN.search(value) is not None
    if isinstance(value, dict):
        return any(holds_sealed(one) for one in cast("dict[Any, Any]", value).values())
    if isinstance(value, list | tuple):
        return any(holds_sealed(one) for one in cast("list[Any]", value))
    return False


def replaced(text: str, by: Callable[[str], str]) -> str:
    """The text with every sealed value in it replaced by what `by` makes of it."""
    return TOKEN.sub(lambda found: by(found[0]), text) if PREFIX in text else text


_PLACE = 0xE000
"""First of the characters that Unicode leaves to private use."""


def kept_whole(text: str, arrange: Callable[[str], str]) -> str:
    """Arrange a text (wrap it, say) with every sealed value in it as one short word that nothing breaks."""
    if PREFIX not in text:
        return arrange(text)
    tokens: list[str] = []

    def away(found: re.Match[str]) -> str:
        tokens.append(found[0])
        return f"{chr(_PLACE)}{len(tokens) - 1:_>7}{chr(_PLACE + 1)}"

    arranged = arrange(TOKEN.sub(away, text))
    return re.sub(f"{chr(_PLACE)}_*([0-9]+){chr(_PLACE + 1)}", lambda place: tokens[int(place[1])], arranged)
