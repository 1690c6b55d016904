"""What the kernel must know of an automation under one release.

A `Program` is a value: tables and the policy, plus `Reducers`, the automation's pure functions behind a narrow
protocol. `interlock.automation`
builds it from what a user wrote; the kernel never sees a user's class, only plain data that went through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from msgspec import Struct

from interlock.policy import Policy
from interlock.vocabulary.action import ActionSpec
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.limits import ORPHAN_AFTER_MS
from interlock.vocabulary.release import BudgetSpec, Certificate, QuestionSpec, ReviewSpec
from interlock.vocabulary.verdict import Group

Data = dict[str, Any]


class Rejected(Exception):
    """Plain data does not fit the user's type: unknown action, extra or wrong argument, wrong answer. `str()` says
    what and where.
    """


class Ask(Struct, frozen=True, gc=False):
    """A reducer asks. `digest` identifies type, fields and who is asked how."""

    question: str
    fields: Data
    digest: str
    fresh: bool = False


class Propose(Struct, frozen=True, gc=False):
    """A reducer proposes an action because of the message it was given (`because` "message") or in its own words
    (`text`).

    `args` is plain data as the action's type dumps it (`fits`), or raw arguments it has still to judge, with `invalid`
    saying why where it is known that they do not fit. `compensates`: the action whose newest effect it is to make good.
    """

    action: str
    args: Data
    text: str = ""
    invalid: str = ""
    fits: bool = False
    compensates: str = ""


class SetTimer(Struct, frozen=True, gc=False):
    """Set (or set again) the timer of this name. Either `due` (microseconds) or `delay` from the turn's now."""

    name: str
    due: int | None = None
    delay: int | None = None
    data: Data = {}


class CancelTimer(Struct, frozen=True, gc=False):
    name: str


class CancelAction(Struct, frozen=True, gc=False):
    """Take back what is decided but not started. What has started is not touched."""

    action: str


class Flag(Struct, frozen=True, gc=False):
    text: str


Request = Ask | Propose | SetTimer | CancelTimer | CancelAction | Flag


class MessageView(Struct, frozen=True, gc=False):
    """What a reducer is given, as plain data. `kind` and `type` choose the reducer:

    event      type = event type, data = its fields            timer      type = timer name, data = its fields
    answered   type = question type; question, answer, advisor, rank
    unanswered type = question type; question, reason          called     type = action, data = args
    done       type = action, data = args, result              failed     type = action, data = args, reason
    """

    kind: str
    type: str
    id: str
    source: str
    principal: str
    occurred_at: int
    now: int
    data: Data
    result: Any = None
    reason: str = ""
    answer: Answer | None = None
    question: Data | None = None
    advisor: str = ""
    rank: int = 0


class Reduction(Struct, frozen=True, gc=False):
    """The case's state after a reducer (plain data and status) and what it asked for, in order."""

    state: Data
    status: str
    requests: tuple[Request, ...] = ()


class Reducers(Protocol):
    """The automation's pure functions. Every method may raise what the user's code raises; the caller treats that
    as poison.
    """

    def initial(self) -> tuple[Data, str, str]:
        """State, status and schema id of a case nobody has heard of."""
        ...

    def current(self, state: Data, schema: str) -> tuple[Data, str]:
        """State under this release's schema, through upcasters where it was stored under another; and the schema's
        id.
        """
        ...

    def has(self, kind: str, type: str) -> bool:
        """Whether a reducer takes this message."""
        ...

    def reduce(self, state: Data, status: str, message: MessageView) -> Reduction: ...

    def action_args(self, action: str, args: Data) -> Data:
        """Arguments as the action's type dumps them. Raises Rejected."""
        ...

    def fallback(self, name: str, state: Data, status: str, action: str, args: Data) -> Propose: ...

    def facts(self, state: Data) -> Data:
        """The part of the state that policies may see (plain data)."""
        ...


@dataclass(frozen=True)
class Program:
    """An automation under one release.

    flow           per status: the actions valid in it, and the statuses a case may go to from it
    opening        event types that may open a case
    certificates   by action, strictest first; autonomy_off: actions that rules alone govern; cells: reversible
                   actions that declared one
    dependencies   action -> the outside system it runs against, where not its own: unit of concurrency and breaking
    breakers       what `breaker.*` in the policy reads: policy field name -> dependency
    review_group   who decides when autonomy or a budget, not a rule, asks for a person (the policy's default group)
    """

    automation: str
    release: str
    flow: Mapping[str, tuple[frozenset[str], frozenset[str]]]
    opening: frozenset[str]
    events: frozenset[str]
    actions: Mapping[str, ActionSpec]
    questions: Mapping[str, QuestionSpec]
    policy: Policy
    reducers: Reducers
    budgets: tuple[BudgetSpec, ...] = ()
    certificates: Mapping[str, tuple[Certificate, ...]] = field(default_factory=dict[str, tuple[Certificate, ...]])
    autonomy_off: frozenset[str] = frozenset()
    cells: frozenset[str] = frozenset()
    dependencies: Mapping[str, str] = field(default_factory=dict[str, str])
    reviews: Mapping[str, ReviewSpec] = field(default_factory=dict[str, ReviewSpec])
    breakers: Mapping[str, str] = field(default_factory=dict[str, str])
    fallbacks: frozenset[str] = frozenset()
    review_group: Group = field(default_factory=lambda: Group("review"))
    orphan_after: int = ORPHAN_AFTER_MS * 1_000

    @cached_property
    def uncounted(self) -> Mapping[str, int]:
        """What `case.count.*` is before anything has taken place: rules read a number of every action."""
        return dict.fromkeys(self.actions, 0)

    @cached_property
    def spending(self) -> Mapping[str, tuple[BudgetSpec, ...]]:
        """Advisor -> the budgets that asking it draws on; advisors without one are not in it."""
        advisors = {name for budget in self.budgets for name in budget.advisors}
        return {name: tuple(b for b in self.budgets if name in b.advisors) for name in advisors}

    @cached_property
    def undone_by(self) -> Mapping[str, tuple[str, ...]]:
        """Actions that take others back -> which."""
        found: dict[str, tuple[str, ...]] = {}
        for name, spec in sorted(self.actions.items()):
            if spec.undo is not None:
                found[spec.undo] = (*found.get(spec.undo, ()), name)
        return found
