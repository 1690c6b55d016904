"""A door that makes up a delegation is found by whoever compares the two records."""

from __future__ import annotations

from interlock.ledger.verification import verify
from interlock.releases import load_release
from interlock.runtime.inbox import delegate_envelope, event_envelope, verdict_envelope
from interlock.testing.simulator.simulation import WORKLOAD
from interlock.testing.stage import Stage
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.delegation import Delegation
from interlock.vocabulary.ids import CaseId


def approved_under(made_up: bool) -> set[str]:
    """What `verify` finds when somebody approves under a delegation."""
    stage = Stage(load_release(WORKLOAD))
    try:
        now = stage.clock.now()
        for advisor, amount in (("first", "80.00"), ("second", "60.00")):
            stage.outside.say("Assess", advisor, Answer({"amount": amount, "advice": "pay"}, 900_000))
        wire = stage.release.loaded.wire
        placed = {"order": "o1", "total": "80.00"}
        stage.accept(
            event_envelope("desk", wire, "Placed", placed, id="e", source="s", principal="s", occurred_at=now, now=now),
            delegate_envelope("ann", "cid", since=now, until=now + 10**12, id="d", now=now),
        )
        stage.settle()
        record = stage.store.case(CaseId("desk", "o1"))
        assert record is not None
        (review,) = record.reviews.values()
        until = now + 10**12 + made_up
        stage.accept(
            verdict_envelope(
                "desk",
                "o1",
                review.id,
                "approve",
                group="desk",
                seen=review.seen,
                args=None,
                comment="",
                id="v",
                principal="cid",
                now=now,
                delegation=Delegation("interlock.people/ann/1.0", "ann", "cid", now, until),
            )
        )
        stage.settle()
        assert [one.behalf for d in stage.entries(CaseId("desk", "o1")) for x in d.decisions for one in x.approvals]
        return {finding.code for finding in verify(stage.store).findings}
    finally:
        stage.close()


def test_one_that_was_recorded_is_in_order() -> None:
    assert approved_under(made_up=False) == set()


def test_one_with_other_terms_was_never_given() -> None:
    assert approved_under(made_up=True) == {"delegation"}
