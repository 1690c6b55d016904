"""Rare turns of events in which money could move twice, a person approve their own wish, or a case wait for ever."""

from __future__ import annotations

from typing import Any

from interlock.kernel.program import Ask, Flag, MessageView, Propose, Reduction, SetTimer
from interlock.kernel.work import FLAGS_KEPT_MAX
from interlock.policy import load
from interlock.vocabulary.action import ActionSpec
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.canonical import short
from interlock.vocabulary.events import AnswerBody, BudgetReplyBody, EventBody, ResultBody, TimerBody
from interlock.vocabulary.limits import PROBE_FIRST_MS
from interlock.vocabulary.release import BudgetSpec, QuestionSpec
from tests.unit.kernel.program import DAY, POLICY, RULES, Driver, Rules, TestReducers, program

MINUTE = 60_000_000


class Reducers(TestReducers):
    """The small automation with some of its rules replaced."""

    def __init__(self, rules: Rules) -> None:
        self.rules = {**RULES, **rules}

    def has(self, kind: str, type: str) -> bool:
        return (kind, type) in self.rules

    def reduce(self, state: dict[str, Any], status: str, message: MessageView) -> Reduction:
        return self.rules[message.kind, message.type](state, status, message)


def decided(d: Driver, amount: str = "10.00") -> Driver:
    d.event("Presented", box="x")
    d.answer("a", amount)
    d.answer("b", amount)
    return d


# --- an effect that may have happened


def _to_the_retry(d: Driver, *, fenced: bool) -> None:
    decided(d).start()
    d.result("unknown")
    d.now += PROBE_FIRST_MS * 1000
    if fenced:
        d.result("not_happened", phase="check")
        d.result("not_happened", phase="fence")
    else:
        d.now += d.program.actions["pay"].settle_after
        d.result("not_happened", phase="check")
    (effect,) = d.case.effects.values()
    assert effect.status == "retrying" and effect.attempt == 1


def test_word_that_the_first_attempt_happened_stops_the_second() -> None:
    for fenced in (True, False):
        pay = ActionSpec("pay", reversible=False, kind="checkable", once_per_case=True, fenced=fenced)
        d = Driver(program(actions={**program().actions, "pay": pay}))
        _to_the_retry(d, fenced=fenced)
        local = next(iter(d.case.effects))
        d.give(ResultBody(local, 1, "perform", "happened", result={"id": "t1"}))
        (effect,) = d.case.effects.values()
        assert effect.status == "in_doubt" and not d.commands
        (task,) = d.case.tasks.values()
        assert (task.kind, task.about, task.group) == ("doubt", local, "clearing")
        assert "although another attempt had been decided" in task.why


def test_a_fence_that_says_it_happened_is_not_asked_in_a_tight_circle() -> None:
    d = Driver(program())
    decided(d).start()
    d.result("unknown")
    d.result("not_happened", phase="check")
    d.result("happened", phase="fence")
    (command,) = d.commands.values()
    assert command.what == "check" and command.due > d.now


def test_an_effect_that_must_wait_for_a_new_budget_has_no_command_meanwhile() -> None:
    d = decided(Driver(program()))
    assert d.commands
    d.program = program(budgets=(DAY,))
    d.now += d.program.actions["pay"].start_before + 1
    d.start()
    (effect,) = d.case.effects.values()
    assert effect.status == "awaiting_budget" and not d.commands


# --- who asked


def test_nobody_approves_what_their_own_event_led_to_through_a_timer() -> None:
    late: Rules = {
        ("event", "Later"): lambda s, now, m: Reduction(s, now, (SetTimer("Late", delay=1),)),
        ("timer", "Late"): lambda s, now, m: Reduction(s, now, (Propose("pay", {"amount": "900.00"}),)),
    }
    d = Driver(program(reducers=Reducers(late)))
    d.event("Presented", box="x")
    d.event("Later")
    d.give(TimerBody("Late", 1), principal="interlock")
    d.verdict("approve", principal="teller", group="treasury")
    assert "teller asked for it" in d.notes[0]


def test_nobody_approves_what_their_own_event_led_to_through_two_questions() -> None:
    second = Ask("Second", {}, short(["Second"]))
    chained: Rules = {
        ("answered", "Read"): lambda s, now, m: Reduction(s, now, (second,)),
        ("answered", "Second"): lambda s, now, m: Reduction(s, now, (Propose("pay", {"amount": "900.00"}),)),
    }
    questions = {**program().questions, "Second": QuestionSpec("Second", chain=("a",))}
    d = Driver(program(reducers=Reducers(chained), questions=questions))
    decided(d)
    d.give(AnswerBody("Second", second.digest, "a", Answer("x", 990_000)), principal="advisor:a")
    d.verdict("approve", principal="teller", group="treasury")
    assert "teller asked for it" in d.notes[0]


def test_two_groups_required_at_different_times_are_not_asked_in_turns_for_ever() -> None:
    """A rule may read what no review is bound to, the time above all: approvals must add up."""
    night = POLICY.replace(
        "rules:", "rules:\n  - {id: late, when: now > timestamp('2025-10-09T10:00:00Z'), then: escalate, to: night}"
    ).replace(
        "  - {id: stopped, when: 'case.stopped && proposal.action == \"pay\"', then: deny, reason: Stopped.}\n", ""
    )
    d = Driver(program(policy=load(night)), now=1_760_000_000_000_000)  # 2025-10-09T08:53:20Z
    decided(d, "900.00")
    d.now += 120 * MINUTE
    d.verdict("approve", principal="ann", group="treasury")
    d.verdict("approve", principal="bob", group="treasury")
    (review,) = d.case.reviews.values()
    assert {group.name for group in review.groups} == {"night", "treasury"} and len(review.approvals) == 2
    d.verdict("approve", principal="cyd", group="night")
    assert d.last.verdict == "allow" and {a.principal for a in d.last.approvals} == {"ann", "bob", "cyd"}


def test_an_edit_keeps_nothing_of_the_advice() -> None:
    d = decided(Driver(program()), "900.00")
    assert d.last.proposal.agreed == 2
    d.verdict("edit", principal="ann", group="treasury", amount="800.00")
    edited = d.last.proposal
    assert (edited.source, edited.agreed, edited.asked, edited.rank, edited.score) == ("person", 0, 0, 0, None)


def test_arguments_in_another_form_than_those_approved_are_judged_anew() -> None:
    class Renamed(TestReducers):
        def action_args(self, action: str, args: dict[str, Any]) -> dict[str, Any]:
            return {"amount": "850.00"} if action == "pay" else args

    d = decided(Driver(program()), "900.00")
    d.verdict("approve", principal="ann", group="treasury")
    d.program = program(reducers=Renamed(), release="r2")
    d.verdict("approve", principal="bob", group="treasury")
    assert d.last.verdict == "escalate" and not d.last.approvals and not d.case.effects
    (review,) = d.case.reviews.values()
    assert review.args == {"amount": "850.00"} and not review.approvals


# --- what would never end


def test_a_wait_for_more_than_any_window_holds_goes_to_a_person() -> None:
    waiting = BudgetSpec("payout", ("pay",), 5_000, 20_000, 2, "proposal.amount", on_exceeded="wait")
    d = decided(Driver(program(budgets=(waiting,))), "60.00")
    (reserve,) = d.sent
    d.give(BudgetReplyBody(reserve.key, reserve.body.reservation, False, 0, 0, 5_000))  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]
    assert d.last.verdict == "escalate" and d.last.decided_by == ("budget:payout",)


def test_flags_are_bounded() -> None:
    flagging: Rules = {("event", "Later"): lambda s, now, m: Reduction(s, now, (Flag(m.id),))}
    d = Driver(program(reducers=Reducers(flagging)))
    d.event("Presented", box="x")
    for n in range(FLAGS_KEPT_MAX + 5):
        d.give(EventBody("Later", {}), id=f"flag {n}")
    assert len(d.case.flags) == FLAGS_KEPT_MAX and d.case.flags[-1] == f"flag {FLAGS_KEPT_MAX + 4}"


def test_a_question_whose_answer_is_known_ends_the_one_that_is_still_asked() -> None:
    def back(state: dict[str, Any], status: str, m: MessageView) -> Reduction:
        state = {**state, "box": m.data["box"]}
        fields = {"box": state["box"]}
        return Reduction(state, "ready", (Ask("Read", fields, short(["Read", fields])),))

    noted: Rules = {
        ("event", "Presented"): back,
        ("answered", "Read"): lambda s, now, m: Reduction(s, now, (Propose("note", {"text": m.answer.value}),)),  # pyright: ignore[reportOptionalMemberAccess]
    }
    d = Driver(program(reducers=Reducers(noted)))
    d.event("Presented", box="x")
    d.answer("a", "one")
    d.answer("b", "one")
    d.event("Presented", box="y")
    assert len(d.commands) == 3  # the note, and two advisors about y
    d.event("Presented", box="x")
    assert not d.case.questions and [c.what for c in d.commands.values()] == ["perform", "perform"]
