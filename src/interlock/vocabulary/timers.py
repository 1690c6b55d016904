"""A durable deadline as the store keeps it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from interlock.vocabulary.ids import CaseId


class TimerRow(Struct, frozen=True, gc=False, omit_defaults=True):
    """One deadline, one per (case, kind, name); setting it again replaces it.

    kind    "timer": the automation's own; otherwise what a `WakeBody` calls it (review, budget, orphans)
    due     microseconds; `generation` tells a deadline set again from the one before it
    """

    case: CaseId
    kind: str
    name: str
    due: int
    generation: int
    data: dict[str, Any] = {}
