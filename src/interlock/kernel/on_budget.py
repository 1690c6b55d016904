"""The answer of a budget's home, or its silence: the waiting decision is judged again on the state of this moment.

Where a budget is to be waited for, an exhausted one leaves its decision waiting: it holds nothing meanwhile, so that
nobody waits for who waits, and is judged again when the home says that there is room, when the window ends, or when
it has waited for as long as the budget says. Then a person is asked.

    awaiting --granted by all--> judged: runs
        |  \\--exhausted--------> judged: denied, or a person is asked
        |--exhausted, wait-----> waiting --room, next window--> judged: asks all accounts again
                                    \\----`wait_for` over, still exhausted--> judged: a person is asked
"""

from __future__ import annotations

from msgspec import structs

from interlock.kernel import budgets, decide, on_advice, spending, windows
from interlock.kernel.work import Work
from interlock.vocabulary.action import Effect
from interlock.vocabulary.events import BudgetReplyBody
from interlock.vocabulary.limits import BUDGET_WAIT_MS

_WAITING = "waiting for capacity"


def on_budget_reply(work: Work, body: BudgetReplyBody) -> None:
    effect = _waiting_for(work, body.reservation)
    if effect is None:
        if not _of_a_question(work, body):
            # Withdrawn meanwhile: its settlement is already on the way to the home, behind the reservation.
            work.note(f"budget reply for {body.reservation} came after its decision was withdrawn")
        return
    if effect.reason == _WAITING:
        # Told that there is room, or granted after it was taken for silent: all accounts are asked, in their order.
        work.note(f"room for {body.reservation}: {body.spent} spent, {body.held} held of {body.limit}")
        _judge_anew(work, effect)
        return
    if not body.granted:
        _exceeded(work, effect, body.reservation, body)
        return
    work.note(f"{body.reservation} granted: {body.spent} spent, {body.held} held of {body.limit}")
    reservations = tuple(
        structs.replace(r, granted=True) if r.id == body.reservation else r for r in effect.reservations
    )
    effect = work.change_effect(effect, reservations=reservations)
    if not budgets.ask_next(work, reservations):
        figures = budgets.answered(effect, {body.reservation: ("granted", body)}, work.program)
        decide.judge(work, decide.proposal_of(effect), decide.again_of(effect, figures))


def on_budget_silence(work: Work, name: str, generation: int) -> None:
    """The home did not answer in time, or the wait for a window is over and it is asked again."""
    effect = work.record.effects.get(name)
    if effect is None:
        _question_unanswered(work, name, generation)
        return
    if effect.status != "awaiting_budget":
        return
    missing = next((r for r in effect.reservations if not r.granted), None)
    if missing is None or budgets.generation_of(missing.id) != generation:
        return
    if effect.reason == _WAITING:
        work.note(f"asking for budget {missing.budget} again")
        _judge_anew(work, effect)
        return
    _exceeded(work, effect, missing.id, None)


def _exceeded(work: Work, effect: Effect, reservation: str, reply: BudgetReplyBody | None) -> None:
    state = "exhausted" if reply else "unanswered"
    figures = budgets.answered(effect, {reservation: (state, reply)}, work.program)
    refused = next(figure for figure in figures if figure.state == state)
    # No window has room for more than its whole limit: waiting for one would never end, so a person is asked.
    if refused.on_exceeded == "wait" and refused.amount <= refused.limit and _wait(work, effect, reservation, reply):
        return
    decide.judge(work, decide.proposal_of(effect), decide.again_of(effect, figures))


def _wait(work: Work, effect: Effect, reservation: str, reply: BudgetReplyBody | None) -> bool:
    """Leave the decision waiting, unless it has waited for as long as it may."""
    refused = next(r for r in effect.reservations if r.id == reservation)
    spec = budgets.spec_of(work.program, refused.budget)
    since = effect.waiting_since or work.now
    if spec is None or work.now >= since + spec.wait_for:
        return False
    budgets.free(work, [r for r in effect.reservations if r.id != reservation and r.granted])
    called = reply is not None and reply.waits
    due = since + spec.wait_for
    if not called:
        due = min(due, work.now + BUDGET_WAIT_MS * 1000)
    elif spec.per == "rolling":
        # Time frees it as well, of which nobody tells: once per step of the window it is asked again.
        due = min(due, work.now + max(windows.bucket_length(spec), BUDGET_WAIT_MS * 1000))
    else:
        due = min(due, windows.ends(spec, work.now) or due)
    work.note(f"budget {spec.name} is {'exhausted' if reply else 'unanswered'}; the decision waits for capacity")
    work.change_effect(effect, reason=_WAITING, waiting_since=since, reservations=(refused,))
    work.put_timer("budget", effect.id, due, budgets.generation_of(reservation))
    return True


def _judge_anew(work: Work, effect: Effect) -> None:
    """Give up what was asked for and judge from the start: the state, the rules and the window may be others now."""
    budgets.free(work, effect.reservations)
    work.drop_timer("budget", effect.id)
    effect = work.change_effect(effect, reservations=())
    decide.judge(work, decide.proposal_of(effect), decide.again_of(effect, ()))


def _waiting_for(work: Work, reservation: str) -> Effect | None:
    for effect in work.record.effects.values():
        if effect.status == "awaiting_budget" and any(
            r.id == reservation and not r.granted for r in effect.reservations
        ):
            return effect
    return None


# --- what asking an advisor costs -----------------------------------------------------------------------------------


def _of_a_question(work: Work, body: BudgetReplyBody) -> bool:
    found = spending.waiting_for(work, body.reservation)
    if found is None:
        return False
    question, advisor, asked = found
    if body.granted:
        spending.granted(work, question, advisor, asked, body)
        return True
    figures = f"{body.spent} spent + {body.held} held, limit {body.limit}"
    on_advice.unaffordable(work, question, advisor, f"budget {spending.budget_of(body.reservation)}: {figures}")
    return True


def _question_unanswered(work: Work, local: str, generation: int) -> None:
    found = spending.asked_as(work, local)
    if found is None:
        return
    question, advisor, asked = found
    missing = next((r for r in asked.reservations if not r.granted), None)
    if missing is not None and budgets.generation_of(missing.id) == generation:
        on_advice.unaffordable(work, question, advisor, f"budget {missing.budget} did not answer in time")
