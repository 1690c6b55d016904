"""Doubts beyond their table (tests/scenarios/test_doubt_matrix.py): the schedule, what is valid meanwhile, words of the
outside against a settlement and what a person's word puts right, and making good.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from msgspec import structs

from interlock.kernel.accounts import step_budget
from interlock.kernel.lifecycle import valid_actions
from interlock.kernel.program import Program, Propose, Reduction
from interlock.vocabulary.action import ActionSpec
from interlock.vocabulary.events import ResolveBody, SettleBody
from interlock.vocabulary.facts import Facts
from tests.unit.kernel.program import DAY, RULES, VOUCHED, VOUCHED_BACK, Driver, program

SECOND = 1_000_000


def moves(d: Driver, request: Propose) -> None:
    """Give the event Move, whose reducer asks for this for once."""
    before = RULES["event", "Move"]
    RULES["event", "Move"] = lambda state, status, message: Reduction(state, status, (request,))
    try:
        d.event("Move")
    finally:
        RULES["event", "Move"] = before


NOTE = ActionSpec(
    "note",
    reversible=True,
    kind="once",
    undo="back",
    checked=True,
    probe_first=10 * SECOND,
    probe_longest=60 * SECOND,
    probes=6,
    doubt_group="post room",
)


def office(**changes: Any) -> Driver:
    """A case in which a note can be sent; `note` is once with a checker unless `changes` say otherwise."""
    base = program()
    note = structs.replace(NOTE, **changes)
    d = Driver(program(actions={**base.actions, "note": note}))
    d.event("Presented", box="x")
    return d


def doubtful(d: Driver) -> str:
    d.event("Note")
    d.start()
    d.result("unknown")
    return next(iter(d.case.effects))


def test_distances_between_probes_grow_up_to_the_longest_and_end_with_the_declared_group() -> None:
    d = office()
    local = doubtful(d)
    begun, looks = d.now, list[int]()
    while check := next((c for c in d.commands.values() if c.what == "check"), None):
        looks.append(check.due - begun)
        d.now = check.due
        d.result("unknown", phase="check", command=local)
    distances = [later - earlier for earlier, later in pairwise([0, *looks])]
    assert [one // SECOND for one in distances] == [10, 10, 20, 40, 60, 60]
    (task,) = d.case.tasks.values()
    assert (task.kind, task.group, task.about) == ("doubt", "post room", local)
    assert "6 checks could not say" in task.why
    assert d.case.effects[local].status == "in_doubt"


def test_a_once_effect_that_is_not_found_fails_when_it_can_no_longer_show_itself_and_is_not_tried_again() -> None:
    d = office(settle_after=35 * SECOND)
    local = doubtful(d)
    settled = d.case.effects[local].last_started_at + 35 * SECOND
    while d.case.effects:
        (check,) = [c for c in d.commands.values() if c.what != "ask"]
        assert check.what == "check"
        d.now = check.due
        d.result("not_happened", phase="check", command=local)
    assert d.now == settled, "not a look earlier"
    assert d.case.closed[local] == "not_happened"
    assert not [c for c in d.commands.values() if c.what != "ask"]


def test_a_schedule_that_is_over_before_it_settles_still_has_the_look_that_counts() -> None:
    d = office(settle_after=3600 * SECOND, probes=2)
    local = doubtful(d)
    for _ in range(200):
        if not d.case.effects:
            break
        d.now = next(c for c in d.commands.values() if c.what == "check").due
        d.result("not_happened", phase="check", command=local)
    assert not d.case.effects
    assert not d.case.tasks


def test_the_same_again_is_not_valid_while_it_is_in_doubt_and_with_other_arguments_it_is_judged() -> None:
    d = office()
    local = doubtful(d)
    d.event("Note")
    assert d.last.verdict == "deny"
    assert d.last.decided_by == ("flow",)
    assert d.last.flow is not None
    assert d.last.flow.forbidden_by == f"pay/c1/{local}"
    moves(d, Propose("note", {"text": "another"}))
    assert d.last.decided_by == ("doubt",), "the policy's own rule about doubts"
    row = next(row for row in valid_actions(d.case, d.program) if row.action == "note")
    assert row.valid
    assert row.forbidden_by == f"pay/c1/{local}"
    d.give(ResolveBody(local, "not_happened"), principal="ann")
    d.event("Note")
    assert d.last.verdict == "allow"


def test_of_two_decided_at_once_the_second_does_not_start_beside_the_doubt_of_the_first() -> None:
    d = office()
    d.event("Note")
    d.event("Note")
    first, second = d.case.effects
    d.start()
    d.result("unknown", command=first)
    waiting = next(c for c in d.commands.values() if c.what == "perform")
    assert waiting.id.endswith(second)
    step = d.start()
    assert not step.started
    assert d.last.verdict == "deny"
    assert list(d.case.effects) == [first]


# --- words against a settlement


def test_an_open_contradiction_is_one_however_often_it_is_said() -> None:
    d = office()
    local = doubtful(d)
    d.give(ResolveBody(local, "not_happened"), principal="ann")
    for _ in range(3):
        d.result("happened", attempt=1, command=local)
    (task,) = d.case.tasks.values()
    assert (task.settled, task.said, task.action, task.group) == ("not_happened", "happened", "note", "post room")


@pytest.mark.parametrize(("word", "count"), [("happened", 1), ("not_happened", 0)])
def test_a_persons_word_on_a_contradiction_puts_right_what_the_case_counts_by(word: Any, count: int) -> None:
    d = office()
    local = doubtful(d)
    d.give(ResolveBody(local, "not_happened"), principal="ann")
    d.result("happened", attempt=1, command=local)
    (name,) = d.case.tasks
    d.give(ResolveBody(name, word), principal="bob")
    assert not d.case.tasks
    assert (d.case.past["note"].count if "note" in d.case.past else 0) == count
    d.result("happened", attempt=1, command=local)
    assert bool(d.case.tasks) == (word == "not_happened"), "what is believed now is no contradiction any more"


def test_a_success_that_turns_out_to_be_none_is_no_longer_counted() -> None:
    d = office()
    local = doubtful(d)
    d.result("happened", phase="check", command=local)
    assert d.case.past["note"].count == 1
    d.result("not_happened", attempt=1, command=local)
    (name,) = d.case.tasks
    d.give(ResolveBody(name, "not_happened"), principal="bob")
    assert d.case.past == {}


def at_the_second_attempt(p: Program) -> Driver:
    """The first one was made impossible; nobody has heard of the second yet."""
    d = Driver(p)
    d.event("Presented", box="x")
    d.answer("a", "10.00")
    d.answer("b", "10.00")
    d.start()
    d.result("unknown")
    d.result("not_happened", phase="check")
    d.result("not_happened", phase="fence")
    d.now += 10 * SECOND
    d.start()
    return d


def paid_at_the_second_attempt() -> Driver:
    d = at_the_second_attempt(program(budgets=()))
    d.result("happened")
    return d


def test_of_two_attempts_a_refused_one_contradicts_nothing_and_two_that_happened_do() -> None:
    d = paid_at_the_second_attempt()
    local = next(iter(d.case.closed))
    d.result("not_happened", attempt=1, command=local)
    assert not d.case.tasks
    d.result("happened", attempt=2, command=local)
    assert not d.case.tasks, "the same word again"
    d.result("happened", attempt=1, command=local)
    (name,) = d.case.tasks
    d.give(ResolveBody(name, "happened"), principal="bob")
    assert d.case.past["pay"].count == 2


def test_no_further_attempt_while_an_earlier_one_is_said_to_have_happened() -> None:
    d = at_the_second_attempt(program())
    d.result("happened", attempt=1)
    d.result("unknown", attempt=2)
    d.result("not_happened", phase="check")
    d.result("not_happened", phase="fence")
    assert not d.commands
    assert sorted(task.kind for task in d.case.tasks.values()) == ["contradiction", "doubt"]


def test_what_was_given_back_and_turns_out_to_be_used_is_charged_as_an_overrun() -> None:
    d = Driver(program(budgets=(DAY,)))
    account = None

    def deliver() -> None:
        nonlocal account
        while d.sent:
            message = d.sent.pop(0)
            done = step_budget(account, message, Facts(now=d.now))
            account = done.case
            for reply in done.sends:
                d.give(reply.body, principal="interlock")

    d.event("Presented", box="x")
    d.answer("a", "10.00")
    d.answer("b", "10.00")
    deliver()
    d.start()
    d.result("not_happened")
    deliver()
    assert account is not None
    assert (account.state["held_sum"], account.state["spent"]) == (0, {})
    local = next(iter(d.case.closed))
    d.result("happened", attempt=1, command=local)
    (name,) = d.case.tasks
    d.give(ResolveBody(name, "happened"), principal="bob")
    assert [type(message.body) for message in d.sent] == [SettleBody]
    deliver()
    assert (account.state["spent"], account.state["overrun"]) == ({"0": 1000}, 1000)
    assert any("Overrun of budget payout" in flag for flag in d.case.flags)


# --- making good


def everywhere() -> Driver:
    """Paid, with `back` still valid."""
    base = program()
    flow = {**base.flow, "paid": (frozenset({"note", "back"}), frozenset({"returned"}))}
    back = structs.replace(base.actions["back"], not_after=())
    d = Driver(program(flow=flow, actions={**base.actions, "back": back}))
    d.event("Presented", box="x")
    return d


def test_a_compensation_is_judged_and_recorded_with_what_it_makes_good() -> None:
    d = everywhere()
    d.answer("a", "10.00")
    d.answer("b", "10.00")
    d.start()
    d.result("happened")
    moves(d, Propose("back", {"why": "wrong"}, compensates="pay"))
    assert d.last.verdict == "allow"
    assert d.last.proposal.compensates == d.case.past["pay"].decision == "pay/c1/3.0"
    (effect,) = d.case.effects.values()
    assert effect.proposal is not None
    assert effect.proposal.compensates == "pay/c1/3.0"


def test_what_has_not_happened_cannot_be_made_good() -> None:
    d = everywhere()
    moves(d, Propose("back", {"why": "wrong"}, compensates="pay"))
    assert d.last.decided_by == ("flow",)
    assert "nothing to compensate" in d.last.why


def test_what_is_in_doubt_may_be_made_good_as_far_as_the_policy_lets_it() -> None:
    d = everywhere()
    d.answer("a", "10.00")
    d.answer("b", "10.00")
    d.start()
    d.result("unknown")
    moves(d, Propose("back", {"why": "wrong"}, compensates="pay"))
    assert d.last.decided_by == ("doubt",), "the policy's own rule about doubts"
    assert d.last.proposal.compensates == "pay/c1/3.0"


def test_an_undo_makes_good_what_it_undoes_without_a_word() -> None:
    base = program()
    d = Driver(
        program(
            actions={**base.actions, "note": structs.replace(NOTE, checked=False)},
            certificates={"pay": (VOUCHED,), "back": (VOUCHED_BACK,)},
        )
    )
    d.event("Presented", box="x")
    d.event("Later")
    d.event("Note")
    d.start()
    d.result("happened")
    d.event("Stopped")
    assert d.last.proposal.action == "back"
    assert d.last.proposal.compensates == d.case.past["note"].decision
