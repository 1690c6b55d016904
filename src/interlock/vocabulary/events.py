"""Messages: everything that enters a case, as one envelope with one of a closed set of bodies.

The door is one: outside events, calls, advice, results, timers, review verdicts, budget replies and operator
commands are all
envelopes, deduplicated and consumed alike. What differs is the body, a tagged union, so the stored form says what
it is.

Times are integer microseconds since 1970-01-01T00:00:00Z. Data is plain: dict, list, str, int, bool, None; decimals
as strings.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from interlock.vocabulary.advice import Answer, Silence
from interlock.vocabulary.delegation import Delegation
from interlock.vocabulary.ids import CaseId, case_id

Data = dict[str, Any]


class EventBody(Struct, frozen=True, gc=False, tag="event", tag_field="kind", omit_defaults=True):
    """A fact from outside, validated against the event type `type` of the automation."""

    type: str
    data: Data


class CallBody(Struct, frozen=True, gc=False, tag="call", tag_field="kind", omit_defaults=True):
    """A person or an agent asks for an action: CLI `do`, a console button, an MCP tool call."""

    action: str
    args: Data
    by: Literal["person", "agent"] = "person"


class AnswerBody(Struct, frozen=True, gc=False, tag="answer", tag_field="kind", omit_defaults=True):
    """What one advisor returned for one question, or why it did not."""

    question: str
    digest: str
    advisor: str
    outcome: Answer | Silence


class ResultBody(Struct, frozen=True, gc=False, tag="result", tag_field="kind", omit_defaults=True):
    """What the outside said of one attempt at one effect.

    phase     perform | check | fence
    outcome   happened      it took effect; `result` is the performer's or checker's return value
              not_happened  perform: definitely refused; check: not found; fence: the earlier attempt can no longer
                            happen
              unknown       timeout, exception, death of the worker, lost lease: nobody knows
    """

    command: str
    attempt: int
    phase: Literal["perform", "check", "fence"]
    outcome: Literal["happened", "not_happened", "unknown"]
    result: Any = None
    reason: str = ""


class StartBody(Struct, frozen=True, gc=False, tag="start", tag_field="kind", omit_defaults=True):
    """A worker has room to run this effect now. The turn that consumes it is the linearization point of the effect."""

    command: str
    attempt: int


class TimerBody(Struct, frozen=True, gc=False, tag="timer", tag_field="kind", omit_defaults=True):
    """A durable timer of the automation is due. A timer set again has another generation; the old one is ignored."""

    name: str
    generation: int
    data: Data = {}


class WakeBody(Struct, frozen=True, gc=False, tag="wake", tag_field="kind", omit_defaults=True):
    """A deadline of the kernel's own is due: one of a review's, a budget's wait, parked events nobody claimed."""

    what: Literal["review", "budget", "orphans"]
    about: str
    generation: int = 0


class VerdictBody(Struct, frozen=True, gc=False, tag="review", tag_field="kind", omit_defaults=True):
    """A person's verdict on a review. `seen` is the digest of what was shown: a verdict on something else does not
    count.

    verdict     propose: on a review of a question, where there is nothing to approve; `action` is what is proposed
    group       the group of which the person gives it
    delegation  under which it is given for somebody who is away, as the door found it recorded
    """

    review: str
    verdict: Literal["approve", "reject", "edit", "propose"]
    group: str
    seen: str
    args: Data | None = None
    comment: str = ""
    action: str = ""
    delegation: Delegation | None = None


HandlingAct = Literal["claim", "release", "reassign", "assign", "ask", "answer", "withdraw"]


class HandlingBody(Struct, frozen=True, gc=False, tag="handling", tag_field="kind", omit_defaults=True):
    """What a person does with a review beside deciding it. `group` is the group of which they do it.

    claim, release  take it in hand, give it back
    reassign        have group `to` asked instead; assign: put it into the hands of person `to`
    ask, answer     a question in `text` that the case is to answer, and a person's own answer to it
    withdraw        take an approval back, which is possible until the effect has started
    """

    review: str
    act: HandlingAct
    group: str = ""
    to: str = ""
    text: str = ""
    delegation: Delegation | None = None


class DelegateBody(Struct, frozen=True, gc=False, tag="delegate", tag_field="kind", omit_defaults=True):
    """Somebody names who decides for them, from `since` up to `until` (microseconds)."""

    to: str
    since: int
    until: int
    automation: str = ""
    group: str = ""
    comment: str = ""


class UndelegateBody(Struct, frozen=True, gc=False, tag="undelegate", tag_field="kind", omit_defaults=True):
    """Somebody ends a delegation of theirs before its time."""

    delegation: str


class ResolveBody(Struct, frozen=True, gc=False, tag="resolve", tag_field="kind", omit_defaults=True):
    """A person's word on an effect in doubt or on a contradiction, after looking at the outside's own books.

    command   the effect, or the contradiction's own id
    """

    command: str
    outcome: Literal["happened", "not_happened"]
    result: Any = None
    comment: str = ""


class EraseBody(Struct, frozen=True, gc=False, tag="erase", tag_field="kind", omit_defaults=True):
    """An operator erases the case's personal data. Of whom is not said here: the record of an erasure outlives it."""

    reason: str = ""


RecoveryStep = Literal["begun", "ended", "restored", "settle", "nothing_lost"]


class RecoverBody(Struct, frozen=True, gc=False, tag="recover", tag_field="kind", omit_defaults=True):
    """An operator's order after the store was put back to an earlier state.

    what    begun, ended   the mode itself, recorded in a case of its own
            restored       what was under way in this case is in doubt
            settle         find out what can be found out
            nothing_lost   nothing ran after the state that was restored: go on
    """

    what: RecoveryStep
    incarnation: str
    comment: str = ""


class ReserveBody(Struct, frozen=True, gc=False, tag="reserve", tag_field="kind", omit_defaults=True):
    """A decision asks the home of (budget, key, window) for capacity. `limit` and `amount` in the budget's integer
    unit, of `scale` digits where it is said.

    bucket, buckets   of a rolling window: which one the amount is charged to, and how many make a window
    wait              whoever asks wants to be told when there is room
    """

    reservation: str
    reply_to: CaseId
    amount: int
    limit: int
    bucket: int = 0
    buckets: int = 0
    wait: bool = False
    scale: int | None = None


class BudgetReplyBody(Struct, frozen=True, gc=False, tag="budget", tag_field="kind", omit_defaults=True):
    """The home's answer: granted, or exhausted with the figures it was judged on.

    waits   refused, and will be told when there is room; room: this tells it, and nothing is reserved yet
    """

    account: str
    reservation: str
    granted: bool
    spent: int
    held: int
    limit: int
    waits: bool = False
    room: bool = False


class SettleBody(Struct, frozen=True, gc=False, tag="settle", tag_field="kind", omit_defaults=True):
    """What became of a reservation: `charged` of it was used for ever, the rest is free again. More than was reserved
    is an overrun.
    """

    reservation: str
    charged: int
    scale: int | None = None


class CitedBody(Struct, frozen=True, tag="cited", tag_field="kind", omit_defaults=True):
    """In the bytes of a ledger entry: a body that is stored by its content. Readers of an entry are given the body.

    digest   hex sha256 of the body's canonical bytes, of which there are `size`
    """

    digest: str
    size: int


Body = (
    EventBody
    | CallBody
    | AnswerBody
    | ResultBody
    | StartBody
    | TimerBody
    | WakeBody
    | VerdictBody
    | HandlingBody
    | DelegateBody
    | UndelegateBody
    | ResolveBody
    | EraseBody
    | RecoverBody
    | ReserveBody
    | BudgetReplyBody
    | SettleBody
    | CitedBody
)


class Envelope(Struct, frozen=True, gc=False, omit_defaults=True):
    """One message for one case.

    id, source    identify it together with the case, for ever: (automation, key, source, id) is accepted once
    principal     the authenticated sender
    occurred_at   when it happened outside, as the sender says; received_at: when the door took it (both microseconds)
    """

    automation: str
    key: str
    id: str
    source: str
    principal: str
    occurred_at: int
    received_at: int
    body: Body

    @property
    def case(self) -> CaseId:
        return case_id((self.automation, self.key))
