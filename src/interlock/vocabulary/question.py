"""A question that is being asked in a case."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from interlock.vocabulary.action import Reservation
from interlock.vocabulary.advice import Answer, Silence
from interlock.vocabulary.events import Envelope


class Asked(Struct, frozen=True, gc=False, omit_defaults=True):
    """One advisor's part in an open question: its open command, and what it said once it has.

    reservations  what asking it may cost; its command is put when all are granted
    """

    command: str = ""
    outcome: Answer | Silence | None = None
    reservations: tuple[Reservation, ...] = ()


class OpenQuestion(Struct, frozen=True, gc=False, omit_defaults=True):
    """A question that is being asked in a case, one per question type.

    digest   of (type, fields, who is asked how): another digest is another question
    cause    the envelope whose reducer asked, kept to rebuild the question from the state of a later moment
    requesters  principals of the triggering events, through every answer and timer in between
    rank     place in the chain of the advisor that leads now (1 = first choice)
    asked    every advisor asked so far, by name
    at_version  the turn that asked: an answer cannot be stale while the state has not changed since
    reasks   how often an answer came back stale
    """

    type: str
    digest: str
    fields: dict[str, Any]
    cause: Envelope
    rank: int = 1
    asked: dict[str, Asked] = {}
    reasks: int = 0
    at_version: int = 0
    requesters: tuple[str, ...] = ()
