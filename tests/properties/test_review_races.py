"""People at one review at once, in every order: what is permitted in the end, somebody permitted and nobody took back.

The kernel is given the same messages that several people, a deadline and a worker send at the same time, interleaved at
random and repeated. A small model of who approved what decides what may have come of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.vocabulary.events import EventBody, HandlingBody, StartBody, VerdictBody, WakeBody
from interlock.vocabulary.release import Handover, ReviewSpec
from interlock.vocabulary.review import Review, claimed_by, next_due
from tests.unit.kernel.program import Driver, program
from tests.unit.kernel.test_reviews import away

MINUTE = 60_000_000
PEOPLE = ("ann", "bob", "cid", "teller")
SPECS = {
    "treasury": ReviewSpec(
        "treasury",
        expires=60 * MINUTE,
        claim=10 * MINUTE,
        members=("ann", "bob", "cid", "teller"),
        remind=(5 * MINUTE,),
        reassign=Handover(20 * MINUTE, "board"),
        escalate=Handover(30 * MINUTE, "owners"),
        reassign_to=("board",),
        answer_within=15 * MINUTE,
    )
}

WHO = st.sampled_from(PEOPLE)
GROUP = st.sampled_from(["treasury", "treasury", "treasury", "board", "owners"])
ACT = st.one_of(
    st.tuples(st.just("approve"), WHO, GROUP, st.sampled_from(["", "", "", "bob", "teller"])),
    st.tuples(st.just("approve"), WHO, GROUP, st.just("")),
    st.tuples(st.just("withdraw"), WHO),
    st.tuples(st.just("reject"), WHO, GROUP),
    st.tuples(st.just("stale"), WHO, GROUP),
    st.tuples(
        st.sampled_from(["claim", "release", "ask", "answer", "assign", "reassign"]),
        WHO,
        GROUP,
        st.sampled_from(PEOPLE),
    ),
    st.tuples(st.just("deadline")),
    st.tuples(st.just("start")),
    st.tuples(st.just("event")),
    st.tuples(st.just("wait"), st.sampled_from([MINUTE, 6 * MINUTE, 25 * MINUTE, 61 * MINUTE])),
)


@dataclass
class Table:
    """The review as all the people have it before them: what they saw stays what they saw."""

    d: Driver
    seen: list[Review] = field(default_factory=list[Review])

    def look(self) -> Review | None:
        open_ones = list(self.d.case.reviews.values())
        self.seen += [one for one in open_ones if one not in self.seen]
        return self.seen[-1] if self.seen else None


def play(table: Table, act: tuple[Any, ...]) -> None:
    d, review = table.d, table.look()
    assert review is not None
    match act:
        case ("approve", who, group, behalf):
            delegation = away(behalf, who) if behalf and behalf != who else None
            d.give(VerdictBody(review.id, "approve", group, review.seen, delegation=delegation), principal=who)
        case ("reject", who, group):
            d.give(VerdictBody(review.id, "reject", group, review.seen), principal=who)
        case ("stale", who, group):
            d.give(VerdictBody(review.id, "approve", group, "0" * 16), principal=who)
        case ("withdraw", who):
            for one in {one.id for one in table.seen}:
                d.give(HandlingBody(one, "withdraw"), principal=who)
        case ("deadline",):
            d.now = max(d.now, next_due(review))
            d.give(WakeBody("review", review.id, review.round))
        case ("start",):
            for command in [one for one in d.commands.values() if one.what == "perform"]:
                d.give(StartBody(command.id.rpartition("/")[2], command.attempt))
        case ("event",):
            d.give(EventBody("Changed", {"hint": "h"}))
        case ("wait", by):
            d.now += by
        case (what, who, group, other):
            to = other if what == "assign" else "board" if what == "reassign" else ""
            d.give(HandlingBody(review.id, what, group, to, "Why?"), principal=who)
        case _:
            raise AssertionError(act)


def holds(d: Driver, before: set[str]) -> None:
    """After every message."""
    for review in d.case.reviews.values():
        acted = [name for one in review.approvals for name in (one.principal, one.behalf) if name]
        assert len(acted) == len(set(acted)), "one person counts once, in whosever name"
        assert "teller" not in acted, "who asked for it approves it neither for themselves nor for others"
        assert len(review.approvals) < 2, "with enough approvals it would have been judged"
        claim = claimed_by(review, d.now)
        assert claim is None or claim.by != "teller", "who cannot approve it holds nobody up"
    for effect in d.case.effects.values():
        people = {one.principal for one in effect.approvals}
        assert len(people) == 2 and "teller" not in people | {one.behalf for one in effect.approvals}
        if effect.id not in before:
            assert isinstance(d.steps[-1].turns[0].cause.body, VerdictBody), "only a verdict permits"
    body = d.steps[-1].turns[0].cause.body
    if isinstance(body, WakeBody | HandlingBody):
        assert not d.case.effects.keys() - before, "neither a deadline nor a withdrawal permits anything"


@given(acts=st.lists(ACT, min_size=1, max_size=30))
@settings(max_examples=200)
def test_people_at_once(acts: list[tuple[Any, ...]]) -> None:
    d = Driver(program(reviews=SPECS))
    d.event("Presented", box="x")
    d.answer("a", "500.00")
    d.answer("b", "500.00")
    table = Table(d)
    for act in acts:
        before, count = set(d.case.effects), len(d.steps)
        started = {e.id for e in d.case.effects.values() if e.status == "started"}
        play(table, act)
        if len(d.steps) == count:
            continue
        holds(d, before)
        gone = {one for one in before if one not in d.case.effects}
        assert not gone & started, "what has started is not taken back"
        if gone:
            assert act[0] == "withdraw" and not d.case.past
            assert not any(c.what == "perform" for c in d.commands.values()), "a withdrawn effect cannot start"


ORDERS = st.permutations(["ann", "bob", "withdraw", "expire", "start"])


@given(order=ORDERS, again=st.lists(st.sampled_from(["ann", "bob", "withdraw", "start"]), max_size=4))
@settings(max_examples=120)
def test_approve_against_withdraw_against_expiry(order: list[str], again: list[str]) -> None:
    """Every order of two approvals, a withdrawal, the expiry and the start, against what a plain book says of it."""
    d = Driver(program(reviews={"treasury": ReviewSpec("treasury", expires=60 * MINUTE)}))
    d.event("Presented", box="x")
    d.answer("a", "500.00")
    d.answer("b", "500.00")
    (review,) = d.case.reviews.values()
    approved, decided, over, started = set[str](), False, False, False
    for what in [*order, *again]:
        match what:
            case "ann" | "bob":
                d.give(VerdictBody(review.id, "approve", "treasury", review.seen), principal=what)
                if not (decided or over):
                    approved.add(what)
                    decided = len(approved) == 2
            case "withdraw":
                d.give(HandlingBody(review.id, "withdraw"), principal="ann")
                if decided and not started:
                    decided, over, approved = False, True, set()  # the review is another one now
                elif not (decided or over):
                    approved.discard("ann")
            case "expire":
                d.now = max(d.now, review.expires_at)
                d.give(WakeBody("review", review.id, review.round))
                over = over or not decided
            case _:
                commands = [one for one in d.commands.values() if one.what == "perform"]
                starts = [d.give(StartBody(one.id.rpartition("/")[2], one.attempt)).started for one in commands]
                assert any(starts) == (decided and not started)
                started = started or decided
        assert (review.id in d.case.reviews) == (not decided and not over)
        assert bool(d.case.effects) == decided
        if review.id in d.case.reviews:
            assert {one.principal for one in d.case.reviews[review.id].approvals} == approved
