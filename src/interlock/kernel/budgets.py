"""Budgets: a quantity that may not be exceeded across cases, reserved exactly.

Each (budget, key, window) is an account: a case of its own, on the slot its name hashes to, its *home*, which holds
all free capacity.
A decision asks the home by message and waits; the home alone may say "exhausted". Several budgets are asked one
after the other, in sorted order
of their accounts, all or none, so that no two decisions wait for each other.

    case                                  home
     | reserve(id, amount, limit) -------> |  held + spent + amount <= limit ?  hold it : exhausted
     | <------------------ granted / exhausted
     | ... the effect runs ...
     | settle(id, charged) --------------> |  charged is spent for ever, the rest is free again

INVARIANT: spent + held never exceeds the limit a reservation was judged against, whatever the order, loss or
repetition of messages.
INVARIANT: a reservation is charged to the window of the decision's `now`, for ever.

Amounts are integers of the budget's own scale (cents, pieces). Calendar windows are days, weeks, months or hours of
a named time zone; a rolling
window moves in BUDGET_BUCKETS steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from msgspec import structs

from interlock.autonomy.certificates import scaled, value_at
from interlock.kernel.fold import diff
from interlock.kernel.outcome import Step, Turn
from interlock.kernel.program import Program
from interlock.kernel.work import Work
from interlock.vocabulary.action import ActionSpec, Effect, Reservation
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.decision import BudgetFigure
from interlock.vocabulary.events import BudgetReplyBody, Envelope, ReserveBody, SettleBody
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import BUDGETS, CaseId
from interlock.vocabulary.limits import BUDGET_BUCKETS, BUDGET_WAIT_MS
from interlock.vocabulary.release import BudgetSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# --- the case's side
# ---------------------------------------------------------------------------------------------------------


def needed(
    program: Program, raw: Mapping[str, Any], spec: ActionSpec, now: int, *, approved: bool
) -> tuple[BudgetFigure, ...]:
    """What the proposal would take from each budget that covers it, in sorted order of accounts. A person's
    approval reaches to `hard`.
    """
    if not program.budgets:
        return ()
    figures: list[BudgetFigure] = []
    for budget in program.budgets:
        if spec.name not in budget.actions:
            continue
        amount = 1 if not budget.sum else scaled(value_at(raw, budget.sum.split(".")), budget.scale)
        by = "" if not budget.by else str(value_at(raw, budget.by.split(".")))
        limit = budget.hard if approved else budget.auto
        account = account_name(program.automation, budget, by, now)
        # An amount that is not there cannot be counted: it is asked as more than the limit, which the home refuses.
        asked = limit + 1 if amount is None else amount
        figures.append(
            BudgetFigure(
                budget.name, account, asked, limit, "needed", on_exceeded=budget.on_exceeded, group=budget.group
            )
        )
    return tuple(sorted(figures, key=lambda figure: figure.account))


def account_name(automation: str, budget: BudgetSpec, by: str, now: int) -> str:
    """Key of the account: automation, budget, key and window."""
    return "|".join((automation, budget.name, by, window(budget, now)))


def window(budget: BudgetSpec, now: int) -> str:
    """Name of the calendar window that holds `now`, in the budget's zone; `rolling` and `ever` have one for all
    time.
    """
    if budget.per in ("ever", "rolling"):
        return budget.per
    local = (_EPOCH + timedelta(microseconds=now)).astimezone(ZoneInfo(budget.zone))
    if budget.per == "hour":
        # The offset tells the two hours of that name apart when clocks go back.
        return local.strftime("%Y-%m-%dT%H%z")
    if budget.per == "week":
        year, week, _ = local.isocalendar()
        return f"{year}-W{week:02d}"
    return local.strftime("%Y-%m" if budget.per == "month" else "%Y-%m-%d")


def reserve(work: Work, effect: Effect, figures: Iterable[BudgetFigure]) -> Effect:
    """Begin the reservations of a decided effect: ask the first account, wait for its answer or the timeout."""
    reservations = tuple(
        Reservation(
            id=f"{work.full(effect.id)}@{work.record.version}/{figure.budget}",
            account=figure.account,
            budget=figure.budget,
            amount=figure.amount,
            limit=figure.limit,
        )
        for figure in figures
    )
    effect = structs.replace(effect, status="awaiting_budget", reservations=reservations)
    ask_next(work, effect)
    work.put_timer("budget", effect.id, work.now + BUDGET_WAIT_MS * 1000, work.record.version)
    return effect


def ask_next(work: Work, effect: Effect) -> bool:
    """Ask the next account that has not granted. False when all have."""
    for reservation in effect.reservations:
        if not reservation.granted:
            spec = _spec(work.program, reservation.budget)
            bucket, buckets = _bucket(spec, work.now)
            body = ReserveBody(reservation.id, work.case, reservation.amount, reservation.limit, bucket, buckets)
            work.send(CaseId(BUDGETS, reservation.account), f"reserve:{reservation.id}", body)
            return True
    return False


def settle(work: Work, effect: Effect, *, charged: bool) -> None:
    """Tell the homes what became of the effect's reservations. One that never granted is settled at nothing, in
    case its grant is under way.
    """
    for reservation in effect.reservations:
        if reservation.granted or effect.status == "awaiting_budget":
            body = SettleBody(reservation.id, reservation.amount if charged and reservation.granted else 0)
            work.send(CaseId(BUDGETS, reservation.account), f"settle:{reservation.id}", body)


def answered(
    effect: Effect, figures: Mapping[str, tuple[str, BudgetReplyBody | None]], program: Program
) -> tuple[BudgetFigure, ...]:
    """The figures of a judgement repeated after the homes answered. `figures`: per reservation id, its state and
    reply.
    """
    result: list[BudgetFigure] = []
    for reservation in effect.reservations:
        spec = _spec(program, reservation.budget)
        state, reply = figures.get(reservation.id, ("granted" if reservation.granted else "needed", None))
        result.append(
            BudgetFigure(
                budget=reservation.budget,
                account=reservation.account,
                amount=reservation.amount,
                limit=reply.limit if reply else reservation.limit,
                state=cast("Any", state),
                spent=reply.spent if reply else 0,
                held=reply.held if reply else 0,
                on_exceeded=spec.on_exceeded,
                group=spec.group,
            )
        )
    return tuple(result)


def _spec(program: Program, name: str) -> BudgetSpec:
    for spec in program.budgets:
        if spec.name == name:
            return spec
    # The budget left the release while a decision waited for it: nothing declares what to do, so a person does.
    return BudgetSpec(name, (), 0, 0)


def _bucket(spec: BudgetSpec, now: int) -> tuple[int, int]:
    if spec.per != "rolling":
        return 0, 0
    return now // max(1, spec.rolling // BUDGET_BUCKETS), BUDGET_BUCKETS


# --- the home's side
# ---------------------------------------------------------------------------------------------------------


def step_budget(record: CaseRecord | None, message: Envelope, facts: Facts) -> Step:
    """One turn of an account. State: `spent` per bucket ("0" where the window does not roll), `held` per
    reservation, their sums.
    """
    before = record or CaseRecord(BUDGETS, message.key)
    state: dict[str, Any] = before.state or {"spent": {}, "held": {}, "held_sum": 0, "overrun": 0}
    body = message.body
    sends: tuple[Envelope, ...] = ()
    notes: tuple[str, ...] = ()
    if isinstance(body, ReserveBody):
        state, reply = _reserve(state, before.key, body)
        notes = (f"{'granted' if reply.granted else 'exhausted'} {body.amount} to {body.reservation}",)
        source = f"interlock.case:{before.case}"
        to = body.reply_to
        sends = (
            Envelope(
                to.automation, to.key, f"budget:{body.reservation}", source, "interlock", facts.now, facts.now, reply
            ),
        )
    elif isinstance(body, SettleBody):
        state, note = _settle(state, body)
        notes = (note,)
    else:
        notes = (f"a budget account takes no {type(body).__name__}; ignored",)
    after = structs.replace(
        before,
        version=before.version + 1,
        opened=True,
        opened_at=before.opened_at or facts.now,
        first_event_at=before.first_event_at or facts.now,
        updated_at=facts.now,
        state=state,
        status="open",
    )
    turn = Turn(message, after.version, "turn", (), notes, (), late=False, delta=diff(before, after))
    return Step(case=after, turns=(turn,), sends=sends)


def _reserve(state: dict[str, Any], account: str, body: ReserveBody) -> tuple[dict[str, Any], BudgetReplyBody]:
    spent: dict[str, int] = state["spent"]
    if body.buckets:
        oldest = body.bucket - body.buckets
        spent = {bucket: amount for bucket, amount in spent.items() if int(bucket) > oldest}
    total = sum(spent.values())
    held: int = state["held_sum"]
    known = body.reservation in state["held"]
    granted = known or (body.amount >= 0 and total + held + body.amount <= body.limit)
    reply = BudgetReplyBody(account, body.reservation, granted, total, held, body.limit)
    if granted and not known:
        holding = {**state["held"], body.reservation: [body.amount, str(body.bucket)]}
        state = {**state, "spent": spent, "held": holding, "held_sum": held + body.amount}
    return state, reply


def _settle(state: dict[str, Any], body: SettleBody) -> tuple[dict[str, Any], str]:
    if body.reservation not in state["held"]:
        return state, f"{body.reservation} holds nothing here"
    amount, bucket = state["held"][body.reservation]
    held = {name: value for name, value in state["held"].items() if name != body.reservation}
    spent = dict(state["spent"])
    if body.charged:
        spent[bucket] = spent.get(bucket, 0) + body.charged
    over = max(0, body.charged - amount)
    state = {
        **state,
        "spent": spent,
        "held": held,
        "held_sum": state["held_sum"] - amount,
        "overrun": state["overrun"] + over,
    }
    note = f"charged {body.charged} of {amount} for {body.reservation}"
    return state, f"{note}; an overrun of {over}" if over else note
