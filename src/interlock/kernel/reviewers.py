"""Who may act on a review: of which group, for whom, and who may not because they asked for it.

A group with declared members is exactly these people and those to whom one of them delegated. A group without is
whoever says so: then it is the door's business to know people.

INVARIANT: nobody approves what they asked for where four eyes are required, neither in their own name nor in somebody
else's, nor does anybody else in theirs.
INVARIANT: a delegation counts only as its giver's own right: the giver is a member, not somebody's delegate.
"""

from __future__ import annotations

from interlock.kernel.work import Work
from interlock.vocabulary.delegation import Delegation
from interlock.vocabulary.review import Review, acting_for
from interlock.vocabulary.verdict import Group


def group_for(review: Review, acting: str) -> Group | None:
    """The required group that a person of `acting` decides for: the first that still needs somebody."""
    served = [group for group in review.groups if acting in acting_for(review, group.name)]
    missing = [group for group in served if given(review, group) < group.approvals]
    return next(iter(missing or served), None)


def given(review: Review, group: Group) -> int:
    """How many different people have approved for a group."""
    return len({approval.principal for approval in review.approvals if approval.group == group.name})


def stranger(work: Work, review: Review, acting: str, delegation: Delegation | None) -> str:
    """Why this message's sender has nothing to say on the review for group `acting`; empty when they have."""
    if group_for(review, acting) is None:
        return f"group {acting} is not asked; it needs {names(review)}"
    return not_of(work, acting, work.message.principal, delegation)


def not_of(work: Work, acting: str, principal: str, delegation: Delegation | None = None) -> str:
    """Why a person does not belong to a group, in their own right or by a delegation; empty when they do."""
    spec = work.program.reviews.get(acting)
    members = spec.members if spec is not None else ()
    if delegation is None:
        return f"{principal} is not of {acting}" if members and principal not in members else ""
    if delegation.to != principal or delegation.by == principal:
        return f"delegation {delegation.id} does not name {principal}"
    if delegation.automation not in ("", work.case.automation) or delegation.group not in ("", acting):
        return f"delegation {delegation.id} is for other reviews"
    if not delegation.since <= work.now < delegation.until:
        return f"delegation {delegation.id} is not in force"
    if members and delegation.by not in members:
        return f"{delegation.by} is not of {acting} and cannot pass on what is not theirs"
    return ""


def asked_for_it(work: Work, review: Review, acting: str, principal: str, behalf: str = "") -> str:
    """Who of the two had asked for what they would approve; empty where nobody had, or where two eyes are enough."""
    required = group_for(review, acting)
    if not (four_eyes(work, acting) or (required is not None and four_eyes(work, required.name))):
        return ""
    return next((one for one in (principal, behalf) if one and one in review.requesters), "")


def four_eyes(work: Work, group: str) -> bool:
    spec = work.program.reviews.get(group)
    return spec is None or spec.four_eyes


def names(review: Review) -> str:
    """Who is asked, in words: a group with how many of it are needed, and who is asked in its place or beside it."""
    found: list[str] = []
    for group in review.groups:
        count = f" ({group.approvals})" if group.approvals > 1 else ""
        acting = acting_for(review, group.name)
        found.append(f"{group.name}{count}" + ("" if acting == (group.name,) else f" by {' or '.join(acting)}"))
    return ", ".join(found)
