"""One step of a case: `step(case, message, facts, program)` gives the next case and what the caller must now do.

This is the switch alone; each kind of message has its own module. The step is pure: no I/O, no clock, no random.
Everything it may know is in
its arguments, so the same arguments give the same step in production, in the simulator, in replay and in `verify`.

INVARIANT: a step either returns or raises; when it raises (a reducer failed, a move was not declared) nothing has
changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import structs

from interlock.kernel import (
    lost,
    on_advice,
    on_budget,
    on_event,
    on_handling,
    on_recover,
    on_result,
    on_review,
    on_start,
)
from interlock.kernel.accounts import step_budget
from interlock.kernel.erasure import after_erasure
from interlock.kernel.outcome import Step
from interlock.kernel.people import step_people
from interlock.kernel.poison import POISON, quarantine_id, why_poison
from interlock.kernel.program import Program
from interlock.kernel.work import Work
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import (
    AnswerBody,
    BudgetReplyBody,
    CallBody,
    Envelope,
    EventBody,
    HandlingBody,
    RecoverBody,
    ResolveBody,
    ResultBody,
    StartBody,
    TimerBody,
    VerdictBody,
    WakeBody,
)
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import BUDGETS, PEOPLE
from interlock.vocabulary.limits import PARKED_MAX

__all__ = ["OWN_STEPS", "step"]

OWN_STEPS = {BUDGETS: step_budget, PEOPLE: step_people}
"""The interlock's own automations: their steps need no program."""


class TooManyParked(Exception):
    """More events wait for a case to open than any real case would have. The message is quarantined."""


def step(record: CaseRecord | None, message: Envelope, facts: Facts, program: Program) -> Step:
    """Consume one message. `record` is None for a case nobody has heard of.

    Raises whatever a user's reducer raises, FlowViolation, AskedInCircles or TooManyParked: all of them poison,
    judged by the caller.
    """
    before = record or _unheard(message)
    if before.erased:
        return after_erasure(before, message, facts)
    current = _current(before, program)
    work = Work(current, facts, program, message)
    if current is not before:
        work.starts_from(before)
    _turn(work, message)
    waiting = _claim_parked(work)
    work.end()
    _apply_parked(work, waiting)
    return work.step()


def _unheard(message: Envelope) -> CaseRecord:
    """Empty but for its name: the first entry's delta holds everything else, so folding needs the entries alone."""
    return CaseRecord(message.automation, message.key)


def _current(record: CaseRecord, program: Program) -> CaseRecord:
    """The record in the live release's shape: initial state for a new case, upcast where it was stored under
    another schema.
    """
    if not record.status:
        state, status, schema = program.reducers.initial()
        return structs.replace(record, state=state, status=status, schema=schema)
    if record.release != program.release:
        state, schema = program.reducers.current(record.state, record.schema)
        if state != record.state or schema != record.schema:
            # An upcaster may have renamed the status; the state carries it.
            return structs.replace(record, state=state, schema=schema, status=state.get("status", record.status))
    return record


def _turn(work: Work, message: Envelope) -> None:
    body = message.body
    if work.facts.paused or work.record.doubtful:
        doubtful = lost.is_doubtful(work.record, message, work.facts)
        if doubtful != work.record.doubtful:
            work.set(doubtful=doubtful)
    if not work.record.opened and isinstance(body, EventBody) and body.type not in work.program.opening:
        _park(work, message)
        return
    handler = _TAKES.get(type(body))
    if handler is None:
        work.note(f"a case takes no {type(body).__name__}; ignored")
    else:
        handler(work, body)


def _wake(work: Work, body: WakeBody) -> None:
    if body.what == "review":
        on_review.on_due(work, body.about, body.generation)
    elif body.what == "budget":
        on_budget.on_budget_silence(work, body.about, body.generation)
    elif not work.record.opened:
        _orphaned(work)


_TAKES: dict[type[Any], Callable[[Work, Any], None]] = {
    EventBody: on_event.on_event,
    CallBody: on_event.on_call,
    AnswerBody: on_advice.on_answer,
    ResultBody: on_result.on_result,
    StartBody: on_start.on_start,
    TimerBody: on_event.on_timer,
    VerdictBody: on_review.on_verdict,
    HandlingBody: on_handling.on_handling,
    ResolveBody: on_result.on_resolve,
    RecoverBody: on_recover.on_recover,
    BudgetReplyBody: on_budget.on_budget_reply,
    WakeBody: _wake,
}
"""What a case takes, and which module takes it."""


def _park(work: Work, message: Envelope) -> None:
    """Keep an event for a case that is not open yet. It is applied right after the opening one."""
    parked = work.record.parked
    if len(parked) >= PARKED_MAX:
        raise TooManyParked(f"{PARKED_MAX} events wait for {work.case} to be opened.")
    work.set(parked=(*parked, message))
    if not parked:
        work.put_timer("orphans", "parked", work.now + work.program.orphan_after, work.record.version)
    work.note("parked: the case has not been opened by an event that may open it")


def _orphaned(work: Work) -> None:
    """Nobody opened the case in time: what waited goes to quarantine, where an operator sees it."""
    for message in work.record.parked:
        work.quarantined.append((message, "no event opened its case in time", False))
    work.note(f"{len(work.record.parked)} events waited in vain for the case to be opened")
    work.set(parked=())


def _claim_parked(work: Work) -> list[Envelope]:
    """What waited for the opening that has just happened, in the order in which it happened outside."""
    record = work.record
    if not record.parked or not record.opened or record.blocked:
        return []
    waiting = sorted(record.parked, key=lambda m: (m.occurred_at, m.source, m.id))
    work.set(parked=())
    return waiting


def _apply_parked(work: Work, waiting: list[Envelope]) -> None:
    """Each in a turn of its own. One that fails is set aside like any poison; it does not take the opening event
    with it.
    """
    for index, message in enumerate(waiting):
        before = work.mark()
        work.begin(message)
        try:
            _turn(work, message)
        except POISON as poison:  # judged here for this message alone
            work.back_to(before)
            work.begin(message)
            work.set(blocked=quarantine_id(message), parked=tuple(waiting[index + 1 :]))
            why = why_poison(poison)
            work.note(why)
            work.quarantined.append((message, why, True))
            work.end("quarantined")
            return
        work.note("was parked until the case was opened")
        work.end()
