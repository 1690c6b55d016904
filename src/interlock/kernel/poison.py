"""Quarantine: a message whose turn cannot be completed is set aside whole, and its case waits for an operator.

Three things are poison: an exception in a reducer, a turn beyond its time, the death of the process with the
message in hand. What follows
in the same case may depend on the message, so the case takes no later message and starts no effect until the
message is retried or discarded;
every other case goes on.

INVARIANT: the turn of a quarantined message changes nothing of the case but `blocked`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import structs

from interlock.kernel.fold import diff
from interlock.kernel.outcome import Step, Turn
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import Envelope, TimerBody
from interlock.vocabulary.facts import Facts


class StepTooLong(BaseException):
    """A turn took longer than it may. Not an Exception: a reducer's own `except Exception` does not swallow it."""


POISON = (Exception, SystemExit, StepTooLong)
"""What a reducer may raise and nobody above it shall see. The rest (KeyboardInterrupt) is meant for the process."""


def why_poison(error: BaseException) -> str:
    """Why a message was set aside, for the operator who reads the quarantine."""
    if isinstance(error, StepTooLong):
        return "The step did not end within its time limit."
    return describe(error)


def quarantine_id(message: Envelope) -> str:
    """Name of a message in quarantine, unique within its case."""
    return f"{message.source}:{message.id}"


DETAIL_CHARS_MAX = 500
"""An exception's text in a record: enough to recognise it."""


def describe(error: BaseException) -> str:
    """An exception in one line, bounded, in characters that can be recorded."""
    text = said(error).strip().replace("\n", " ")
    return f"{type(error).__name__}: {text}"[:DETAIL_CHARS_MAX] if text else type(error).__name__


def said(error: BaseException) -> str:
    """What an exception says, bounded. It may be of a user's own class: even its `__str__` may fail, and its text may
    hold what no record can.
    """
    try:
        text = str(error)
    except Exception as worse:  # noqa: BLE001 - the exception is a value here; that it cannot be told is told
        return f"(its text cannot be had: {type(worse).__name__})"
    return text[:DETAIL_CHARS_MAX].encode("utf-8", "backslashreplace").decode()[:DETAIL_CHARS_MAX]


def quarantine(record: CaseRecord | None, message: Envelope, facts: Facts, why: str, *, blocks: bool = True) -> Step:
    """Set the message aside. `blocks` is False for an event whose case never opened: nothing waits behind it."""
    before = record or CaseRecord(message.automation, message.key)
    after = structs.replace(
        before,
        version=before.version + 1,
        updated_at=facts.now,
        blocked=quarantine_id(message) if blocks else before.blocked,
    )
    return _step(before, after, message, "quarantined", why)


def release(
    record: CaseRecord, message: Envelope, facts: Facts, how: Literal["retry", "discard"], principal: str
) -> Step:
    """An operator retries or discards it, and the case goes on.

    The caller puts a message to be retried back into the inbox, and behind it the events that are parked in a case that
    has been opened: they were waiting for this one alone.
    """
    parked = () if record.opened else record.parked
    timers = record.timers
    if how == "discard" and isinstance(message.body, TimerBody):
        timers = {name: timer for name, timer in timers.items() if name != message.body.name}
    after = structs.replace(
        record, version=record.version + 1, updated_at=facts.now, blocked="", parked=parked, timers=timers
    )
    return _step(record, after, message, "released", f"{how} by {principal}")


def _step(before: CaseRecord, after: CaseRecord, message: Envelope, kind: str, note: str) -> Step:
    turn = Turn(message, after.version, kind, (), (note,), (), late=False, delta=diff(before, after))
    return Step(case=after, turns=(turn,))
