"""What must stay true of this automation: real kernel, SQLite in memory, a clock that only the test moves."""

from decimal import Decimal

from automation import FundsReported, Pay, Presented, ReadAmount, Reading, StopPayment

from interlock.testing import Bench, laws


def bench() -> Bench:
    b = Bench.load(__file__)  # this folder: automation, policy, release; SQLite :memory:, manual clock
    b.answer(ReadAmount, Reading(amount=Decimal(120)), score=0.98, by=("svm", "trees"))
    b.earned(Pay)  # autonomy granted, so that policy is what is tested
    return b


def test_pays_when_both_readers_agree():
    b = bench()
    b.hear(Presented(cheque="c1", box=b.picture()), FundsReported(cheque="c1", available=Decimal(500)))
    assert b.last("c1").verdict == "allow"
    assert b.performed(Pay) == [Pay(amount=Decimal(120))]


def test_stop_that_came_first_wins():
    b = bench()
    b.hear(
        StopPayment(cheque="c1"),
        Presented(cheque="c1", box=b.picture()),
        FundsReported(cheque="c1", available=Decimal(500)),
    )
    assert b.last("c1", Pay).decided_by == ["stopped"]
    assert not b.performed(Pay)


def test_crash_between_effect_and_result_pays_once():
    b = bench()
    b.crash(after=Pay)
    b.hear(Presented(cheque="c1", box=b.picture()), FundsReported(cheque="c1", available=Decimal(500)))
    assert b.case("c1").in_doubt == [Pay]
    b.advance("1m")  # the checker is asked
    assert len(b.performed(Pay)) == 1
    assert b.case("c1").state.status == "paid"


# Generated: reducers pure, any order and duplicate of events, crash at every step, no undeclared move, at most once.
test_laws = laws(__file__)
