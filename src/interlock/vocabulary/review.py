"""Reviews: a person's task, bound to exact arguments and to the facts the rules read.

A review is about a proposed action, or, where advice could not be had in time, about the question itself. Who has it
in hand, who was asked beside or instead of its groups, what people asked back and what they were told is part of it, so
that the record alone says who could have decided what, and when.

INVARIANT: a verdict counts once, for one review, for the arguments and facts that were shown (`seen`). A timeout
never approves.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from interlock.vocabulary.proposal import Proposal
from interlock.vocabulary.verdict import Group


class Approval(Struct, frozen=True, gc=False, omit_defaults=True):
    """One person's approval on behalf of one group.

    acting   the group of which the person gave it, where that is not `group` itself but one that was asked instead
    behalf   the person of the group for whom it was given, who was away
    """

    principal: str
    group: str
    at: int
    comment: str = ""
    acting: str = ""
    behalf: str = ""


class Claim(Struct, frozen=True, gc=False, omit_defaults=True):
    """One person has the review in hand, up to `until` (microseconds). `given_by`: who handed it to them."""

    by: str
    group: str
    at: int
    until: int
    given_by: str = ""


DeadlineAct = Literal["remind", "reassign", "escalate"]


class Deadline(Struct, frozen=True, gc=False, omit_defaults=True):
    """What happens at a moment if nobody has decided by then. There is no act that approves.

    remind     it is said again, and counted
    reassign   people of `to` are asked instead of those who were asked for `group`
    escalate   people of `to` are asked beside them
    """

    at: int
    act: DeadlineAct
    group: str
    to: str = ""


class Exchange(Struct, frozen=True, gc=False, omit_defaults=True):
    """A question of a person, and what answered it: an event of the case, or a person's words.

    until        up to when the review waits for the answer (microseconds)
    answered_by  empty while it waits; the event's type, id and source, a person's name, or `nobody`
    """

    by: str
    text: str
    at: int
    until: int
    answered_by: str = ""
    answer: str = ""
    answered_at: int = 0


class Review(Struct, frozen=True, gc=False, omit_defaults=True):
    """An open review. `facts`: bound policy inputs by path, without now, health and budget figures. `seen`: digest
    over args and facts.

    requesters   principals of the triggering event and of every editor: they do not approve where four-eyes holds
    question     type of the question it is about; `args` are its fields then, and there is no action
    handled      required group -> the groups whose people may act for it, where that is not the group itself
    claim        who has it in hand
    deadlines    what is to happen while nobody decides, the first to come first
    exchanges    questions that people asked back, the newest last; while that has no answer, the review waits
    reminders    how often it was said again that it waits
    """

    id: str
    decision: str
    action: str
    args: dict[str, Any]
    args_digest: str
    groups: tuple[Group, ...]
    facts: dict[str, Any]
    seen: str
    opened_at: int
    expires_at: int
    requesters: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    round: int = 1
    reasons: tuple[str, ...] = ()
    proposal: Proposal | None = None
    over_budget: tuple[str, ...] = ()
    shown: dict[str, Any] = {}
    question: str = ""
    handled: dict[str, tuple[str, ...]] = {}
    claim: Claim | None = None
    deadlines: tuple[Deadline, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    reminders: int = 0

    @property
    def about(self) -> str:
        """What it is about, in a word or two."""
        return self.action or f"question {self.question}"

    @property
    def waits_for(self) -> Exchange | None:
        """The question that has no answer yet; nothing is approved until it has one."""
        newest = self.exchanges[-1] if self.exchanges else None
        return newest if newest is not None and not newest.answered_by else None


def acting_for(review: Review, group: str) -> tuple[str, ...]:
    """The groups whose people may act for a required group."""
    return review.handled.get(group, (group,))


def asked_groups(review: Review) -> tuple[str, ...]:
    """Every group in whose list the review stands."""
    return tuple(sorted({name for group in review.groups for name in acting_for(review, group.name)}))


def claimed_by(review: Review, now: int) -> Claim | None:
    """The claim that is in force; one that has run out holds nobody up."""
    return review.claim if review.claim is not None and now < review.claim.until else None


def next_due(review: Review) -> int:
    """When something is to happen next if nobody does anything. Its deadlines stand still while it waits for an
    answer.
    """
    waiting = review.waits_for
    if waiting is not None:
        return waiting.until
    return min(review.expires_at, review.deadlines[0].at) if review.deadlines else review.expires_at
