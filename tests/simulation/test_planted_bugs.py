"""The judge has teeth: each of these mistakes, planted into kernel, runtime or store, is caught within a few seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from interlock.kernel import accounts, decide, on_result, on_review, on_start
from interlock.runtime import turns
from interlock.store import door
from interlock.testing.simulator import Faults, simulate
from interlock.vocabulary.decision import Autonomy
from interlock.vocabulary.facts import Facts

pytestmark = pytest.mark.simulation

SEEDS_MAX = 25

Plant = Callable[[pytest.MonkeyPatch], None]


def ask_nobody_about_a_doubt(patch: pytest.MonkeyPatch) -> None:
    def planted(work: Any, effect: Any, spec: Any, why: str) -> None:
        work.put_effect(effect)
        work.drop_command(effect.id)

    patch.setattr(on_result, "ask_a_person", planted)


def retry_once_effects(patch: pytest.MonkeyPatch) -> None:
    real = on_result._performed

    def planted(work: Any, effect: Any, spec: Any, body: Any) -> None:
        real(work, effect, structs.replace(spec, kind="idempotent") if spec.kind == "once" else spec, body)

    patch.setattr(on_result, "_performed", planted)


def run_without_a_start(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(turns._Turns, "_perform", lambda self, record, lease: self._take(lease))


def forget_what_was_seen(patch: pytest.MonkeyPatch) -> None:
    real = door.prepare
    patch.setattr(door, "prepare", lambda batch, n: [(slot, m, b"", body) for slot, m, _, body in real(batch, n)])


def acknowledge_without_keeping(patch: pytest.MonkeyPatch) -> None:
    real = door.accept

    def planted(db: Any, batch: Any, now: int) -> Any:
        if any(message.id == "e2" for _, message, _, _ in batch):
            return [door.Accepted(slot) for slot, *_ in batch]
        return real(db, batch, now)

    patch.setattr(door, "accept", planted)


def grant_every_reservation(patch: pytest.MonkeyPatch) -> None:
    real = accounts._reserve
    patch.setattr(accounts, "_reserve", lambda state, key, body: real(state, key, structs.replace(body, limit=10**9)))


def free_a_budget_twice(patch: pytest.MonkeyPatch) -> None:
    real = accounts._settle
    patch.setattr(accounts, "_settle", lambda state, body: real(state, structs.replace(body, charged=0)))


def believe_every_verdict(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(on_review, "refused", lambda work, review, body: "")


def one_approval_is_enough(patch: pytest.MonkeyPatch) -> None:
    def planted(policy: Any, bound: Any, approvals: Any) -> Any:
        groups = {approval.group for approval in approvals}
        return policy.judge_with(bound, groups) if groups else policy.judge(bound)

    # The quorum is counted twice: when a verdict comes, and against what the policy asks for when it is judged again.
    patch.setattr(on_review, "_count", lambda review, group: group.approvals)
    patch.setattr(decide, "judge_policy", planted)


def approve_on_expiry(patch: pytest.MonkeyPatch) -> None:
    def planted(work: Any, name: str, generation: int) -> None:
        review = work.record.reviews.get(name)
        if review is not None:
            work.drop_review(review)
            decide.judge(
                work,
                review.proposal,
                decide.Again(of=review.decision, discharged=review.groups, review=work.full(review.id)),
            )

    patch.setattr(on_review, "on_expiry", planted)


def start_what_was_taken_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(on_review, "_undo", lambda work, effect: None)


def forget_the_fence(patch: pytest.MonkeyPatch) -> None:
    real = on_result._checked

    def planted(work: Any, effect: Any, spec: Any, body: Any) -> None:
        if body.outcome == "not_happened":
            on_result._attempt_again(work, effect, spec)
        else:
            real(work, effect, spec, body)

    patch.setattr(on_result, "_checked", planted)


def believe_an_unknown_outcome(patch: pytest.MonkeyPatch) -> None:
    real = on_result._performed

    def planted(work: Any, effect: Any, spec: Any, body: Any) -> None:
        outcome = "not_happened" if body.outcome == "unknown" else body.outcome
        real(work, effect, spec, structs.replace(body, outcome=outcome))

    patch.setattr(on_result, "_performed", planted)


def permit_without_a_certificate(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decide, "autonomy_of", lambda *_: Autonomy("permitted"))


def start_whatever_is_old(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(on_start, "_outdated", lambda work, effect: "")


def ignore_pauses(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Facts, "is_paused", lambda self, automation, action: False)


def take_lost_effects_for_done_nothing(patch: pytest.MonkeyPatch) -> None:
    real = turns.lost_outcome

    def planted(lease: Any, now: int) -> Any:
        found = real(lease, now)
        if found is not None and lease.command.what == "perform":
            return structs.replace(found, body=structs.replace(found.body, outcome="not_happened"))
        return found

    patch.setattr(turns, "lost_outcome", planted)


ROUGH = Faults(
    outside_loses_reply=0.35,
    outside_fails_before=0.2,
    outside_late=0.3,
    check_fails=0.1,
    advisors_disagree=0.2,
    crash_after_commit=0.01,
    crashes_per_hour=25,
    store_busy=0.02,
    duplicates=0.3,
    pauses_per_hour=6,
    second_worker=True,
)
"""Enough of everything that these mistakes need to show."""


@pytest.mark.parametrize(
    ("plant", "guarantee"),
    [
        (retry_once_effects, 5),
        (ask_nobody_about_a_doubt, 5),
        (run_without_a_start, 1),
        (forget_what_was_seen, 4),
        (acknowledge_without_keeping, 4),
        (grant_every_reservation, 6),
        (free_a_budget_twice, 6),
        (believe_every_verdict, 7),
        (one_approval_is_enough, 7),
        (approve_on_expiry, 7),
        (start_what_was_taken_back, 7),
        (forget_the_fence, 5),
        (believe_an_unknown_outcome, 5),
        (permit_without_a_certificate, 9),
        (start_whatever_is_old, 1),
        (ignore_pauses, 1),
        (take_lost_effects_for_done_nothing, 5),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
def test_a_planted_bug_is_caught(plant: Plant, guarantee: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    caught: set[int] = set()
    for seed in range(1, SEEDS_MAX + 1):
        caught |= {violation.guarantee for violation in simulate(seed, faults=ROUGH).broken}
        if guarantee in caught:
            return
    pytest.fail(f"not caught in {SEEDS_MAX} seeds; what was: {sorted(caught)}")
