"""What users write with: types, flow, reducers, effects and advisors, and the definition that is made of them.

Annotations are the declaration: nothing is written twice and nothing registers itself at import. `define` reads a
module and returns a
`Definition`, or every mistake in it at once. `Wire` is the only place where raw data meets a user's types, and
`UserReducers` the only
place where a user's pure functions run.

INVARIANT: this package imports no store, no model and no network; whoever replays a case needs nothing above it.
"""

from interlock.automation.app import Automation
from interlock.automation.defining import define, survey
from interlock.automation.definition import ActionType as ActionType
from interlock.automation.definition import Definition, EventType, QuestionType
from interlock.automation.effects import Effects, collect_effects
from interlock.automation.flow import Flow, status
from interlock.automation.markers import Advice, Advisor, Checker, Fence, Performer
from interlock.automation.messages import Answered, Called, Done, Failed, Message, Unanswered
from interlock.automation.models import Action, Case, Event, InDoubt, Question, Timer, action
from interlock.automation.payloads import Document, Picture, reading
from interlock.automation.reducing import UserReducers
from interlock.automation.requests import Request, Requests, after, ask, at, cancel, flag, propose
from interlock.automation.values import Count, Meta, Money, Name, Sensitive, Subject
from interlock.automation.wire import Wire

__all__ = [
    "Action",
    "ActionType",
    "Advice",
    "Advisor",
    "Answered",
    "Automation",
    "Called",
    "Case",
    "Checker",
    "Count",
    "Definition",
    "Document",
    "Done",
    "Effects",
    "Event",
    "EventType",
    "Failed",
    "Fence",
    "Flow",
    "InDoubt",
    "Message",
    "Meta",
    "Money",
    "Name",
    "Performer",
    "Picture",
    "Question",
    "QuestionType",
    "Request",
    "Requests",
    "Sensitive",
    "Subject",
    "Timer",
    "Unanswered",
    "UserReducers",
    "Wire",
    "action",
    "after",
    "ask",
    "at",
    "cancel",
    "collect_effects",
    "define",
    "flag",
    "propose",
    "reading",
    "status",
    "survey",
]
