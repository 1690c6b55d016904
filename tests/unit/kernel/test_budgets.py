"""Budgets from the case's side: several at once, waiting, what a result says was used, and what advice costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from interlock.kernel.accounts import step_budget, used
from interlock.kernel.budgets import account_name, key_of
from interlock.vocabulary.advice import Answer, Silence
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import (
    AnswerBody,
    BudgetReplyBody,
    Envelope,
    ReserveBody,
    ResultBody,
    SettleBody,
    WakeBody,
)
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import BUDGETS, CaseId
from interlock.vocabulary.limits import BUDGET_KEY_CHARS_MAX, BUDGET_WAIT_FOR_MS, BUDGET_WAIT_MS
from interlock.vocabulary.release import BudgetSpec, QuestionSpec
from tests.unit.kernel.program import DAY, Driver, program

COUNT = BudgetSpec("count", ("pay",), auto=2, hard=2, per="ever")
HOUR = 3_600_000_000


class Homes:
    """The accounts, and the road between them and one case: what is sent arrives when it is carried."""

    def __init__(self, d: Driver) -> None:
        self.d = d
        self.records: dict[str, CaseRecord] = {}

    def hear(self, message: Envelope) -> list[Envelope]:
        assert message.automation == BUDGETS
        done = step_budget(self.records.get(message.key), message, Facts(now=self.d.now))
        self.records[message.key] = done.case
        return list(done.sends)

    def carry(self) -> list[BudgetReplyBody]:
        """Until nothing is under way any more. Returns what the homes said to this case."""
        said: list[BudgetReplyBody] = []
        while self.d.sent:
            sent, self.d.sent = self.d.sent, []
            for message in sent:
                for reply in self.hear(message):
                    if reply.key != "c1":
                        continue
                    assert isinstance(reply.body, BudgetReplyBody)
                    said.append(reply.body)
                    self.d.give(reply.body)
        return said

    def other(self, account: str, amount: int, limit: int = 10**9) -> None:
        """Another case holds something."""
        body = ReserveBody(f"pay/other/1.0@1/{account.split('|')[1]}", CaseId("pay", "other"), amount, limit)
        self.hear(Envelope(BUDGETS, account, f"o{len(self.records)}", "t", "p", 0, 0, body))

    def settle_other(self, account: str, charged: int) -> list[Envelope]:
        body = SettleBody(f"pay/other/1.0@1/{account.split('|')[1]}", charged)
        return self.hear(Envelope(BUDGETS, account, f"s{len(self.records)}", "t", "p", 0, 0, body))

    def held(self) -> dict[str, int]:
        return {name: record.state["held_sum"] for name, record in self.records.items()}

    def spent(self) -> dict[str, int]:
        return {name: used(record.state) for name, record in self.records.items()}


def start(*budgets: BudgetSpec, **changes: Any) -> tuple[Driver, Homes]:
    d = Driver(program(budgets=budgets, **changes))
    return d, Homes(d)


def decided(d: Driver, amount: str = "60.00") -> None:
    d.event("Presented", box="x")
    d.answer("a", amount)
    d.answer("b", amount)


def the_account(d: Driver, budget: str) -> str:
    figure = next(figure for figure in d.last.budgets if figure.budget == budget)
    return figure.account


def wake(d: Driver) -> int:
    """Let the newest budget timer come due. Returns how long it took."""
    row = next(t for step in reversed(d.steps) for t in step.timers_put if t.kind == "budget")
    waited = row.due - d.now
    d.now = row.due
    d.give(WakeBody("budget", row.name, row.generation))
    return waited


# --- several, all or none


def test_an_effect_runs_when_all_of_its_budgets_have_granted() -> None:
    d, homes = start(COUNT, DAY)
    decided(d)
    assert [m.key.split("|")[1] for m in d.sent] == ["count"]
    homes.carry()
    assert d.last.verdict == "allow" and not d.last.awaiting
    assert [figure.state for figure in d.last.budgets] == ["granted", "granted"]
    assert sorted(homes.held().values()) == [1, 6000]
    d.start()
    d.result("happened")
    homes.carry()
    assert sorted(homes.spent().values()) == [1, 6000] and set(homes.held().values()) == {0}


def test_a_refusal_by_one_frees_all() -> None:
    d, homes = start(COUNT, DAY)
    decided(d)
    homes.other(the_account(d, "payout"), 9_000)
    homes.carry()
    assert d.last.verdict == "escalate" and d.last.decided_by == ("budget:payout",)
    homes.carry()
    assert sorted(homes.held().values()) == [0, 9_000]


# --- in doubt


def test_a_budget_stays_held_while_nobody_knows() -> None:
    d, homes = start(DAY)
    decided(d)
    homes.carry()
    d.start()
    d.result("unknown")
    homes.carry()
    assert list(homes.held().values()) == [6000] and list(homes.spent().values()) == [0]
    d.now += HOUR * 48
    d.result("happened", phase="check")
    homes.carry()
    (account,) = homes.records
    assert homes.spent() == {account: 6000}, "charged to the day of the decision, two days later"


# --- what was really used


@pytest.mark.parametrize(
    ("result", "charged", "flagged"),
    [
        ({"paid": "12.34"}, 1234, False),
        ({"paid": "60.00"}, 6000, False),
        ({"paid": "61.50"}, 6150, True),
        ({"paid": "0"}, 0, False),
        ({"paid": "12.345"}, 1235, False),  # a fraction of a cent counts as a whole one
        ({"paid": "-1"}, 6000, False),
        ({"paid": None}, 6000, False),
        (None, 6000, False),
    ],
)
def test_what_the_result_says_is_charged(result: Any, charged: int, flagged: bool) -> None:
    d, homes = start(structs.replace(DAY, settle="result.paid"))
    decided(d)
    homes.carry()
    d.start()
    d.give(ResultBody(next(iter(d.case.effects)), 1, "perform", "happened", result=result))
    homes.carry()
    assert list(homes.spent().values()) == [charged] and list(homes.held().values()) == [0]
    (record,) = homes.records.values()
    assert record.state["overrun"] == max(0, charged - 6000)
    assert any("Overrun of budget payout" in flag for flag in d.case.flags) is flagged


# --- waiting


WAITS = structs.replace(DAY, on_exceeded="wait", wait_for=30 * HOUR)


def waiting() -> tuple[Driver, Homes, str]:
    """A decision that waits for the day's payout while another case holds most of it."""
    d, homes = start(COUNT, WAITS)
    decided(d)
    account = the_account(d, "payout")
    homes.other(account, 9_000)
    homes.carry()
    (effect,) = d.case.effects.values()
    assert effect.status == "awaiting_budget" and not d.commands and d.last.awaiting == "budget"
    return d, homes, account


def test_a_waiting_decision_holds_nothing() -> None:
    _, homes, account = waiting()
    assert {name: held for name, held in homes.held().items() if held} == {account: 9_000}
    assert len(homes.records[account].state["waiting"]) == 1


def test_a_waiting_decision_is_judged_again_as_soon_as_there_is_room() -> None:
    d, homes, account = waiting()
    (call,) = homes.settle_other(account, 1_000)
    assert isinstance(call.body, BudgetReplyBody) and call.body.room and not call.body.granted
    d.give(call.body)
    assert d.last.awaiting == "budget", "being called grants nothing"
    homes.carry()
    assert d.last.verdict == "allow" and not d.last.awaiting and len(d.commands) == 1
    assert homes.held()[account] == 6_000


def test_a_call_that_comes_too_late_leaves_it_waiting() -> None:
    d, homes, account = waiting()
    (call,) = homes.settle_other(account, 0)
    homes.other(account, 9_999)
    assert isinstance(call.body, BudgetReplyBody)
    d.give(call.body)
    homes.carry()
    (effect,) = d.case.effects.values()
    assert effect.status == "awaiting_budget" and len(homes.records[account].state["waiting"]) == 1


def test_the_next_window_ends_the_wait() -> None:
    d, homes, account = waiting()
    waited = wake(d)
    assert 0 < waited <= 24 * HOUR and d.now % (24 * HOUR) == 22 * HOUR, "midnight in Berlin"
    homes.carry()
    assert d.last.verdict == "allow" and not d.last.awaiting
    assert the_account(d, "payout") != account
    assert "waiting" not in homes.records[account].state, "nobody is called for a wait that is over"


def test_a_wait_ends_with_a_person() -> None:
    d, homes, _ = waiting()
    began = d.now
    wake(d)
    homes.other(account_name("pay", WAITS, "", d.now), 9_000)
    homes.carry()
    assert d.case.effects, "the next day has no room either"
    wake(d)
    assert d.now == began + 30 * HOUR
    homes.carry()
    assert d.last.verdict == "escalate" and d.last.decided_by == ("budget:payout",)
    assert "0 spent + 9000 held + 6000 > 10000" in d.last.why
    homes.carry()
    assert not d.case.effects and homes.held()[the_account(d, "count")] == 0


def test_a_waiting_decision_can_be_taken_back() -> None:
    d, homes, account = waiting()
    d.event("Stopped")
    homes.carry()
    assert not any(e.action == "pay" for e in d.case.effects.values())
    assert "waiting" not in homes.records[account].state
    assert homes.settle_other(account, 0) == []


def test_a_home_that_does_not_call_is_asked_every_minute() -> None:
    d, _ = start(WAITS)
    decided(d)
    assert wake(d) == BUDGET_WAIT_MS * 1000
    assert d.case.effects and d.last.awaiting
    # It waits for a home that said nothing: there is nobody who would call.
    assert wake(d) == BUDGET_WAIT_MS * 1000
    assert [m.key for m in d.sent if isinstance(m.body, ReserveBody)] == [d.last.budgets[0].account] * 2
    # A grant that had been under way is given back, and all are asked again.
    late = next(m for m in d.sent if isinstance(m.body, ReserveBody))
    assert isinstance(late.body, ReserveBody)
    d.give(BudgetReplyBody(late.key, late.body.reservation, True, 0, 0, 10_000))
    assert "came after its decision was withdrawn" in d.notes[0]


def test_a_rolling_window_is_asked_again_when_it_has_moved() -> None:
    rolling = structs.replace(WAITS, per="rolling", rolling=3 * HOUR, zone="UTC")
    d, homes = start(rolling)
    decided(d)
    account = the_account(d, "payout")
    assert account.endswith("|rolling-10800s")
    homes.other(account, 9_000)
    homes.carry()
    assert wake(d) == 3 * HOUR // 60


def test_waiting_does_not_go_on_for_ever_by_default() -> None:
    assert BudgetSpec("b", (), 0, 0).wait_for == BUDGET_WAIT_FOR_MS * 1000


# --- keys


def test_different_keys_are_different_accounts() -> None:
    two = BudgetSpec("b", ("pay",), 1, 1, by="case.a case.b")
    keys = [
        key_of(two, {"case": {"a": a, "b": b}})
        for a, b in [
            ("x", "y"),
            ("x/y", ""),
            ("x/y", "z"),
            ("x", "y/z"),
            ("", "x/y"),
            ("x", None),
            ("x", "None"),
            ("x", "%"),
            ("x|y", "z"),
            ("x", "|y"),
            (True, 1),
            ("a" * 300, "1"),
            ("a" * 300, "2"),
            ("a" * 120, "2"),
        ]
    ]
    assert len(set(keys)) == len(keys)
    assert all("|" not in key and len(key) <= BUDGET_KEY_CHARS_MAX for key in keys)
    assert key_of(structs.replace(two, by="case.a"), {"case": {"a": "c-1"}}) == "c-1"


# --- what advice costs

MONEY = BudgetSpec(
    "money", (), 100, 100, scale=6, sum="usage.cost", advisors=("a",), each=30, currency="EUR", per="day"
)
ASKS = BudgetSpec("asks", (), 1, 1, advisors=("a",), each=1, per="ever")
ALONE = {"Read": QuestionSpec("Read", chain=("a", "b"), component="c1")}


def cost(amount: int, currency: str = "EUR", **more: int) -> dict[str, Any]:
    return {"usage": {"cost": amount, **more}, "currency": currency}


def test_an_advisor_is_asked_when_its_budget_has_granted() -> None:
    d, homes = start(MONEY, questions=ALONE)
    d.event("Presented", box="x")
    assert not d.commands and not any(c.what == "ask" for s in d.steps for c in s.commands_put)
    homes.carry()
    (command,) = d.commands.values()
    assert (command.what, command.advisor) == ("ask", "a")
    assert list(homes.held().values()) == [30]
    d.give(AnswerBody("Read", command.digest, "a", Answer("10.00", 990_000, **cost(12))))
    homes.carry()
    assert list(homes.spent().values()) == [12] and list(homes.held().values()) == [0]
    assert any(decision.proposal.action == "pay" for decision in [d.last])


def test_an_advisor_that_cannot_be_afforded_gives_way_to_the_next() -> None:
    d, homes = start(MONEY, questions=ALONE)
    d.event("Presented", box="x")
    homes.other(d.sent[0].key, 90)
    homes.carry()
    assert [c.advisor for c in d.commands.values()] == ["b"]
    asked = d.case.questions["Read"].asked["a"].outcome
    assert isinstance(asked, Silence) and asked.why == "budget" and "90 held" in asked.detail
    assert homes.held() == {next(iter(homes.records)): 90}


def test_when_nobody_can_be_afforded_the_question_is_unanswered() -> None:
    both = structs.replace(ASKS, advisors=("a", "b"), auto=0)
    d, homes = start(both)
    d.event("Presented", box="x")
    homes.carry()
    assert not d.case.questions and not any(c.what == "ask" for s in d.steps for c in s.commands_put)
    assert d.last.proposal.action == "note" and "a: budget" in d.last.proposal.because


def test_a_home_that_says_nothing_is_no_permission_to_ask() -> None:
    d, homes = start(MONEY, questions=ALONE)
    d.event("Presented", box="x")
    assert wake(d) == BUDGET_WAIT_MS * 1000
    assert [c.advisor for c in d.commands.values()] == ["b"]
    homes.carry()
    assert list(homes.held().values()) == [0], "what was granted meanwhile is given back"


@pytest.mark.parametrize(
    ("outcome", "charged"),
    [
        (Answer("10.00", None, **cost(0)), 0),
        (Answer("10.00", None), 60),  # it does not say: all that was reserved, for both tries
        (Answer("10.00", None, usage={"output_tokens": 5}), 60),
        (Answer("10.00", None, **cost(12, "USD")), 60),
        (Answer("10.00", None, **cost(12, unreported=1)), 42),
        (Answer("10.00", None, **cost(99)), 99),
        (Silence("timeout"), 60),
        (Silence("timeout", usage={"unreported": 1}), 30),
        (Silence("garbage", **cost(7)), 7),
        (Silence("breaker"), 0),
        (Silence("unavailable"), 0),
        (Silence("lost"), 60),
    ],
)
def test_what_an_answer_used_is_charged(outcome: Answer | Silence, charged: int) -> None:
    questions = {"Read": QuestionSpec("Read", chain=("a", "b"), component="c1", retries=1)}
    d, homes = start(MONEY, questions=questions)
    d.event("Presented", box="x")
    homes.carry()
    command = next(iter(d.commands.values()))
    d.give(AnswerBody("Read", command.digest, "a", outcome))
    homes.carry()
    assert list(homes.spent().values()) == [charged] and list(homes.held().values()) == [0]
    assert any("Overrun of budget money" in flag for flag in d.case.flags) is (charged > 60)


def test_tokens_are_those_in_and_those_out() -> None:
    tokens = structs.replace(MONEY, sum="usage.tokens", scale=0, currency="")
    d, homes = start(tokens, questions=ALONE)
    d.event("Presented", box="x")
    homes.carry()
    command = next(iter(d.commands.values()))
    used_ = {"input_tokens": 20, "output_tokens": 4, "cost": 1}
    d.give(AnswerBody("Read", command.digest, "a", Answer("10.00", 990_000, usage=used_)))
    homes.carry()
    assert list(homes.spent().values()) == [24]


def test_a_question_that_nobody_wants_answered_any_more() -> None:
    # Not asked yet: nothing is charged. Asked: the call may be under way, and all of it is.
    for asked, charged in ((False, 0), (True, 30)):
        d, homes = start(MONEY, questions=ALONE)
        d.event("Presented", box="x")
        if asked:
            homes.carry()
        d.event("Presented", box="y")
        d.sent = [m for m in d.sent if not isinstance(m.body, ReserveBody) or not asked]
        homes.carry()
        assert list(homes.spent().values()) == [charged]


def test_several_budgets_of_one_advisor_are_all_asked() -> None:
    d, homes = start(MONEY, ASKS, questions=ALONE)
    d.event("Presented", box="x")
    homes.carry()
    assert sorted(homes.held().values()) == [1, 30] and len(d.commands) == 1
    d.event("Presented", box="y")
    homes.carry()
    # The second question finds no ask left: what money had been held for it is free again.
    assert [c.advisor for c in d.commands.values()] == ["b"]
    assert sorted(homes.spent().values()) == [1, 30] and set(homes.held().values()) == {0}


def test_the_same_release_without_budgets_asks_at_once() -> None:
    assert replace(program(), budgets=()).spending == {}
    assert set(replace(program(), budgets=(MONEY,)).spending) == {"a"}
