"""How the demonstration's automation decides, on the bench: real kernel and store, stand-ins for readers and bank."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from interlock.demo.workspace import AUTOMATION
from interlock.releases import load_release
from interlock.testing import Bench, laws

release = cache(lambda: load_release(AUTOMATION))
OLD = datetime(2020, 1, 1, tzinfo=UTC)


class Clearing:
    """A bench with the automation's own names, on which both readers read 120.00."""

    def __init__(self, read: str = "120.00", score: float = 0.98) -> None:
        self.bench = Bench(release())
        definition = self.bench.stage.release.loaded.definition
        self.types = {
            **{name: event.type for name, event in definition.events.items()},
            **{action.type.__name__: action.type for action in definition.actions.values()},
        }
        self.question = definition.questions["ReadAmount"].type
        self.box = self.bench.picture(b"a box")
        self.reads(read, score)
        self.bench.earned(self.types["Pay"])

    def reads(self, amount: str, score: float = 0.98, by: tuple[str, ...] = ("svm", "trees")) -> None:
        self.bench.answer(self.question, {"amount": Decimal(amount)}, score=score, by=by)

    def make(self, type: str, **fields: Any) -> Any:
        return self.types[type](**fields)

    def present(self, funds: str = "500.00", written_at: datetime | None = None, **more: Any) -> None:
        self.hear("Presented", box=more.get("box", self.box), written_at=written_at or datetime.now(UTC))
        self.hear("FundsReported", available=Decimal(funds))

    def hear(self, type: str, **fields: Any) -> None:
        self.bench.hear(self.make(type, cheque="c1", **fields))

    def performed(self, type: str) -> list[Any]:
        return self.bench.performed(self.types[type])

    def last(self, type: str) -> Any:
        return self.bench.last("c1", self.types[type])

    @property
    def status(self) -> str:
        return self.bench.case("c1").state.status


pytestmark = pytest.mark.xdist_group("readers")


@pytest.fixture
def clearing() -> Clearing:
    return Clearing()


def test_both_readers_agree_and_the_cheque_is_paid_once_however_often_it_comes(clearing: Clearing) -> None:
    clearing.present()
    clearing.present()
    assert [(p.cheque, p.amount) for p in clearing.performed("Pay")] == [("c1", Decimal("120.00"))]
    assert clearing.status == "paid"
    assert "already paid" in " ".join(clearing.bench.case("c1").flags)


def test_readers_that_differ_are_for_clearing(clearing: Clearing) -> None:
    clearing.reads("170.00", by=("trees",))
    clearing.present()
    assert clearing.last("Pay").decided_by == ["disagree"]
    assert not clearing.performed("Pay")


def test_a_stop_that_came_first_returns_the_cheque(clearing: Clearing) -> None:
    clearing.hear("StopPayment")
    clearing.present()
    assert not clearing.performed("Pay")
    assert [r.why for r in clearing.performed("ReturnUnpaid")] == ["stopped"]
    assert clearing.status == "returned"


def test_a_stop_after_the_payment_is_flagged(clearing: Clearing) -> None:
    clearing.present()
    clearing.hear("StopPayment")
    assert clearing.status == "paid"
    assert any("after the payment" in flag for flag in clearing.bench.case("c1").flags)
    assert not clearing.performed("ReturnUnpaid")


def test_a_frozen_account_is_for_compliance_even_while_another_review_is_open() -> None:
    clearing = Clearing(read="3000.00")
    clearing.present(funds="9000.00")
    assert clearing.last("Pay").decided_by[0] == "above_auto"
    clearing.hear("AccountFrozen")
    clearing.bench.approve("c1", as_="amira", group="clearing")
    assert not clearing.performed("Pay")
    assert "frozen" in clearing.last("Pay").decided_by


def test_money_that_is_missing_holds_the_cheque_until_it_comes(clearing: Clearing) -> None:
    clearing.present(funds="100.00")
    assert clearing.status == "held"
    clearing.hear("FundsReported", available=Decimal("200.00"))
    assert clearing.status == "paid"


def test_a_hold_runs_out_and_the_cheque_goes_back(clearing: Clearing) -> None:
    clearing.present(funds="100.00")
    clearing.bench.advance("49h")
    assert clearing.status == "returned"


def test_an_old_cheque_gets_a_letter_instead(clearing: Clearing) -> None:
    clearing.present(written_at=OLD)
    assert not clearing.performed("Pay")
    assert len(clearing.performed("AskCustomer")) == 1
    assert clearing.status == "queried"


def test_another_box_under_the_same_number_is_for_fraud() -> None:
    clearing = Clearing(read="3000.00")
    clearing.present(funds="9000.00")
    clearing.hear("Presented", box=clearing.bench.picture(b"another box"), written_at=datetime.now(UTC))
    clearing.bench.approve("c1", as_="amira", group="clearing")
    assert "altered" in clearing.last("Pay").decided_by
    assert not clearing.performed("Pay")


def test_a_box_that_nobody_can_read_gets_a_letter(clearing: Clearing) -> None:
    clearing.bench.silent(clearing.question, "svm", "trees")
    clearing.present()
    assert [a.why for a in clearing.performed("AskCustomer")] == ["illegible"]


def test_a_lost_reply_is_looked_up_and_not_paid_again(clearing: Clearing) -> None:
    clearing.bench.crash(after=clearing.types["Pay"])
    clearing.present()
    clearing.bench.advance("1m")
    assert len(clearing.performed("Pay")) == 1
    assert clearing.status == "paid"


test_laws = laws(AUTOMATION)
