"""What must stay true of this automation."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from automation import (
    Chargeback,
    Close,
    CustomerReplied,
    Marked,
    Order,
    ParcelReturned,
    Refund,
    RefundRequested,
    Reply,
    Standing,
    StandingReported,
    StoreCredit,
    Triage,
    WithdrawCredit,
)

from interlock.testing import Bench, laws

asked = RefundRequested(ticket="t1", order=Order(id="o1", total=Decimal(50)), message="arrived broken")
large = RefundRequested(ticket="t1", order=Order(id="o1", total=Decimal(150)), message="arrived broken")


def earned() -> Bench:
    """A bench on which autonomy stands in nobody's way, so that what is tested is the policy."""
    b = Bench.load(__file__)
    b.earned(Refund, StoreCredit, WithdrawCredit, Reply, Close)
    return b


def suggests(b: Bench, amount: int, reason: Literal["damaged", "late", "wrong_item", "other"]) -> None:
    b.answer(Triage, Refund(amount=Decimal(amount), reason=reason), score=0.97)


def known(b: Bench, refunds: int = 1) -> Standing:
    """What the risk system says of a customer at this moment."""
    return Standing(as_of=datetime.fromtimestamp(b.stage.clock.now() / 1_000_000, UTC), orders=6, refunds=refunds)


def test_rules_answer_when_both_models_are_down_and_a_person_decides():
    b = Bench.load(__file__)
    b.silent(Triage, "large", "small")
    b.answer(Triage, Refund(amount=Decimal(50), reason="other"), score=0.5, by=("rules",))
    b.hear(asked)
    assert b.last("t1").verdict == "escalate"


def test_a_person_may_start_a_refund_and_the_policy_still_holds():
    b = Bench.load(__file__)
    b.hear(asked)
    b.call(Refund(amount=Decimal(80), reason="other"), key="t1", principal="ann")
    assert b.last("t1").decided_by == ["over_paid"]
    assert not b.performed(Refund)
    assert not b.performed(StoreCredit)


def test_a_small_refund_of_a_known_customer_runs_alone():
    b = earned()
    suggests(b, 50, "damaged")
    b.hear(asked.model_copy(update={"standing": known(b)}))
    assert b.last("t1").decided_by == ["small"]
    assert b.case("t1").state.refunded == 50
    assert b.case("t1").status == "refunded"


def test_nobody_is_paid_before_the_risk_system_has_spoken():
    b = earned()
    suggests(b, 50, "damaged")
    b.hear(asked)
    assert b.last("t1").decided_by == ["stale_standing"]
    b.hear(StandingReported(ticket="t1", standing=known(b, refunds=3)))
    b.approve("t1", as_="bob", group="support")
    assert b.last("t1").decided_by == ["often"]  # What is known by then wants another group.
    assert not b.performed(Refund)


def test_an_older_report_does_not_replace_a_newer_one():
    b = earned()
    b.hear(asked)
    old = known(b, refunds=1)
    b.advance("1h")
    new = known(b, refunds=3)
    for report in (new, old):
        b.hear(StandingReported(ticket="t1", standing=report))
    assert b.case("t1").state.standing == new


def test_damage_is_shown_before_it_is_paid():
    b = earned()
    suggests(b, 150, "damaged")
    b.hear(large.model_copy(update={"standing": known(b)}))
    assert b.decisions("t1", Refund)[0].decided_by == ("no_picture",)
    assert [reply.template for reply in b.performed(Reply)] == ["ask_photo"]
    assert b.case("t1").status == "waiting"
    b.hear(CustomerReplied(ticket="t1", message="here it is", photo=b.picture()))
    assert b.last("t1", Refund).decided_by == ["small"]
    assert b.case("t1").state.refunded == 150


def test_what_came_back_is_asked_about_again():
    b = earned()
    suggests(b, 150, "other")
    b.hear(large.model_copy(update={"standing": known(b)}))
    assert [reply.template for reply in b.performed(Reply)] == ["ask_return"]
    b.hear(ParcelReturned(ticket="t1", condition="empty"))
    assert b.last("t1", Refund).decided_by == ["empty_parcel"]
    assert not b.performed(Refund)


def test_a_late_wish_becomes_a_credit_that_counts_as_paid_back():
    b = earned()
    long_ago = datetime(2025, 1, 1, tzinfo=UTC)
    order = Order(id="o1", total=Decimal(150), delivered_at=long_ago)
    suggests(b, 150, "late")
    b.hear(large.model_copy(update={"standing": known(b), "order": order}))
    assert b.performed(StoreCredit) == [StoreCredit(amount=Decimal(150))]
    assert b.case("t1").state.credited == 150
    b.call(Refund(amount=Decimal(1), reason="damaged"), key="t1", principal="ann")
    assert b.last("t1").decided_by == ["over_paid"]
    b.call(WithdrawCredit(amount=Decimal(151)), key="t1", principal="ann")
    assert b.last("t1").decided_by == ["not_given"]
    b.call(WithdrawCredit(amount=Decimal(100)), key="t1", principal="ann")
    assert b.case("t1").state.credited == 50


def test_a_legal_hold_stops_what_a_person_would_approve():
    b = Bench.load(__file__)
    suggests(b, 50, "damaged")
    b.hear(asked.model_copy(update={"standing": known(b)}))
    assert b.last("t1").verdict == "escalate"  # No certificate is in force.
    b.hear(Marked(ticket="t1", mark="legal_hold"))
    b.approve("t1", as_="bob", group="support")
    assert b.last("t1").decided_by == ["legal_hold"]
    assert not b.performed(Refund)


def test_a_chargeback_after_the_refund_is_told():
    b = earned()
    suggests(b, 50, "damaged")
    b.hear(asked.model_copy(update={"standing": known(b)}), Chargeback(ticket="t1", order="o1"))
    assert b.case("t1").flags == ("Chargeback after our refund: the customer may be paid twice.",)


def test_a_refund_that_failed_is_not_tried_again_unseen():
    b = earned()
    suggests(b, 50, "damaged")
    b.performs(Refund, fails="account closed")
    b.hear(asked.model_copy(update={"standing": known(b)}))
    assert b.case("t1").state.flags == ["payment_failed"]
    assert not b.performed(Refund)


test_laws = laws(__file__)
