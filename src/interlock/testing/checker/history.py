"""What the judge is given, and what it says.

Everything is plain: bytes, text, integers, parsed JSON. Times are microseconds; amounts are integers of the budget's
scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

CaseName = tuple[str, str]
"""Automation and key."""

MessageName = tuple[str, str, str, str]
"""Automation, key, source and id: what identifies a message for ever."""


@dataclass(frozen=True)
class Submission:
    """One attempt to hand a message in. `receipt` "" means that no answer came: it may have been taken or not.
    `at`: when the answer came, or else when it was sent."""

    name: MessageName
    body: Any
    occurred_at: int
    receipt: Literal["accepted", "duplicate", "clash", ""]
    at: int


@dataclass(frozen=True)
class Call:
    """A performer, checker or fence was called. `durable`: newest committed entry of each slot at that moment."""

    at: int
    what: Literal["perform", "check", "fence"]
    action: str
    effect_key: str
    args: Any
    durable: Mapping[int, int]


@dataclass(frozen=True)
class Booking:
    """The outside did it. One entry of its own books."""

    at: int
    action: str
    effect_key: str
    args: Any


@dataclass(frozen=True)
class ActionRule:
    """What is promised of an action. Durations in microseconds."""

    kind: Literal["idempotent", "checkable", "once"]
    reversible: bool
    once_per_case: bool = False
    fenced: bool = False
    checked: bool = False
    not_after: tuple[str, ...] = ()
    final: bool = False
    key_valid_for: int = 0
    settle_after: int = 0


@dataclass(frozen=True)
class BudgetRule:
    """What may not be exceeded: `auto` by decisions without a person, `hard` by anybody. `sum`: argument that is
    added up; "" counts."""

    auto: int
    hard: int
    scale: int = 0
    sum: str = ""
    actions: tuple[str, ...] = ()
    windowed: bool = True


@dataclass(frozen=True)
class Rules:
    """What the automation promised. `two_eyes`: groups where a requester may approve."""

    actions: Mapping[str, ActionRule]
    budgets: Mapping[str, BudgetRule] = field(default_factory=dict[str, BudgetRule])
    two_eyes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Lost:
    """A stretch of a run that no record remembers: the store was put back to a state of `since` and taken into use
    again at `until`. What happened outside in between did happen; nothing of it may happen again."""

    since: int
    until: int

    def covers(self, at: int) -> bool:
        return self.since <= at <= self.until


@dataclass(frozen=True)
class History:
    """One run.

    ledger     per slot, in order: stored bytes and stored hash; heads: newest number and hash as each slot knows them
    cases      the stored records, as JSON bytes
    waiting    messages in the inbox at the end; quarantined: those set aside at the end
    settled    nothing was left to do when the run ended: whatever is still open then has been forgotten
    lost       the stretch that a restored backup does not know of
    """

    rules: Rules
    submitted: tuple[Submission, ...]
    calls: tuple[Call, ...]
    bookings: tuple[Booking, ...]
    ledger: Mapping[int, tuple[tuple[bytes, bytes], ...]]
    heads: Mapping[int, tuple[int, bytes]]
    cases: Mapping[CaseName, bytes]
    waiting: tuple[MessageName, ...] = ()
    quarantined: tuple[MessageName, ...] = ()
    settled: bool = False
    lost: Lost | None = None

    def forgotten(self, at: int) -> bool:
        """Whether what happened at this moment need not be in any record."""
        return self.lost is not None and self.lost.covers(at)


@dataclass(frozen=True)
class Violation:
    """A guarantee was broken. `guarantee` is its number in docs/guarantees.md; `where` names what it happened to."""

    guarantee: int
    what: str
    where: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = f" [{', '.join(self.where)}]" if self.where else ""
        return f"guarantee {self.guarantee}: {self.what}{names}"
