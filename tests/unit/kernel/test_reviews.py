"""What people do with a review: claim, hand on, ask back, decide for somebody who is away, take an approval back."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from interlock.kernel.outcome import Step
from interlock.kernel.people import delegations_of, step_people
from interlock.kernel.step import step
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.delegation import Delegation
from interlock.vocabulary.events import (
    DelegateBody,
    Envelope,
    EventBody,
    HandlingBody,
    UndelegateBody,
    VerdictBody,
    WakeBody,
)
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import PEOPLE
from interlock.vocabulary.limits import DELEGATION_MS_MAX, REVIEW_ANSWER_MS, REVIEW_EXPIRES_MS
from interlock.vocabulary.release import Handover, ReviewSpec
from interlock.vocabulary.review import Review, asked_groups, next_due
from tests.unit.kernel.program import DAY, Driver, program

MINUTE = 60_000_000
HOUR = 60 * MINUTE


def reviewed(amount: str = "500.00", **changes: Any) -> Driver:
    """A payment that two people of treasury must approve; asked for by `teller`."""
    d = Driver(program(**changes))
    d.event("Presented", box="x")
    d.answer("a", amount)
    d.answer("b", amount)
    assert d.last.verdict == "escalate"
    return d


def treasury(**how: Any) -> dict[str, Any]:
    return {"reviews": {"treasury": ReviewSpec("treasury", **how)}}


def open_one(d: Driver) -> Review:
    (review,) = d.case.reviews.values()
    return review


def handle(d: Driver, act: Any, *, by: str, group: str = "treasury", to: str = "", text: str = "", **more: Any) -> Step:
    return d.give(HandlingBody(open_one(d).id, act, group, to, text, **more), principal=by)


def approve(d: Driver, by: str, group: str = "treasury", delegation: Delegation | None = None) -> str:
    """What the kernel notes of an approval."""
    review = open_one(d)
    d.give(VerdictBody(review.id, "approve", group, review.seen, delegation=delegation), principal=by)
    return "; ".join(d.notes)


def wake(d: Driver) -> None:
    review = open_one(d)
    d.now = max(d.now, next_due(review))
    d.give(WakeBody("review", review.id, review.round))


# --- claims


def test_a_claim_keeps_others_from_deciding_until_it_runs_out() -> None:
    d = reviewed(**treasury(claim=30 * MINUTE))
    handle(d, "claim", by="ann")
    assert "ann has review pay/c1/3.0 in hand until" in d.notes[0]
    assert "does not count: ann has it in hand" in approve(d, "bob")
    handle(d, "claim", by="bob")
    assert "does not count: ann has it in hand" in d.notes[0]
    d.now += 30 * MINUTE
    assert "bob approved for treasury" in approve(d, "bob")


def test_a_claim_never_keeps_anybody_from_stopping_it() -> None:
    d = reviewed()
    handle(d, "claim", by="ann")
    d.verdict("reject", principal="bob", group="treasury")
    assert d.last.decided_by == ("rejected",)


def test_who_claimed_it_gives_it_back_and_nobody_else() -> None:
    d = reviewed()
    handle(d, "claim", by="ann")
    handle(d, "release", by="bob")
    assert "does not count" in d.notes[0] and open_one(d).claim
    handle(d, "release", by="ann")
    assert open_one(d).claim is None
    handle(d, "release", by="ann")
    assert "nobody has it in hand" in d.notes[0]


def test_an_approval_ends_its_authors_claim_so_that_the_next_can_take_it() -> None:
    d = reviewed()
    handle(d, "claim", by="ann")
    approve(d, "ann")
    approve(d, "bob")
    assert d.last.verdict == "allow"


def test_it_is_put_into_the_hands_of_somebody_who_may_approve_it() -> None:
    d = reviewed(**treasury(members=("ann", "bob")))
    handle(d, "assign", by="ann", to="eve")
    assert "eve is not of treasury" in d.notes[0]
    handle(d, "assign", by="ann", to="bob")
    claim = open_one(d).claim
    assert claim and (claim.by, claim.given_by) == ("bob", "ann")


def test_who_asked_for_it_cannot_hold_it_up() -> None:
    d = reviewed()
    handle(d, "claim", by="teller")
    assert "asked for it" in d.notes[0] and open_one(d).claim is None


# --- groups


def test_only_members_act_where_members_are_declared() -> None:
    d = reviewed(**treasury(members=("ann", "bob")))
    assert "eve is not of treasury" in approve(d, "eve")
    handle(d, "claim", by="eve")
    assert "eve is not of treasury" in d.notes[0]
    d.verdict("reject", principal="eve", group="treasury")
    assert "eve is not of treasury" in d.notes[0] and d.case.reviews


def test_it_is_handed_only_to_groups_that_the_release_names() -> None:
    d = reviewed(**treasury(reassign_to=("board",)))
    handle(d, "reassign", by="ann", to="kitchen")
    assert "can be handed to: board, treasury; not to kitchen" in d.notes[0]
    handle(d, "reassign", by="ann", to="board")
    assert asked_groups(open_one(d)) == ("board",)
    assert "group treasury is not asked" in approve(d, "ann")
    approve(d, "cid", "board")
    approve(d, "dan", "board")
    assert d.last.verdict == "allow"
    assert [(a.principal, a.group, a.acting) for a in d.last.approvals] == [
        ("cid", "treasury", "board"),
        ("dan", "treasury", "board"),
    ]


def test_the_four_eyes_of_the_group_that_is_required_hold_for_those_asked_instead() -> None:
    specs = {
        "treasury": ReviewSpec("treasury", reassign_to=("board",)),
        "board": ReviewSpec("board", four_eyes=False),
    }
    d = reviewed(reviews=specs)
    handle(d, "reassign", by="ann", to="board")
    assert "teller asked for it and cannot approve it" in approve(d, "teller", "board")


# --- four eyes and delegation


def away(by: str = "ann", to: str = "cid", *, since: int = 0, until: int = 2**60, **where: str) -> Delegation:
    return Delegation("interlock.people/ann/1.0", by, to, since, until, **where)


def test_somebody_decides_for_a_member_who_is_away_and_both_are_named() -> None:
    d = reviewed(**treasury(members=("ann", "bob")))
    assert "cid is not of treasury" in approve(d, "cid")
    assert "cid for ann approved" in approve(d, "cid", delegation=away())
    approve(d, "bob")
    assert [(a.principal, a.behalf) for a in d.last.approvals] == [("cid", "ann"), ("bob", "")]
    assert d.last.verdict == "allow"


@pytest.mark.parametrize(
    ("delegation", "said"),
    [
        (away(to="dan"), "does not name cid"),
        (away(by="cid"), "does not name cid"),
        (away(until=1), "is not in force"),
        (away(since=2**59), "is not in force"),
        (away(group="board"), "is for other reviews"),
        (away(automation="refunds"), "is for other reviews"),
        (away(by="eve"), "eve is not of treasury and cannot pass on what is not theirs"),
    ],
)
def test_a_delegation_that_does_not_cover_it(delegation: Delegation, said: str) -> None:
    d = reviewed(**treasury(members=("ann", "bob")))
    assert said in approve(d, "cid", delegation=delegation)
    assert not open_one(d).approvals


def test_nobody_comes_back_to_their_own_by_way_of_others() -> None:
    d = reviewed()
    # The requester for somebody else, somebody else for the requester, and a delegate of a delegate.
    assert "teller asked for it" in approve(d, "teller", delegation=away(to="teller"))
    assert "teller asked for it" in approve(d, "cid", delegation=away(by="teller"))
    with_members = reviewed(**treasury(members=("bob",)))
    assert "cannot pass on" in approve(with_members, "teller", delegation=away(by="cid", to="teller"))


def test_one_person_counts_once_in_whosever_name() -> None:
    d = reviewed()
    approve(d, "ann")
    assert "ann has approved already" in approve(d, "cid", delegation=away())
    assert "ann has approved already" in approve(d, "ann", delegation=away(by="bob", to="ann"))
    d = reviewed()
    approve(d, "cid", delegation=away())
    assert "cid has approved already" in approve(d, "cid")
    assert "ann has approved already" in approve(d, "ann")


class Person:
    """Somebody's record, message by message."""

    def __init__(self, name: str) -> None:
        self.name, self.now = name, 1_760_000_000_000_000
        self.record: CaseRecord | None = None

    def say(self, body: Any, *, as_: str = "") -> str:
        who = as_ or self.name
        message = Envelope(PEOPLE, self.name, "m", "interlock.review", who, self.now, self.now, body)
        done = step_people(self.record, message, Facts(now=self.now))
        self.record = done.case
        return done.turns[0].notes[0]


def test_a_delegation_is_given_and_ended_by_its_giver_alone() -> None:
    ann = Person("ann")
    until = ann.now + 7 * 24 * HOUR
    assert "cid decides for ann from" in ann.say(DelegateBody("cid", ann.now, until, "", "treasury", "Holiday."))
    (one,) = delegations_of(ann.record)
    assert one == Delegation("interlock.people/ann/1.0", "ann", "cid", ann.now, until, "", "treasury", "Holiday.")
    assert "eve cannot speak for ann" in ann.say(UndelegateBody(one.id), as_="eve")
    assert "eve cannot delegate for ann" in ann.say(DelegateBody("eve", ann.now, until), as_="eve")
    assert "no longer decides" in ann.say(UndelegateBody(one.id)) and delegations_of(ann.record) == ()
    assert "it is over, or never was" in ann.say(UndelegateBody(one.id))


@pytest.mark.parametrize(
    ("to", "since", "until", "said"),
    [
        ("ann", 0, HOUR, "for themselves"),
        ("cid", HOUR, HOUR, "over before it begins"),
        ("cid", -2 * HOUR, -HOUR, "over before it begins"),
        ("cid", 0, DELEGATION_MS_MAX * 1_000 + 1, "longer than 366 days"),
    ],
)
def test_a_delegation_that_makes_no_sense(to: str, since: int, until: int, said: str) -> None:
    ann = Person("ann")
    assert said in ann.say(DelegateBody(to, ann.now + since, ann.now + until))
    assert delegations_of(ann.record) == ()


def test_what_is_over_is_forgotten_and_what_is_too_much_refused() -> None:
    ann = Person("ann")
    for _ in range(32):
        ann.say(DelegateBody("cid", ann.now, ann.now + HOUR))
    assert "end one first" in ann.say(DelegateBody("cid", ann.now, ann.now + HOUR))
    ann.now += HOUR
    ann.say(DelegateBody("dan", ann.now, ann.now + HOUR))
    assert [one.to for one in delegations_of(ann.record)] == ["dan"]


# --- asking back


ASKING = treasury(
    ask_event="Changed", ask_key="case", ask_fields=("question", "review"), ask_chars=40, answered_by=("Changed",)
)


def test_a_question_becomes_an_event_and_an_event_answers_it() -> None:
    d = reviewed(**ASKING)
    before = open_one(d)
    handle(d, "ask", by="ann", text="Whose cheque is it?")
    (sent,) = d.steps[-1].sends
    assert sent.body == EventBody("Changed", {"case": "c1", "question": "Whose cheque is it?", "review": "pay/c1/3.0"})
    assert (sent.case.automation, sent.case.key) == ("pay", "c1")
    assert "it waits for an answer to ann" in approve(d, "bob")
    d.now += HOUR
    d.give(EventBody("Note", {}))  # not what was asked for
    assert open_one(d).waits_for
    d.event("Changed", hint="his")
    review = open_one(d)
    assert not review.waits_for and review.exchanges[0].answered_by.startswith("event Changed m")
    assert review.expires_at == before.expires_at + HOUR
    approve(d, "ann")
    approve(d, "bob")
    assert d.last.verdict == "allow"


def test_what_the_interlock_says_to_itself_answers_nobody() -> None:
    d = reviewed()
    handle(d, "ask", by="ann", text="Whose?")
    assert d.case.flags == ("ann asks about pay (pay/c1/3.0): Whose?",)
    message = Envelope("pay", "c1", "ask:1", "interlock.case:pay/c1", "interlock", d.now, d.now, EventBody("Note", {}))
    done = step(d.record, message, Facts(now=d.now), d.program)
    assert done.case.reviews["3.0"].waits_for


def test_facts_that_moved_while_it_waited_are_shown_and_approvals_before_are_void() -> None:
    d = reviewed("600.00")
    approve(d, "ann")
    d.event("Note")
    d.start()
    first = open_one(d)
    handle(d, "ask", by="bob", text="Is anything in doubt?")
    d.result("unknown", command=next(iter(d.case.effects)))
    d.event("Changed", hint="h")
    review = open_one(d)
    assert review.shown == {"moved": {"case.in_doubt": [0, 1]}} and review.approvals == ()
    assert review.seen != first.seen and review.round == 2
    assert "returns: case.in_doubt was 0 and is 1" in "; ".join(d.notes)


def test_a_person_may_answer_and_a_wait_ends_without_one() -> None:
    d = reviewed()
    handle(d, "ask", by="ann", text="Whose?")
    handle(d, "answer", by="bob", text="His: I called him.")
    exchange = open_one(d).exchanges[0]
    assert (exchange.answered_by, exchange.answer) == ("bob", "His: I called him.")
    handle(d, "answer", by="bob", text="Again.")
    assert "no question of it waits" in d.notes[0]
    opened = open_one(d).expires_at
    handle(d, "ask", by="ann", text="Really?")
    assert next_due(open_one(d)) == d.now + REVIEW_ANSWER_MS * 1_000
    wake(d)
    review = open_one(d)
    assert review.exchanges[1].answered_by == "nobody" and review.expires_at == opened + REVIEW_ANSWER_MS * 1_000
    wake(d)
    assert not d.case.reviews and d.last.decided_by == ("expired",)


def test_a_question_longer_than_its_event_takes_is_refused() -> None:
    d = reviewed(**ASKING)
    handle(d, "ask", by="ann", text="x" * 41)
    assert "takes questions of 40 characters" in d.notes[0] and not open_one(d).exchanges


def test_rejecting_needs_no_answer() -> None:
    d = reviewed()
    handle(d, "ask", by="ann", text="Whose?")
    d.verdict("reject", principal="bob", group="treasury")
    assert d.last.decided_by == ("rejected",)


# --- deadlines


DEADLINES: dict[str, Any] = {
    "reviews": {
        "treasury": ReviewSpec(
            "treasury",
            expires=10 * HOUR,
            remind=(HOUR, 2 * HOUR),
            reassign=Handover(3 * HOUR, "board"),
            escalate=Handover(4 * HOUR, "owners"),
        ),
        "board": ReviewSpec("board", remind=(HOUR,), escalate=Handover(3 * HOUR, "owners")),
    }
}


def test_deadlines_remind_hand_over_and_escalate_and_never_approve() -> None:
    d = reviewed(**DEADLINES)
    approve(d, "ann")
    opened = d.now
    told: list[tuple[int, str, tuple[str, ...]]] = []
    while d.case.reviews:
        wake(d)
        asked = asked_groups(open_one(d)) if d.case.reviews else ()
        told.append(((d.now - opened) // HOUR, d.notes[0].partition(":")[0] if d.notes else "", asked))
    assert told == [
        (1, "reminder 1", ("treasury",)),
        (2, "reminder 2", ("treasury",)),
        (3, "nobody of treasury decided in time", ("board",)),
        (4, "reminder 3", ("board",)),
        (6, "nobody of treasury decided in time", ("board", "owners")),
        (10, "", ()),
    ]
    assert d.last.decided_by == ("expired",) and not d.case.effects and len(d.case.flags) == 6


def test_who_was_asked_beside_may_decide_as_well_as_who_was_asked_first() -> None:
    escalating = ReviewSpec("treasury", escalate=Handover(HOUR, "owners"))
    d = reviewed(reviews={"treasury": escalating})
    wake(d)
    approve(d, "ann", "treasury")
    approve(d, "olga", "owners")
    assert d.last.verdict == "allow"
    assert [(a.principal, a.group, a.acting) for a in d.last.approvals] == [
        ("ann", "treasury", ""),
        ("olga", "treasury", "owners"),
    ]


def test_deadlines_stand_still_while_it_waits() -> None:
    d = reviewed(**DEADLINES)
    handle(d, "ask", by="ann", text="Whose?")
    assert next_due(open_one(d)) == d.now + REVIEW_ANSWER_MS * 1_000
    d.now += 30 * MINUTE
    handle(d, "answer", by="ann", text="His.")
    assert next_due(open_one(d)) == open_one(d).opened_at + 90 * MINUTE


def test_several_deadlines_at_once_after_an_outage_are_all_kept() -> None:
    d = reviewed(**DEADLINES)
    review = open_one(d)
    d.now += 5 * HOUR
    d.give(WakeBody("review", review.id, review.round))
    assert open_one(d).reminders == 2 and asked_groups(open_one(d)) == ("board",)


def test_a_wake_of_an_older_round_does_nothing() -> None:
    d = reviewed()
    review = open_one(d)
    d.now = review.expires_at
    d.give(WakeBody("review", review.id, review.round + 1))
    assert d.case.reviews


# --- taking back


def test_an_approval_that_others_still_have_to_join_is_taken_back() -> None:
    d = reviewed()
    approve(d, "ann")
    handle(d, "withdraw", by="bob")
    assert "bob has not approved it" in d.notes[0]
    handle(d, "withdraw", by="ann")
    assert not open_one(d).approvals
    approve(d, "bob")
    assert d.case.reviews and not d.case.effects


@pytest.mark.parametrize("budgets", [(), (DAY,)], ids=["pending", "awaiting its budget"])
def test_until_the_start_an_approval_takes_the_effect_back(budgets: tuple[Any, ...]) -> None:
    d = reviewed("150.00", budgets=budgets)
    review = open_one(d).id
    approve(d, "ann")
    approve(d, "bob")
    assert d.case.effects and not d.case.reviews
    d.give(HandlingBody(review, "withdraw"), principal="ann")
    assert not d.case.effects and not [c for c in d.commands.values() if c.what == "perform"]
    again = open_one(d)
    assert again.approvals == () and again.shown == {"withdrawn": {"ann": ["approved", "took it back"]}}
    assert again.id != review
    # Anew, by the same two people.
    approve(d, "ann")
    approve(d, "bob")
    assert d.last.verdict == "allow" and d.case.effects


def test_what_was_taken_back_is_not_permitted_by_the_rules_alone() -> None:
    d = Driver(program(certificates={}))
    d.event("Presented", box="x")
    d.answer("a", "10.00")
    d.answer("b", "10.00")
    review = open_one(d).id
    approve(d, "ann", "clearing")
    d.program = program()  # by now a certificate would cover it
    d.give(HandlingBody(review, "withdraw"), principal="ann")
    assert d.last.decided_by == ("withdrawn",) and d.last.verdict == "deny"
    assert not d.case.effects and not d.case.reviews


def test_after_the_start_it_is_too_late() -> None:
    d = reviewed()
    review = open_one(d).id
    approve(d, "ann")
    approve(d, "bob")
    d.start()
    d.give(HandlingBody(review, "withdraw"), principal="ann")
    assert "has started and can no longer be taken back" in d.notes[0] and d.case.effects
    d.result("happened")
    d.give(HandlingBody(review, "withdraw"), principal="ann")
    assert "nothing that it permitted waits" in d.notes[0]


def test_a_delegates_approval_is_taken_back_by_either() -> None:
    for who in ("cid", "ann"):
        d = reviewed()
        approve(d, "cid", delegation=away())
        handle(d, "withdraw", by=who)
        assert not open_one(d).approvals


# --- questions that could not be answered in time


def stale(d: Driver) -> Driver:
    d.event("Presented", box="x")
    for n in range(4):
        d.event("Changed", hint=f"h{n}")
        d.answer("a", "10.00")
        d.answer("b", "10.00")
    return d


def test_a_question_stale_too_often_goes_to_a_person() -> None:
    d = stale(Driver(program()))
    review = open_one(d)
    assert not d.case.questions and not d.commands and not d.case.effects
    assert d.last.verdict == "escalate" and d.last.decided_by == ("stale",) and d.last.review == d.last.id
    assert review.question == "Read" and review.args == {"box": "x", "hint": "h3"} and review.action == ""
    assert [g.name for g in review.groups] == ["clearing"] and review.requesters == ("teller",)
    assert any("changes faster than it is read" in flag for flag in d.case.flags)


def test_a_person_proposes_what_is_valid_now_and_it_is_judged_like_any_proposal() -> None:
    d = stale(Driver(program()))
    review = open_one(d)
    assert "nothing is proposed yet" in approve(d, "ann", "clearing")

    def propose(action: str, **args: str) -> str:
        body = VerdictBody(review.id, "propose", "clearing", review.seen, args, action=action)
        d.give(body, principal="ann")
        return "; ".join(d.notes)

    assert "there is no action 'fly'" in propose("fly")
    assert "does not fit" in propose("pay", euros="1")
    assert open_one(d) == review
    propose("pay", amount="10.00")
    assert d.last.verdict == "allow" and d.last.proposal.source == "person" and not d.case.reviews
    assert d.last.again_of == review.decision and d.last.proposal.requesters == ("teller", "ann")


def test_a_denied_proposal_leaves_the_question_open_and_an_escalated_one_takes_its_place() -> None:
    d = stale(Driver(program()))
    review = open_one(d)
    d.record = structs.replace(d.case, state={**d.case.state, "stopped": True})
    d.give(
        VerdictBody(review.id, "propose", "clearing", review.seen, {"amount": "1.00"}, action="pay"), principal="ann"
    )
    assert d.last.verdict == "deny" and open_one(d) == review
    d.record = structs.replace(d.case, state={**d.case.state, "stopped": False})
    d.give(
        VerdictBody(review.id, "propose", "clearing", review.seen, {"amount": "900.00"}, action="pay"), principal="ann"
    )
    assert d.last.verdict == "escalate" and open_one(d).action == "pay"
    assert "ann asked for it" in approve(d, "ann")


@pytest.mark.parametrize("how", ["rejected", "expired"])
def test_a_question_that_nobody_answers_is_unanswered_for_the_automation(how: str) -> None:
    d = stale(Driver(program()))
    if how == "rejected":
        d.verdict("reject", principal="ann")
    else:
        assert open_one(d).expires_at == d.now + REVIEW_EXPIRES_MS * 1_000
        wake(d)
    decisions = [one for turn in d.steps[-1].turns for one in turn.decisions]
    assert decisions[0].decided_by == (how,) and decisions[1].proposal.action == "note"
    assert not d.case.reviews


def test_a_question_asked_anew_needs_no_person_any_more() -> None:
    d = stale(Driver(program()))
    d.event("Presented", box="y")
    assert not d.case.reviews and "is asked anew" in d.notes[0] and d.case.questions


def test_proposing_is_for_questions_alone() -> None:
    d = reviewed()
    review = open_one(d)
    d.give(VerdictBody(review.id, "propose", "treasury", review.seen, {}, action="note"), principal="ann")
    assert "pay is proposed already" in d.notes[0] and open_one(d) == review
