"""Where a score comes from, and what is no score."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from interlock.advisors.models import Price, Token, cost
from interlock.advisors.scores import agreement, of_tokens
from interlock.kernel.decide import Again, autonomy_of
from interlock.testing import Bench
from interlock.vocabulary.proposal import Proposal
from tests.modelserver import Asked, ModelServer, Reply, failure, said, with_logprobs
from tests.unit.advisors.asking import REFUND, ask, chat, release_of, write_release

TEXT = '{"rationale": "It is late", "value": {"action": "refund", "amount": 5}, "note": "ü refund"}'


def tokens(text: str, sure: dict[str, str], *, width: int = 3) -> list[Token]:
    """The text in pieces of so many bytes, across characters and words."""
    raw = text.encode()
    pieces = [raw[i : i + width] for i in range(0, len(raw), width)]
    return [Token(one, Decimal(sure.get(one.decode(errors="replace"), "0"))) for one in pieces]


def test_a_score_is_the_probability_of_the_tokens_that_spell_the_value() -> None:
    value = '"action": "refund"'
    at = TEXT.index(value) + len('"action": "')
    split = [TEXT[:at], "ref", "und", TEXT[at + 6 :]]
    half, third = Decimal("-0.6931471805599453"), Decimal("-1.0986122886681098")
    spelt = [
        Token(one.encode(), logprob) for one, logprob in zip(split, (Decimal(0), half, third, Decimal(0)), strict=True)
    ]
    assert of_tokens(TEXT, spelt, "value", ()) == 166_666
    assert of_tokens(TEXT, spelt, "value", ("action",)) == 166_666
    assert of_tokens(TEXT, spelt, "note", ()) == 1_000_000, "what is unsure outside of the value does not count"


def test_fields_that_do_not_count_do_not_lower_the_score() -> None:
    text = '{"value": {"action": "reply", "text": "Hello"}}'
    pieces = ['{"value": {"action": "', "reply", '", "text": "', "Hello", '"}}']
    spelt = [Token(one.encode(), Decimal("-0.5") if one in ("reply", "Hello") else Decimal(0)) for one in pieces]
    assert of_tokens(text, spelt, "value", ()) == 367_879
    assert of_tokens(text, spelt, "value", ("action",)) == 606_530
    assert of_tokens(text, spelt, "value", ("amount",)) is None, "nothing that counts is there: no score"


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_tokens_may_split_characters(width: int) -> None:
    text = '{"a": "üüü€", "value": "ü€"}'
    assert of_tokens(text, tokens(text, {}, width=width), "value", ()) == 1_000_000


def test_figures_that_cannot_be_are_no_score() -> None:
    good = tokens(TEXT, {})
    assert of_tokens(TEXT, good, "value", ()) == 1_000_000
    assert of_tokens(TEXT, good[:-1], "value", ()) is None, "the tokens do not spell the text"
    assert of_tokens(TEXT, [], "value", ()) is None
    for wrong in ("0.1", "NaN", "-Infinity", "Infinity"):
        bad = [Token(one.piece, Decimal(wrong)) for one in good]
        assert of_tokens(TEXT, bad, "value", ()) is None
    assert of_tokens(TEXT, [Token(one.piece, Decimal("-9999")) for one in good], "value", ()) == 0


def test_agreement_is_a_share_of_all_samples_that_were_asked_for() -> None:
    assert agreement(["a", "b", "b"], 3) == (1, 666_666)
    assert agreement(["a", "b"], 4) == (0, 250_000), "of equally many the first, and lost samples agree with nobody"
    assert agreement(["a"], 1) == (0, 1_000_000)


def test_a_cost_is_exact_and_rounded_up() -> None:
    price = Price(Decimal("0.15"), Decimal("0.60"), "EUR")
    assert cost(price, 1_000_000, 1_000_000) == 750_000
    assert [cost(price, n, 0) for n in (0, 1, 6, 7, 20)] == [0, 1, 1, 2, 3]


# --- through a model --------------------------------------------------------------------------------------------------


def test_log_probabilities_of_the_value_through_the_protocol(server: ModelServer) -> None:
    reply = {"value": REFUND, "rationale": "It seems late."}
    server.play(with_logprobs(reply, {"refund": 0.9, "late": 0.5, "seems": 0.1}))
    answer = ask(chat(server.url, 'score = "logprob"'))
    assert (answer.score, answer.scored_by) == (450_000, "logprob"), "`late` counts in the value, not in the rationale"
    assert server.asked[0].body["logprobs"] is True


def test_a_server_without_log_probabilities_gives_no_score(server: ModelServer) -> None:
    server.play(said({"value": REFUND}))
    answer = ask(chat(server.url, 'score = "logprob"'))
    assert (answer.score, answer.scored_by) == (None, "logprob")
    assert answer.refused == ("the server gave no log-probabilities of the value",)


def test_what_a_model_says_of_itself_is_a_claim_and_no_score(server: ModelServer) -> None:
    server.play(said({"value": REFUND, "confidence": 0.99}))
    answer = ask(chat(server.url, 'score = "stated"'))
    assert (answer.score, answer.claimed, answer.scored_by) == (None, 990_000, "")
    assert "confidence" in json.dumps(server.asked[0].body)
    for silly in (7, "high", True, None, [1]):
        server.play(said({"value": REFUND, "confidence": silly}))
        assert ask(chat(server.url, 'score = "stated"')).claimed is None


def test_a_model_that_was_not_asked_how_sure_it_is_cannot_say_it(server: ModelServer) -> None:
    server.play(said({"value": REFUND, "confidence": 0.99}), said({"value": REFUND}))
    answer = ask(chat(server.url))
    assert (answer.score, answer.claimed) == (None, None)
    assert answer.refused == ("it has members that nobody asked for beside `value`",)


def by_turn(*replies: Reply) -> Any:
    """Each request takes the next, in whichever order they come."""
    left = list(replies)
    return lambda asked: left.pop(0)


def test_agreement_of_samples(server: ModelServer) -> None:
    other = {"action": "refund", "amount": 7, "reason": "late"}
    same = [{**REFUND, "amount": amount} for amount in (5, "5.0", 5.00)]
    server.play(by_turn(*(said({"value": one}) for one in (other, *same)), said("no answer"), said("none")))
    answer = ask(chat(server.url, 'score = "votes:5"', "tries = 1", "temperature = 0.7"))
    assert answer.value["amount"] in ("5", "5.0") and answer.scored_by == "votes"
    assert answer.score == 600_000, "5, 5.0 and 5.00 are one amount; what is no answer agrees with nothing"
    assert answer.usage["requests"] == 5 and answer.usage["input_tokens"] == 500
    assert [one for one in answer.refused if "a sample gave no answer" in one]


def test_agreement_on_the_fields_that_count(server: ModelServer) -> None:
    texts = [said({"value": {"action": "reply", "text": f"Version {n}"}}) for n in range(3)]
    server.play(by_turn(*texts))
    assert ask(chat(server.url, 'score = "votes:3"')).score == 333_333
    server.play(by_turn(*texts))
    assert ask(chat(server.url, 'score = "votes:3"', 'score_fields = ["action"]')).score == 1_000_000


def test_samples_that_all_fail_are_a_failure(server: ModelServer) -> None:
    server.play(failure(500))
    with pytest.raises(Exception, match="HTTP 500"):
        ask(chat(server.url, 'score = "votes:3"'))


@pytest.mark.parametrize(("amount", "score"), [("5.00", 800_000), ("6.00", 0)])
def test_a_classifier_scores_what_it_would_have_said_itself(server: ModelServer, amount: str, score: int) -> None:
    server.play(said({"value": {**REFUND, "amount": amount}}))
    answer = ask(chat(server.url, 'score = "classifier:rules"'))
    assert (answer.score, answer.scored_by) == (score, "classifier")
    assert answer.usage["input_tokens"] == 103, "what the classifier took is counted as well"


def test_a_classifier_that_fails_gives_no_score(server: ModelServer) -> None:
    server.play(said({"value": REFUND}))
    answer = ask(chat(server.url, 'score = "classifier:rules"'), message="It fails.")
    assert (answer.value, answer.score) == (REFUND, None)
    assert answer.refused == ("no score: the classifier failed: RuntimeError",)


def verified(server: ModelServer, *verifier: str) -> str:
    return chat(server.url, 'score = "verifier:check"') + chat(server.url, *verifier, name="check", prompt="check")


def judge(verdicts: list[Reply]) -> Any:
    def step(asked: Asked) -> Reply:
        prompt = asked.body["messages"][0]["content"]
        return verdicts.pop(0) if "Is this the right answer?" in prompt else said({"value": REFUND})

    return step


def test_a_verifier_is_shown_the_answer_and_its_yes_is_the_score(server: ModelServer) -> None:
    server.play(judge([with_logprobs({"value": True}, {"true": 0.75})]))
    answer = ask(verified(server, 'score = "logprob"'))
    assert (answer.score, answer.scored_by) == (750_000, "verifier")
    shown = server.asked[1].body["messages"][0]["content"]
    assert "They wrote: It broke." in shown and '{"action": "refund", "amount": "5.00", "reason": "late"}' in shown
    assert server.asked[1].body["response_format"]["json_schema"]["schema"]["properties"]["value"] == {
        "type": "boolean"
    }
    server.play(judge([with_logprobs({"value": False}, {"false": 0.75})]))
    assert ask(verified(server, 'score = "logprob"')).score == 250_000


def test_a_verifier_may_vote_or_say_a_plain_word(server: ModelServer) -> None:
    server.play(judge([said({"value": word}) for word in (True, False, True)]))
    assert ask(verified(server, 'score = "votes:3"')).score == 666_666
    server.play(judge([said({"value": False})]))
    assert ask(verified(server)).score == 0


def test_a_verifier_that_says_nothing_usable_gives_no_score(server: ModelServer) -> None:
    for verdict, words in ((said({"value": "yes"}), "true or false"), (failure(503), "HTTP 503")):
        server.play(judge([verdict, verdict]))
        answer = ask(verified(server))
        assert (answer.value, answer.score, answer.scored_by) == (REFUND, None, "verifier")
        assert words in answer.refused[-1]
    server.play(judge([said({"value": True})]))
    assert ask(verified(server, 'score = "logprob"')).score is None


def test_another_verifier_is_another_question(server: ModelServer) -> None:
    """An answer that was scored in another way is not given again."""
    one, other = (release_of(verified(server, f"temperature = {n}")) for n in (0, 1))
    changed = {name for name, digest in one.manifest.components.items() if other.manifest.components[name] != digest}
    assert changed == {"advisor:check"}
    assert one.manifest.questions()["Triage"].component != other.manifest.questions()["Triage"].component
    same = release_of(verified(server, "temperature = 0", 'key = "env:OTHER"'))
    assert same.id == one.id, "whose key it is changes no answer"


# --- no score, no autonomy --------------------------------------------------------------------------------------------

VOUCHED = '[[autonomy.refund.vouched]]\nby = "ann"\nuntil = 2099-12-31\nreason = "a try"\n'


@pytest.mark.parametrize(
    ("rung", "score", "alone"),
    [("rung = 0.9\n", None, False), ("", None, False), ("", 1_000_000, False), ("rung = 0.9\n", 950_000, True)],
)
def test_no_score_means_no_autonomy(rung: str, score: int | None, alone: bool) -> None:
    """Not under a certificate with a rung, and not under one without, which is for rules."""
    release = release_of('[advisors.model]\nkind = "stub"\nvalue = { action = "reply", text = "x" }\n' + VOUCHED + rung)
    program = release.program
    proposal = Proposal("refund", REFUND, "d", "advice", "answer", score=score, advisor="model")
    judged = autonomy_of(program, program.actions["refund"], proposal, Again("d"), 1)
    assert (judged.outcome == "permitted") is alone


@pytest.mark.parametrize(("score", "verdict"), [(0.95, "allow"), (None, "escalate")])
def test_an_unscored_answer_of_a_model_goes_to_a_person(tmp_path: Path, score: float | None, verdict: str) -> None:
    text = chat("http://127.0.0.1:9/v1", 'score = "stated"') + VOUCHED + "rung = 0.9\n"
    bench = Bench.load(write_release(tmp_path, text))
    types = bench.stage.release.loaded.definition
    refund, opened = types.actions["refund"].type, types.events["Opened"].type
    advice: Any = refund.model_validate({"amount": 5, "reason": "late"})
    bench.answer(types.questions["Triage"].type, advice, score=score, by=("model",))
    order = {"id": "o1", "total": "40.00"}
    bench.hear(opened.model_validate({"ticket": "t1", "message": "It broke.", "order": order}))
    assert bench.last("t1").verdict == verdict
