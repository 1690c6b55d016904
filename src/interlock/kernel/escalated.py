"""A question that could not be answered in time becomes a person's task.

Advice that comes back stale again and again is about a case that changes faster than it can be read. Asking once more
would go on for ever, and giving up silently would lose the case; so a review of the program's review group opens, bound
to the question as the state of that moment asks it. A person proposes one of the actions that are valid now, in their
own name, or rejects, and only then is the question unanswered for the automation.

INVARIANT: a review of a question permits nothing. What a person proposes on it is judged like any proposal of a person.
"""

from __future__ import annotations

from typing import Any

from interlock.kernel import deadlines, decide, lifecycle
from interlock.kernel.decide import Again, Origin
from interlock.kernel.program import Ask, Rejected
from interlock.kernel.requests import carry_out
from interlock.kernel.work import Work
from interlock.vocabulary.canonical import short
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.events import VerdictBody
from interlock.vocabulary.limits import REVIEW_EXPIRES_MS
from interlock.vocabulary.proposal import Proposal
from interlock.vocabulary.question import OpenQuestion
from interlock.vocabulary.review import Review

BY = "stale"
"""What decides that a question goes to a person."""


def to_a_person(work: Work, question: OpenQuestion, now_asked: Ask, times: int) -> None:
    """Open the review of a question whose answers came back stale `times` times."""
    group = work.program.review_group
    spec = work.program.reviews.get(group.name)
    local = work.next_id()
    why = f"The answer to {question.type} was stale {times} times: its case changes faster than it is read."
    proposal = Proposal(
        action="",
        args=now_asked.fields,
        args_digest=short(now_asked.fields),
        source="advice",
        because=f"question {question.type} {now_asked.digest}",
        requesters=question.requesters,
    )
    decision = Decision(
        id=work.full(local),
        proposal=proposal,
        verdict="escalate",
        decided_by=(BY,),
        why=why,
        schema=lifecycle.VALID,
        groups=(group,),
        review=work.full(local),
    )
    decide.record_decision(work, decision)
    work.put_review(
        Review(
            id=local,
            decision=decision.id,
            action="",
            args=proposal.args,
            args_digest=proposal.args_digest,
            groups=(group,),
            facts={},
            seen=short([question.type, now_asked.digest, now_asked.fields]),
            opened_at=work.now,
            expires_at=work.now + (spec.expires if spec else REVIEW_EXPIRES_MS * 1_000),
            requesters=question.requesters,
            reasons=(BY,),
            proposal=proposal,
            question=question.type,
            deadlines=deadlines.schedule(work.program, (group,), work.now),
        )
    )
    work.flag(why)


def unfit(work: Work, review: Review, body: VerdictBody) -> str:
    """Why what a person proposes is no answer to the review; empty when it is one."""
    if not review.question:
        return f"{review.action} is proposed already; approve it, edit it, or reject it"
    spec = work.program.actions.get(body.action)
    if spec is None:
        return f"there is no action {body.action!r}; there are: {', '.join(sorted(work.program.actions))}"
    return lifecycle.valid_now(work.program, work.record, spec).why


def propose(work: Work, review: Review, body: VerdictBody) -> None:
    """A person's own proposal takes the place of the question. One that is denied leaves the review open."""
    who = work.message.principal
    try:
        args = work.program.reducers.action_args(body.action, body.args or {})
    except Rejected as rejected:
        work.note(f"proposal of {who} on review {work.full(review.id)} does not fit: {rejected}")
        return
    proposal = Proposal(
        action=body.action,
        args=args,
        args_digest=short(args),
        source="person",
        because=f"proposal of {who} on {review.decision}",
        text=body.comment,
        requesters=tuple(dict.fromkeys((*review.requesters, who))),
    )
    decision = decide.judge(work, proposal, Again(of=review.decision), fits=True)
    if decision.verdict == "deny":
        work.note(f"review {work.full(review.id)} of question {review.question} stays open")
    else:
        work.drop_review(review)


def give_up(work: Work, review: Review, why: str) -> None:
    """Nobody answers the question any more: the automation is told so."""
    unanswered(work, review.question, review.args, review.requesters, why)


def unanswered(work: Work, type: str, fields: dict[str, Any], requesters: tuple[str, ...], reason: str) -> None:
    """Tell the automation that nobody answered, or flag it where it does not want to know."""
    reducers = work.program.reducers
    if not reducers.has("unanswered", type):
        work.flag(f"No advisor answered {type}: {reason}.")
        return
    view = work.view("unanswered", type, {}, question=fields, reason=reason)
    reduction = reducers.reduce(work.record.state, work.record.status, view)
    carry_out(work, reduction, Origin("rule", f"no answer to {type}: {reason}", requesters))
