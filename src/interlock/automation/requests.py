"""What a reducer may want: ask, propose, set or cancel a timer, take an action back, flag.

One, a tuple, or None; nothing happens by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from interlock.automation.messages import Message
from interlock.automation.models import Action, Event, Question, Timer


@dataclass(frozen=True, slots=True)
class Request:
    """One thing a reducer wants. Made by the functions of this module."""


@dataclass(frozen=True, slots=True)
class AskRequest(Request):
    question: Question[Any]
    fresh: bool


@dataclass(frozen=True, slots=True)
class ProposeRequest(Request):
    action: Action[Any]
    because: Event | Timer | Message | str
    compensates: type[Action[Any]] | None = None


@dataclass(frozen=True, slots=True)
class TimerRequest(Request):
    timer: Timer
    delay: timedelta | None
    due: datetime | None


@dataclass(frozen=True, slots=True)
class CancelRequest(Request):
    what: type[Timer] | type[Action[Any]]


@dataclass(frozen=True, slots=True)
class FlagRequest(Request):
    text: str


Requests: TypeAlias = Request | tuple[Request, ...] | None
"""What a reducer returns."""


def ask(question: Question[Any], *, fresh: bool = False) -> Request:
    """Ask. The same question in the same case under the same release gets its recorded answer again, unless `fresh`."""
    return AskRequest(question, fresh)


def propose(
    action: Action[Any],
    *,
    because: Event | Timer | Message | str,
    compensates: type[Action[Any]] | None = None,
) -> Request:
    """Propose an action because of the message at hand, or in words. The answer's score and evidence travel with it.

    compensates   the action whose newest effect in this case it is to make good; it is judged and recorded as that, and
                  denied where there is none. The undo of a reversible action needs no such word
    """
    return ProposeRequest(action, because, compensates)


def after(delay: timedelta, timer: Timer) -> Request:
    """Set a timer, counted from the recorded `now` of this turn. A timer of the same type is set again."""
    return TimerRequest(timer, delay, None)


def at(when: datetime, timer: Timer) -> Request:
    """Set a timer for a moment (with its time zone)."""
    return TimerRequest(timer, None, when)


def cancel(what: type[Timer] | type[Action[Any]]) -> Request:
    """Cancel a timer, or take back what is decided of an action but not started."""
    return CancelRequest(what)


def flag(text: str) -> Request:
    """Mark the case for people."""
    return FlagRequest(text)
