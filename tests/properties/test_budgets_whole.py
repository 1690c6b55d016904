"""Budgets through the whole runtime, under random interleavings and deaths, against books that are kept independently.

The model here shares no code with the kernel's budgets. It knows the outside's own books, the calendar of the standard
library, and who approved what; from these it says what may never have happened, and what every account must have come
to. The ledger is verified as well, so that the accounts' own arithmetic is done again from the record.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from interlock.kernel import accounts
from interlock.ledger import verify
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import AnswerBody, ResolveBody, ResultBody
from interlock.vocabulary.ids import CaseId
from tests.properties.shop import MINUTE, Shop

HOUR = 60 * MINUTE

CUSTOMER = st.sampled_from(["anna", "ben"])
AMOUNT = st.sampled_from(["5.00", "20.00", "45.00", "60.00", "120.00"])
OPERATION = st.one_of(
    st.tuples(st.just("want"), CUSTOMER, AMOUNT),
    st.tuples(st.just("rush"), st.lists(CUSTOMER, min_size=2, max_size=5), AMOUNT, st.integers(0, 40)),
    st.tuples(st.just("rush"), st.lists(CUSTOMER, min_size=2, max_size=5), AMOUNT, st.integers(0, 40)),
    st.tuples(st.just("puzzle"), CUSTOMER),
    st.tuples(st.just("puzzle"), CUSTOMER),
    st.tuples(st.just("drop"), st.integers(0, 5)),
    st.tuples(st.just("clerk"), AMOUNT, st.sampled_from([3, 10, 10])),
    st.tuples(
        st.just("outside"),
        st.sampled_from(["happens", "happens", "refuses", "loses_reply", "fails"]),
        st.sampled_from([None, "0.00", "3.00", "5.00"]),
    ),
    st.just(("dies after",)),
    st.just(("approve",)),
    st.just(("approve",)),
    st.just(("resolve",)),
    st.tuples(st.just("pass"), st.sampled_from([1, 20, 61, 130, 400])),
)


# --- the books


@dataclass
class Taken:
    """One purchase that was permitted: when it reserved, for how much, with whose approval, and what became of it."""

    at: int
    customer: str
    amount: Decimal
    approved: bool
    happened: bool | None = None
    paid: Decimal = Decimal(0)

    def counts(self, amount: Decimal) -> Decimal:
        """What it takes of a budget that it would take `amount` of: nothing once it is known not to have happened."""
        return Decimal(0) if self.happened is False else amount


def wall(zone: str, at: int) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).astimezone(ZoneInfo(zone))


def purchases(shop: Shop) -> list[Taken]:
    """Every effect that got its permission, read from its case's own entries and from the outside's results."""
    found: list[Taken] = []
    for key in shop.keys:
        record = shop.record(key)
        if record is None:
            continue
        taken: dict[str, Taken] = {}
        reserved_at: dict[str, int] = {}
        for entry in shop.stage.entries(CaseId("purchases", key)):
            for decision in entry.decisions:
                local = decision.effect.rpartition("/")[2]
                if decision.awaiting:
                    reserved_at[local] = entry.at
                elif decision.verdict == "allow" and local not in taken:
                    amount = Decimal(decision.proposal.args["amount"])
                    taken[local] = Taken(reserved_at[local], record.state["customer"], amount, bool(decision.approvals))
            body = entry.cause.body if entry.cause else None
            if isinstance(body, ResultBody | ResolveBody) and body.outcome == "happened" and body.result:
                taken[body.command].happened, taken[body.command].paid = True, Decimal(body.result["paid"])
        for local, one in taken.items():
            if record.closed.get(local) in ("withdrawn", "not_happened"):
                one.happened = False
        found.extend(taken.values())
    return found


def check(shop: Shop) -> None:
    """What may never have happened, and what the accounts must have come to."""
    found = purchases(shop)
    days: defaultdict[str, Decimal] = defaultdict(Decimal)
    for one in found:
        days[wall("America/New_York", one.at).date().isoformat()] += one.counts(
            one.paid if one.happened else one.amount
        )
    approved = {wall("America/New_York", one.at).date().isoformat() for one in found if one.approved}
    for day, total in days.items():
        assert total <= (150 if day in approved else 100), f"{total} on {day}"
    ever = sum((one.counts(one.amount) for one in found), Decimal(0))
    assert ever <= 400
    for customer in ("anna", "ben"):
        times = sorted(one.at for one in found if one.customer == customer and one.happened is not False)
        for first, third in zip(times, times[2:], strict=False):
            assert third - first >= HOUR, f"three of {customer} within {(third - first) / MINUTE} minutes"
    # What the outside has really done, whatever anybody recorded.
    assert sum((Decimal(booking.args["amount"]) for booking in shop.stage.outside.books), Decimal(0)) <= 400
    accounts = shop.accounts()
    for day, total in days.items():
        assert taken_of(accounts[f"purchases|day||{day}"]) == total * 100, day
    if found:
        assert taken_of(accounts["purchases|all||ever"]) == ever * 100
    check_tokens(shop, accounts)
    check_holders(shop, accounts)


def taken_of(account: CaseRecord) -> int:
    return sum(account.state["spent"].values()) + account.state["held_sum"]


def check_tokens(shop: Shop, accounts: dict[str, CaseRecord]) -> None:
    """Tokens per hour in Kolkata, by when the question was asked: those of the answers, never more than the limit."""
    hours: defaultdict[str, int] = defaultdict(int)
    for key in shop.keys:
        entries = shop.stage.entries(CaseId("purchases", key))
        asked = next((entry.at for entry in entries if "Estimate" in entry.asked), None)
        for entry in entries:
            body = entry.cause.body if entry.cause else None
            if asked and isinstance(body, AnswerBody) and body.advisor == "clerk" and isinstance(body.outcome, Answer):
                hours[wall("Asia/Kolkata", asked).strftime("%Y-%m-%dT%H+0530")] += sum(body.outcome.usage.values())
    for hour, total in hours.items():
        assert total <= 25, hour
        account = accounts[f"purchases|tokens||{hour}"]
        assert total <= taken_of(account) <= 25, hour
        if not account.state["held"]:
            # Two tries of ten are charged where a death left nobody to hear what the answer took.
            assert (taken_of(account) - total) % 20 == 0, hour


def check_holders(shop: Shop, accounts: dict[str, CaseRecord]) -> None:
    """Capacity is held, and a place kept in the queue, only for effects and questions that still exist."""
    alive: set[str] = set()
    for key in shop.keys:
        record = shop.record(key)
        if record is not None:
            holders = [*record.effects.values(), *(one for q in record.questions.values() for one in q.asked.values())]
            alive.update(reservation.id for holder in holders for reservation in holder.reservations)
    for name, account in accounts.items():
        assert set(account.state["held"]) | set(account.state.get("waiting", {})) <= alive, name


@given(operations=st.lists(OPERATION, min_size=3, max_size=25))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_no_budget_is_exceeded_whatever_happens_in_whatever_order(operations: list[tuple[Any, ...]]) -> None:
    shop = Shop()
    try:
        for operation in operations:
            shop.do(operation)
            check(shop)
        told = verify(shop.stage.store)
        assert told.ok, [str(finding) for finding in told.findings]
    finally:
        shop.stage.close()


def test_the_books_can_tell() -> None:
    """The model sees an effect that its budget did not permit, and capacity that is held for nobody."""
    shop = Shop()
    shop.conduct("happens", "60.00")
    shop.want("anna", "60.00")
    check(shop)
    with pytest.MonkeyPatch.context() as patch:
        real = accounts._reserve  # pyright: ignore[reportPrivateUsage]
        patch.setattr(
            accounts, "_reserve", lambda state, key, body: real(state, key, structs.replace(body, limit=10**9))
        )
        shop.want("ben", "60.00")
    with pytest.raises(AssertionError, match=r"120.00 on 2026-10-31"):
        check(shop)
    shop.stage.close()
