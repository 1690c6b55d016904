"""Ready-made field types with bounds that policies can read, the mark of personal data, and what every message carries
about itself.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeAlias

from msgspec import Struct
from pydantic import Field
from typing_extensions import TypeVar

T = TypeVar("T")


class SensitiveMark:
    """Stands in a field's metadata: the value is personal and erasable, and policies cannot read it."""

    def __repr__(self) -> str:
        return "Sensitive"


SENSITIVE = SensitiveMark()

Money: TypeAlias = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=2)]
"""An amount from 0 to one million with at most two decimal places."""

Name: TypeAlias = Annotated[str, Field(max_length=80)]
"""Text of at most 80 characters: names, keys, short reasons."""

Count: TypeAlias = Annotated[int, Field(ge=0, le=1000)]
"""A whole number from 0 to 1000."""

Sensitive: TypeAlias = Annotated[T, SENSITIVE]
"""`Sensitive[str]`: personal data. Kept apart so that it can be erased; invisible to policies."""


class Meta(Struct, frozen=True):
    """About a message: who sent it and when it happened (`occurred_at`, the sender's word), and `now`, the recorded
    time of this turn.
    """

    id: str
    source: str
    occurred_at: datetime
    now: datetime
    principal: str
