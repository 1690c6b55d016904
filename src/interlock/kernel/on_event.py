"""Events, calls and the automation's own timers: facts and wishes from outside the conversation with advisors and
effects.
"""

from __future__ import annotations

from interlock.kernel import decide
from interlock.kernel.decide import Origin
from interlock.kernel.on_handling import event_answers
from interlock.kernel.program import Propose
from interlock.kernel.requests import carry_out
from interlock.kernel.work import Work
from interlock.vocabulary.events import CallBody, EventBody, TimerBody


def on_event(work: Work, body: EventBody) -> None:
    """Fold an outside fact. State follows the ledger's order; an event that happened earlier than one already
    applied is marked late.
    """
    record, occurred = work.record, work.message.occurred_at
    if record.events_at and occurred < record.events_at:
        work.late = True
    if not record.opened:
        work.set(opened=True, opened_at=work.now, first_event_at=occurred)
        if record.parked:
            work.drop_timer("orphans", "parked")
    work.set(events_at=max(record.events_at, occurred), first_event_at=min(work.record.first_event_at, occurred))
    view = work.view("event", body.type, body.data)
    reduction = work.program.reducers.reduce(work.record.state, work.record.status, view)
    m = work.message
    carry_out(work, reduction, Origin("rule", f"event {body.type} {m.id} from {m.source}", (m.principal,)))
    if work.record.reviews:
        event_answers(work, m, body.type)


def on_call(work: Work, body: CallBody) -> None:
    """A person or an agent asks for an action. Without a reducer for it, it is proposed as called."""
    m = work.message
    origin = Origin(body.by, f"call of {body.action} by {m.principal}", (m.principal,))
    reducers = work.program.reducers
    # A case that no event has opened has no state for a reducer to look at; the flow refuses the call and says so.
    if work.record.opened and reducers.has("called", body.action):
        view = work.view("called", body.action, body.args)
        carry_out(work, reducers.reduce(work.record.state, work.record.status, view), origin)
    else:
        decide.propose(work, Propose(body.action, body.args), origin)


def on_timer(work: Work, body: TimerBody) -> None:
    """A timer of the automation is due. One that was cancelled or set again since says nothing."""
    pending = work.record.timers.get(body.name)
    if pending is None or pending.generation != body.generation:
        work.note(f"timer {body.name} was cancelled or set again; ignored")
        return
    work.clear_timer(body.name)
    view = work.view("timer", body.name, pending.data)
    reduction = work.program.reducers.reduce(work.record.state, work.record.status, view)
    carry_out(work, reduction, Origin("rule", f"timer {body.name}", pending.requesters))
