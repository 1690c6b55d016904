"""Guarantee 6: budgets are never exceeded, under any concurrency.

Judged twice. In the accounts' own entries, at every step: what is spent and what is held together stay within the
limit that each reservation was judged against. And in the outside's books: what really happened, per window, within
`hard`.
"""

from __future__ import annotations

from decimal import Decimal

from interlock.testing.checker.effects import starts_of
from interlock.testing.checker.history import BudgetRule, History, Violation
from interlock.testing.checker.reading import Line, Plain, Story

ACCOUNTS = "interlock.budgets"


def judge(history: History, story: Story) -> list[Violation]:
    found: list[Violation] = []
    for line in story.lines:
        if line.case[0] == ACCOUNTS:
            found.extend(_account(history, line))
    found.extend(_covered(history, story))
    found.extend(_books(history, story))
    if history.settled:
        found.extend(_leaks(story))
    return found


def budget_of(account: str) -> str:
    """Name of the budget that an account (automation|budget|key|window) belongs to."""
    return account.split("|")[1]


def figures(record: Plain) -> tuple[int, int, dict[str, list[str | int]]]:
    """Spent, held, and the single holdings of an account. `held` is added up here, not believed.

    Of a rolling window, spent is what the sixty-one buckets up to the newest hold: any stretch of its length touches no
    more. Older ones are kept for reservations that come late.
    """
    state = record.get("state", {})
    holdings: dict[str, list[str | int]] = state.get("held", {})
    oldest = state["bucket"] - 60 if "bucket" in state else 0
    spent = sum(int(amount) for bucket, amount in state.get("spent", {}).items() if int(bucket) >= oldest)
    return spent, sum(int(amount) for amount, _ in holdings.values()), holdings


def _account(history: History, line: Line) -> list[Violation]:
    account = line.case[1]
    rule = history.rules.budgets.get(budget_of(account))
    where = (account, line.place)
    if rule is None:
        return [Violation(6, "an account belongs to no declared budget", where)]
    found: list[Violation] = []
    spent, held, holdings = figures(line.after)
    _, _, before = figures(line.before)
    # More may have happened outside than was decided; then the account itself says so.
    if spent + held > rule.hard + int(line.after.get("state", {}).get("overrun", 0)):
        found.append(Violation(6, f"{spent} spent and {held} held exceed the hard limit {rule.hard}", where))
    body = line.cause.get("body", {})
    for new in holdings.keys() - before.keys():
        limit = body.get("limit") if body.get("kind") == "reserve" and body.get("reservation") == new else None
        if limit is None or limit not in (rule.auto, rule.hard):
            found.append(Violation(6, f"{new} holds capacity that it did not ask for", where))
        elif spent + held > limit:
            found.append(Violation(6, f"{new} was granted with {spent} spent and {held} held of {limit}", where))
    if any(int(amount) < 0 for amount, _ in holdings.values()) or spent < 0:
        found.append(Violation(6, "an account holds less than nothing", where))
    if line.after.get("state", {}).get("held_sum", 0) != held:
        found.append(Violation(6, "an account's sum differs from its holdings", where))
    return found


def _covered(history: History, story: Story) -> list[Violation]:
    """Whatever starts holds its reservations in every budget that covers it; what reaches beyond `auto` had a
    person."""
    found: list[Violation] = []
    granted: dict[str, int] = {}
    for line in story.lines:
        if line.case[0] == ACCOUNTS:
            _, _, holdings = figures(line.after)
            granted.update({name: int(amount) for name, (amount, _) in holdings.items()})
    for start in starts_of(story):
        effect = start.effect
        reservations = {r["budget"]: r for r in effect.get("reservations", ())}
        for name, rule in history.rules.budgets.items():
            if effect["action"] not in rule.actions:
                continue
            held = reservations.get(name)
            where = (start.name, name)
            if held is None or not held.get("granted") or held["id"] not in granted:
                found.append(Violation(6, "an effect started without its budget", where))
            elif granted[held["id"]] != held["amount"] or held["amount"] != _amount(rule, effect["args"]):
                found.append(Violation(6, "an effect holds another amount than it takes", where))
            elif held.get("limit", 0) > rule.auto and not effect.get("approvals"):
                found.append(Violation(6, "an effect beyond the automatic limit started without a person", where))
    return found


def _books(history: History, story: Story) -> list[Violation]:
    """What the outside did, added up per account, is within the account and its limit."""
    accounts: dict[str, list[tuple[str, int]]] = {}
    for start in starts_of(story):
        for reservation in start.effect.get("reservations", ()):
            accounts.setdefault(start.effect["key"], []).append((reservation["account"], reservation["amount"]))
    booked: dict[str, int] = {}
    for booking in history.bookings:
        for account, amount in dict.fromkeys(accounts.get(booking.effect_key, ())):
            booked[account] = booked.get(account, 0) + amount
    found: list[Violation] = []
    for account, total in booked.items():
        rule = history.rules.budgets.get(budget_of(account))
        record = story.records.get((ACCOUNTS, account), {})
        spent, held, _ = figures(record)
        if rule is not None and rule.windowed and total > rule.hard:
            found.append(Violation(6, f"{total} were really used of {rule.hard}", (account,)))
        if rule is not None and rule.windowed and total > spent + held:
            found.append(Violation(6, f"{total} were used and only {spent + held} are accounted for", (account,)))
    return found


def _leaks(story: Story) -> list[Violation]:
    """When nothing is left to do, capacity is held only for effects that still exist."""
    alive: set[str] = set()
    for record in story.records.values():
        for effect in record.get("effects", {}).values():
            alive.update(r["id"] for r in effect.get("reservations", ()))
    found: list[Violation] = []
    for (automation, account), record in story.records.items():
        if automation == ACCOUNTS:
            _, _, holdings = figures(record)
            lost = sorted(holdings.keys() - alive)
            found.extend(Violation(6, "capacity is held for nothing", (account, name)) for name in lost)
    return found


def _amount(rule: BudgetRule, args: Plain) -> int:
    return 1 if not rule.sum else int(Decimal(args[rule.sum]).scaleb(rule.scale))
