"""A model behind an OpenAI-compatible endpoint, on a real socket: what it is asked, what becomes of what it says."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from interlock.ports import Declined, Garbled, NoAdvice, OutOfTime, Store, Unavailable
from interlock.runtime.hosted import Hosted
from interlock.vocabulary import limits
from tests.modelserver import Asked, ModelServer, Reply, as_json, completion, failure, said
from tests.unit.advisors.asking import REFUND, ask, chat, command, with_host

GOOD = said({"value": REFUND, "rationale": "It came late."})
PRICE = 'price = { input = 0.15, output = 0.60, currency = "EUR" }'


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_a_model_is_asked_with_the_prompt_and_the_schema_of_the_questions_type(server: ModelServer) -> None:
    server.play(GOOD)
    options = ("temperature = 0", "max_tokens = 300", 'system = "You triage."', "params = { top_k = 3, min_p = 0.5 }")
    answer = ask(chat(server.url, *options), message="Late {order}, {{x}}")
    assert (answer.value, answer.rationale, answer.refused) == (REFUND, "It came late.", ())
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    prompt = "The customer of order o1 over 40.00 wrote {in their words}:\nLate {order}, {{x}}\nPicture: none\n"
    told = [{"role": "system", "content": "You triage."}, {"role": "user", "content": prompt}]
    assert asked.body["messages"] == told
    sent = {name: asked.body[name] for name in ("model", "temperature", "max_tokens", "top_k", "min_p")}
    assert sent == {"model": "small", "temperature": 0, "max_tokens": 300, "top_k": 3, "min_p": 0.5}
    format = asked.body["response_format"]["json_schema"]
    assert format["strict"] is True
    refund, reply = format["schema"]["properties"]["value"]["anyOf"]
    assert refund["properties"]["action"] == {"enum": ["refund"]}
    assert refund["required"] == ["action", "amount", "reason"]
    assert refund["properties"]["amount"] == {"type": "number", "minimum": 0.0, "maximum": 1_000_000.0}
    assert reply["properties"]["action"] == {"enum": ["reply"]}
    assert "logprobs" not in asked.body


@pytest.mark.parametrize("structured", ["json_object", "none"])
def test_where_no_schema_is_enforced_it_stands_in_the_prompt(server: ModelServer, structured: str) -> None:
    fenced = "<think>Hm.</think>\n```json\n" + json.dumps({"value": REFUND}) + "\n```"
    server.play(said(fenced))
    assert ask(chat(server.url, f'structured = "{structured}"')).value == REFUND
    body = server.asked[0].body
    assert '"additionalProperties": false' in body["messages"][0]["content"]
    assert body.get("response_format") == ({"type": "json_object"} if structured == "json_object" else None)


def test_pictures_go_with_the_question(server: ModelServer) -> None:
    server.play(GOOD)
    picture = b"\x89PNG not really"

    async def work(host: Hosted, store: Store) -> None:
        digest = store.put_payload(picture, "image/png")
        await host.advisors.answer(command(photo={"digest": digest, "media_type": "image/png"}))

    with_host(chat(server.url), work)
    text, image = server.asked[0].body["messages"][0]["content"]
    assert text["type"] == "text" and "It broke." in text["text"]
    assert image == {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORyBub3QgcmVhbGx5"}}


@pytest.mark.parametrize("where", ["env", "file", "header"])
def test_a_key_is_read_from_where_the_release_says_for_each_call(
    server: ModelServer, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.play(GOOD)
    monkeypatch.setenv("TICKETS_KEY", "sk-first")
    file = tmp_path / "key"
    file.write_text("sk-first\n")
    lines = {
        "env": 'key = "env:TICKETS_KEY"',
        "file": f'key = "file:{file}"',
        "header": 'headers = { Api-Key = "env:TICKETS_KEY", X-Team = "claims" }',
    }
    name, form = ("api-key", "{}") if where == "header" else ("authorization", "Bearer {}")

    async def work(host: Hosted, store: Store) -> None:
        await host.advisors.answer(command())
        monkeypatch.setenv("TICKETS_KEY", "sk-second")
        file.write_text("sk-second")
        await host.advisors.answer(command())

    with_host(chat(server.url, lines[where]), work)
    assert [one.headers[name] for one in server.asked] == [form.format("sk-first"), form.format("sk-second")]


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_usage_and_cost_are_counted_exactly_and_rounded_up(server: ModelServer) -> None:
    server.play(said({"value": REFUND}, usage=(1_003, 7)))
    answer = ask(chat(server.url, PRICE))
    # 1003 * 0.15 + 7 * 0.60 = 154.65 millionths
    assert answer.usage == {"requests": 1, "input_tokens": 1_003, "output_tokens": 7, "cost": 155}
    assert answer.currency == "EUR"


def test_a_server_that_counts_nothing_or_nonsense_is_not_believed(server: ModelServer) -> None:
    odd = completion({"value": REFUND}, usage=None) | {"usage": {"prompt_tokens": -5, "completion_tokens": "7"}}
    server.play(as_json(odd))
    answer = ask(chat(server.url, PRICE))
    assert (answer.usage, answer.currency) == ({"requests": 1, "unreported": 1}, "")


def test_refused_outputs_are_paid_for_and_recorded_and_the_model_is_told_why(server: ModelServer) -> None:
    bad = {"value": {"action": "refund", "amount": -1, "reason": "late"}}
    server.play(said(bad), said("not JSON"), GOOD)
    answer = ask(chat(server.url, PRICE, "tries = 3"))
    assert answer.value == REFUND
    assert answer.usage == {"requests": 3, "input_tokens": 300, "output_tokens": 60, "cost": 3 * 27}
    first, second = answer.refused
    assert first == "value: amount: Input should be greater than or equal to 0"
    assert second.startswith("Not JSON")
    again = server.asked[1].body["messages"]
    assert [one["role"] for one in again] == ["user", "assistant", "user"]
    assert json.loads(again[1]["content"]) == bad
    assert "amount: Input should be greater than or equal to 0" in again[2]["content"]


def test_the_tries_are_bounded_and_what_they_took_is_told(server: ModelServer) -> None:
    server.play(said("{}"))
    with pytest.raises(Garbled, match=r"output 1: .*; output 2: ") as error:
        ask(chat(server.url, PRICE))
    assert error.value.usage == {"requests": 2, "input_tokens": 200, "output_tokens": 40, "cost": 54}
    assert error.value.currency == "EUR"
    assert len(server.asked) == 2


# --- what is no answer ------------------------------------------------------------------------------------------------

TOOL_CALL = {"tool_calls": [{"id": "c1", "type": "function", "function": {"name": "refund", "arguments": "{}"}}]}
VALUE = json.dumps(REFUND)

# what the model's server sends, what is recorded
GARBAGE: dict[str, tuple[Reply, str]] = {
    "truncated": (said('{"value": {"action": "refund", "amount": 5'), "Not JSON"),
    "length": (said('{"value": {"act', finish_reason="length"), "cut off at the most tokens"),
    "tool_calls": (said(None, message=TOOL_CALL, finish_reason="tool_calls"), "called a tool instead"),
    "empty": (said(""), "it is empty"),
    "null": (said(None), "it is empty"),
    "list": (said([1]), "no JSON object with `value`"),
    "bare": (said(REFUND), "no JSON object with `value`"),
    "other action": (said({"value": {"action": "refnd"}}), "Did you mean refund?"),
    "extra": (said({"value": {**REFUND, "to": "me"}}), "to: Extra inputs"),
    "beside": (said({"value": REFUND, "approve": True}), "members that nobody asked for"),
    "wrong type": (said({"value": {**REFUND, "amount": True}}), "amount: "),
    "too exact": (said({"value": {**REFUND, "amount": 5.001}}), "amount: "),
    "duplicate": (said(f'{{"value": {VALUE}, "value": {VALUE}}}'), "stands twice"),
    "duplicate inside": (said('{"value": {"action": "reply", "text": "a", "text": "b"}}'), "stands twice"),
    "nan": (said('{"value": {"action": "refund", "amount": NaN, "reason": "late"}}'), "NaN is not a number"),
    "huge number": (said('{"value": {"action": "refund", "amount": 1e999, "reason": "late"}}'), "out of range"),
    "surrogate": (said('{"value": {"action": "reply", "text": "\\ud800"}}'), "surrogate"),
    "deep": (said('{"value": ' + "[" * 5_000 + "]" * 5_000 + "}"), "Nested deeper"),
    "long rationale": (said({"value": REFUND, "rationale": "x" * 5_000}), "at most 4000 characters"),
    "rationale": (said({"value": REFUND, "rationale": ["x"]}), "rationale: it is text"),
}


@pytest.mark.parametrize("case", GARBAGE)
def test_what_a_model_writes_wrongly_is_garbage_and_says_why(server: ModelServer, case: str) -> None:
    reply, words = GARBAGE[case]
    server.play(reply)
    with pytest.raises(Garbled) as error:
        ask(chat(server.url, "tries = 1"))
    assert words in str(error.value)
    assert len(str(error.value)) < 400


BROKEN: dict[str, tuple[Reply, str]] = {
    "html": (Reply(b"<html>Welcome to our hotel", headers={"content-type": "text/html; charset=utf-8"}), "text/html"),
    "no type": (Reply(b"{}"), "no content type"),
    "cut": (as_json(completion("x" * 1_000), cut_after=300), "RemoteProtocolError"),
    "envelope": (as_json({"object": "list", "data": []}), "no chat completion"),
    "not an object": (as_json([1, 2]), "no chat completion"),
    "no choices": (as_json({"choices": []}), "no chat completion"),
    "half an envelope": (
        Reply(b'{"choices": [', headers={"content-type": "application/json"}),
        "cannot be read: Not JSON",
    ),
    "huge": (as_json(completion("x" * limits.MODEL_BYTES_MAX)), f"more than {limits.MODEL_BYTES_MAX} bytes"),
    "compressed": (as_json({}, headers={"content-encoding": "gzip"}), "compressed"),
    "500": (failure(500), "HTTP 500 (server_error)"),
    "503": (failure(503, "overloaded"), "HTTP 503 (overloaded)"),
    "429 without a time": (failure(429, "rate_limit_exceeded"), "HTTP 429 (rate_limit_exceeded)"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_server_that_fails_is_an_error_and_not_an_answer(server: ModelServer, case: str) -> None:
    reply, words = BROKEN[case]
    server.play(reply)
    with pytest.raises(NoAdvice) as error:
        ask(chat(server.url))
    assert words in str(error.value)
    busy = case[:3] in ("429", "503")
    assert type(error.value).__name__ == ("Busy" if busy else "NoAdvice")
    # What was refused at the door is not paid for; what broke off may be.
    nothing = {"input_tokens": 0, "output_tokens": 0}
    assert error.value.usage == {"requests": 1, **(nothing if busy else {"unreported": 1})}
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 422])
def test_what_a_server_will_never_take_is_not_asked_again(server: ModelServer, status: int) -> None:
    server.play(failure(status, "no_such_thing", location="http://127.0.0.1:1/v1"))
    with pytest.raises(Unavailable, match=f"HTTP {status}") as error:
        ask(chat(server.url))
    assert error.value.usage == {"requests": 1, "input_tokens": 0, "output_tokens": 0}
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "reply", [said(None, message={"refusal": "I can't."}), said("", finish_reason="content_filter")]
)
def test_a_refusal_is_recorded_as_one_and_paid_for(server: ModelServer, reply: Reply) -> None:
    server.play(reply)
    with pytest.raises(Declined) as error:
        ask(chat(server.url, PRICE))
    assert error.value.usage == {"requests": 1, "input_tokens": 100, "output_tokens": 20, "cost": 27}
    assert len(server.asked) == 1


def test_a_server_that_is_not_there_is_an_error(server: ModelServer) -> None:
    with pytest.raises(NoAdvice, match=r"127\.0\.0\.1 cannot be reached: ConnectError"):
        ask(chat("http://127.0.0.1:9/v1"))


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply", [as_json(completion({"value": REFUND}), pause=600), as_json(completion("x" * 900), hang_after=400)]
)
def test_a_server_that_hangs_costs_its_own_time_and_no_more(server: ModelServer, reply: Reply) -> None:
    server.play(said("{}"), reply)
    begun = time.monotonic()
    with pytest.raises(OutOfTime, match=r"no answer within 3 s") as error:
        ask(chat(server.url), timeout_s=3)
    assert 2 < time.monotonic() - begun < 300
    assert error.value.usage == {"requests": 2, "input_tokens": 100, "output_tokens": 20, "unreported": 1}
    _until(lambda: server.left == 1)


def test_a_withdrawn_question_ends_its_request(server: ModelServer) -> None:
    server.play(as_json({}, pause=30))

    async def work(host: Hosted, store: Store) -> None:
        asking = asyncio.ensure_future(host.advisors.answer(command()))
        await asyncio.to_thread(_until, lambda: server.asked)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    with_host(chat(server.url), work)
    _until(lambda: server.left == 1)


def test_a_server_that_asks_for_time_gets_it(server: ModelServer) -> None:
    server.play(failure(429, retry_after="0.3"), failure(503, retry_after="0"), GOOD)
    begun = time.monotonic()
    assert ask(chat(server.url)).value == REFUND
    assert time.monotonic() - begun >= 0.3
    assert len(server.asked) == 3


def test_a_server_that_asks_for_more_time_than_there_is_is_not_called_meanwhile(server: ModelServer) -> None:
    server.play(failure(429, retry_after="3600"), GOOD)

    async def work(host: Hosted, store: Store) -> None:
        with pytest.raises(NoAdvice, match=r"HTTP 429 .* asks for 3600 s"):
            await host.advisors.answer(command())
        with pytest.raises(NoAdvice, match=r"asked not to be called for another (600\.0|5\d\d\.\d) s"):
            await host.advisors.answer(command())

    with_host(chat(server.url), work)
    assert len(server.asked) == 1, "an hour is bounded to ten minutes, and within these nothing is sent"


def test_a_server_that_always_asks_for_time_is_not_asked_for_ever(server: ModelServer) -> None:
    server.play(failure(429, retry_after="0"))
    with pytest.raises(NoAdvice, match="HTTP 429"):
        ask(chat(server.url))
    assert len(server.asked) == limits.RETRY_AFTER_TRIES_MAX


def test_a_dead_endpoint_does_not_slow_another(server: ModelServer) -> None:
    """Forty asks hang on one address while forty others are answered by the other, through the same process."""
    hanging = ModelServer()
    try:
        hanging.play(as_json({}, pause=600))
        server.play(GOOD)
        text = chat(hanging.url, 'score = "classifier:quick"', "concurrency = 40") + chat(server.url, name="quick")

        async def work(host: Hosted, store: Store) -> None:
            stuck = [asyncio.ensure_future(host.advisors.answer(command(timeout_s=600))) for _ in range(40)]
            await asyncio.to_thread(_until, lambda: len(hanging.asked) == 40)
            await asyncio.gather(*(host.advisors.answer(command("quick")) for _ in range(40)))
            assert not any(one.done() for one in stuck), "nobody waited for those who hang"
            for one in stuck:
                one.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)

        with_host(text, work)
        assert len(server.asked) == 40
    finally:
        hanging.close()


# --- secrets ----------------------------------------------------------------------------------------------------------

SECRET = "sk-live-77d0c1e5"


@pytest.mark.parametrize(
    "reply",
    [
        failure(401, f"bad_{SECRET}", message=f"Incorrect API key provided: {SECRET}"),
        failure(400, SECRET),
        as_json({"error": {"message": f"{SECRET} It broke.", "code": f"It broke. {SECRET}"}}, status=503),
        Reply(SECRET.encode(), headers={"content-type": "text/plain"}),
        said(f'{{"value": {{"action": "{SECRET}"}}, '),
    ],
)
def test_no_error_repeats_the_key_or_what_was_sent(
    server: ModelServer, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKETS_KEY", SECRET)
    server.play(reply)
    with pytest.raises(NoAdvice) as error:
        ask(chat(server.url, 'key = "env:TICKETS_KEY"'))
    told = f"{error.value!r} {error.value.__cause__!r}"
    assert SECRET not in told and "It broke." not in told
    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "TICKETS_KEY is not set"), ("", "TICKETS_KEY is not set"), ("sk-ü", "cannot be sent as a key")],
)
def test_a_missing_key_is_said_before_anything_is_sent(
    server: ModelServer, content: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TICKETS_KEY", raising=False)
    if content is not None:
        monkeypatch.setenv("TICKETS_KEY", content)
    server.play(GOOD)
    with pytest.raises(Unavailable, match=words):
        ask(chat(server.url, 'key = "env:TICKETS_KEY"'))
    assert server.asked == []


def test_a_key_does_not_follow_a_redirect(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKETS_KEY", SECRET)
    other = ModelServer()
    try:
        other.play(GOOD)
        server.play(failure(307, location=f"{other.url}/chat/completions"))
        with pytest.raises(Unavailable, match="HTTP 307"):
            ask(chat(server.url, 'key = "env:TICKETS_KEY"'))
        assert other.asked == []
    finally:
        other.close()


def _until(what: Any) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_script_itself_plays_what_it_is_told(server: ModelServer) -> None:
    """A server that answered everything alike would make every test above pass or fail for another reason."""
    seen: list[str] = []

    def step(asked: Asked) -> Reply:
        seen.append(asked.body["model"])
        return said({"value": {"action": "reply", "text": "Hello"}})

    server.play(step)
    assert ask(chat(server.url)).value == {"action": "reply", "text": "Hello"}
    assert seen == ["small"]
