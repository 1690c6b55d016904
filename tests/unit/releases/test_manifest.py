"""A manifest is canonical, complete and enough to judge an old decision again without the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.policy import BindFailure, Bound, Schema, load
from interlock.releases import Manifest, build_program, load_release

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
RELEASES = {name: load_release(EXAMPLES / name) for name in ("cheques", "refunds", "itops")}


@pytest.mark.parametrize("name", RELEASES)
def test_bytes_are_canonical_and_read_back(name: str) -> None:
    manifest = RELEASES[name].manifest
    again = Manifest.from_bytes(manifest.to_bytes())
    assert again.to_bytes() == manifest.to_bytes()
    assert again.id == manifest.id
    assert len(manifest.id) == 16


@pytest.mark.parametrize("name", RELEASES)
def test_a_stored_manifest_gives_the_same_program(name: str) -> None:
    release = RELEASES[name]
    stored = build_program(release.loaded, Manifest.from_bytes(release.manifest.to_bytes()))
    for field in (
        "release",
        "flow",
        "opening",
        "actions",
        "questions",
        "budgets",
        "certificates",
        "reviews",
        "breakers",
    ):
        assert getattr(stored, field) == getattr(release.program, field), field


def test_not_a_manifest() -> None:
    for data in (b"", b"{}", b"[]", b'{"format": 2}'):
        with pytest.raises(ValueError, match="manifest"):
            Manifest.from_bytes(data)


def test_a_decision_is_judged_again_from_the_manifest_alone() -> None:
    release = RELEASES["cheques"]
    raw = {
        "proposal": {"action": "pay", "amount": "120", "score": "0.98", "source": "advice", "irreversible": True},
        "case": {"status": "presented", "funds": "500", "stopped": False, "frozen": False, "in_doubt": 0, "count": {},
                 "first_event_at": 0, "release": "r"},
        "advice": {"agreed": 2, "rank": 1, "asked": 2},
        "breaker": {},
        "now": 1,
    }  # fmt: skip
    bound = release.program.policy.bind("pay", raw)
    assert isinstance(bound, Bound), bound
    body = Manifest.from_bytes(release.manifest.to_bytes()).body
    policy = load(body["policy"]["source"], schema=Schema.from_data(body["schema"]), fallbacks=body["fallbacks"])
    assert policy.hash == body["policy"]["hash"]
    again = policy.bound_from_data("pay", bound.to_data())
    assert not isinstance(again, BindFailure)
    assert policy.judge(again) == release.program.policy.judge(bound)
    assert policy.judge(again).outcome == "allow"


def test_components_are_named_by_what_they_are() -> None:
    components = RELEASES["cheques"].manifest.components
    kinds = {name.partition(":")[0] for name in components}
    assert kinds >= {
        "reducer",
        "flow",
        "types",
        "policy",
        "advisor",
        "question",
        "autonomy",
        "budget",
        "reviews",
        "effect",
        "kernel",
    }
    assert {name for name in components if name.startswith("reducer:")} == {
        "reducer:AccountFrozen",
        "reducer:Answered[ReadAmount]",
        "reducer:Done[Hold]",
        "reducer:Done[Pay]",
        "reducer:Done[ReleaseHold]",
        "reducer:Done[ReturnUnpaid]",
        "reducer:Failed[Pay]",
        "reducer:FundsReported",
        "reducer:HoldExpired",
        "reducer:Presented",
        "reducer:StopPayment",
        "reducer:Unanswered[ReadAmount]",
    }
    assert "prompt:prompts/triage.md" in RELEASES["refunds"].manifest.components


def test_program_tables() -> None:
    cheques, refunds = RELEASES["cheques"].program, RELEASES["refunds"].program
    assert cheques.actions["pay"].fenced
    assert cheques.actions["pay"].once_per_case
    assert cheques.actions["hold"].undo == "release_hold"
    assert cheques.actions["return_unpaid"].not_after == ("pay",)
    assert cheques.opening == {"Presented", "StopPayment", "AccountFrozen", "FundsReported"}
    assert cheques.review_group.name == "clearing"
    assert refunds.dependencies == {"refund": "payments"}
    assert refunds.cells == frozenset()
    assert refunds.opening == {"RefundRequested"}


def test_secrets_and_addresses_are_no_part_of_it() -> None:
    text = RELEASES["refunds"].manifest.to_bytes().decode()
    assert "LLM_KEY" not in text
    assert "api.example.com" not in text
