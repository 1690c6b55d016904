"""The kernel under random histories: whatever comes in whatever order, what must hold holds after every step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interlock.kernel.fold import apply, diff, record
from interlock.kernel.lifecycle import TRANSITIONS
from interlock.kernel.outcome import Step
from interlock.vocabulary.canonical import decode, encode
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import (
    BudgetReplyBody,
    ReserveBody,
    ResolveBody,
    ResultBody,
    StartBody,
    TimerBody,
    WakeBody,
)
from tests.unit.kernel.program import DAY, Driver, program

EVENTS = st.sampled_from(["Presented", "Stopped", "Later", "Note", "Unknown"])
AMOUNTS = st.sampled_from(["10.00", "60.00", "500.00"])
SCORES = st.sampled_from([None, 500_000, 990_000])
GROUPS = st.sampled_from(["clearing", "treasury", "operations"])
VERDICTS = st.sampled_from(["approve", "reject", "edit"])
OUTCOMES = st.sampled_from(["happened", "not_happened", "unknown"])
PEOPLE = st.sampled_from(["ann", "bob", "teller"])

# Whole stretches of a usual path, so that random histories get far enough to meet the unusual.
STRETCH = st.one_of(
    st.tuples(st.just("decide"), st.sampled_from(["10.00", "10.00", "500.00"])),
    st.tuples(st.just("run"), st.sampled_from([0, 0, 1_000_000_000]), OUTCOMES),
    st.tuples(st.just("note"), OUTCOMES),
    st.tuples(st.just("result"), st.integers(0, 3), OUTCOMES),
)
SINGLE = st.one_of(
    st.tuples(st.just("event"), EVENTS, st.sampled_from(["x", "y"])),
    st.tuples(st.just("changed"), st.sampled_from(["", "h1", "h2"])),
    st.tuples(
        st.just("answer"), st.sampled_from(["a", "b"]), st.none() | AMOUNTS, st.sampled_from([None, 500_000, 990_000])
    ),
    st.tuples(st.just("start"), st.integers(0, 3)),
    st.tuples(st.just("result"), st.integers(0, 3), OUTCOMES),
    st.tuples(st.just("stale result"), OUTCOMES, st.sampled_from(["perform", "check", "fence"]), st.integers(0, 2)),
    st.tuples(st.just("call"), PEOPLE, AMOUNTS),
    st.tuples(
        st.just("review"),
        st.sampled_from(["approve", "reject", "edit"]),
        PEOPLE,
        st.sampled_from(["clearing", "treasury", "operations"]),
        AMOUNTS,
    ),
    st.tuples(st.just("resolve"), st.sampled_from(["happened", "not_happened"])),
    st.tuples(st.just("budget"), st.booleans()),
    st.tuples(st.just("timer"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.sampled_from([1_000_000, 60_000_000, 1_000_000_000, 700_000_000_000])),
    st.tuples(st.just("pause"), st.booleans()),
)
OPERATION = st.one_of(STRETCH, STRETCH, SINGLE)


def play(d: Driver, operation: tuple[Any, ...]) -> list[Step]:
    """Give the driver one operation; the steps it led to, none when it does not apply to the case as it is."""
    already = len(d.steps)
    match operation:
        case ("decide", amount):
            play_one(d, ("event", "Presented", "x"))
            play_one(d, ("answer", "a", amount, 990_000))
            play_one(d, ("answer", "b", amount, 990_000))
        case ("run", wait, outcome):
            d.now += wait
            play_one(d, ("start", 0))
            play_one(d, ("result", 0, outcome))
        case ("note", outcome):
            play_one(d, ("event", "Note", ""))
            play_one(d, ("start", -1))
            play_one(d, ("result", -1, outcome))
        case _:
            play_one(d, operation)
    return d.steps[already:]


def play_one(d: Driver, operation: tuple[Any, ...]) -> Step | None:
    match operation:
        case ("event", type, box):
            return d.event(type, box=box)
        case ("changed", hint):
            return d.event("Changed", hint=hint)
        case ("answer", advisor, value, score):
            return d.answer(advisor, value, score=score)
        case ("start", nth):
            commands = [c for c in d.commands.values() if c.what == "perform"]
            if not commands:
                return None
            command = commands[nth % len(commands)]
            return d.give(StartBody(command.id.rpartition("/")[2], command.attempt))
        case ("result", nth, outcome):
            effects = [e for e in d.case.effects.values() if e.status in ("started", "in_doubt")] if d.record else []
            if not effects:
                return None
            effect = effects[nth % len(effects)]
            return d.give(ResultBody(effect.id, effect.attempt, effect.phase, outcome, {"id": "t"}, "why"))
        case ("stale result", outcome, phase, attempt):
            ids = [*d.case.closed, *d.case.effects] if d.record else []
            return d.give(ResultBody(ids[0], attempt, phase, outcome)) if ids else None
        case ("call", who, amount):
            return d.call("pay", principal=who, amount=amount)
        case ("review", how, who, group, amount):
            if not d.record or not d.case.reviews:
                return None
            args = {"amount": amount} if next(iter(d.case.reviews.values())).action == "pay" else {}
            return d.verdict(how, principal=who, group=group, **args)
        case ("resolve", outcome):
            doubts = [e for e in d.case.effects.values() if e.status == "in_doubt"] if d.record else []
            return d.give(ResolveBody(doubts[0].id, outcome), principal="ann") if doubts else None
        case ("budget", granted):
            asked = [m.body for m in d.sent if isinstance(m.body, ReserveBody)]
            d.sent.clear()
            if not asked:
                return None
            body = asked[-1]
            return d.give(BudgetReplyBody("acc", body.reservation, granted, 0, 0, body.limit))
        case ("timer", nth):
            rows = [row for s in d.steps for row in s.timers_put]
            if not rows:
                return None
            row = rows[-1 - nth % len(rows)]
            d.now = max(d.now, row.due)
            if row.kind == "timer":
                return d.give(TimerBody(row.name, row.generation, row.data))
            return d.give(WakeBody(row.kind, row.name, row.generation))  # type: ignore[arg-type]
        case ("wait", by):
            d.now += by
            return None
        case ("pause", on):
            d.paused = ("all",) if on else ()
            return None
    raise AssertionError(operation)


def holds(before: CaseRecord | None, d: Driver, step: Step) -> None:
    """What must hold after any step."""
    after = step.case
    # The fold: the deltas of the step's turns lead from the record before to the record after, through stored bytes.
    plain = decode(encode(before or CaseRecord("pay", "c1", release="r1")))
    for turn in step.turns:
        plain = apply(plain, decode(encode(turn.delta)))
    assert record(plain) == after
    assert [turn.version for turn in step.turns] == list(
        range((before.version if before else 0) + 1, after.version + 1)
    )
    # Effects move only along the table.
    old = before.effects if before else {}
    for name, effect in after.effects.items():
        if name in old and old[name].status != effect.status:
            assert effect.status in TRANSITIONS[old[name].status], (old[name].status, effect.status)
        if name not in old:
            assert effect.status in ("awaiting_budget", "pending")
    upto = d.steps[: d.steps.index(step) + 1]
    decisions = {d_.id: d_ for s in upto for t in s.turns for d_ in t.decisions}
    for command in step.commands_put:
        if command.what != "ask":
            effect = after.effects[command.id.rpartition("/")[2]]
            decision = decisions[effect.decision]
            assert decision.verdict == "allow" and not decision.awaiting
            assert decision.autonomy and decision.autonomy.outcome in ("permitted", "approved", "exempt")
            assert all(figure.state == "granted" for figure in decision.budgets)
            if command.action == "note":
                assert command.what == "perform" and command.attempt == 1, "a once effect is performed once"
            if command.action == "pay" and command.what == "perform" and command.attempt > 1:
                assert effect.key != old[effect.id].key, "a fenced key is dead"
    # A denial of policy is never an effect, and an irreversible start has a certificate or a person behind it.
    if step.started:
        effect = after.effects[step.started.rpartition("/")[2]]
        assert not d.paused
        assert effect.last_started_at <= effect.start_before
        if effect.certificate:
            assert effect.certificate in {c.id for cs in d.program.certificates.values() for c in cs if c.until > d.now}
        if effect.action in ("pay", "back"):
            person = effect.approvals or (effect.proposal and effect.proposal.source == "person")
            assert effect.certificate or person
    assert after.past.get("pay") is None or after.past["pay"].count == 1


@pytest.mark.parametrize("budgets", [(), (DAY,)], ids=["plain", "budget"])
@given(operations=st.lists(OPERATION, max_size=40))
@settings(max_examples=300)
def test_any_history(budgets: tuple[Any, ...], operations: list[tuple[Any, ...]]) -> None:
    d = Driver(program(budgets=budgets))
    before: CaseRecord | None = None
    for operation in operations:
        for step in play(d, operation):
            holds(before, d, step)
            before = step.case


@given(operations=st.lists(OPERATION, max_size=25))
@settings(max_examples=60)
def test_the_same_history_gives_the_same_bytes(operations: list[tuple[Any, ...]]) -> None:
    one, two = Driver(program()), Driver(program())
    for operation in operations:
        for a, b in zip(play(one, operation), play(two, operation), strict=True):
            assert encode([a.case, [t.delta for t in a.turns]]) == encode([b.case, [t.delta for t in b.turns]])


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=4),
    max_leaves=8,
)
STATE = st.dictionaries(st.text("abc", max_size=2), PLAIN, max_size=4)


@example(before={"a": 1}, after={"a": True})
@example(before={"a": [[0], {"b": 1}]}, after={"a": [[False], {"b": 1}]})
@example(before={"a": {}}, after={"a": []})
@given(before=STATE, after=STATE)
def test_diff_and_apply(before: dict[str, Any], after: dict[str, Any]) -> None:
    one = CaseRecord("a", "k", state=before)
    two = CaseRecord("a", "k", state=after)
    plain = apply(decode(encode(one)), decode(encode(diff(one, two))))
    assert encode(record(plain)) == encode(two)
