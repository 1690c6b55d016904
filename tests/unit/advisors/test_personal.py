"""Models over personal data: they are given what was sealed, and what they say of it is sealed."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.ports import Declined, Garbled, NoAdvice, OutOfTime, Store, Unavailable
from interlock.runtime.hosted import Hosted
from interlock.runtime.vault import StoreKeeper, shown
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.sealed import holds_sealed, is_sealed
from tests.modelserver import Asked, ModelServer, Reply, as_json, failure, said
from tests.unit.advisors.asking import chat, command, with_host

REPLY = {"action": "reply", "text": "Dear Ms Abel, we are sorry."}
SAID = "Ms Abel writes that it broke."


def ask(text: str, *, timeout_s: float = 60.0) -> tuple[Answer, str]:
    """The answer as it is recorded, and the text of it that somebody reads who may."""

    async def work(host: Hosted, store: Store) -> tuple[Answer, str]:
        from interlock.automation.sealing import sealed_text

        with StoreKeeper(store, now=lambda: 1).open(CaseId("tickets", "t1")):
            message = sealed_text("Triage.message", SAID)
        answer = await host.advisors.answer(command(timeout_s=timeout_s, message=message))
        return answer, shown(store, f"{answer.value} {answer.rationale} {answer.refused}", unsealed=True)

    return with_host(text, work, personal=True)


def test_a_model_is_given_the_words_and_its_own_are_sealed(server: ModelServer) -> None:
    bad = {"action": "reply", "text": "Dear Ms Abel", "for Ms Abel": 1}
    server.play(said({"value": bad}), said({"value": REPLY, "rationale": "Ms Abel is upset."}))
    answer, opened = ask(chat(server.url))
    assert SAID in server.asked[0].body["messages"][0]["content"]
    assert is_sealed(answer.value["text"]) and is_sealed(answer.rationale)
    assert holds_sealed(list(answer.refused)) and "Abel" not in str(answer)
    assert "Dear Ms Abel, we are sorry." in opened and "Ms Abel is upset." in opened


def test_samples_agree_on_what_is_sealed_in_them(server: ModelServer) -> None:
    server.play(said({"value": REPLY}))
    answer, _ = ask(chat(server.url, 'score = "votes:3"'))
    assert answer.score == 1_000_000


def test_a_verifier_reads_the_answer_that_it_is_to_judge(server: ModelServer) -> None:
    def step(asked: Asked) -> Reply:
        prompt = asked.body["messages"][0]["content"]
        return (
            said({"value": "Dear Ms Abel, we are sorry." in prompt})
            if "right answer?" in prompt
            else said({"value": REPLY})
        )

    server.play(step)
    text = chat(server.url, 'score = "verifier:check"') + chat(server.url, name="check", prompt="check")
    answer, _ = ask(text)
    assert (answer.score, answer.scored_by) == (1_000_000, "verifier")


PRICE = 'price = { input = 0.15, output = 0.60, currency = "EUR" }'


@pytest.mark.parametrize(
    ("reply", "error", "timeout"),
    [
        (said({"value": {"action": "Ms Abel"}}), Garbled, 60.0),
        (said(None, message={"refusal": "Ms Abel!"}), Declined, 60.0),
        (as_json({}, pause=600), OutOfTime, 3.0),
        (failure(503), NoAdvice, 60.0),
        (failure(401), Unavailable, 60.0),
    ],
)
def test_what_became_of_a_call_and_what_it_took_is_told_all_the_same(
    server: ModelServer, reply: Reply, error: type[NoAdvice], timeout: float
) -> None:
    server.play(reply)
    with pytest.raises(error) as told:
        ask(chat(server.url, PRICE, "tries = 1"), timeout_s=timeout)
    assert type(told.value) is error
    assert "Abel" not in str(told.value)
    seen: Any = told.value
    assert seen.usage["requests"] == 1
    assert seen.currency == ("" if error is OutOfTime else "EUR")
