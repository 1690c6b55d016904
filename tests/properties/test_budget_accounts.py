"""A budget account against a book that is kept in another way: every movement is written down, nothing is summed up.

The book knows no buckets' sums, no scales and no pruning. It asks of every stretch of a window's length that holds the
moment whether everything in it stays within the limit, with exact fractions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from interlock.kernel.accounts import step_budget, used
from interlock.kernel.fold import apply
from interlock.kernel.windows import bucket
from interlock.vocabulary.canonical import decode, encode
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import Body, BudgetReplyBody, Envelope, ReserveBody, SettleBody
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import BUDGETS, CaseId
from interlock.vocabulary.limits import BUDGET_BUCKETS
from interlock.vocabulary.release import BudgetSpec

SECOND = 1_000_000
ROLLING = BudgetSpec("b", ("pay",), 1, 1, per="rolling", rolling=600 * SECOND)
STEP = 10


class Account:
    """The account under test, fed with envelopes; what it says comes back. Its entries are folded on the way."""

    def __init__(self) -> None:
        self.record: CaseRecord | None = None
        self._plain: dict[str, Any] = {}
        self._count = 0

    def take(self, body: Body) -> list[BudgetReplyBody]:
        self._count += 1
        message = Envelope(BUDGETS, "acc", f"m{self._count}", "t", "p", 0, 0, body)
        step = step_budget(self.record, message, Facts(now=self._count))
        before = self.record or CaseRecord(BUDGETS, "acc")
        folded = apply(decode(encode(before)), decode(encode(step.turns[0].delta)))
        assert encode(folded["state"]) == encode(decode(encode(step.case.state)))
        self.record = step.case
        return [envelope.body for envelope in step.sends if isinstance(envelope.body, BudgetReplyBody)]

    @property
    def state(self) -> dict[str, Any]:
        assert self.record is not None
        return self.record.state


@dataclass
class Book:
    """Who holds and who has used how much, in whole currency units, and since when they wait."""

    held: dict[str, tuple[Fraction, int]] = field(default_factory=dict[str, tuple[Fraction, int]])
    used: list[tuple[Fraction, int]] = field(default_factory=list[tuple[Fraction, int]])
    waiting: dict[str, tuple[Fraction, Fraction]] = field(default_factory=dict[str, tuple[Fraction, Fraction]])
    overrun: Fraction = Fraction(0)

    def taken(self, since: int | None = None) -> Fraction:
        held = sum((amount for amount, _ in self.held.values()), Fraction(0))
        return held + sum((amount for amount, at in self.used if since is None or at >= since), Fraction(0))

    def settle(self, name: str, charged: Fraction) -> None:
        if self.waiting.pop(name, None):
            return
        # What nothing is held for, because it was settled or refused before, was used all the same.
        amount, at = self.held.pop(name, (Fraction(0), 0))
        self.used.append((charged, at))
        self.overrun += max(Fraction(0), charged - amount)


OPERATION = st.one_of(
    st.tuples(
        st.just("reserve"),
        st.integers(0, 7),
        st.sampled_from([-1, 0, 10, 40, 50, 60, 90]),
        st.sampled_from([50, 100]),
        st.sampled_from([True, True, False]),
        st.sampled_from([0, 0, 1, 2]),
    ),
    st.tuples(st.just("settle"), st.integers(0, 7), st.sampled_from([0, 0, 1, 60, 9000])),
)


def unit(scale: int | None) -> Fraction:
    """What one unit of a message is worth. Where none says its scale, all are of one."""
    return Fraction(1, 10 ** (scale or 0))


@example(
    scaled=False,
    operations=[
        ("reserve", 0, 60, 100, False, 0),
        ("reserve", 1, 40, 100, False, 0),
        ("reserve", 2, 60, 100, True, 0),
        ("settle", 0, 0),
    ],
)
@given(scaled=st.booleans(), operations=st.lists(OPERATION, max_size=60))
@settings(max_examples=300)
def test_an_account_equals_a_book_that_sums_nothing_up(scaled: bool, operations: list[tuple[Any, ...]]) -> None:
    account, book = Account(), Book()
    asked: dict[str, int | None] = {}
    for operation in operations:
        name = f"r{operation[1]}"
        called: list[BudgetReplyBody] = []
        if operation[0] == "reserve":
            _, _, amount, limit, wait, scale = operation
            if name in asked:
                continue
            scale = asked[name] = scale if scaled else None
            one = unit(scale)
            # The finest unit is in use as well, so that nothing that is lost in scaling stays unseen.
            amount, limit = amount * 10 ** (scale or 0) + (scale == 2), limit * 10 ** (scale or 0)
            fits = amount >= 0 and book.taken() + amount * one <= limit * one
            (reply,) = account.take(ReserveBody(name, CaseId("a", "k"), amount, limit, wait=wait, scale=scale))
            assert (reply.granted, reply.limit) == (fits, limit)
            assert reply.waits is (wait and not fits and 0 <= amount <= limit)
            if fits:
                book.held[name] = (amount * one, 0)
            elif reply.waits:
                book.waiting[name] = (amount * one, limit * one)
        elif name not in asked:
            continue
        else:
            scale, charged = asked[name], operation[2]
            called = account.take(SettleBody(name, charged, scale))
            book.settle(name, charged * unit(scale))
            # Whoever is called was waiting, fits together with those called before, and was not overlooked.
            promised = Fraction(0)
            expected: list[str] = []
            for waiting, (amount, limit) in book.waiting.items():
                if book.taken() + promised + amount <= limit:
                    promised += amount
                    expected.append(waiting)
            assert [reply.reservation for reply in called] == expected
            assert all(reply.room and not reply.granted for reply in called)
            for waiting in expected:
                del book.waiting[waiting]
        worth = unit(account.state.get("scale"))
        assert used(account.state) * worth == book.taken() - sum(amount for amount, _ in book.held.values())
        assert account.state["held_sum"] * worth == sum(amount for amount, _ in book.held.values())
        assert account.state["overrun"] * worth == book.overrun
        assert {name: amount * worth for name, (amount, _) in account.state["held"].items()} == {
            name: amount for name, (amount, _) in book.held.items()
        }
        assert list(account.state.get("waiting", {})) == list(book.waiting)


ROLLING_OPERATION = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from([1, 9, 10, 11, 300, 590, 600, 610, 1300]), st.just(0)),
    # `late`: how many seconds before now the decision was made whose message comes now
    st.tuples(st.just("use"), st.integers(1, 60), st.sampled_from([0, 0, 0, 15, 590, 700, 2000])),
    st.tuples(st.just("hold"), st.integers(1, 60), st.just(0)),
    st.tuples(st.just("settle"), st.integers(0, 60), st.just(0)),
)


@given(operations=st.lists(ROLLING_OPERATION, max_size=60))
@settings(max_examples=300)
def test_no_stretch_as_long_as_a_rolling_window_takes_more_than_its_limit(operations: list[tuple[Any, ...]]) -> None:
    account, now, limit, newest = Account(), 100_000, 100, 0
    used_at: list[tuple[int, int]] = []
    open_ones: list[tuple[str, int, int]] = []
    for index, (what, number, late) in enumerate(operations):
        if what == "pass":
            now += number
        elif what == "settle":
            if open_ones:
                name, amount, at = open_ones.pop(0)
                account.take(SettleBody(name, min(number, amount)))
                used_at.append((at, min(number, amount)))
        else:
            name, step = f"r{index}", (now - late) // STEP
            body = ReserveBody(name, CaseId("a", "k"), number, limit, *bucket(ROLLING, (now - late) * SECOND))
            (reply,) = account.take(body)
            # What comes more than a window after a newer one counts from the oldest moment that is still looked at.
            step = max(step, newest - BUDGET_BUCKETS)
            held = sum(amount for _, amount, _ in open_ones)
            # Free again one step after the window has passed over it, not earlier and not later.
            counted = sum(amount for moment, amount in used_at if moment // STEP >= step - BUDGET_BUCKETS)
            assert reply.granted is (counted + held + number <= limit)
            assert (reply.spent, reply.held) == (counted, held)
            if reply.granted:
                newest = max(newest, step)
                at = max(now - late, step * STEP)
                if what == "use":
                    account.take(SettleBody(name, number))
                    used_at.append((at, number))
                else:
                    open_ones.append((name, number, at))
    # The promise itself: in every stretch of ten minutes, whatever was used in it was within the limit.
    for start, _ in used_at:
        assert sum(amount for moment, amount in used_at if start <= moment < start + 600) <= limit
