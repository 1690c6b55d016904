"""A budget account: the home of one (budget, key, window), which holds all its free capacity.

An account is a case of its own, on the slot its name hashes to, with one writer and its own ledger entries. It takes
two messages: a reservation, answered granted or exhausted, and a settlement, which turns what was reserved into what
was used and frees the rest. Whoever is refused may ask to be called: when capacity comes free, those who wait are told
in the order in which they asked, as far as there is room for them together, and ask again. Being told reserves
nothing, so a call can be late or in vain and never wrong.

State:
    spent     per bucket ("0" where the window does not roll), for ever
    held      per reservation: amount and bucket; `held_sum` is their sum
    overrun   what was used beyond reservations, in all
    waiting   per refused reservation that asked to be called: amount, limit, and whom to tell
    bucket    newest bucket of a rolling window; scale: digits of the amounts, where reservations say so

INVARIANT: a reservation is granted only if spent + held + amount stays within the limit it was judged against. Only
an overrun, which is recorded as one, takes an account beyond it.
INVARIANT: an account's next state is a function of its state and the message: `verify` does its arithmetic again.
"""

from __future__ import annotations

from typing import Any

from interlock.kernel.outcome import Step
from interlock.kernel.own import own_turn
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import BudgetReplyBody, Envelope, ReserveBody, SettleBody
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import BUDGETS, CaseId
from interlock.vocabulary.limits import BUDGET_BUCKETS, BUDGET_WAITING_MAX

State = dict[str, Any]

EMPTY: State = {"spent": {}, "held": {}, "held_sum": 0, "overrun": 0}


def step_budget(record: CaseRecord | None, message: Envelope, facts: Facts) -> Step:
    """One turn of an account."""
    before = record or CaseRecord(BUDGETS, message.key)
    state = before.state or EMPTY
    body = message.body
    sends: list[Envelope] = []
    source = f"interlock.case:{before.case}"

    def tell(to: CaseId, name: str, reply: BudgetReplyBody) -> None:
        sends.append(Envelope(to.automation, to.key, name, source, "interlock", facts.now, facts.now, reply))

    if isinstance(body, ReserveBody):
        state, reply = _reserve(state, before.key, body)
        notes = (f"{'granted' if reply.granted else 'exhausted'} {body.amount} to {body.reservation}",)
        tell(body.reply_to, f"budget:{body.reservation}", reply)
    elif isinstance(body, SettleBody):
        state, note = _settle(state, body)
        state, called = _call_waiting(state, before.key)
        notes = (note, *(f"room for {reply.reservation}, which waited" for _, reply in called))
        for to, reply in called:
            tell(to, f"room:{reply.reservation}", reply)
    else:
        notes = (f"a budget account takes no {type(body).__name__}; ignored",)
    return own_turn(before, message, facts, state, notes, sends)


def used(state: State, bucket: int | None = None) -> int:
    """What is spent in the window: of a rolling one, as of a bucket (the newest known when it is None)."""
    spent: dict[str, int] = state["spent"]
    if "bucket" not in state:
        return sum(spent.values())
    return _spent_since(spent, (state["bucket"] if bucket is None else bucket) - BUDGET_BUCKETS)


def _spent_since(spent: dict[str, int], oldest: int) -> int:
    # A stretch as long as the window touches one bucket more than it is long.
    return sum(amount for bucket, amount in spent.items() if int(bucket) >= oldest)


def _reserve(state: State, account: str, body: ReserveBody) -> tuple[State, BudgetReplyBody]:
    state, unit = _in_scale(state, body.scale)
    amount, limit = body.amount * unit, body.limit * unit
    spent: dict[str, int] = state["spent"]
    bucket = newest = 0
    if body.buckets:
        newest = max(state.get("bucket", body.bucket), body.bucket)
        # What comes more than a window late counts from the oldest bucket whose window is still known whole.
        bucket = max(body.bucket, newest - body.buckets)
        total = _spent_since(spent, bucket - body.buckets)
    else:
        total = sum(spent.values())
    held: int = state["held_sum"]
    known = body.reservation in state["held"]
    granted = known or (amount >= 0 and total + held + amount <= limit)
    full = len(state.get("waiting", ())) >= BUDGET_WAITING_MAX
    waits = body.wait and not granted and 0 <= amount <= limit and not full
    reply = BudgetReplyBody(account, body.reservation, granted, -(-total // unit), -(-held // unit), body.limit, waits)
    if granted and not known:
        holding = {**state["held"], body.reservation: [amount, str(bucket)]}
        if body.buckets:
            # Two windows are kept: one for a reservation that comes as late as a whole window.
            oldest = newest - 2 * body.buckets
            spent = {name: spending for name, spending in spent.items() if int(name) >= oldest}
            state = {**state, "bucket": newest}
        state = {**state, "spent": spent, "held": holding, "held_sum": held + amount}
    elif waits:
        waiting = {**state.get("waiting", {}), body.reservation: [amount, limit, *body.reply_to]}
        state = {**state, "waiting": waiting}
    return state, reply


def _settle(state: State, body: SettleBody) -> tuple[State, str]:
    if body.reservation in state.get("waiting", ()):
        return _no_longer_waiting(state, (body.reservation,)), f"{body.reservation} no longer waits"
    if body.reservation not in state["held"]:
        return _after_all(state, body) if body.charged else (state, f"{body.reservation} holds nothing here")
    state, unit = _in_scale(state, body.scale)
    charged = body.charged * unit
    amount, bucket = state["held"][body.reservation]
    held = {name: value for name, value in state["held"].items() if name != body.reservation}
    spent = dict(state["spent"])
    if charged:
        spent[bucket] = spent.get(bucket, 0) + charged
    over = max(0, charged - amount)
    state = {
        **state,
        "spent": spent,
        "held": held,
        "held_sum": state["held_sum"] - amount,
        "overrun": state["overrun"] + over,
    }
    note = f"charged {charged} of {amount} for {body.reservation}"
    return state, f"{note}; an overrun of {over}" if over else note


def _after_all(state: State, body: SettleBody) -> tuple[State, str]:
    """It was given back and has been used all the same, as a person found out: spent, and an overrun whole, for nothing
    was kept free for it. A rolling window charges it to its newest bucket.
    """
    state, unit = _in_scale(state, body.scale)
    charged, bucket = body.charged * unit, str(state.get("bucket", 0))
    spent = {**state["spent"], bucket: state["spent"].get(bucket, 0) + charged}
    state = {**state, "spent": spent, "overrun": state["overrun"] + charged}
    return state, f"charged {charged} for {body.reservation}, which had been given back; an overrun of {charged}"


def _call_waiting(state: State, account: str) -> tuple[State, list[tuple[CaseId, BudgetReplyBody]]]:
    """Those who wait and for whom there is room together, in the order in which they asked."""
    waiting: dict[str, Any] = state.get("waiting", {})
    if not waiting:
        return state, []
    total, held, promised = used(state), state["held_sum"], 0
    called: list[tuple[CaseId, BudgetReplyBody]] = []
    for reservation, (amount, limit, automation, key) in waiting.items():
        if total + held + promised + amount <= limit:
            promised += amount
            reply = BudgetReplyBody(account, reservation, False, total, held, limit, room=True)
            called.append((CaseId(automation, key), reply))
    return _no_longer_waiting(state, [reply.reservation for _, reply in called]), called


def _no_longer_waiting(state: State, gone: tuple[str, ...] | list[str]) -> State:
    left = {name: value for name, value in state["waiting"].items() if name not in gone}
    if left:
        return {**state, "waiting": left}
    return {name: value for name, value in state.items() if name != "waiting"}


def _in_scale(state: State, scale: int | None) -> tuple[State, int]:
    """The state, and how many of its units make one of the message's.

    A release may give an argument another number of decimal places while a window runs. Both go on in the same
    account, in the finer unit of the two, exactly.
    """
    if scale is None:
        return state, 1
    known: int | None = state.get("scale")
    if known is None:
        return {**state, "scale": scale}, 1
    if scale <= known:
        return state, 10 ** (known - scale)
    unit = 10 ** (scale - known)
    finer: State = {
        **state,
        "spent": {bucket: amount * unit for bucket, amount in state["spent"].items()},
        "held": {name: [amount * unit, bucket] for name, (amount, bucket) in state["held"].items()},
        "held_sum": state["held_sum"] * unit,
        "overrun": state["overrun"] * unit,
        "scale": scale,
    }
    if "waiting" in state:
        finer["waiting"] = {
            name: [amount * unit, limit * unit, automation, key]
            for name, (amount, limit, automation, key) in state["waiting"].items()
        }
    return finer, 1
