"""What a reducer asked for, carried out in order: questions, proposals, timers, cancellations, flags.

Asking a question that was answered before delivers the recorded answer at once, and delivering an answer runs a
reducer whose requests are
carried out here: the two belong together.
"""

from __future__ import annotations

from typing import Any

from interlock.kernel import decide, lifecycle, questions
from interlock.kernel.decide import Origin
from interlock.kernel.program import Ask, CancelAction, CancelTimer, Propose, Reduction, SetTimer
from interlock.kernel.work import Work
from interlock.vocabulary.advice import Answer, RecordedAnswer
from interlock.vocabulary.canonical import short

DELIVERIES_PER_TURN_MAX = 4
"""An answer whose reducer asks for an answer again, and so on: a loop beyond this."""

_AGAIN = "was answered before; the recorded answer is used"


class AskedInCircles(Exception):
    """Recorded answers led to the same questions over and over within one turn. The message is quarantined."""


def carry_out(work: Work, reduction: Reduction, origin: Origin) -> None:
    """Take the reducer's draft as the state and do what it asked. Raises FlowViolation for an undeclared move."""
    lifecycle.moved(work.program, work.record.status, reduction.status)
    if reduction.status != work.record.status:
        work.set(moved_by=origin.decision)
    work.set_state(reduction.state, reduction.status)
    for request in reduction.requests:
        match request:
            case Ask():
                recorded = questions.ask(work, request, requesters=origin.requesters)
                if recorded is not None:
                    deliver_recorded(work, request, recorded, origin.requesters)
            case Propose():
                decide.propose(work, request, origin)
            case SetTimer():
                due = request.due if request.due is not None else work.now + (request.delay or 0)
                work.set_timer(request.name, due, request.data, origin.requesters)
                work.note(f"timer {request.name} set")
            case CancelTimer():
                if work.clear_timer(request.name):
                    work.note(f"timer {request.name} cancelled")
            case CancelAction():
                _cancel(work, request.action)
            case _:
                work.flag(request.text)


def deliver_recorded(work: Work, request: Ask, digest: str, requesters: tuple[str, ...]) -> None:
    """An identical question was answered before: its recorded answer is the answer."""
    if sum(1 for note in work.notes if note.endswith(_AGAIN)) >= DELIVERIES_PER_TURN_MAX:
        raise AskedInCircles(
            f"Recorded answers to {request.question} led to the same questions {DELIVERIES_PER_TURN_MAX} times."
        )
    work.note(f"{request.question} {digest} {_AGAIN}")
    deliver(work, request.question, request.fields, digest, work.record.answers[digest], requesters)


def deliver(
    work: Work, type: str, fields: dict[str, Any], digest: str, recorded: RecordedAnswer, requesters: tuple[str, ...]
) -> None:
    """Hand the leading answer to the automation's rule. `agreed` counts the advisors whose answer, put through the
    same rule on the same
    case, leads to the same first proposal."""
    reducers, record = work.program.reducers, work.record

    def reduced(advisor: str, answer: Answer) -> Reduction:
        view = work.view("answered", type, {}, question=fields, answer=answer, advisor=advisor, rank=recorded.rank)
        return reducers.reduce(record.state, record.status, view)

    leading = reduced(recorded.advisor, recorded.answer)
    wanted = _first_proposal(leading)
    agreed = 1 + sum(
        isinstance(other, Answer) and _first_proposal(reduced(advisor, other)) == wanted
        for advisor, other in recorded.others.items()
    )
    answer = recorded.answer
    origin = Origin(
        source="advice",
        because=f"answer to {type} {digest} by {recorded.advisor}",
        requesters=requesters,
        score=answer.score,
        advisor=recorded.advisor,
        rank=recorded.rank,
        agreed=agreed,
        asked=recorded.asked,
        rationale=answer.rationale,
        evidence=answer.evidence,
    )
    carry_out(work, leading, origin)


def _first_proposal(reduction: Reduction) -> tuple[str, str] | None:
    for request in reduction.requests:
        if isinstance(request, Propose):
            return request.action, short(request.args)
    return None


def _cancel(work: Work, action: str) -> None:
    """Until its start an effect can be taken back, and so can the review that would permit it. What has started
    goes on.
    """
    for effect in list(work.record.effects.values()):
        if effect.action != action:
            continue
        if effect.status in lifecycle.UNDER_WAY:
            work.note(f"{action} ({effect.decision}) has started and can no longer be cancelled")
        else:
            decide.withdraw(work, effect)
            work.note(f"{action} ({effect.decision}) cancelled before its start")
    for review in list(work.record.reviews.values()):
        if review.action == action:
            work.drop_review(review)
            work.note(f"review {work.full(review.id)} of {action} withdrawn")
