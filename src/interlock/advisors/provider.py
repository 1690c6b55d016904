"""A language model that pydantic-ai reaches: any provider it knows, by name (`anthropic:...`, `google-gla:...`).

Only its model layer is used: one request, one response. Prompt, validation, repetitions and score are this package's
own, so that an advisor behaves alike whoever serves it. The provider's key is where its package looks for it, an
environment variable. pydantic-ai is an extra and is imported when such an advisor is first asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from pydantic_ai import exceptions
from pydantic_ai.direct import model_request
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import Model as PydanticModel
from pydantic_ai.models import ModelRequestParameters, infer_model
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from interlock.advisors.models import NotTaken, Output, Said
from interlock.ports import Declined, NoAdvice, Unavailable

TOOL = "answer"
Structured = Literal["tool", "json_schema", "none"]


class ProviderModel:
    """`model` is a name that pydantic-ai knows, or one of its models. `settings`: temperature, max_tokens, ...

    structured   tool: the answer is the arguments of a tool; json_schema: the provider enforces the schema; none: it
                 stands in the prompt
    """

    def __init__(
        self, model: str | PydanticModel, settings: Mapping[str, Any], structured: Structured = "tool"
    ) -> None:
        self._model = model
        self._settings = cast("ModelSettings", dict(settings))
        self._structured = structured

    async def generate(
        self, messages: Sequence[Said], schema: Mapping[str, Any], *, logprobs: bool, deadline: float
    ) -> Output:
        try:
            if isinstance(self._model, str):
                self._model = infer_model(self._model)
        except Exception as error:  # noqa: BLE001 - whatever a provider's package raises: it cannot be used here
            raise Unavailable(f"pydantic-ai cannot use {self._model}: {type(error).__name__}") from None
        try:
            response = await model_request(
                self._model,
                _history(messages, schema if self._structured == "none" else None),
                model_settings=self._settings,
                model_request_parameters=self._parameters(schema),
            )
        except exceptions.ContentFilterError:
            raise Declined("the provider's content filter took the answer away") from None
        except exceptions.ModelHTTPError as error:
            raise _refused(error.status_code) from None
        except (exceptions.AgentRunError, exceptions.UserError) as error:
            raise NoAdvice(f"the provider failed: {type(error).__name__}") from None
        return output(response)

    async def close(self) -> None:
        """Its connections are pydantic-ai's, which shares them between models."""

    def _parameters(self, schema: Mapping[str, Any]) -> ModelRequestParameters:
        if self._structured == "tool":
            tool = ToolDefinition(
                name=TOOL,
                description="Give your answer.",
                parameters_json_schema=dict(schema),
                kind="output",
            )
            return ModelRequestParameters(output_mode="tool", output_tools=[tool], allow_text_output=False)
        if self._structured == "json_schema":
            wanted = OutputObjectDefinition(json_schema=dict(schema), name=TOOL, strict=True)
            return ModelRequestParameters(output_mode="native", output_object=wanted)
        return ModelRequestParameters()


def output(response: ModelResponse) -> Output:
    """The answer's text: the arguments of the answer's tool, or what was written. Raises Declined."""
    used = response.usage.input_tokens, response.usage.output_tokens
    usage = used if any(used) else None
    if response.finish_reason == "content_filter":
        raise Declined("the provider's content filter took the answer away", usage=_spent(used))
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    if response.finish_reason == "length":
        return Output(text, "it was cut off at the most tokens that it may have", usage=usage)
    if calls:
        if len(calls) > 1 or calls[0].tool_name != TOOL:
            return Output("", "it called other tools instead of answering once", usage=usage)
        # What is no JSON is told as it came; the package's own text form would hide it in an object.
        args = calls[0].args
        return Output(args if isinstance(args, str) else calls[0].args_as_json_str(), usage=usage)
    return Output(text, "" if text.strip() else "it is empty", usage=usage)


def _spent(used: tuple[int, int]) -> dict[str, int]:
    return {"input_tokens": used[0], "output_tokens": used[1]}


def _refused(status: int) -> NoAdvice:
    why = f"the provider answered HTTP {status}"
    if status in (429, 503, 529):
        return NotTaken(why)
    return NoAdvice(why) if status in (408, 409, 425) or status >= 500 else Unavailable(why)


def _history(messages: Sequence[Said], schema: Mapping[str, Any] | None) -> list[ModelMessage]:
    history: list[ModelMessage] = []
    for i, said in enumerate(messages):
        if said.role == "assistant":
            history.append(ModelResponse(parts=[TextPart(said.text)]))
            continue
        if said.role == "system":
            history.append(ModelRequest(parts=[SystemPromptPart(said.text)]))
            continue
        text = said.text
        if schema is not None and all(one.role == "system" for one in messages[:i]):
            wanted = json.dumps(schema, ensure_ascii=False)
            text = f"{text}\n\nAnswer with one JSON object that fits this JSON schema, and with nothing else:\n{wanted}"
        files: list[UserContent] = [BinaryContent(data=one.data, media_type=one.media_type) for one in said.files]
        history.append(ModelRequest(parts=[UserPromptPart([text, *files] if files else text)]))
    return history
