"""What must stay true of this automation: real kernel, SQLite in memory, a clock that only the test moves.

Needs models/bayes.json (`python train.py`): the release names it. What the model says is not what is tested here; the
answers below stand in for it.
"""

from decimal import Decimal
from pathlib import Path

import bayes
import linear
import pytest
from automation import (
    Account,
    CancelTransfer,
    CloseAccount,
    FreezeCard,
    HandOver,
    OpenDispute,
    Received,
    RefundFee,
    SendArticle,
    Understand,
    Understood,
    UnfreezeCard,
    Withdrawn,
    handling,
)
from intents import ARTICLES, DISPUTES, FEES, FREEZES, ORDERS, TRACES, Intent
from judge import CONSEQUENCES, Deed, error_at_most, judged, led_to, right
from messages import account_of

from interlock.testing import Bench, laws

ann = Account(
    id="a1",
    verified=True,
    card="active",
    balance=Decimal(80),
    last_fee=Decimal("2.50"),
    last_payment=Decimal(40),
    transfer="pending",
)


def bench(intent: Intent, score: float = 1.0) -> Bench:
    b = Bench.load(__file__)
    b.answer(Understand, Understood(intent=intent), score=score)
    return b


def says(account: Account = ann) -> Received:
    return Received(message="m1", account=account, text="whatever it says")


def test_a_question_is_answered_with_its_article():
    b = bench("card_arrival")
    b.hear(says())
    assert b.performed(SendArticle) == [SendArticle(account="a1", article="card delivery")]


def test_below_the_rung_a_person_reads_it():
    b = bench("card_arrival", score=0.98)
    b.hear(says())
    assert b.last("m1").decided_by == ["autonomy"]
    assert not b.performed(SendArticle)
    b.approve("m1", as_="bob", group="support")
    assert len(b.performed(SendArticle)) == 1


def test_nothing_that_was_not_vouched_for_runs_alone_however_sure_the_classifier_is():
    b = bench("lost_or_stolen_card", score=1.0)
    b.hear(says())
    assert b.last("m1").decided_by == ["autonomy"]
    assert not b.performed(FreezeCard)
    b.approve("m1", as_="bob", group="support")
    assert b.performed(FreezeCard) == [FreezeCard(account="a1", why="lost or stolen")]


def test_closing_an_account_takes_a_person_even_if_it_is_empty_and_two_if_it_is_not():
    b = bench("terminate_account")
    b.earned(CloseAccount)  # a certificate changes nothing for what is final
    b.hear(says(ann.model_copy(update={"balance": Decimal(0)})))
    assert b.last("m1").verdict == "escalate"
    assert not b.performed(CloseAccount)

    b = bench("terminate_account")
    b.hear(says())
    b.approve("m1", as_="bob", group="closing")
    assert not b.performed(CloseAccount)
    b.approve("m1", as_="cleo", group="closing")
    assert len(b.performed(CloseAccount)) == 1
    assert b.case("m1").status == "closed"


def test_a_fee_that_is_not_on_record_is_looked_for():
    b = bench("cash_withdrawal_charge")
    b.earned(HandOver)
    b.hear(says(ann.model_copy(update={"last_fee": Decimal(0)})))
    assert b.performed(HandOver) == [HandOver(account="a1", team="payments")]
    assert not b.performed(RefundFee)


def test_a_dispute_that_the_scheme_refuses_goes_to_a_team_by_rule():
    b = bench("transaction_charged_twice")
    b.performs(OpenDispute, fails="outside the scheme's time limit")
    b.hear(says())
    assert b.performed(HandOver) == [HandOver(account="a1", team="payments")]


def test_a_lost_reply_of_the_scheme_opens_one_dispute():
    b = bench("transaction_charged_twice")
    b.performs(OpenDispute, loses_reply=True)
    b.hear(says())
    assert b.case("m1").in_doubt == [OpenDispute]
    b.advance("1m")  # the checker is asked
    assert len(b.performed(OpenDispute)) == 1
    assert b.case("m1").in_doubt == []


def test_never_mind_takes_back_what_waits_for_a_person():
    b = bench("cancel_transfer", score=0.5)
    b.hear(says())
    assert len(b.case("m1").reviews) == 1
    b.hear(Withdrawn(message="m1"))
    assert not b.case("m1").reviews
    b.call(CancelTransfer(account="a1"), key="m1", principal="bob")
    assert b.last("m1").decided_by == ["flow"]
    assert not b.performed(CancelTransfer)


def test_nobody_thaws_a_card_alone():
    b = bench("lost_or_stolen_card")
    b.hear(says())
    b.approve("m1", as_="bob", group="support")
    b.call(UnfreezeCard(account="a1"), key="m1", principal="bob")
    assert b.last("m1").decided_by == ["unfreeze"]
    b.approve("m1", as_="cleo", group="fraud")
    assert len(b.performed(UnfreezeCard)) == 1


def test_a_call_for_another_account_is_denied():
    b = bench("card_arrival")
    b.hear(says())
    b.call(RefundFee(account="a2", amount=Decimal(1)), key="m1", principal="bob")
    assert b.last("m1").decided_by == ["other_account"]


def test_the_tables_cover_every_intent_once():
    named = ["activate_my_card", "pin_blocked", "change_pin", "passcode_forgotten", "cancel_transfer"]
    named += ["terminate_account", "edit_personal_details", "unable_to_verify_identity"]
    tables = [*ARTICLES, *FREEZES, *ORDERS, *DISPUTES, *FEES, *TRACES, *named]
    assert len(tables) == len(set(tables)) == 77
    assert all(handling(ann, intent) for intent in ARTICLES)


def test_the_judge_knows_the_consequences_as_the_actions_say_them():
    actions = Bench.load(__file__).stage.release.program.actions
    said = {name: spec.consequence for name, spec in actions.items() if name != "unfreeze_card"}
    assert said == dict(CONSEQUENCES)


def test_the_judge_compares_what_was_done():
    intents = ["declined_transfer", "lost_or_stolen_card", "terminate_account"]
    done = [(0, led_to(0, "failed_transfer")), (1, led_to(1, "terminate_account")), (2, led_to(2, "terminate_account"))]
    score = judged(intents, done)
    assert (score.done, score.mistakes, score.wrong["final"]) == (3, 1, 1)
    settled = next(number for number in range(100) if account_of(number).transfer == "settled")
    explained = Deed("send_article", {"account": account_of(settled).id, "article": "pending transfers"})
    assert explained in right(settled, "cancel_transfer")
    pending = next(number for number in range(100) if account_of(number).transfer == "pending")
    assert len(right(pending, "cancel_transfer")) == 1


def test_the_upper_bound_is_clopper_and_pearsons():
    assert abs(error_at_most(0, 100) - (1 - 0.05 ** (1 / 100))) < 1e-9
    assert abs(error_at_most(3, 50) - 0.1480) < 1e-3
    assert error_at_most(4, 4) == 1.0


def test_naive_bayes_by_hand():
    """Two messages each; `card` was seen with one intent, `fee` with the other, `my` with both."""
    seen = [("my card", "a"), ("card", "a"), ("my fee", "b"), ("fee", "b")]
    model = bayes.read(bayes.train(seen))
    assert model.classify("card")[0] == "a"
    assert model.classify("the fee")[0] == "b"
    # my: 1 of 3 words with either intent, so only the prior speaks, and it is even.
    assert abs(model.classify("my")[1] - 0.5) < 1e-12
    # card: (2 + 0.1) / (3 + 0.3) against 0.1 / (3 + 0.3)
    assert abs(model.classify("card")[1] - 2.1 / 2.2) < 1e-12
    assert bayes.train(seen) == bayes.train(seen)


def test_logistic_regression_serves_what_scikit_learn_fitted():
    pytest.importorskip("sklearn", reason="scikit-learn is in the extra `demo`")
    seen = [
        ("my card is lost", "a"),
        ("my card is gone", "a"),
        ("what is this fee", "b"),
        ("what fee", "b"),
        ("is it", "c"),
    ]
    seen += [("my fee is gone", "c")]
    vectorizer, model = linear.fitted(seen)
    served = linear.read(linear.train(seen))
    for text in ("my card", "what what fee", "gone fee is lost", "nothing of it"):
        likely = model.predict_proba(vectorizer.transform([text]))[0]
        intent, score = served.classify(text)
        assert intent == model.classes_[likely.argmax()]
        assert abs(score - likely.max()) < 1e-6  # weights are kept in single precision


def test_the_release_names_the_model_that_is_there():
    release = Bench.load(__file__).stage.release
    assert list(release.loaded.artefacts) == ["models/bayes.json"]
    assert Path(__file__).with_name("models").joinpath("bayes.json").is_file()


test_laws = laws(__file__)
