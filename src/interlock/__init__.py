"""The control layer between AI and production systems: AI advises, the interlock decides.

Everything a user writes with is here. Names are loaded when they are first used, so that `import interlock` and the
command line start without paying for what they do not need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interlock.assembly import BlockingInterlock, Interlock
    from interlock.automation.app import Automation
    from interlock.automation.flow import Flow, status
    from interlock.automation.markers import Advice
    from interlock.automation.messages import Answered, Called, Done, Failed, Unanswered
    from interlock.automation.models import Action, Case, Event, InDoubt, Question, Timer, action
    from interlock.automation.payloads import Document, Picture
    from interlock.automation.requests import Requests, after, ask, at, cancel, flag, propose
    from interlock.automation.values import Count, Meta, Money, Name, Sensitive, Subject
    from interlock.ports import NotDone

__all__ = [
    "Action",
    "Advice",
    "Answered",
    "Automation",
    "BlockingInterlock",
    "Called",
    "Case",
    "Count",
    "Document",
    "Done",
    "Event",
    "Failed",
    "Flow",
    "InDoubt",
    "Interlock",
    "Meta",
    "Money",
    "Name",
    "NotDone",
    "Picture",
    "Question",
    "Requests",
    "Sensitive",
    "Subject",
    "Timer",
    "Unanswered",
    "action",
    "after",
    "ask",
    "at",
    "cancel",
    "flag",
    "propose",
    "status",
]

_HOMES = {
    "BlockingInterlock": "interlock.assembly",
    "Interlock": "interlock.assembly",
    "NotDone": "interlock.ports",
}

if not TYPE_CHECKING:  # a type checker that saw this would accept every misspelt name

    def __getattr__(name: str) -> object:
        """The public name, from where it lives; it stays here afterwards."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = _HOMES.get(name, "interlock.automation")
        value = getattr(importlib.import_module(home), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
