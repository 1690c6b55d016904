"""Markers that decorators leave on functions of effects.py and advisors.py.

Assembly collects them; importing them registers nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic

from typing_extensions import TypeVar

from interlock.automation.payloads import Document, Picture

R_co = TypeVar("R_co", covariant=True)
A_co = TypeVar("A_co", covariant=True)


@dataclass(frozen=True)
class Advice(Generic[R_co]):
    """What an advisor returns: a value, how sure it is (0 to 1; None: it cannot say), why, and what it saw.

    A score earns nothing by itself: it is compared only with rungs that people's verdicts have earned or somebody
    vouched for.

    usage      what it took, whole numbers by name: `input_tokens`, `output_tokens`, `requests`; `cost` in millionths
               of the unit of `currency` (0.0123 EUR are 12300)
    """

    value: R_co
    score: float | None = None
    rationale: str = ""
    evidence: tuple[Picture | Document | str, ...] = ()
    usage: dict[str, int] = field(default_factory=dict[str, int])
    currency: str = ""


def is_async(run: Callable[..., Any]) -> bool:
    """Whether calling it gives something to await; a plain function is run in a thread."""
    call = getattr(run, "__call__", None)  # noqa: B004 - for objects whose `__call__` is async
    return inspect.iscoroutinefunction(run) or inspect.iscoroutinefunction(call)


@dataclass(frozen=True, eq=False)
class Performer(Generic[A_co, R_co]):
    """Carries out an action."""

    action: type[A_co]
    run: Callable[[Any, str], Any]

    @property
    def plain(self) -> bool:
        return not is_async(self.run)


@dataclass(frozen=True, eq=False)
class Checker(Generic[A_co, R_co]):
    """Says whether an action's effect under a key happened."""

    action: type[A_co]
    run: Callable[[Any, str], Any]

    @property
    def plain(self) -> bool:
        return not is_async(self.run)


@dataclass(frozen=True, eq=False)
class Fence(Generic[A_co]):
    """Makes an earlier attempt at an action impossible."""

    action: type[A_co]
    run: Callable[[Any, str], Any]

    @property
    def plain(self) -> bool:
        return not is_async(self.run)


@dataclass(frozen=True, eq=False)
class Advisor(Generic[A_co, R_co]):
    """Answers one type of question under a name."""

    question: type[A_co]
    name: str
    run: Callable[[Any], Any]

    @property
    def plain(self) -> bool:
        return not is_async(self.run)
