"""Deadlines of a review: what happens while nobody decides.

A group's release says when it is said again that its reviews wait, and when other people are asked instead of it or
beside it. The acts are set when the review opens and stand in it; one durable timer wakes the case for the first.

Asking others gives them no power of their own: they act for the group that the judgement requires, because the release
says that they may, and their approval is judged again like any.

INVARIANT: a deadline changes who is asked and what is said. It never decides; only the expiry ends a review, and that
denies.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from interlock.kernel.program import Program
from interlock.kernel.work import Work
from interlock.vocabulary.release import ReviewSpec
from interlock.vocabulary.review import Deadline, Review, acting_for
from interlock.vocabulary.verdict import Group


def schedule(program: Program, groups: Iterable[Group], now: int) -> tuple[Deadline, ...]:
    """What happens to a review that these groups are asked from `now` on."""
    found: list[Deadline] = []
    for group in groups:
        spec = program.reviews.get(group.name)
        if spec is not None:
            found += _of(spec, group.name, now, handed_over=False)
    return _in_order(found)


def overdue(work: Work, review: Review) -> Review:
    """The review after every act that is due by now."""
    while review.deadlines and review.deadlines[0].at <= work.now:
        due, *rest = review.deadlines
        review = structs.replace(review, deadlines=tuple(rest))
        if due.act == "remind":
            review = structs.replace(review, reminders=review.reminders + 1)
            waits = f"review {work.full(review.id)} of {review.about} waits for {', '.join(_asked(review, due.group))}"
            work.note(f"reminder {review.reminders}: {waits}")
            work.flag(f"Reminder {review.reminders}: {waits}.")
        elif due.act == "reassign":
            review = hand_over(work, review, due.group, due.to)
            work.note(f"nobody of {due.group} decided in time: {due.to} is asked instead")
            work.flag(f"Review {work.full(review.id)} of {review.about} went from {due.group} to {due.to}.")
        elif due.to not in _asked(review, due.group):
            handled = {**review.handled, due.group: (*_asked(review, due.group), due.to)}
            review = structs.replace(review, handled=handled)
            work.note(f"nobody of {due.group} decided in time: {due.to} is asked as well")
            work.flag(f"Review {work.full(review.id)} of {review.about} was escalated to {due.to}.")
    return review


def hand_over(work: Work, review: Review, group: str, to: str) -> Review:
    """Have `to` asked instead of whoever is asked for a required group. Approvals that were given stand.

    The deadlines are those of `to` from now on, but it hands nothing over by itself: two groups could pass a review to
    and fro until it expires.
    """
    spec = work.program.reviews.get(to)
    deadlines = [one for one in review.deadlines if one.group != group]
    if spec is not None:
        deadlines += _of(spec, group, work.now, handed_over=True)
    return structs.replace(review, handled={**review.handled, group: (to,)}, deadlines=_in_order(deadlines), claim=None)


def later(review: Review, by: int) -> Review:
    """The review with everything that is to happen by itself put off: it could not be decided for so long."""
    deadlines = tuple([structs.replace(one, at=one.at + by) for one in review.deadlines])
    return structs.replace(review, deadlines=deadlines, expires_at=review.expires_at + by)


def _of(spec: ReviewSpec, group: str, now: int, *, handed_over: bool) -> list[Deadline]:
    found = [Deadline(now + after, "remind", group) for after in spec.remind]
    if spec.reassign is not None and not handed_over:
        found.append(Deadline(now + spec.reassign.after, "reassign", group, spec.reassign.to))
    if spec.escalate is not None:
        found.append(Deadline(now + spec.escalate.after, "escalate", group, spec.escalate.to))
    return found


def _in_order(deadlines: Iterable[Deadline]) -> tuple[Deadline, ...]:
    return tuple(sorted(deadlines, key=lambda one: (one.at, one.group, one.act)))


def _asked(review: Review, group: str) -> tuple[str, ...]:
    return acting_for(review, group)
