"""Reviews: a person's verdict on exact arguments and facts, taken once.

A verdict counts when the review is open and not expired, the person saw what the review shows (`seen`), belongs to
a group that is asked (or decides for somebody of it who is away), nobody else has the review in hand, no question of
it waits for an answer, and, where four eyes are required, neither of the two asked for the action. When every required
group has enough different approvers the proposal is judged again on the state of this moment: it holds if the bound
facts are unchanged and no further group is required; otherwise the review returns with a diff, and approvals start
again. A hard denial cannot be approved away, because the judgement is the ordinary one.

Stopping is easier than permitting: a rejection counts whoever has the review in hand and whatever it waits for, and an
approval can be taken back until the effect has started. What was taken back is shown to people again; it never goes on
by itself.

INVARIANT: a review ends by exactly one of: approval that held, rejection, edit, expiry, supersession, withdrawal. A
timeout never approves.
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from interlock.kernel import deadlines, decide, escalated, lifecycle, reviewers
from interlock.kernel.decide import Again
from interlock.kernel.program import Rejected
from interlock.kernel.work import Work
from interlock.policy import BindFailure
from interlock.vocabulary.action import Effect
from interlock.vocabulary.canonical import short
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.delegation import Delegation
from interlock.vocabulary.errors import InterlockBug
from interlock.vocabulary.events import VerdictBody
from interlock.vocabulary.moments import moment
from interlock.vocabulary.proposal import Proposal
from interlock.vocabulary.review import Approval, Review, asked_groups, claimed_by
from interlock.vocabulary.verdict import Group


def on_verdict(work: Work, body: VerdictBody) -> None:
    review = work.record.reviews.get(body.review)
    refusal = "it is not open" if review is None else refused(work, review, body)
    if review is None or refusal:
        work.note(f"verdict of {work.message.principal} on review {work.full(body.review)} does not count: {refusal}")
        return
    if body.verdict == "reject":
        _reject(work, review, body)
    elif body.verdict == "edit":
        _edit(work, review, body)
    elif body.verdict == "propose":
        escalated.propose(work, review, body)
    else:
        _approve(work, review, body)


def on_due(work: Work, name: str, generation: int) -> None:
    """Something of a review is due: the end of its wait for an answer, a deadline, or its expiry."""
    review = work.record.reviews.get(name)
    if review is None or review.round != generation:
        return
    waiting = review.waits_for
    if waiting is not None and work.now >= waiting.until:
        work.note(f"nobody answered {waiting.by} on review {work.full(name)}: {waiting.text}")
        work.put_review(answered(work, review, "nobody", ""))
        return
    if waiting is None:
        review = deadlines.overdue(work, review)
        if work.now >= review.expires_at:
            on_expiry(work, name, generation)
            return
    work.put_review(review)


def on_expiry(work: Work, name: str, generation: int) -> None:
    """Nobody answered in time: the proposal is denied."""
    review = work.record.reviews.get(name)
    if review is None or review.round != generation:
        return
    work.drop_review(review)
    _close(work, review, "expired", f"Nobody of {' or '.join(asked_groups(review))} decided in time.")
    work.flag(f"Review {work.full(review.id)} of {review.about} expired without a decision.")
    if review.question:
        escalated.give_up(work, review, "nobody decided in time")


def refused(work: Work, review: Review, body: VerdictBody) -> str:
    """Why a verdict does not count; empty when it does. The doors ask this before they accept one."""
    principal, stops = work.message.principal, body.verdict == "reject"
    if refusal := closed_to(work, review, body.group, body.delegation, stops=stops):
        return refusal
    if body.seen != review.seen:
        return "what was shown has changed since"
    if review.question and body.verdict in ("approve", "edit"):
        return "nothing is proposed yet; propose an action, or reject"
    if body.verdict == "propose":
        return escalated.unfit(work, review, body)
    if body.verdict == "approve":
        behalf = body.delegation.by if body.delegation else ""
        if one := reviewers.asked_for_it(work, review, body.group, principal, behalf):
            return f"{one} asked for it and cannot approve it"
        required = reviewers.group_for(review, body.group)
        for given in review.approvals:
            if required is not None and given.group == required.name:
                twice = {given.principal, given.behalf} & {principal, behalf} - {""}
                if twice:
                    return f"{min(twice)} has approved already; another person must"
    return ""


def closed_to(work: Work, review: Review, group: str, delegation: Delegation | None, *, stops: bool = False) -> str:
    """Why a person may not touch the review now. `stops`: what only ends it is not held up by a claim or a question."""
    waiting = review.waits_for
    if waiting is None and work.now >= review.expires_at:
        return "it has expired"
    if refusal := reviewers.stranger(work, review, group, delegation):
        return refusal
    if stops:
        return ""
    if waiting is not None:
        return f"it waits for an answer to {waiting.by}: {waiting.text}"
    claim = claimed_by(review, work.now)
    if claim is not None and claim.by != work.message.principal:
        return f"{claim.by} has it in hand until {moment(claim.until)}"
    return ""


def answered(work: Work, review: Review, by: str, answer: str) -> Review:
    """The review after its question has been answered, or nobody could be waited for any longer.

    What was to happen by itself is put off by the time of the wait. Facts that moved meanwhile are shown, and are from
    now on what a verdict is bound to; approvals of what was shown before are void.
    """
    *before, open_one = review.exchanges
    closed = structs.replace(open_one, answered_by=by, answer=answer, answered_at=work.now)
    review = structs.replace(review, exchanges=(*before, closed))
    review = deadlines.later(review, work.now - open_one.at)
    if review.question:
        return review
    moved = _moved_facts(work, review, _proposal(review), Again(of=review.decision))
    if not moved:
        return review
    _say_moved(work, review, moved)
    facts = {**review.facts, **{path: now for path, (_, now) in moved.items()}}
    return structs.replace(
        review,
        facts=facts,
        seen=short([review.action, review.args, facts]),
        approvals=(),
        round=review.round + 1,
        shown={**review.shown, "moved": moved},
    )


def withdraw(work: Work, name: str) -> str:
    """Take an approval back. Returns why that is not possible; empty when it was done.

    While others are still to approve, it simply counts no more. Once the effect is decided and has not started, the
    effect is taken back and the proposal judged again without any approval: people look at it anew.
    """
    principal = work.message.principal
    review = work.record.reviews.get(name)
    if review is not None:
        left = tuple([one for one in review.approvals if principal not in (one.principal, one.behalf)])
        if left == review.approvals:
            return f"{principal} has not approved it"
        work.put_review(structs.replace(review, approvals=left))
        work.note(f"{principal} took the approval of review {work.full(name)} back")
        return ""
    effect = next((one for one in work.record.effects.values() if one.review == work.full(name)), None)
    if effect is None:
        return "it is not open, and nothing that it permitted waits for its start"
    if all(principal not in (one.principal, one.behalf) for one in effect.approvals):
        return f"{principal} has not approved it"
    if effect.attempt or effect.status in lifecycle.UNDER_WAY:
        return f"{effect.action} has started and can no longer be taken back"
    _undo(work, effect)
    return ""


def _undo(work: Work, effect: Effect) -> None:
    principal, proposal = work.message.principal, decide.proposal_of(effect)
    decide.withdraw(work, effect)
    work.note(f"{principal} took the approval back before {effect.action} ({effect.decision}) started")
    again = Again(of=effect.decision)
    program = work.program
    spec = program.actions.get(effect.action)
    if spec is not None:
        # Looked at before anything is recorded: what somebody has just stopped must not be permitted by the rules alone
        # in the same turn.
        name = work.full(effect.id)
        ahead = decide.evaluate(name, program, work.record, work.facts, spec, proposal, again).verdict
        if ahead in ("allow", "fallback"):
            _record_end(work, proposal, "withdrawn", f"{principal} took the approval back.", effect.decision)
            return
    decision = decide.judge(work, proposal, again)
    if decision.verdict == "escalate":
        reopened = work.record.reviews[decision.review.rpartition("/")[2]]
        work.put_review(structs.replace(reopened, shown={"withdrawn": {principal: ["approved", "took it back"]}}))


def _approve(work: Work, review: Review, body: VerdictBody) -> None:
    required = reviewers.group_for(review, body.group)
    group = required.name if required is not None else body.group
    approval = Approval(
        work.message.principal,
        group,
        work.now,
        body.comment,
        acting=body.group if body.group != group else "",
        behalf=body.delegation.by if body.delegation else "",
    )
    # Whoever had it in hand has done their part.
    review = structs.replace(review, approvals=(*review.approvals, approval), claim=None)
    missing = [group for group in review.groups if _count(review, group) < group.approvals]
    if missing:
        work.put_review(review)
        needed = reviewers.names(structs.replace(review, groups=tuple(missing)))
        work.note(f"{_who(approval)} approved for {approval.group}; still needed: {needed}")
        return
    work.drop_review(review)
    again = Again(of=review.decision, approvals=review.approvals, discharged=review.groups, review=work.full(review.id))
    proposal = _proposal(review)
    moved = _moved_facts(work, review, proposal, again)
    if moved:
        _return(work, review, proposal, moved)
        return
    decide.judge(work, proposal, again)


def _moved_facts(work: Work, review: Review, proposal: Proposal, again: Again) -> dict[str, list[Any]]:
    """Bound facts that differ from what was approved: path -> [then, now]."""
    program = work.program
    spec = program.actions.get(review.action)
    if spec is None:
        return {}
    raw = decide.policy_input(program, work.record, work.facts, spec, proposal)
    bound = program.policy.bind(spec.name, raw)
    if isinstance(bound, BindFailure):
        # The judgement that follows denies it and says why.
        return {}
    now = dict(program.policy.bound_facts(bound))
    then = review.facts
    return {
        path: [then.get(path), now.get(path)]
        for path in sorted(then.keys() | now.keys())
        if then.get(path) != now.get(path)
    }


def _return(work: Work, review: Review, proposal: Proposal, moved: dict[str, list[Any]]) -> None:
    """The facts moved while people looked: judge anew, and if it still needs a person, open the review again with
    the difference shown.
    """
    _say_moved(work, review, moved)
    decision = decide.judge(work, proposal, Again(of=review.decision))
    if decision.verdict == "escalate":
        reopened = work.record.reviews[decision.review.rpartition("/")[2]]
        work.put_review(structs.replace(_carried(review, reopened), round=review.round + 1, shown={"moved": moved}))


def _say_moved(work: Work, review: Review, moved: dict[str, list[Any]]) -> None:
    shown = ", ".join(f"{path} was {then} and is {now}" for path, (then, now) in moved.items())
    work.note(f"review {work.full(review.id)} returns: {shown}")


def _carried(review: Review, reopened: Review) -> Review:
    """What people arranged and said about a review that opens again: who is asked, and what they were told."""
    required = {group.name for group in reopened.groups}
    handled = {name: acting for name, acting in review.handled.items() if name in required}
    return structs.replace(reopened, handled=handled, exchanges=review.exchanges, reminders=review.reminders)


def _reject(work: Work, review: Review, body: VerdictBody) -> None:
    work.drop_review(review)
    said = f"{work.message.principal} of {body.group} rejected it" + (f": {body.comment}" if body.comment else ".")
    _close(work, review, "rejected", said)
    if review.question:
        escalated.give_up(work, review, f"{work.message.principal} of {body.group} saw nothing to propose")


def _edit(work: Work, review: Review, body: VerdictBody) -> None:
    """An edit makes a proposal of the person's own: autonomy does not apply, the quorum starts again, and the
    editor counts as requester.
    """
    before = _proposal(review)
    editor = work.message.principal
    try:
        args = work.program.reducers.action_args(review.action, body.args or {})
    except Rejected as rejected:
        work.note(f"edit of review {work.full(review.id)} by {editor} does not fit: {rejected}")
        return
    changed = {
        name: [review.args.get(name), args.get(name)]
        for name in sorted(review.args.keys() | args.keys())
        if review.args.get(name) != args.get(name)
    }
    work.drop_review(review)
    work.note(
        f"{editor} edited {review.action}: " + ", ".join(f"{n}: {was} -> {now}" for n, (was, now) in changed.items())
    )
    proposal = structs.replace(
        before,
        args=args,
        args_digest=short(args),
        source="person",
        because=f"edit of {review.decision} by {editor}",
        text=body.comment,
        score=None,
        advisor="",
        rank=0,
        agreed=0,
        asked=0,
        rationale="",
        evidence=(),
        requesters=tuple(dict.fromkeys((*before.requesters, editor))),
    )
    decision = decide.judge(work, proposal, Again(of=review.decision))
    if decision.verdict != "escalate":
        return
    reopened = work.record.reviews[decision.review.rpartition("/")[2]]
    reopened = structs.replace(_carried(review, reopened), shown={"edited": changed})
    work.put_review(reopened)
    group = reviewers.group_for(reopened, body.group)
    if group is not None and not reviewers.asked_for_it(work, reopened, body.group, editor):
        _approve(work, reopened, structs.replace(body, review=reopened.id, seen=reopened.seen, verdict="approve"))


def _close(work: Work, review: Review, by: str, why: str) -> None:
    """Record how a review ended without its action."""
    _record_end(work, _proposal(review), by, why, review.decision, review.approvals)


def _record_end(
    work: Work, proposal: Proposal, by: str, why: str, of: str, approvals: tuple[Approval, ...] = ()
) -> None:
    decision = Decision(
        id=work.full(work.next_id()),
        proposal=proposal,
        verdict="deny",
        decided_by=(by,),
        why=why,
        schema=lifecycle.VALID,
        approvals=approvals,
        again_of=of,
    )
    decide.record_decision(work, decision)


def _count(review: Review, group: Group) -> int:
    return reviewers.given(review, group)


def _who(approval: Approval) -> str:
    return approval.principal + (f" for {approval.behalf}" if approval.behalf else "")


def _proposal(review: Review) -> Proposal:
    if review.proposal is None:
        raise InterlockBug(f"review {review.id} has lost its proposal")
    return review.proposal
