"""Reviews: a person's verdict on exact arguments and facts, taken once.

A verdict counts when the review is open and not expired, the person saw what the review shows (`seen`), belongs to
a group that is asked,
and did not ask for the action themselves where four eyes are required. When every required group has enough
different approvers the
proposal is judged again on the state of this moment: it holds if the bound facts are unchanged and no further group
is required; otherwise the
review returns with a diff, and approvals start again. A hard denial cannot be approved away, because the judgement
is the ordinary one.

INVARIANT: a review ends by exactly one of: approval that held, rejection, edit, expiry, supersession, withdrawal. A
timeout never approves.
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from interlock.kernel import decide, lifecycle
from interlock.kernel.decide import Again
from interlock.kernel.program import Rejected
from interlock.kernel.work import Work
from interlock.policy import BindFailure
from interlock.vocabulary.canonical import short
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.errors import InterlockBug
from interlock.vocabulary.events import VerdictBody
from interlock.vocabulary.proposal import Proposal
from interlock.vocabulary.review import Approval, Review
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
    else:
        _approve(work, review, body)


def on_expiry(work: Work, name: str, generation: int) -> None:
    """Nobody answered in time: the proposal is denied."""
    review = work.record.reviews.get(name)
    if review is None or review.round != generation:
        return
    work.drop_review(review)
    _close(work, review, "expired", f"Nobody of {_names(review.groups)} decided in time.")
    work.flag(f"Review {work.full(review.id)} of {review.action} expired without a decision.")


def refused(work: Work, review: Review, body: VerdictBody) -> str:
    """Why a verdict does not count; empty when it does. The doors ask this before they accept one."""
    principal = work.message.principal
    if work.now >= review.expires_at:
        return "it has expired"
    if body.seen != review.seen:
        return "what was shown has changed since"
    group = next((group for group in review.groups if group.name == body.group), None)
    if group is None:
        return f"group {body.group} is not asked; it needs {_names(review.groups)}"
    if body.verdict == "approve":
        if principal in review.requesters and _four_eyes(work, body.group):
            return f"{principal} asked for it and cannot approve it"
        if any(a.principal == principal and a.group == body.group for a in review.approvals):
            return f"{principal} has approved already; another person must"
    return ""


def _approve(work: Work, review: Review, body: VerdictBody) -> None:
    approval = Approval(work.message.principal, body.group, work.now, body.comment)
    review = structs.replace(review, approvals=(*review.approvals, approval))
    missing = [group for group in review.groups if _count(review, group) < group.approvals]
    if missing:
        work.put_review(review)
        work.note(f"{approval.principal} approved for {body.group}; still needed: {_names(tuple(missing))}")
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
    shown = ", ".join(f"{path} was {then} and is {now}" for path, (then, now) in moved.items())
    work.note(f"review {work.full(review.id)} returns: {shown}")
    decision = decide.judge(work, proposal, Again(of=review.decision))
    if decision.verdict == "escalate":
        reopened = work.record.reviews[decision.review.rpartition("/")[2]]
        work.put_review(structs.replace(reopened, round=review.round + 1, shown={"moved": moved}))


def _reject(work: Work, review: Review, body: VerdictBody) -> None:
    work.drop_review(review)
    said = f"{work.message.principal} of {body.group} rejected it" + (f": {body.comment}" if body.comment else ".")
    _close(work, review, "rejected", said)


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
    reopened = structs.replace(reopened, shown={"edited": changed})
    work.put_review(reopened)
    group = next((group for group in reopened.groups if group.name == body.group), None)
    if group is not None and not _four_eyes(work, group.name):
        _approve(work, reopened, structs.replace(body, review=reopened.id, seen=reopened.seen, verdict="approve"))


def _close(work: Work, review: Review, by: str, why: str) -> None:
    """Record how a review ended without its action."""
    decision = Decision(
        id=work.full(work.next_id()),
        proposal=_proposal(review),
        verdict="deny",
        decided_by=(by,),
        why=why,
        schema=lifecycle.VALID,
        approvals=review.approvals,
        again_of=review.decision,
    )
    decide.record_decision(work, decision)


def _count(review: Review, group: Group) -> int:
    return len({approval.principal for approval in review.approvals if approval.group == group.name})


def _four_eyes(work: Work, group: str) -> bool:
    spec = work.program.reviews.get(group)
    return spec is None or spec.four_eyes


def _names(groups: tuple[Group, ...]) -> str:
    return ", ".join(f"{group.name} ({group.approvals})" if group.approvals > 1 else group.name for group in groups)


def _proposal(review: Review) -> Proposal:
    if review.proposal is None:
        raise InterlockBug(f"review {review.id} has lost its proposal")
    return review.proposal
