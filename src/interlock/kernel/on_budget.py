"""The answer of a budget's home, or its silence: the waiting decision is judged again on the state of this moment."""

from __future__ import annotations

from msgspec import structs

from interlock.kernel import budgets, decide
from interlock.kernel.work import Work
from interlock.vocabulary.action import Effect
from interlock.vocabulary.events import BudgetReplyBody
from interlock.vocabulary.limits import BUDGET_WAIT_MS


def on_budget_reply(work: Work, body: BudgetReplyBody) -> None:
    effect = _waiting_for(work, body.reservation)
    if effect is None:
        # Withdrawn meanwhile: its settlement is already on the way to the home, behind the reservation.
        work.note(f"budget reply for {body.reservation} came after its decision was withdrawn")
        return
    if not body.granted:
        _exceeded(work, effect, body.reservation, body)
        return
    work.note(f"{body.reservation} granted: {body.spent} spent, {body.held} held of {body.limit}")
    reservations = tuple(
        structs.replace(r, granted=True) if r.id == body.reservation else r for r in effect.reservations
    )
    effect = work.change_effect(effect, reservations=reservations)
    if not budgets.ask_next(work, effect):
        figures = budgets.answered(effect, {body.reservation: ("granted", body)}, work.program)
        decide.judge(work, decide.proposal_of(effect), decide.again_of(effect, figures))


def on_budget_silence(work: Work, name: str, generation: int) -> None:
    """The home did not answer in time, or the wait for a window is over and it is asked again."""
    effect = work.record.effects.get(name)
    if effect is None or effect.status != "awaiting_budget":
        return
    missing = next((r for r in effect.reservations if not r.granted), None)
    if missing is None or int(missing.id.rpartition("@")[2].partition("/")[0]) != generation:
        return
    if effect.reason == _WAITING:
        work.note(f"asking for budget {missing.budget} again")
        _judge_anew(work, effect)
        return
    _exceeded(work, effect, missing.id, None)


_WAITING = "waiting for capacity"


def _exceeded(work: Work, effect: Effect, reservation: str, reply: BudgetReplyBody | None) -> None:
    state = "exhausted" if reply else "unanswered"
    figures = budgets.answered(effect, {reservation: (state, reply)}, work.program)
    refused = next(figure for figure in figures if figure.state == state)
    # No window has room for more than its whole limit: waiting for one would never end, so a person is asked.
    if refused.on_exceeded == "wait" and refused.amount <= refused.limit:
        work.note(f"budget {refused.budget} is {state}; the decision waits for capacity")
        work.change_effect(effect, reason=_WAITING)
        generation = int(reservation.rpartition("@")[2].partition("/")[0])
        work.put_timer("budget", effect.id, work.now + BUDGET_WAIT_MS * 1000, generation)
        return
    decide.judge(work, decide.proposal_of(effect), decide.again_of(effect, figures))


def _judge_anew(work: Work, effect: Effect) -> None:
    """Release what is held and judge from the start: the window may be another one now."""
    decide.withdraw(work, effect)
    again = decide.Again(
        of=effect.decision, approvals=effect.approvals, discharged=effect.discharged, review=effect.review or ""
    )
    decide.judge(work, decide.proposal_of(effect), again)


def _waiting_for(work: Work, reservation: str) -> Effect | None:
    for effect in work.record.effects.values():
        if effect.status == "awaiting_budget" and any(
            r.id == reservation and not r.granted for r in effect.reservations
        ):
            return effect
    return None
