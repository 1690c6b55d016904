"""What must stay true of this automation."""

from decimal import Decimal

from automation import Order, Refund, RefundRequested, StoreCredit, Triage

from interlock.testing import Bench, laws

asked = RefundRequested(ticket="t1", order=Order(id="o1", total=Decimal(50)), message="arrived broken")


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


test_laws = laws(__file__)
