"""A definition: everything an automation declares, as tables by name. Made by `define`, read by all the rest.

Events, questions and timers are known by their type's name, actions by its snake_case form: `ReturnUnpaid` is
`return_unpaid` in
policies, the flow, the ledger and on the command line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any, Literal

from interlock.automation.app import Automation
from interlock.automation.codec import Codec
from interlock.automation.models import Action, Case, Event, Question, Timer
from interlock.vocabulary.action import ActionSpec

MessageKind = Literal["event", "timer", "answered", "unanswered", "called", "done", "failed"]


@dataclass(frozen=True)
class EventType:
    """An event type. `opens`: it may open a case; the others wait for one that does."""

    name: str
    type: type[Event]
    codec: Codec
    opens: bool


@dataclass(frozen=True)
class TimerType:
    name: str
    type: type[Timer]
    codec: Codec


@dataclass(frozen=True)
class QuestionType:
    """A question type. `actions`: the answer is one of these actions, by name; otherwise `answer` is the codec of its
    value.
    """

    name: str
    type: type[Question[Any]]
    codec: Codec
    answer_type: Any
    answer: Codec | None
    actions: Mapping[str, type[Action[Any]]]


@dataclass(frozen=True)
class ActionType:
    """An action type with what the kernel knows of it. `result` is the codec of what its performer returns."""

    name: str
    type: type[Action[Any]]
    codec: Codec
    result_type: Any
    result: Codec
    spec: ActionSpec


@dataclass(frozen=True)
class Reducer:
    """A reducer and the message it takes."""

    kind: MessageKind
    name: str
    function: Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Fallback:
    """A fallback: given the case and the refused action (by name), another action."""

    name: str
    refused: frozenset[str]
    function: Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Upcast:
    """How a value of an old type becomes one of the next. `schema` is the old type's id as stored."""

    old: type[Any]
    new: type[Any]
    schema: str
    codec: Codec
    function: Callable[[Any], Any]


@dataclass(frozen=True)
class Definition:
    """Everything automation.py declares.

    flow        per status: names of the actions valid in it, next statuses; initial: the status of a case nobody has
                heard of
    schemas     id of each stored type as it is now: name and a digest of its fields and bounds
    sensitive   per type name, the dotted paths of personal data in it
    subjects    per event, the fields that name the person it is about
    """

    name: str
    app: Automation[Any, Any]
    modules: tuple[ModuleType, ...]
    case: type[Case]
    case_codec: Codec
    key: str
    flow: Mapping[str, tuple[frozenset[str], frozenset[str]]]
    initial: str
    events: Mapping[str, EventType]
    timers: Mapping[str, TimerType]
    questions: Mapping[str, QuestionType]
    actions: Mapping[str, ActionType]
    reducers: Mapping[tuple[MessageKind, str], Reducer]
    fallbacks: Mapping[str, Fallback]
    upcasts: tuple[Upcast, ...] = ()
    schemas: Mapping[str, str] = field(default_factory=dict[str, str])
    sensitive: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    subjects: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @cached_property
    def seals(self) -> bool:
        """Whether any type holds personal data, so that vaults are needed."""
        tables = (self.events, self.timers, self.questions, self.actions)
        codecs = [self.case_codec, *(one.codec for table in tables for one in table.values())]
        codecs += [one.answer for one in self.questions.values() if one.answer is not None]
        codecs += [one.result for one in self.actions.values()]
        codecs += [one.codec for one in self.upcasts]
        return any(codec.seals for codec in codecs)

    @property
    def statuses(self) -> tuple[str, ...]:
        return tuple(self.flow)

    def action_name(self, cls: type[Action[Any]]) -> str:
        """The name under which a class of action is known here."""
        return snake(cls.__name__)


def snake(name: str) -> str:
    """`ReturnUnpaid` is `return_unpaid`, `DropSQLTable` is `drop_sql_table`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
