"""Asking: who is asked what, and what of it is still out.

One question per type is open in a case. Asking it again with the same digest changes nothing; with another digest
the older one is
superseded. An identical question that was answered gets its recorded answer again, unless asked `fresh`.
"""

from __future__ import annotations

from msgspec import structs

from interlock.kernel import spending
from interlock.kernel.program import Ask
from interlock.kernel.work import Work
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.question import Asked, OpenQuestion


def ask(
    work: Work, request: Ask, *, requesters: tuple[str, ...], reasks: int = 0, cause: Envelope | None = None
) -> str | None:
    """Open the question. Returns the digest of a recorded answer when there is one to be used instead."""
    record = work.record
    open_one = record.questions.get(request.question)
    if not request.fresh and request.digest in record.answers:
        if open_one is not None and open_one.digest != request.digest:
            # What is still being asked is no longer the question; its answer would be delivered beside this one.
            supersede(work, open_one)
            work.note(f"question {request.question} {open_one.digest} is superseded by {request.digest}")
        return request.digest
    if open_one is not None:
        if open_one.digest == request.digest and not request.fresh:
            return None
        supersede(work, open_one)
        work.note(f"question {request.question} {open_one.digest} is superseded by {request.digest}")
    if record.reviews:
        _people_need_not(work, request.question)
    spec = work.program.questions[request.question]
    question = OpenQuestion(
        type=request.question,
        digest=request.digest,
        fields=request.fields,
        cause=cause or work.message,
        reasks=reasks,
        at_version=record.version,
        requesters=requesters,
    )
    leader = spec.chain[0]
    asked = {name: _ask_one(work, question, name) for name in (leader, *(a for a in spec.also if a != leader))}
    work.put_question(structs.replace(question, asked=asked))
    work.asked.append(request.question)
    return None


def _people_need_not(work: Work, type: str) -> None:
    """The question is asked anew: its advisors have it again, and whoever was asked for it in their place need not."""
    for review in list(work.record.reviews.values()):
        if review.question == type:
            work.drop_review(review)
            work.note(f"review {work.full(review.id)} of question {type} ends: the question is asked anew")


def ask_also(work: Work, question: OpenQuestion, advisor: str) -> OpenQuestion:
    """Ask one more advisor of the chain."""
    question = structs.replace(question, asked={**question.asked, advisor: _ask_one(work, question, advisor)})
    work.put_question(question)
    return question


def supersede(work: Work, question: OpenQuestion) -> None:
    """Close a question that nobody wants answered any more."""
    work.drop_question(question.type)
    for asked in question.asked.values():
        if asked.reservations and asked.outcome is None:
            spending.settle(work, asked, None)


def _ask_one(work: Work, question: OpenQuestion, advisor: str) -> Asked:
    local = work.next_id()
    if advisor in work.program.spending:
        return spending.reserve(work, question, advisor, local)
    work.put_command(spending.command_of(work, question, advisor, local))
    return Asked(command=local)
