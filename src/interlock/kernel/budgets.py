"""Budgets: a quantity that may not be exceeded across cases, reserved exactly.

Each (budget, key, window) is an account: a case of its own, on the slot its name hashes to, its *home*
(`kernel.accounts`), which holds all free capacity. This is the other side: the decision that needs capacity.
It asks the home by message and waits; the home alone may say "exhausted". Several budgets are asked one after the
other, in sorted order of their accounts, all or none, so that no two decisions wait for each other.

    case                                  home
     | reserve(id, amount, limit) -------> |  held + spent + amount <= limit ?  hold it : exhausted
     | <------------------ granted / exhausted
     | ... the effect runs ...
     | settle(id, charged) --------------> |  charged is spent for ever, the rest is free again

INVARIANT: an effect's command is put only when every account has granted; a refusal by one frees all.
INVARIANT: a reservation is charged to the window of the decision's `now`, for ever.
INVARIANT: what is held is settled once: when the effect took place, failed, or was withdrawn. In doubt it stays held.

Amounts are integers of the budget's own scale (cents, pieces).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, cast

from msgspec import structs

from interlock.autonomy.certificates import scaled, value_at
from interlock.kernel.program import Program
from interlock.kernel.windows import bucket, window
from interlock.kernel.work import Work
from interlock.vocabulary.action import ActionSpec, Effect, Reservation
from interlock.vocabulary.decision import BudgetFigure
from interlock.vocabulary.events import BudgetReplyBody, ReserveBody, SettleBody
from interlock.vocabulary.ids import BUDGETS, CaseId
from interlock.vocabulary.limits import BUDGET_KEY_CHARS_MAX, BUDGET_WAIT_MS
from interlock.vocabulary.release import BudgetSpec


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
        limit = budget.hard if approved else budget.auto
        account = account_name(program.automation, budget, key_of(budget, raw), now)
        # An amount that is not there cannot be counted: it is asked as more than the limit, which the home refuses.
        asked = limit + 1 if amount is None else amount
        figures.append(
            BudgetFigure(
                budget.name, account, asked, limit, "needed", on_exceeded=budget.on_exceeded, group=budget.group
            )
        )
    return tuple(sorted(figures, key=lambda figure: figure.account))


def account_name(automation: str, budget: BudgetSpec, key: str, now: int) -> str:
    """Name of the account: automation, budget, key and window. Different ones never share a name."""
    return "|".join((automation, budget.name, key, window(budget, now)))


def key_of(budget: BudgetSpec, raw: Mapping[str, Any]) -> str:
    """The budget's key in plain data: the values under its paths, escaped so that different keys stay different."""
    if not budget.by:
        return ""
    key = "/".join(_escaped(value_at(raw, path.split("."))) for path in budget.by.split())
    if len(key) <= BUDGET_KEY_CHARS_MAX:
        return key
    # `#` is escaped in values, so no value can read like the digest of another.
    return f"{key[: BUDGET_KEY_CHARS_MAX // 2]}#{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"


def _escaped(value: Any) -> str:
    if value is None:
        return "%"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    for sign in "%|/#":
        text = text.replace(sign, f"%{ord(sign):02x}")
    return text


def reserve(work: Work, effect: Effect, figures: Iterable[BudgetFigure]) -> Effect:
    """Begin the reservations of a decided effect: ask the first account, wait for its answer or the timeout."""
    reservations = tuple(
        reservation(work, effect.id, _spec(work.program, figure.budget), figure.account, figure.amount, figure.limit)
        for figure in figures
    )
    effect = structs.replace(effect, status="awaiting_budget", reservations=reservations, reason="")
    ask_next(work, reservations)
    work.put_timer("budget", effect.id, work.now + BUDGET_WAIT_MS * 1000, work.record.version)
    return effect


def reservation(work: Work, local: str, spec: BudgetSpec, account: str, amount: int, limit: int) -> Reservation:
    """A reservation for what is called `local` in the case, in the window of this turn's now."""
    at, buckets = bucket(spec, work.now)
    return Reservation(
        id=f"{work.full(local)}@{work.record.version}/{spec.name}",
        account=account,
        budget=spec.name,
        amount=amount,
        limit=limit,
        bucket=at,
        buckets=buckets,
        scale=spec.scale,
    )


def generation_of(reservation: str) -> int:
    """The turn in which a reservation was made: what tells its timer from that of an earlier one."""
    return int(reservation.rpartition("@")[2].partition("/")[0])


def ask_next(work: Work, reservations: Iterable[Reservation]) -> bool:
    """Ask the next account that has not granted. False when all have."""
    for one in reservations:
        if not one.granted:
            wait = _spec(work.program, one.budget).on_exceeded == "wait"
            body = ReserveBody(one.id, work.case, one.amount, one.limit, one.bucket, one.buckets, wait, one.scale)
            work.send(CaseId(BUDGETS, one.account), f"reserve:{one.id}", body)
            return True
    return False


def charge(work: Work, effect: Effect, result: Any) -> None:
    """The effect took place: each reservation becomes what its result says was used, or what was reserved."""
    for one in effect.reservations:
        if one.granted:
            settle_one(work, one, _used(work, effect, one, result))


def charge_after_all(work: Work, effect: Effect) -> None:
    """Its reservations were given back, and now it is known to have taken place: charge them, whatever is left."""
    for one in effect.reservations:
        if one.granted and one.amount:
            what = f"{effect.action} ({effect.decision}) used {one.amount} that had been given back"
            work.flag(f"Overrun of budget {one.budget}: {what}.")
            body = SettleBody(one.id, one.amount, one.scale)
            work.send(CaseId(BUDGETS, one.account), f"after_all:{one.id}:{work.record.version}", body)


def _used(work: Work, effect: Effect, one: Reservation, result: Any) -> int:
    spec = _spec(work.program, one.budget)
    if not spec.settle:
        return one.amount
    said = scaled(value_at(result, spec.settle.split(".")[1:]), one.scale)
    if said is None or said < 0:
        work.note(f"no amount for budget {one.budget} in the result of {effect.action}: all of {one.amount} is charged")
        return one.amount
    if said > one.amount:
        work.flag(
            f"Overrun of budget {one.budget}: {effect.action} ({effect.decision}) used {said} of {one.amount} reserved."
        )
    return said


def free(work: Work, reservations: Iterable[Reservation]) -> None:
    """Nothing was used: tell the homes. One that has not granted is told as well, in case its grant is under way."""
    for one in reservations:
        settle_one(work, one, 0)


def settle_one(work: Work, one: Reservation, charged: int) -> None:
    """Tell the home what became of a reservation."""
    work.send(CaseId(BUDGETS, one.account), f"settle:{one.id}", SettleBody(one.id, charged, one.scale))


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


def spec_of(program: Program, name: str) -> BudgetSpec | None:
    """The budget of this name in the release; None once it has left it."""
    return next((spec for spec in program.budgets if spec.name == name), None)


def _spec(program: Program, name: str) -> BudgetSpec:
    # The budget left the release while a decision waited for it: nothing declares what to do, so a person does.
    return spec_of(program, name) or BudgetSpec(name, (), 0, 0)
