"""The door's own promises: unknown and loose input is refused with its path, and what is stored has one form."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, Field

from interlock import Advice, Document, Picture
from interlock.automation.codec import Codec
from interlock.automation.payloads import NotHydrated, reading
from interlock.automation.wire import Wire
from interlock.kernel.program import Rejected
from interlock.releases import load_folder
from interlock.vocabulary import canonical

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture(scope="module")
def cheques() -> Wire:
    return load_folder(EXAMPLES / "cheques").wire


@pytest.fixture(scope="module")
def refunds() -> Wire:
    return load_folder(EXAMPLES / "refunds").wire


BOX = {"digest": "ab", "media_type": "image/png"}


@pytest.mark.parametrize("amount", ["120.5", 120.5, Decimal("120.5")])
def test_decimals_are_exact_however_they_come(cheques: Wire, amount: object) -> None:
    data, key = cheques.event_data("FundsReported", {"cheque": "c1", "available": amount})
    assert data == {"cheque": "c1", "available": "120.5"}
    assert key == "c1"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"cheque": "c1"}, "available: Field required"),
        ({"cheque": "c1", "available": "1", "extra": 1}, "extra: Extra inputs are not permitted"),
        ({"cheque": "c1", "available": "NaN"}, "available:"),
        ({"cheque": "c1", "available": float("nan")}, "available:"),
        ({"cheque": "c1", "available": float("inf")}, "available:"),
        ({"cheque": "c1", "available": "-1"}, "available: Input should be greater than or equal to 0"),
        ({"cheque": "c1", "available": "0.001"}, "available: Decimal input should have no more than 2 decimal places"),
        ({"cheque": "c1", "available": True}, "available: Input should be a decimal number"),
        ({"cheque": 7, "available": 1}, "cheque: Input should be a valid string"),
        ({"cheque": "", "available": 1}, "cheque: a case key is text of 1 to"),
        ({"cheque": "x" * 81, "available": 1}, "cheque:"),
        (["c1"], "data must be an object"),
        (None, "data must be an object"),
    ],
)
def test_what_an_event_may_not_be(cheques: Wire, raw: object, said: str) -> None:
    with pytest.raises(Rejected) as raised:
        cheques.event_data("FundsReported", raw)
    assert said in str(raised.value)


def test_everything_wrong_is_said_at_once_without_the_values(cheques: Wire) -> None:
    with pytest.raises(Rejected) as raised:
        cheques.event_data("FundsReported", {"cheque": 7, "available": "secret"})
    assert "cheque:" in str(raised.value)
    assert "available:" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_unknown_names_come_with_near_ones(cheques: Wire) -> None:
    with pytest.raises(Rejected, match=r"unknown event type 'Presentd'. Did you mean Presented?"):
        cheques.event_data("Presentd", {})
    with pytest.raises(Rejected, match=r"Did you mean return_unpaid?"):
        cheques.call_args("return_unpayd", {})


def test_nested_models_refuse_unknown_fields(refunds: Wire) -> None:
    order = {"id": "o1", "total": "5", "discount": "1"}
    with pytest.raises(Rejected, match=r"order\.discount: Extra inputs"):
        refunds.event_data("RefundRequested", {"ticket": "t", "order": order, "message": ""})


@pytest.mark.usefixtures("vault")
def test_moments_need_a_zone_and_are_stored_in_utc(refunds: Wire) -> None:
    def order(moment: object) -> Any:
        order = {"id": "o1", "total": "5", "delivered_at": moment}
        data, _ = refunds.event_data("RefundRequested", {"ticket": "t", "order": order, "message": ""})
        return data["order"]["delivered_at"]

    assert order("2026-01-01T12:00:00+02:00") == "2026-01-01T10:00:00Z"
    for loose in ("2026-01-01T12:00:00", 1767225600):
        with pytest.raises(Rejected, match=r"order\.delivered_at"):
            order(loose)


class Nested(BaseModel):
    moment: AwareDatetime
    items: Annotated[list[Decimal], Field(max_length=3)] = []


class Everything(BaseModel):
    flag: bool
    count: int
    ratio: float
    money: Decimal
    text: str
    choice: Literal["a", "b"]
    length: timedelta
    tags: set[str]
    pair: tuple[int, str]
    picture: Picture
    file: Document | None
    nested: Nested | None = None


VALUE = Everything(
    flag=True,
    count=10**30,
    ratio=0.1,
    money=Decimal("1E+3"),
    text="ä",
    choice="b",
    length=timedelta(days=1, microseconds=1),
    tags={"z", "a", "m"},
    pair=(1, "x"),
    picture=Picture("p"),
    file=Document("d"),
    nested=Nested(moment=datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))), items=[Decimal("0.10")]),
)


def test_load_is_the_inverse_of_dump() -> None:
    codec = Codec(Everything)
    plain = codec.dump(VALUE)
    assert codec.load(plain) == VALUE
    assert codec.accept(plain) == VALUE
    assert codec.dump(codec.load(plain)) == plain


def test_plain_data_has_one_text_per_value_and_no_float() -> None:
    plain = Codec(Everything).dump(VALUE)
    assert plain["money"] == "1000"
    assert plain["ratio"] == "0.1"
    assert plain["tags"] == ["a", "m", "z"]
    assert plain["nested"] == {"moment": "2026-01-01T10:00:00Z", "items": ["0.10"]}
    assert canonical.decode(canonical.encode(plain)) == plain


@pytest.mark.parametrize(
    ("field", "value"),
    [("flag", "yes"), ("flag", 1), ("count", "7"), ("count", True), ("ratio", float("nan")), ("money", True)],
)
def test_loose_values_are_not_converted(field: str, value: object) -> None:
    codec = Codec(Everything)
    with pytest.raises(Rejected, match=field):
        codec.normalise({**codec.dump(VALUE), field: value})


def test_a_wrong_value_is_no_plain_data() -> None:
    codec = Codec(Everything)
    wrong = VALUE.model_copy(update={"money": "12"})
    with pytest.raises(Exception, match=r"money|Decimal"):
        codec.dump(wrong)


def test_answers_from_models_and_from_raw_data(cheques: Wire) -> None:
    from_raw = cheques.answer_value("ReadAmount", {"amount": 120})
    reading_type: Any = cheques.question_type("ReadAmount").answer_type
    assert cheques.answer_value("ReadAmount", reading_type(amount=Decimal(120))) == from_raw == {"amount": "120"}
    with pytest.raises(Rejected, match="amount"):
        cheques.answer_value("ReadAmount", {"amount": "a lot"})


def test_an_answer_that_is_an_action_names_it(refunds: Wire) -> None:
    plain = refunds.answer_value("Triage", {"action": "refund", "amount": "5", "reason": "late"})
    assert plain == {"action": "refund", "amount": "5", "reason": "late"}
    model = refunds.answer_model("Triage", plain)
    assert refunds.answer_value("Triage", model) == plain
    for wrong in ({"action": "withdraw_credit", "amount": "5"}, {"amount": "5"}, "refund", {"action": "nothing"}):
        with pytest.raises(Rejected):
            refunds.answer_value("Triage", wrong)


@pytest.mark.parametrize("score", [1.5, -0.1, float("nan"), float("inf"), "high"])
def test_scores_are_from_0_to_1(cheques: Wire, score: Any) -> None:
    with pytest.raises(Rejected, match="score"):
        cheques.advice_answer("ReadAmount", Advice({"amount": "1"}, score=score))


def test_advice_becomes_an_answer(cheques: Wire) -> None:
    answer = cheques.advice_answer(
        "ReadAmount", Advice({"amount": 7}, score=0.29, rationale="clear", evidence=(Picture("p1"), "a note"))
    )
    assert answer.value == {"amount": "7"}
    assert answer.score == 290_000
    assert answer.evidence == ("p1", "a note")
    for wrong in ({"amount": 7}, None, Advice({"amount": 7}, rationale="x" * 10_000)):
        with pytest.raises(Rejected):
            cheques.advice_answer("ReadAmount", wrong)


def test_what_advice_cost_is_whole_and_names_its_currency(cheques: Wire) -> None:
    spent = {"input_tokens": 120, "cost": 12_300}
    answer = cheques.advice_answer("ReadAmount", Advice({"amount": 7}, usage=spent, currency="EUR"))
    assert (answer.usage, answer.currency) == (spent, "EUR")
    bad: list[tuple[Any, str]] = [
        ({"cost": 5}, "currency"),
        ({"input_tokens": -1}, "usage"),
        ({"output_tokens": 0.5}, "usage"),
    ]
    for wrong, words in bad:
        # , ({"input_tokens": -1}, "usage"), ({"output_tokens": 0.5}, "usage")):
        with pytest.raises(Rejected, match=words):
            cheques.advice_answer("ReadAmount", Advice({"amount": 7}, usage=wrong))


def test_answer_schemas_name_the_actions(refunds: Wire) -> None:
    schema = refunds.answer_schema("Triage")
    names = [option["properties"]["action"]["const"] for option in schema["anyOf"]]
    assert names == ["refund", "store_credit", "reply", "close"]


# --- results -------------------------------------------------------------------------------------------------------


def test_results_are_checked(cheques: Wire) -> None:
    transfer: Any = cheques.action_type("Pay").result_type
    assert cheques.result_plain("pay", transfer(id="t1")) == {"id": "t1"}
    assert cheques.result("pay", {"id": "t1"}) == transfer(id="t1")
    assert cheques.result_plain("hold", None) is None
    for action, wrong in (("pay", None), ("pay", "t1"), ("hold", 1)):
        with pytest.raises(Rejected):
            cheques.result_plain(action, wrong)


def test_what_a_checker_says(cheques: Wire) -> None:
    transfer: Any = cheques.action_type("Pay").result_type
    assert cheques.check_outcome("pay", None) == (False, None)
    assert cheques.check_outcome("pay", transfer(id="t1")) == (True, {"id": "t1"})
    assert cheques.check_outcome("hold", False) == (False, None)
    assert cheques.check_outcome("hold", True) == (True, None)
    with pytest.raises(Rejected):
        cheques.check_outcome("pay", True)


@pytest.mark.usefixtures("vault")
def test_samples_are_valid(cheques: Wire, refunds: Wire) -> None:
    for wire in (cheques, refunds):
        for event in wire.definition.events.values():
            name, data, key = wire.event_plain(wire.sample(event.type))
            assert (name, key) == (event.name, "x")
            assert wire.event_data(name, data) == (data, key)
        for action in wire.definition.actions.values():
            assert wire.result_plain(action.name, wire.sample(action.result_type)) is None or action.result_type


def test_payload_fields(cheques: Wire) -> None:
    assert cheques.payload_fields == {"Cheque": ("box",), "Presented": ("box",), "ReadAmount": ("box",)}


# --- payloads ------------------------------------------------------------------------------------------------------


def test_content_is_read_only_where_it_is_hydrated() -> None:
    picture = Picture("p1")
    with pytest.raises(NotHydrated, match="p1"):
        picture.read()
    with reading(lambda digest: digest.encode()):
        assert picture.read() == b"p1"
        assert Document("d1").read() == b"d1"
    with pytest.raises(NotHydrated):
        picture.read()


def test_sensitive_paths(refunds: Wire) -> None:
    assert refunds.definition.sensitive == {
        "CustomerReplied": ("message",),
        "RefundRequested": ("message",),
        "Reply": ("text",),
        "Ticket": ("message",),
        "Triage": ("message",),
    }
