"""Answers: collected until the question can be judged, checked for staleness, cross-checked, and handed to our rule.

A question is judged when its leader has answered and everyone asked beside it has come or timed out, in advisor
order, so the order of
arrival decides nothing. A leader that fails gives way to the next in the chain, each step recorded; after the last
the question is
unanswered. An advisor's value reaches the case only through the automation's reducer, which turns it into a proposal.

Staleness: an answer is stale if and only if rebuilding its question from the state of this moment gives another
digest. Rebuilding runs the reducer that asked, with the message it asked because of, on the case as it is now, and
looks at what it would ask; nothing else of that run is kept. A reducer that would no longer ask has not changed the
question: its answer is delivered, and the rule for it decides on the state of the moment. A question whose answers come
back stale more often than ADVICE_REASKS_MAX goes to a person (`kernel.escalated`).
"""

from __future__ import annotations

from msgspec import structs

from interlock.kernel import escalated, questions, spending
from interlock.kernel.program import Ask, MessageView
from interlock.kernel.requests import deliver, deliver_recorded
from interlock.kernel.work import Work
from interlock.vocabulary.advice import Answer, RecordedAnswer, Silence
from interlock.vocabulary.events import AnswerBody, CallBody, Envelope, EventBody, TimerBody
from interlock.vocabulary.limits import ADVICE_REASKS_MAX
from interlock.vocabulary.question import Asked, OpenQuestion


def on_answer(work: Work, body: AnswerBody) -> None:
    """Take one advisor's outcome into its question; judge the question when it is complete."""
    question = work.record.questions.get(body.question)
    if question is None or question.digest != body.digest:
        work.note(
            f"{body.advisor} answered {body.question} {body.digest}, which is no longer open; kept as an observation"
        )
        return
    asked = question.asked.get(body.advisor)
    if asked is None:
        work.note(f"{body.advisor} was not asked {body.question}; its answer is kept as an observation")
        return
    if asked.outcome is not None:
        work.note(f"{body.advisor} had already answered {body.question}; the second answer is kept as an observation")
        return
    question = structs.replace(
        question, asked={**question.asked, body.advisor: Asked(command=asked.command, outcome=body.outcome)}
    )
    work.put_question(question)
    work.drop_command(asked.command)
    if asked.reservations:
        spending.settle(work, asked, body.outcome)
    if isinstance(body.outcome, Silence):
        work.note(
            f"{body.advisor} gave no answer: {body.outcome.why}"
            + (f" ({body.outcome.detail})" if body.outcome.detail else "")
        )
    _judge(work, question)


def unaffordable(work: Work, question: OpenQuestion, advisor: str, why: str) -> None:
    """An advisor is not asked because a budget has no room for it: its silence, which the chain goes on from."""
    asked = question.asked[advisor]
    spending.settle(work, asked, None)
    silence = Silence("budget", why)
    question = structs.replace(
        question, asked={**question.asked, advisor: Asked(command=asked.command, outcome=silence)}
    )
    work.put_question(question)
    work.note(f"{advisor} is not asked: {why}")
    _judge(work, question)


def _judge(work: Work, question: OpenQuestion) -> None:
    chain = work.program.questions[question.type].chain
    rank = question.rank
    while rank <= len(chain):
        asked = question.asked.get(chain[rank - 1])
        if asked is None:
            question = questions.ask_also(work, structs.replace(question, rank=rank), chain[rank - 1])
            work.note(f"asked {chain[rank - 1]} instead, number {rank} of the chain")
            return
        if asked.outcome is None:
            if rank != question.rank:
                work.put_question(structs.replace(question, rank=rank))
            return
        if isinstance(asked.outcome, Answer):
            break
        rank += 1
    if any(asked.outcome is None for asked in question.asked.values()):
        if rank != question.rank:
            work.put_question(structs.replace(question, rank=rank))
        return
    if rank > len(chain):
        silences = ", ".join(
            f"{name}: {asked.outcome.why}"
            for name, asked in question.asked.items()
            if isinstance(asked.outcome, Silence)
        )
        work.drop_question(question.type)
        reason = silences or "nobody could be asked"
        escalated.unanswered(work, question.type, question.fields, question.requesters, reason)
        return
    rebuilt = _rebuilt(work, question)
    if rebuilt is not None and rebuilt.digest != question.digest:
        _ask_again(work, question, rebuilt)
        return
    leader = chain[rank - 1]
    answer = question.asked[leader].outcome
    assert isinstance(answer, Answer)
    others = {name: a.outcome for name, a in question.asked.items() if name != leader and a.outcome is not None}
    recorded = RecordedAnswer(question.type, leader, answer, rank, len(question.asked), others)
    work.drop_question(question.type)
    work.keep_answer(question.digest, recorded)
    deliver(work, question.type, question.fields, question.digest, recorded, question.requesters)


def _rebuilt(work: Work, question: OpenQuestion) -> Ask | None:
    """The question as the state of this moment would ask it; None when it cannot be another, or would not be asked."""
    record = work.record
    if record.changed_at_version <= question.at_version:
        return None
    view = _view_of_cause(work, question.cause)
    if view is None:
        return None
    reduction = work.program.reducers.reduce(record.state, record.status, view)
    for request in reduction.requests:
        if isinstance(request, Ask) and request.question == question.type:
            return request
    return None


def _view_of_cause(work: Work, cause: Envelope) -> MessageView | None:
    body = cause.body
    if isinstance(body, EventBody):
        kind, type, data = "event", body.type, body.data
    elif isinstance(body, CallBody):
        kind, type, data = "called", body.action, body.args
    elif isinstance(body, TimerBody):
        kind, type, data = "timer", body.name, body.data
    else:
        # Asked because of an answer or a result: what was said then is not a fact that can be folded again.
        return None
    return MessageView(kind, type, cause.id, cause.source, cause.principal, cause.occurred_at, work.now, data)


def _ask_again(work: Work, question: OpenQuestion, rebuilt: Ask) -> None:
    work.drop_question(question.type)
    if question.reasks >= ADVICE_REASKS_MAX:
        escalated.to_a_person(work, question, rebuilt, question.reasks + 1)
        return
    work.note(f"the answer to {question.type} {question.digest} is stale; asked again as {rebuilt.digest}")
    asked_by = question.requesters
    recorded = questions.ask(work, rebuilt, requesters=asked_by, reasks=question.reasks + 1, cause=question.cause)
    if recorded is not None:
        deliver_recorded(work, rebuilt, recorded, asked_by)
