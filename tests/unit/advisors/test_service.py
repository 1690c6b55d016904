"""Advisors behind a plain HTTP service."""

from __future__ import annotations

import time
from typing import Any

import pytest

from interlock.ports import Garbled, NoAdvice, Unavailable
from interlock.vocabulary.errors import DefinitionErrors
from tests.modelserver import ModelServer, as_json, failure
from tests.unit.advisors.asking import FIELDS, REFUND, ask


def service(url: str, *lines: str) -> str:
    return "\n".join(["[advisors.model]", 'kind = "http"', f'url = "{url}/triage"', *lines]) + "\n"


def test_the_questions_fields_go_out_and_an_answer_comes_back(server: ModelServer) -> None:
    reply = {"value": REFUND, "score": 0.93, "rationale": "So.", "evidence": ["a"], "usage": {"input_tokens": 7}}
    server.play(as_json(reply))
    answer = ask(service(server.url, 'score = "given"'))
    assert (answer.value, answer.score, answer.scored_by) == (REFUND, 930_000, "given")
    assert (answer.rationale, answer.evidence) == ("So.", ("a",))
    assert answer.usage == {"requests": 1, "input_tokens": 7}
    assert server.asked[0].path == "/v1/triage"
    assert server.asked[0].body == {"question": "Triage", "fields": FIELDS}


@pytest.mark.parametrize(("line", "claimed"), [((), None), (('score = "stated"',), 930_000)])
def test_a_score_counts_only_where_the_release_says_that_it_is_measured(
    server: ModelServer, line: tuple[str, ...], claimed: int | None
) -> None:
    server.play(as_json({"value": REFUND, "score": 0.93}))
    answer = ask(service(server.url, *line))
    assert (answer.score, answer.claimed, answer.scored_by) == (None, claimed, "")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ([], "no JSON object with `value`"),
        ({"score": 1}, "no JSON object with `value`"),
        ({"value": {"action": "refund"}}, "value: amount: Field required"),
        ({"value": REFUND, "score": 1.5}, "score: it is a number"),
        ({"value": REFUND, "score": "high"}, "score: it is a number"),
        ({"value": REFUND, "score": True}, "score: it is a number"),
        ({"value": REFUND, "rationale": 5}, "rationale: it is text"),
        ({"value": REFUND, "evidence": "a"}, "evidence: it is a list"),
        ({"value": REFUND, "evidence": [5]}, "evidence: it is a list"),
        ({"value": REFUND, "approved": True}, "unknown members: approved"),
    ],
)
def test_replies_that_are_no_answer(server: ModelServer, reply: Any, words: str) -> None:
    server.play(as_json(reply))
    with pytest.raises(Garbled, match=words) as error:
        ask(service(server.url, 'score = "given"'))
    assert error.value.usage == {"requests": 1}


def test_a_service_that_fails_or_hangs(server: ModelServer) -> None:
    server.play(failure(503))
    with pytest.raises(NoAdvice, match="HTTP 503"):
        ask(service(server.url))
    server.play(failure(404))
    with pytest.raises(Unavailable, match="HTTP 404"):
        ask(service(server.url))
    server.play(as_json({"value": REFUND}, pause=30))
    with pytest.raises(NoAdvice, match=r"no answer within 0\.5 s"):
        ask(service(server.url), timeout_s=0.5)


def test_a_stub_answers_alike_and_takes_the_time_that_it_is_said_to_take() -> None:
    stub = '[advisors.model]\nkind = "stub"\nvalue = { action = "reply", text = "Hello" }\nscore = 0.29\n'
    begun = time.monotonic()
    answer = ask(stub + 'delay = "300ms"\n')
    assert (answer.value, answer.score) == ({"action": "reply", "text": "Hello"}, 290_000)
    assert time.monotonic() - begun >= 0.3
    with pytest.raises(DefinitionErrors, match=r"value is no answer to Triage: text: Field required"):
        ask(stub.replace(', text = "Hello"', ""))
