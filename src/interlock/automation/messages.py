"""Messages that a reducer takes besides events and timers: answers, calls, and what became of actions.

They are generic at run time as in annotations: `Answered[ReadAmount]` on a parameter is the declaration that this
reducer takes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic

from typing_extensions import TypeVar

from interlock.automation.models import Action, Question
from interlock.automation.values import Meta

R = TypeVar("R")
Q_co = TypeVar("Q_co", covariant=True, bound=Question[Any])
A_co = TypeVar("A_co", covariant=True, bound=Action[Any])


class Message:
    """Anything a reducer is given that is neither an event nor a timer."""

    __slots__ = ()


@dataclass(frozen=True)
class Answered(Message, Generic[Q_co]):
    """A question was answered by `advisor`; `rank` is its place in the chain, 1 the first choice.

    How many advisors agreed is not here: it is counted by putting every answer through this very reducer. Policies
    read `advice.agreed`.
    """

    question: Q_co
    raw_value: Any
    score: Decimal | None
    advisor: str
    rank: int
    rationale: str
    evidence: tuple[str, ...]
    meta: Meta

    @property
    def value(self: Answered[Question[R]]) -> R:
        """The answer, typed as the question says."""
        return self.raw_value


@dataclass(frozen=True)
class Unanswered(Message, Generic[Q_co]):
    """Every advisor of the chain failed, and why."""

    question: Q_co
    reason: str
    meta: Meta


@dataclass(frozen=True)
class Called(Message, Generic[A_co]):
    """A person or an agent asks for an action. Without a reducer for it, it is proposed as called."""

    args: A_co
    meta: Meta


@dataclass(frozen=True)
class Done(Message, Generic[A_co]):
    """An action took effect."""

    args: A_co
    raw_result: Any
    meta: Meta

    @property
    def result(self: Done[Action[R]]) -> R:
        """What its performer (or checker) returned, typed as the action says."""
        return self.raw_result


@dataclass(frozen=True)
class Failed(Message, Generic[A_co]):
    """An action definitely did not take effect, and why."""

    args: A_co
    reason: str
    meta: Meta
