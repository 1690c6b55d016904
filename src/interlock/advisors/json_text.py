"""How advisors read JSON: with the strict reader that reads events at the door, which the assembly hands them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class NotJson(Exception):
    """The bytes are no JSON that can be recorded exactly and read in one way only. Says what and where, no content."""


Parse = Callable[[bytes], Any]
"""Plain data of JSON bytes, fractions as Decimal. Raises NotJson."""
