"""Models that pydantic-ai reaches, with its own test doubles of a provider."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest
from pydantic_ai import exceptions
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage

from interlock.advisors.asking import ModelAdvisor
from interlock.advisors.functions import AdvisorTable
from interlock.advisors.provider import ProviderModel
from interlock.assembly.hosting import hosted
from interlock.ports import Declined, Garbled, NoAdvice, Store, Unavailable
from interlock.runtime.hosted import Hosted
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.errors import NotInstalled
from tests.unit.advisors.asking import REFUND, command, release_of, with_host

Function = Callable[[list[ModelMessage], AgentInfo], ModelResponse]


def provided(*lines: str) -> str:
    rows = ["[advisors.model]", 'kind = "pydantic-ai"', 'model = "test"', 'prompt = "prompts/triage.md"']
    return "\n".join([*rows, *lines]) + "\n"


def ask(model: Model | Function, *lines: str, **fields: Any) -> Answer:
    """What an advisor answers whose model is replaced, where it would be reached, by this one."""
    double = model if isinstance(model, Model) else FunctionModel(model)

    async def work(host: Hosted, store: Store) -> Answer:
        assert isinstance(host.advisors, AdvisorTable)
        advisor = host.advisors.advisors["Triage", "model"]
        assert isinstance(advisor, ModelAdvisor) and isinstance(advisor.asked.model, ProviderModel)
        advisor.asked.model._model = double
        if picture := fields.pop("picture", None):
            fields["photo"] = {"digest": store.put_payload(picture, "image/png"), "media_type": "image/png"}
        return await advisor.answer(command(**fields))

    return with_host(provided(*lines), work)


def called(value: Any, **response: Any) -> ModelResponse:
    return ModelResponse(parts=[ToolCallPart("answer", {"value": value, "rationale": "So."})], **response)


def test_pydantic_ais_own_test_model_gives_an_answer_of_the_questions_type() -> None:
    answer = ask(TestModel(), 'rationale = "before"')
    assert answer.value == {"action": "refund", "amount": "0.0", "reason": "damaged"}
    assert answer.score is None and answer.usage["requests"] == 1


def test_a_provider_is_given_prompt_picture_settings_and_the_answers_schema() -> None:
    seen: list[Any] = []

    def function(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        seen.extend((messages, info))
        return called(REFUND, usage=RequestUsage(input_tokens=40, output_tokens=2))

    price = 'price = { input = 1, output = 2, currency = "EUR" }'
    answer = ask(function, price, 'system = "You triage."', "temperature = 0.5", picture=b"png")
    assert (answer.value, answer.rationale) == (REFUND, "So.")
    assert answer.usage == {"requests": 1, "input_tokens": 40, "output_tokens": 2, "cost": 44}
    messages, info = seen
    (system,), (user,) = (message.parts for message in messages)
    assert system.content == "You triage."
    text, picture = user.content
    assert "It broke." in text and isinstance(picture, BinaryContent) and picture.data == b"png"
    assert info.model_settings == {"temperature": 0.5}
    (tool,) = info.output_tools
    assert tool.name == "answer" and set(tool.parameters_json_schema["properties"]) == {"value", "rationale"}


def test_wrong_answers_go_back_with_the_reason_a_bounded_number_of_times() -> None:
    prompts: list[str] = []

    def function(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        last = messages[-1]
        assert isinstance(last, ModelRequest) and isinstance(last.parts[-1], UserPromptPart)
        prompts.append(str(last.parts[-1].content))
        return called(REFUND) if len(prompts) == 3 else called({**REFUND, "amount": -1})

    answer = ask(function, "tries = 3")
    assert answer.value == REFUND and len(answer.refused) == 2
    assert "amount: Input should be greater than or equal to 0" in prompts[1]
    prompts.clear()
    with pytest.raises(Garbled, match="output 2"):
        ask(function, "tries = 2")


@pytest.mark.parametrize("structured", ["json_schema", "none"])
def test_answers_as_text(structured: str) -> None:
    prompts: list[str] = []

    def function(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        prompts.append(str(messages[0]))
        assert info.output_tools == []
        return ModelResponse(parts=[TextPart('{"value": {"action": "reply", "text": "Hi"}}')])

    assert ask(function, f'structured = "{structured}"').value == {"action": "reply", "text": "Hi"}
    assert ("fits this JSON schema" in prompts[0]) is (structured == "none")


def test_samples_vote_here_as_well() -> None:
    amounts = iter([5, 7, 5])
    answer = ask(lambda messages, info: called({**REFUND, "amount": next(amounts)}), 'score = "votes:3"')
    assert (answer.score, answer.scored_by) == (666_666, "votes")


def raising(error: Exception) -> Function:
    def function(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise error

    return function


def responding(parts: Sequence[Any], **response: Any) -> Function:
    return lambda messages, info: ModelResponse(parts=list(parts), **response)


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (raising(exceptions.ModelHTTPError(429, "m", "secret body")), NoAdvice, "HTTP 429"),
        (raising(exceptions.ModelHTTPError(400, "m", "secret body")), Unavailable, "HTTP 400"),
        (raising(exceptions.UnexpectedModelBehavior("secret")), NoAdvice, "UnexpectedModelBehavior"),
        (raising(exceptions.ContentFilterError("secret")), Declined, "content filter"),
        (responding([], finish_reason="content_filter"), Declined, "content filter"),
        (responding([TextPart("{")], finish_reason="length"), Garbled, "cut off"),
        (responding([ToolCallPart("refund", {})]), Garbled, "other tools"),
        (responding([ToolCallPart("answer", {}), ToolCallPart("answer", {})]), Garbled, "other tools"),
        (responding([TextPart("  ")]), Garbled, "it is empty"),
        (responding([ToolCallPart("answer", '{"value": {"action": "refund", "am')]), Garbled, "Not JSON"),
    ],
)
def test_what_is_no_answer(function: Function, error: type[NoAdvice], words: str) -> None:
    with pytest.raises(error, match=words) as told:
        ask(function, "tries = 1")
    assert "secret" not in str(told.value)


def test_a_model_that_pydantic_ai_does_not_know_cannot_be_asked() -> None:
    async def work(host: Hosted, store: Store) -> None:
        with pytest.raises(Unavailable, match="pydantic-ai cannot use nowhere:nothing"):
            await host.advisors.answer(command())

    with_host(provided().replace('"test"', '"nowhere:nothing"'), work)


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "interlock.advisors.provider")
    monkeypatch.setitem(sys.modules, "pydantic_ai", None)
    release = release_of(provided())
    store = open_sqlite(":memory:", n_slots=4)
    with closing(store), pytest.raises(NotInstalled, match=r"pip install 'interlock\[pydantic-ai\]'"):
        hosted(release, store)


def test_a_provider_that_hangs_is_left_in_time() -> None:
    async def function(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        await asyncio.sleep(60)
        return called(REFUND)

    with pytest.raises(NoAdvice, match=r"no answer within 0\.5 s"):
        ask(FunctionModel(function), timeout_s=0.5)


def test_another_model_is_another_release() -> None:
    one, other = release_of(provided()), release_of(provided().replace('"test"', '"other"'))
    changed = {
        name for name in one.manifest.components if one.manifest.components[name] != other.manifest.components[name]
    }
    assert changed == {"advisor:model"}
    assert one.manifest.questions()["Triage"].component != other.manifest.questions()["Triage"].component
