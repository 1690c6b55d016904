"""The judge must find every kind of wrong payment, and reviewers must do what people do."""

import json
from pathlib import Path

import pytest
from msgspec import structs

from interlock.demo.judge import Fault, cents, judge, read_books
from interlock.demo.reviewers import MISTAKES, PEOPLE, opinion
from interlock.demo.world import Written
from interlock.vocabulary.review import Approval, Review
from interlock.vocabulary.verdict import Group

RIGHT = Written(cheque="c1", amount=1230, covered=5000, written_at="2026-01-01T00:00:00Z")


def wrong(written: Written, *amounts: int) -> list[tuple[str, int]]:
    payments = judge({"c1": written}, [("c1", amount) for amount in amounts])
    return [(fault.cause, fault.cents) for fault in payments.faults]


def test_a_right_payment_is_right() -> None:
    assert wrong(RIGHT, 1230) == []


def test_a_misread_amount_costs_the_difference() -> None:
    assert wrong(RIGHT, 1730) == [("misread", 500)]
    assert wrong(RIGHT, 230) == [("misread", 1000)]


def test_a_second_payment_costs_all_of_it() -> None:
    assert wrong(RIGHT, 1230, 1230) == [("twice", 1230)]


@pytest.mark.parametrize(
    ("field", "value", "cause"),
    [
        ("stop", "before", "stopped"),
        ("frozen", True, "frozen"),
        ("stale", True, "too_old"),
        ("covered", 9, "not_covered"),
    ],
)
def test_what_was_not_to_be_paid_at_all_costs_all_of_it(field: str, value: object, cause: str) -> None:
    written = Written(**{**RIGHT.__dict__, field: value})
    assert wrong(written, 1230) == [(cause, 1230)]


def test_a_stop_that_came_during_the_payment_is_nobodys_fault() -> None:
    assert wrong(Written(**{**RIGHT.__dict__, "stop": "during"}), 1230) == []


def test_sums_are_exact() -> None:
    payments = judge({"c1": RIGHT}, [("c1", 1230), ("c1", 7)])
    assert (payments.count, payments.cents, payments.wrong_cents) == (2, 1237, 7)
    assert payments.faults == (Fault("c1", "twice", 7),)
    assert [cents(text) for text in ("12", "12.3", "12.30", "0.07")] == [1200, 1230, 1230, 7]


def test_a_cancelled_order_moves_nothing(tmp_path: Path) -> None:
    def order(what: str, number: int) -> dict[str, object]:
        return {"what": what, "order": number, "ref": f"r{number}", "cheque": "c1", "amount": "1.00", "reply": "lost"}

    lines = [
        order("aside", 1),
        order("aside", 2),
        {"what": "voided", "ref": "r1"},
        order("booked", 2),
        order("aside", 3),
    ]
    (tmp_path / "books.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [(t.order, t.waiting) for t in read_books(tmp_path / "books.jsonl").transfers] == [(2, False), (3, True)]


REVIEW = Review(
    id="3.0",
    decision="cheques/c1/3.0",
    action="pay",
    args={"cheque": "c1", "amount": "12.30"},
    args_digest="",
    groups=(Group("clearing"),),
    facts={},
    seen="",
    opened_at=0,
    expires_at=1,
)


def said(review: Review, written: Written) -> set[tuple[str, int | None]]:
    """What simulated people say over many seeds."""
    opinions = [opinion(seed, "c1", review, written) for seed in range(400)]
    return {(one.verdict, one.amount) for one in opinions if one}


def test_they_take_part_of_the_queue_and_are_rarely_wrong() -> None:
    opinions = [opinion(seed, "c1", REVIEW, RIGHT) for seed in range(2_000)]
    taken = [one for one in opinions if one is not None]
    assert 0.6 < len(taken) / len(opinions) < 0.8
    mistakes = [one for one in taken if one.verdict != "approve"]
    assert 0 < len(mistakes) < 3 * MISTAKES * len(taken)
    assert all(one.verdict == "edit" and one.amount not in (1230, None) for one in mistakes)


def test_they_correct_a_misread_amount() -> None:
    misread = structs.replace(REVIEW, args={"cheque": "c1", "amount": "17.30"})
    assert ("edit", 1230) in said(misread, RIGHT)


@pytest.mark.parametrize("field", ["frozen", "forged", "blank"])
def test_they_refuse_what_must_not_be_paid(field: str) -> None:
    assert ("reject", None) in said(REVIEW, Written(**{**RIGHT.__dict__, field: True}))


def test_nobody_approves_twice_or_what_they_asked_for() -> None:
    two = structs.replace(
        REVIEW,
        groups=(Group("treasury", 2),),
        approvals=(Approval(PEOPLE["treasury"][0], "treasury", 0),),
        requesters=(PEOPLE["treasury"][1],),
    )
    principals = {one.principal for seed in range(50) if (one := opinion(seed, "c1", two, RIGHT))}
    assert principals == {PEOPLE["treasury"][2]}


def test_nobody_simulates_operations() -> None:
    assert said(structs.replace(REVIEW, groups=(Group("operations"),)), RIGHT) == set()
