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


class SubjectMark:
    """Stands in a field's metadata of an event: the person that the case's personal data is about."""

    def __repr__(self) -> str:
        return "Subject"


SUBJECT = SubjectMark()

Money: TypeAlias = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=2)]
"""An amount from 0 to one million with at most two decimal places."""

Name: TypeAlias = Annotated[str, Field(max_length=80)]
"""Text of at most 80 characters: names, keys, short reasons."""

Count: TypeAlias = Annotated[int, Field(ge=0, le=1000)]
"""A whole number from 0 to 1000."""

Sensitive: TypeAlias = Annotated[T, SENSITIVE]
"""`Sensitive[str]`: personal data. Sealed wherever it is stored, so that it can be erased; invisible to policies."""

Subject: TypeAlias = Annotated[str, Field(min_length=1, max_length=200), SUBJECT]
"""In an event: whom the case's personal data is about, as `interlock erase` is told. Without one it is the case's key.
Where the name itself is personal, write `Sensitive[Subject]`."""


class Meta(Struct, frozen=True, gc=False):
    """About a message: who sent it and when it happened (`occurred_at`, the sender's word), and `now`, the recorded
    time of this turn.
    """

    id: str
    source: str
    occurred_at: datetime
    now: datetime
    principal: str
