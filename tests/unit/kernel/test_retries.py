"""Retries that the simulation found to be wrong, each as the shortest path that shows it."""

from __future__ import annotations

from msgspec import structs

from interlock.kernel.fold import apply, record
from interlock.vocabulary.canonical import decode, encode
from interlock.vocabulary.limits import PROBES_MAX
from tests.unit.kernel.program import Driver, program

MINUTE = 60_000_000


def unknown_back(**changes: int) -> Driver:
    """An idempotent effect whose first attempt nobody knows the outcome of."""
    base = program()
    back = structs.replace(base.actions["back"], **changes)
    d = Driver(program(actions={**base.actions, "back": back}))
    d.event("Presented", box="x")
    d.event("Stopped")
    d.start()
    d.result("unknown")
    return d


def doubtful(d: Driver) -> bool:
    performs = [command for command in d.commands.values() if command.what == "perform"]
    return next(iter(d.case.effects.values())).status == "in_doubt" and not performs


def test_a_key_that_may_be_forgotten_is_not_used_again() -> None:
    """The retry was due in time and its worker came late, after a pause or an outage."""
    d = unknown_back(key_valid_for=10 * MINUTE)
    d.now += 11 * MINUTE
    assert not d.start().started
    assert doubtful(d)


def test_a_refused_repetition_does_not_make_the_first_attempt_undone() -> None:
    d = unknown_back(start_before=MINUTE)
    d.program = program(actions=d.program.actions, certificates={})
    d.now += 2 * MINUTE
    assert not d.start().started
    assert doubtful(d)


def test_a_fence_that_fails_is_followed_by_a_check() -> None:
    """It may fail because the attempt has landed since: then only a check can find that out."""
    d = Driver(program())
    d.event("Presented", box="x")
    d.answer("a", "10.00")
    d.answer("b", "10.00")
    d.start()
    d.result("unknown")
    d.result("not_happened", phase="check")
    d.result("unknown", phase="fence")
    assert d.commands["pay/c1/3.0"].what == "check"
    d.result("happened", phase="check")
    assert d.case.status == "paid"


def test_checks_and_fences_that_fail_by_turns_end_with_a_person() -> None:
    d = Driver(program())
    d.event("Presented", box="x")
    d.answer("a", "10.00")
    d.answer("b", "10.00")
    d.start()
    d.result("unknown")
    for _ in range(PROBES_MAX):
        d.result("not_happened", phase="check")
        d.result("unknown", phase="fence")
    assert not d.commands and [task.kind for task in d.case.tasks.values()] == ["doubt"]


def test_the_first_entry_holds_the_whole_record() -> None:
    d = Driver(program())
    step = d.event("Presented", box="x")
    folded = apply({"automation": "pay", "key": "c1"}, decode(encode(step.turns[0].delta)))
    assert record(folded) == step.case
