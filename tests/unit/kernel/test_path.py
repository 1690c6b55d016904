"""The path of a case through the kernel: events, questions, decisions, effects, doubts, reviews, budgets, timers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

import pytest
from msgspec import structs

from interlock.kernel import lifecycle
from interlock.kernel.accounts import step_budget
from interlock.kernel.decide import combine
from interlock.kernel.fold import apply, record
from interlock.kernel.lifecycle import FlowViolation, valid_actions
from interlock.policy import load
from interlock.vocabulary.action import EffectStatus
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.canonical import decode, encode
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import (
    AnswerBody,
    BudgetReplyBody,
    Envelope,
    EventBody,
    ReserveBody,
    ResolveBody,
    TimerBody,
    VerdictBody,
    WakeBody,
)
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import BUDGETS, CaseId
from interlock.vocabulary.limits import EFFECT_ATTEMPTS_MAX, PROBE_FIRST_MS, PROBES_MAX
from tests.unit.kernel.program import DAY, POLICY, Driver, program

SECOND = 1_000_000
MINUTE = 60 * SECOND


@pytest.fixture
def d() -> Driver:
    return Driver(program())


def asked(d: Driver) -> Driver:
    d.event("Presented", box="x")
    return d


def decided(d: Driver, amount: str = "10.00") -> Driver:
    asked(d).answer("a", amount)
    d.answer("b", amount)
    return d


def started(d: Driver, amount: str = "10.00") -> Driver:
    decided(d, amount).start()
    return d


# --- asking and answering
# ----------------------------------------------------------------------------------------------------


def test_a_question_asks_its_leader_and_those_beside(d: Driver) -> None:
    asked(d)
    assert {(c.advisor, c.dependency, c.what) for c in d.commands.values()} == {
        ("a", "advisor:a", "ask"),
        ("b", "advisor:b", "ask"),
    }
    assert d.case.status == "ready"


def test_it_is_judged_only_when_everyone_asked_has_spoken(d: Driver) -> None:
    asked(d).answer("b", "10.00")
    assert not d.case.effects and "Read" in d.case.questions
    d.answer("a", "10.00")
    assert d.last.verdict == "allow" and d.last.proposal.agreed == 2 and d.last.proposal.advisor == "a"
    assert d.last.proposal.score == 990_000 and d.last.decided_by == ("small",)


def test_the_order_of_answers_decides_nothing(d: Driver) -> None:
    one, two = asked(d), asked(Driver(program()))
    one.answer("a", "10.00")
    one.answer("b", "11.00")
    two.answer("b", "11.00")
    two.answer("a", "10.00")
    assert one.last.proposal == two.last.proposal and one.last.decided_by == two.last.decided_by == ("alone",)


def test_a_silent_leader_gives_way_to_the_next_of_the_chain(d: Driver) -> None:
    asked(d).answer("a")
    d.answer("b", "10.00")
    assert d.last.proposal.advisor == "b" and d.last.proposal.rank == 2 and d.last.proposal.agreed == 1


def test_nobody_answers(d: Driver) -> None:
    asked(d).answer("a")
    d.answer("b")
    assert d.last.proposal.action == "note" and d.last.proposal.source == "rule"


def test_a_stale_answer_is_asked_again_three_times_then_a_person_is(d: Driver) -> None:
    asked(d)
    for n in range(1, 4):
        d.event("Changed", hint=f"h{n}")
        d.answer("a", "10.00")
        d.answer("b", "10.00")
        assert any("is stale; asked again" in note for note in d.notes)
        assert d.case.questions["Read"].reasks == n and d.case.questions["Read"].fields["hint"] == f"h{n}"
    d.event("Changed", hint="h4")
    d.answer("a", "10.00")
    d.answer("b", "10.00")
    assert not d.case.questions and not d.case.effects and d.last.decided_by == ("stale",)
    assert [review.question for review in d.case.reviews.values()] == ["Read"]
    assert any("stale 4 times" in flag for flag in d.case.flags)


def test_unrelated_events_do_not_make_it_stale(d: Driver) -> None:
    asked(d)
    d.event("Later")
    d.answer("a", "10.00")
    d.answer("b", "10.00")
    assert d.last.verdict == "allow"


def test_an_answer_to_another_question_is_an_observation(d: Driver) -> None:
    asked(d).answer("a", "10.00", digest="0" * 16)
    assert "no longer open" in d.notes[0] and "Read" in d.case.questions


def test_a_second_answer_of_the_same_advisor_is_an_observation(d: Driver) -> None:
    asked(d).answer("a", "10.00")
    digest = d.case.questions["Read"].digest
    d.give(AnswerBody("Read", digest, "a", Answer("99.00", 1)))
    assert "already answered" in d.notes[0]
    d.answer("b", "10.00")
    assert d.last.proposal.args == {"amount": "10.00"}


def test_an_identical_question_gets_its_recorded_answer_again(d: Driver) -> None:
    decided(d, "500.00")
    d.event("Presented", box="x")
    assert not d.case.questions and any("recorded answer" in note for note in d.notes)


# --- deciding
# ----------------------------------------------------------------------------------------------------------------


def test_an_unknown_action_ends_the_judgement(d: Driver) -> None:
    asked(d).event("Unknown")
    assert d.last.verdict == "deny" and d.last.decided_by == ("schema",) and d.last.flow is None
    assert "there are: back, note, pay" in d.last.why


def test_wrong_arguments_end_the_judgement(d: Driver) -> None:
    asked(d).call("pay", amount="1.00", extra=1)
    assert d.last.decided_by == ("schema",) and "extra" in d.last.why and d.last.policy is None


def test_an_action_outside_its_status_is_denied_by_the_flow(d: Driver) -> None:
    started(d).result("happened")
    assert d.case.status == "paid"
    d.call("back", why="x")
    assert d.last.decided_by == ("flow",) and d.last.flow and not d.last.flow.valid
    assert d.last.flow.forbidden_by == d.case.past["pay"].decision and d.last.policy is None


def test_a_status_is_forbidden_by_what_brought_the_case_into_it(d: Driver) -> None:
    started(d).result("happened")
    paid = d.case.past["pay"].decision
    d.event("Note")
    d.start()
    d.result("happened")
    assert d.case.past["note"].at >= d.case.past["pay"].at
    assert {row.action: row.forbidden_by for row in valid_actions(d.case, d.program)}["back"] == paid


def test_every_stage_is_recorded_and_the_strictest_wins(d: Driver) -> None:
    asked(d).answer("a", "500.00", score=500_000)
    d.answer("b", "500.00")
    assert d.last.verdict == "escalate"
    assert set(d.last.decided_by) == {"big", "autonomy"}
    assert {(g.name, g.approvals) for g in d.last.groups} == {("treasury", 2)}, "whom a rule names is person enough"
    assert d.last.autonomy and "below the rung" in d.last.autonomy.why


def test_an_irreversible_action_without_certificate_goes_to_a_person() -> None:
    d = decided(Driver(program(certificates={})))
    assert d.last.verdict == "escalate" and d.last.decided_by == ("autonomy",) and not d.commands
    assert d.last.policy and d.last.policy.outcome == "allow"


def test_advice_without_a_score_earns_nothing(d: Driver) -> None:
    asked(d).answer("a", "10.00", score=None)
    d.answer("b", "10.00")
    assert d.last.verdict == "escalate" and d.last.autonomy and d.last.autonomy.outcome == "person"


def test_every_automatic_decision_cites_its_certificate_with_its_terms(d: Driver) -> None:
    decided(d)
    assert d.last.autonomy and d.last.autonomy.certificate == "vouched:pay:1"
    assert d.last.autonomy.terms["rung"] == 900_000


def test_combine_never_allows_what_was_not_evaluated() -> None:
    d = decided(Driver(program()))
    autonomy = d.last.autonomy
    assert autonomy
    outcome, by, _, _ = combine(None, "case.amount: too large", autonomy, (), program().review_group, ())
    assert outcome == "deny" and by == ("schema",)


def test_a_persons_call_takes_the_same_path(d: Driver) -> None:
    asked(d).call("pay", amount="500.00")
    assert d.last.verdict == "escalate" and d.last.decided_by == ("big",) and d.last.proposal.source == "person"


def test_a_call_for_a_case_that_was_never_opened_is_denied(d: Driver) -> None:
    d.call("note", text="n")
    assert d.last.verdict == "deny" and d.last.decided_by == ("flow",) and not d.case.opened
    assert "has not been opened" in d.last.why and not d.commands


def test_rules_read_how_often_an_action_took_place_also_before_the_first_time() -> None:
    text = POLICY.replace("in_doubt: int 0..1000}", "in_doubt: int 0..1000, count: {note: int 0..9, pay: int 0..9}}")
    rule = "  - {id: often, when: case.count.note > 0, then: escalate, to: clearing, reason: Once is enough.}\n"
    d = Driver(program(policy=load(text.replace("  - {id: small,", rule + "  - {id: small,"))))
    asked(d).event("Note")
    assert (d.last.verdict, d.last.decided_by) == ("allow", ("other",))
    d.start()
    d.result("happened")
    assert d.case.past["note"].count == 1 and "pay" not in d.case.past
    d.event("Note")
    assert (d.last.verdict, d.last.decided_by) == ("escalate", ("often",))


def test_what_is_valid_now_names_the_forbidding_decision(d: Driver) -> None:
    started(d)
    rows = {row.action: row for row in valid_actions(d.case, d.program)}
    assert rows["note"].valid and not rows["back"].valid and not rows["pay"].valid
    assert rows["back"].forbidden_by == rows["pay"].forbidden_by == d.last.id


def test_an_undeclared_move_is_refused(d: Driver) -> None:
    asked(d)
    with pytest.raises(FlowViolation, match="ready -> paid_out"):
        d.event("Move")


# --- effects
# -----------------------------------------------------------------------------------------------------------------


def test_start_result_done(d: Driver) -> None:
    decided(d)
    assert d.start().started == "pay/c1/3.0"
    d.result("happened")
    assert d.case.status == "paid" and not d.case.effects and d.case.past["pay"].count == 1 and not d.commands


def test_a_stop_before_the_start_takes_the_decision_back(d: Driver) -> None:
    decided(d).event("Stopped")
    assert [e.action for e in d.case.effects.values()] == ["back"]
    assert any("cancelled before its start" in note for note in d.notes)


def test_a_stop_after_the_start_comes_too_late(d: Driver) -> None:
    started(d).event("Stopped")
    assert d.last.verdict == "deny" and d.last.decided_by == ("flow",) and "excludes pay" in d.last.why
    assert any("can no longer be cancelled" in note for note in d.notes)


def test_a_start_that_comes_too_late_is_judged_again(d: Driver) -> None:
    decided(d)
    first = d.last.id
    d.now += 16 * MINUTE
    assert d.start().started and d.last.again_of == first


def test_a_start_after_its_certificate_ended_goes_to_a_person(d: Driver) -> None:
    decided(d)
    d.program = program(certificates={})
    assert not d.start().started
    assert d.last.verdict == "escalate" and not d.case.effects and d.case.reviews


def test_a_pause_holds_the_start(d: Driver) -> None:
    decided(d)
    d.paused = ("action:pay/pay",)
    step = d.start()
    assert step.held == ("pay/c1/3.0",) and not step.started and d.case.effects["3.0"].status == "held"
    d.paused = ()
    assert d.start().started


def test_a_checkable_effect_is_checked_before_anything_else(d: Driver) -> None:
    started(d).result("unknown")
    effect = d.case.effects["3.0"]
    assert effect.status == "in_doubt" and d.commands["pay/c1/3.0"].what == "check"
    assert d.commands["pay/c1/3.0"].due == d.now + PROBE_FIRST_MS * 1000
    d.result("happened", phase="check")
    assert d.case.status == "paid"


def test_a_retry_needs_the_fence_and_has_a_key_of_its_own(d: Driver) -> None:
    started(d).result("unknown")
    key = d.case.effects["3.0"].key
    d.result("not_happened", phase="check")
    assert d.commands["pay/c1/3.0"].what == "fence" and d.commands["pay/c1/3.0"].effect_key == key
    d.result("not_happened", phase="fence")
    command = d.commands["pay/c1/3.0"]
    assert command.what == "perform" and command.attempt == 2 and command.effect_key != key and command.due > d.now


def test_without_a_fence_it_waits_until_the_attempt_can_no_longer_show_itself() -> None:
    base = program()
    pay = structs.replace(base.actions["pay"], fenced=False)
    d = started(Driver(program(actions={**base.actions, "pay": pay})))
    d.result("unknown")
    d.result("not_happened", phase="check")
    assert d.commands["pay/c1/3.0"].what == "check"
    settled = d.case.effects["3.0"].last_started_at + pay.settle_after
    key, looks = d.case.effects["3.0"].key, [d.now]
    while d.now < settled:
        looks.append(d.commands["pay/c1/3.0"].due)
        d.now = looks[-1]
        d.result("not_happened", phase="check")
    distances = [later - earlier for earlier, later in pairwise(looks)]
    assert distances[:-1] == [pay.probe_first << n for n in range(len(distances) - 1)], "it may show itself any time"
    assert looks[-1] == settled
    assert d.commands["pay/c1/3.0"].what == "perform" and d.case.effects["3.0"].key == key


def test_probes_end_with_a_person(d: Driver) -> None:
    started(d).result("unknown")
    for _ in range(PROBES_MAX):
        d.result("unknown", phase="check")
    assert not d.commands and d.case.effects["3.0"].status == "in_doubt"
    assert [(task.id, task.kind, task.group) for task in d.case.tasks.values()] == [("3.0", "doubt", "clearing")]
    d.give(ResolveBody("3.0", "happened", {"id": "t1"}), principal="ann")
    assert d.case.status == "paid" and not d.case.tasks


def test_once_is_never_tried_again(d: Driver) -> None:
    asked(d).event("Note")
    d.start()
    d.result("unknown")
    local = next(iter(d.case.effects))
    assert d.case.effects[local].status == "in_doubt"
    assert not [c for c in d.commands.values() if c.what != "ask"]
    assert list(d.case.tasks) == [local], "nobody can be asked but a person"
    d.give(ResolveBody(local, "not_happened"), principal="ann")
    assert not d.case.effects and d.case.past == {} and d.case.flags and not d.case.tasks


def test_idempotent_is_tried_again_with_the_same_key_then_in_doubt(d: Driver) -> None:
    asked(d).event("Stopped")
    key = next(iter(d.case.effects.values())).key
    for attempt in range(1, EFFECT_ATTEMPTS_MAX + 1):
        command = next(c for c in d.commands.values() if c.what == "perform")
        assert command.effect_key == key and command.attempt == attempt
        d.now = max(d.now, command.due)
        d.start()
        d.result("unknown")
    assert next(iter(d.case.effects.values())).status == "in_doubt"


def test_a_late_reply_ends_a_doubt(d: Driver) -> None:
    started(d).result("unknown")
    d.result("happened", attempt=1)
    assert d.case.status == "paid" and "ends the doubt" in d.notes[0]


def test_a_late_reply_against_a_settlement_is_a_contradiction(d: Driver) -> None:
    asked(d).event("Note")
    d.start()
    d.result("unknown")
    local = next(iter(d.case.effects))
    d.give(ResolveBody(local, "not_happened"), principal="ann")
    d.result("happened", attempt=1, command=local)
    (task,) = d.case.tasks.values()
    assert (task.kind, task.about, task.settled, task.said) == ("contradiction", local, "not_happened", "happened")
    assert d.case.past == {}, "what contradicts changes nothing by itself"


def test_a_definite_refusal_fails_it(d: Driver) -> None:
    started(d).result("not_happened")
    assert not d.case.effects and any("failed" in flag for flag in d.case.flags)


# --- reviews
# -----------------------------------------------------------------------------------------------------------------


def reviewed(amount: str = "500.00") -> Driver:
    return decided(Driver(program()), amount)


def test_a_quorum_of_different_people(d: Driver) -> None:
    d = reviewed()
    d.verdict("approve", principal="ann", group="treasury")
    d.verdict("approve", principal="ann", group="treasury")
    assert "another person must" in d.notes[0] and not d.case.effects
    d.verdict("approve", principal="bob", group="treasury")
    assert d.last.verdict == "allow" and d.last.autonomy and d.last.autonomy.outcome == "approved"
    assert [a.principal for a in d.last.approvals] == ["ann", "bob"] and d.case.effects and not d.case.reviews


def test_a_quorum_that_has_grown_meanwhile_is_not_met_by_the_old_one() -> None:
    one_is_enough = POLICY.replace("to: {group: treasury, approvals: 2}", "to: treasury")
    d = decided(Driver(program(policy=load(one_is_enough))), "500.00")
    d.program = program()
    d.verdict("approve", principal="ann", group="treasury")
    assert d.last.verdict == "escalate" and not d.case.effects
    assert [(g.name, g.approvals) for g in d.last.groups] == [("treasury", 2)]


def test_the_requester_is_not_the_approver() -> None:
    d = Driver(program(certificates={}))
    asked(d).answer("a", "10.00")
    d.answer("b", "10.00")
    d.verdict("approve", principal="teller")
    assert "cannot approve" in d.notes[0] and d.case.reviews


def test_a_verdict_on_something_else_does_not_count() -> None:
    d = reviewed()
    d.verdict("approve", principal="ann", group="treasury", seen="stale")
    assert "has changed since" in d.notes[0]


def test_facts_that_moved_return_the_review_with_a_diff() -> None:
    d = Driver(program(certificates={}))
    asked(d).answer("a", "10.00")
    d.answer("b", "10.00")
    # A doubt about another effect arises while people look: the escalation to operations was not part of what
    # they approved.
    d.event("Note")
    d.start()
    d.result("unknown")
    d.verdict("approve", principal="ann")
    assert d.last.verdict == "escalate" and not d.case.effects.keys() - {next(iter(d.case.effects))}
    review = next(iter(d.case.reviews.values()))
    assert review.round == 2 and review.shown["moved"]["case.in_doubt"] == [0, 1]


def test_a_denial_cannot_be_approved_away() -> None:
    d = Driver(program(certificates={}))
    asked(d).answer("a", "10.00")
    d.answer("b", "10.00")
    review = next(iter(d.case.reviews.values()))
    stopped = structs.replace(d.case, state={**d.case.state, "stopped": True})
    d.record = structs.replace(
        stopped, reviews={review.id: structs.replace(review, facts={**review.facts, "case.stopped": True})}
    )
    d.verdict("approve", principal="ann")
    assert d.last.verdict == "deny" and d.last.decided_by == ("stopped",) and not d.case.effects


def test_reject_ends_it() -> None:
    d = reviewed()
    d.verdict("reject", principal="ann", group="treasury")
    assert d.last.decided_by == ("rejected",) and not d.case.reviews
    d.give(VerdictBody("3.0", "approve", "treasury", ""), principal="bob")
    assert "it is not open" in d.notes[0] and not d.case.effects


def test_an_edit_is_the_persons_own_proposal_and_restarts_the_quorum() -> None:
    d = Driver(program(certificates={}))
    asked(d).answer("a", "10.00")
    d.answer("b", "10.00")
    d.verdict("edit", principal="ann", amount="900.00")
    assert d.last.proposal.source == "person" and d.last.proposal.args == {"amount": "900.00"}
    review = next(iter(d.case.reviews.values()))
    assert "ann" in review.requesters and review.shown["edited"] == {"amount": ["10.00", "900.00"]}
    d.verdict("approve", principal="ann", group="treasury")
    assert "cannot approve" in d.notes[0]


def test_expiry_never_approves() -> None:
    d = reviewed()
    review = next(iter(d.case.reviews.values()))
    d.now = review.expires_at
    d.verdict("approve", principal="ann", group="treasury")
    assert "expired" in d.notes[0]
    d.give(WakeBody("review", review.id, review.round))
    assert not d.case.reviews and d.last.decided_by == ("expired",) and not d.case.effects


# --- budgets
# -----------------------------------------------------------------------------------------------------------------


class Home:
    """The budget account's side, fed with what a case sent."""

    def __init__(self) -> None:
        self.record: CaseRecord | None = None

    def take(self, d: Driver) -> list[BudgetReplyBody]:
        replies: list[BudgetReplyBody] = []
        for message in d.sent:
            assert message.automation == BUDGETS
            done = step_budget(self.record, message, Facts(now=d.now))
            self.record = done.case
            replies += [m.body for m in done.sends if isinstance(m.body, BudgetReplyBody)]
        d.sent.clear()
        return replies


def test_an_effect_waits_for_its_budget_and_is_charged_once() -> None:
    d, home = Driver(program(budgets=(DAY,))), Home()
    decided(d, "60.00")
    assert d.last.awaiting == "budget" and not d.commands
    (reply,) = home.take(d)
    assert reply.granted
    d.give(reply)
    assert d.last.verdict == "allow" and not d.last.awaiting and d.last.budgets[0].state == "granted"
    d.start()
    d.result("happened")
    home.take(d)
    assert home.record and home.record.state["spent"] == {"0": 6000} and home.record.state["held"] == {}


def test_an_exhausted_budget_goes_to_a_person_who_may_approve_up_to_hard() -> None:
    d, home = Driver(program(budgets=(DAY,))), Home()
    body = ReserveBody("other", CaseId("pay", "other"), 9_000, 10_000)
    home.record = step_budget(None, _envelope(body), Facts(now=d.now)).case
    decided(d, "60.00")
    (reply,) = home.take(d)
    assert not reply.granted
    d.give(reply)
    assert d.last.verdict == "escalate" and d.last.decided_by == ("budget:payout",)
    assert d.last.why == "Budget payout is exhausted: 0 spent + 9000 held + 6000 > 10000."
    home.take(d)
    d.verdict("approve", principal="ann")
    (reply,) = home.take(d)
    assert reply.granted and reply.limit == 20_000
    d.give(reply)
    assert d.last.verdict == "allow" and d.case.effects


def test_nobody_approves_above_the_hard_limit() -> None:
    d, home = Driver(program(budgets=(DAY,))), Home()
    home.record = step_budget(
        None, _envelope(ReserveBody("other", CaseId("pay", "other"), 19_000, 20_000)), Facts(1)
    ).case
    decided(d, "60.00")
    d.give(home.take(d)[0])
    home.take(d)
    d.verdict("approve", principal="ann")
    d.give(home.take(d)[0])
    assert d.last.verdict == "deny" and d.last.decided_by == ("budget:payout",)
    assert not d.case.reviews and not d.case.effects


def _envelope(body: Any) -> Any:
    return Envelope(BUDGETS, "a", "x", "s", "interlock", 0, 0, body)


def test_a_silent_home_is_not_waited_for_for_ever() -> None:
    d = Driver(program(budgets=(DAY,)))
    decided(d, "60.00")
    row = next(t for t in d.steps[-1].timers_put if t.kind == "budget")
    d.now = row.due
    d.give(WakeBody("budget", row.name, row.generation))
    assert d.last.verdict == "escalate" and d.last.budgets[0].state == "unanswered" and not d.case.effects


def test_a_grant_that_comes_after_the_withdrawal_is_given_back() -> None:
    d, home = Driver(program(budgets=(DAY,))), Home()
    decided(d, "60.00")
    d.event("Stopped")
    (reply,) = home.take(d)
    d.give(reply)
    assert home.record and home.record.state["held"] == {} and home.record.state["spent"] == {}


# --- time, parking, folding
# --------------------------------------------------------------------------------------------------


def test_early_events_wait_and_are_applied_in_the_order_in_which_they_happened(d: Driver) -> None:
    d.event("Note", occurred_at=20)
    d.event("Later", occurred_at=10)
    assert not d.case.opened and len(d.case.parked) == 2
    step = d.event("Presented", box="x", occurred_at=30)
    assert [t.cause.body.type for t in step.turns if isinstance(t.cause.body, EventBody)] == [
        "Presented",
        "Later",
        "Note",
    ]
    assert [t.version for t in step.turns] == [3, 4, 5] and not d.case.parked
    assert step.turns[1].late and step.turns[2].late


def test_a_parked_event_that_fails_does_not_take_the_opening_one_with_it(d: Driver) -> None:
    d.event("Bad")
    d.event("Later", occurred_at=d.now + 1)
    step = d.event("Presented", box="x")
    assert d.case.opened and d.case.blocked == "test:m1" and len(d.case.parked) == 1
    assert [(m.id, blocks) for m, _, blocks in step.quarantined] == [("m1", True)]


def test_orphans_go_to_quarantine(d: Driver) -> None:
    step = d.event("Later")
    row = step.timers_put[0]
    assert row.kind == "orphans" and row.due == d.now + d.program.orphan_after
    d.now = row.due
    step = d.give(WakeBody("orphans", row.name, row.generation))
    assert len(step.quarantined) == 1 and not d.case.parked and not d.case.blocked


def test_timers(d: Driver) -> None:
    asked(d).event("Later")
    d.event("Later")
    assert d.case.timers["Late"].generation == 2
    d.give(TimerBody("Late", 1))
    assert "ignored" in d.notes[0] and "Late" in d.case.timers
    d.give(TimerBody("Late", 2))
    assert d.last.proposal.action == "back" and d.last.proposal.because == "timer Late"


def test_state_equals_the_fold_of_the_deltas() -> None:
    d = reviewed()
    d.verdict("approve", principal="ann", group="treasury")
    d.verdict("approve", principal="bob", group="treasury")
    d.start()
    d.result("unknown")
    d.result("happened", phase="check")
    plain: dict[str, Any] = decode(encode(CaseRecord("pay", "c1", release="r1")))
    for step in d.steps:
        for turn in step.turns:
            plain = apply(plain, decode(encode(turn.delta)))
    assert record(plain) == d.case


def test_the_effect_table_covers_every_status() -> None:
    assert set(lifecycle.TRANSITIONS) == set(get_args(EffectStatus))
