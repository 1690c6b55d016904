"""What a step gives back: the next case and what the caller must now do. The caller does the I/O."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from interlock.vocabulary.action import Command
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.review import Review
from interlock.vocabulary.timers import TimerRow


class Turn(Struct, frozen=True, gc=False):
    """One consumed message: becomes one ledger entry, in this order."""

    cause: Envelope
    version: int
    kind: str
    decisions: tuple[Decision, ...]
    notes: tuple[str, ...]
    asked: tuple[str, ...]
    late: bool
    delta: dict[str, Any]


class Step(Struct, frozen=True, gc=False):
    """The case after, and the requests of all its turns. Everything commits together or not at all.

    commands_put   put replaces a command of the same id: the next attempt, the next phase
    started        id of the command whose start this step is: it may run as soon as the step is durable
    held           ids of commands that a pause keeps back until the control generation changes
    quarantined    messages set aside within this step: the message, why, and whether its case is blocked by it
    """

    case: CaseRecord
    turns: tuple[Turn, ...]
    commands_put: tuple[Command, ...] = ()
    commands_drop: tuple[str, ...] = ()
    timers_put: tuple[TimerRow, ...] = ()
    timers_drop: tuple[tuple[CaseId, str, str], ...] = ()
    reviews_put: tuple[tuple[CaseId, Review], ...] = ()
    reviews_drop: tuple[tuple[CaseId, str], ...] = ()
    sends: tuple[Envelope, ...] = ()
    started: str = ""
    held: tuple[str, ...] = ()
    quarantined: tuple[tuple[Envelope, str, bool], ...] = ()
