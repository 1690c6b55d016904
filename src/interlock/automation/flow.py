"""The flow: one table that says, per status, which actions are valid and which statuses may follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias

from typing_extensions import TypeVar

from interlock.automation.models import Action

S = TypeVar("S", bound=str)


@dataclass(frozen=True, slots=True)
class StatusRow(Generic[S]):
    """One status: what may be done in it, and where a case may go from it."""

    may: tuple[type[Action[Any]], ...] = ()
    to: tuple[S, ...] = ()


def status(*may: type[Action[Any]], to: tuple[S, ...] = ()) -> StatusRow[S]:
    """One row of a flow: the actions valid in this status, and the next statuses."""
    return StatusRow(may, to)


Flow: TypeAlias = Mapping[S, StatusRow[S]]
"""`FLOW: Flow[Status] = {...}` with `Status` a Literal: a misspelt status is a type error."""
