"""The automation object: the name, the case type, the key and the flow, and the functions that were put on it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Generic

from pydantic import BaseModel
from typing_extensions import TypeVar

from interlock.automation.flow import Flow
from interlock.automation.messages import Message
from interlock.automation.models import Action, Case, Event, Question, Timer
from interlock.automation.requests import Requests

C = TypeVar("C", bound=Case)
S = TypeVar("S", bound=str)
E = TypeVar("E", bound=Event | Timer | Message)
A = TypeVar("A", bound=Action[Any])
B = TypeVar("B", bound=Action[Any])
Old = TypeVar("Old", bound=BaseModel)
New = TypeVar("New", bound=Case | Event | Question[Any] | Action[Any])


class Automation(Generic[C, S]):
    """`app = Automation("cheques", case=Cheque, key="cheque", flow=FLOW)`: one per automation.py.

    `key` names the field that every event has and that says which case it is about.
    """

    def __init__(self, name: str, *, case: type[C], key: str, flow: Flow[S]) -> None:
        self.name = name
        self.case = case
        self.key = key
        self.flow = flow
        self.reducers: list[Callable[..., Any]] = []
        self.fallbacks: list[Callable[..., Any]] = []
        self.upcasts: list[Callable[..., Any]] = []
        frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage] - where `app = ...` stands, for messages
        self.module: str = frame.f_globals.get("__name__", "")
        self.line: int = frame.f_lineno

    def on(self, handler: Callable[[C, E], Requests]) -> Callable[[C, E], Requests]:
        """Declare a reducer for the message type of its second parameter."""
        self.reducers.append(handler)
        return handler

    def fallback(self, handler: Callable[[C, A], B]) -> Callable[[C, A], B]:
        """Declare another action instead of the refused one, for policies to name: `{then: fallback, to: NAME}`.

        What it returns is judged again, once.
        """
        self.fallbacks.append(handler)
        return handler

    def upcast(self, handler: Callable[[Old], New]) -> Callable[[Old], New]:
        """Declare how a value stored under an old type becomes one of the type that replaced it."""
        self.upcasts.append(handler)
        return handler
