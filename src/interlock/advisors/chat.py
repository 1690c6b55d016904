"""A language model behind the chat completions protocol that OpenAI defined and most servers speak.

One request, one output: a schema goes with it where the server can enforce one, log-probabilities are asked for where
the score needs them, and whatever comes back that is not plain text of an answer becomes a problem in words. Sources:
the protocol's reference (POST /chat/completions), "Structured model outputs" for `response_format`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, cast

from interlock.advisors.endpoint import Endpoint
from interlock.advisors.models import File, Output, Said, Token
from interlock.ports import Declined, NoAdvice

Structured = Literal["json_schema", "json_object", "none"]


@dataclass(frozen=True)
class ChatModel:
    """`parameters`: further members of each request, as they are (temperature, seed, ...).

    structured   json_schema: the server enforces the schema; json_object: it writes some JSON object; none: it is only
                 told. In the last two the schema stands in the prompt
    strict       whether the schema may be enforced strictly (`schemas.envelope`)
    """

    endpoint: Endpoint
    model: str
    parameters: Mapping[str, Any]
    structured: Structured = "json_schema"
    strict: bool = True

    async def generate(
        self, messages: Sequence[Said], schema: Mapping[str, Any], *, logprobs: bool, deadline: float
    ) -> Output:
        body = self.request(messages, schema, logprobs=logprobs)
        reply = await self.endpoint.post(json.dumps(body, ensure_ascii=False).encode(), deadline=deadline)
        return output(reply, self.endpoint.host, loose=self.structured != "json_schema")

    async def close(self) -> None:
        await self.endpoint.close()

    def request(self, messages: Sequence[Said], schema: Mapping[str, Any], *, logprobs: bool) -> dict[str, Any]:
        """The body of a request."""
        told = list(messages)
        if self.structured != "json_schema":
            told = [_with_schema(one, schema) if i == _first_user(told) else one for i, one in enumerate(told)]
        body: dict[str, Any] = {"model": self.model, "messages": [_message(one) for one in told], **self.parameters}
        if self.structured == "json_schema":
            named = {"name": "answer", "schema": schema, "strict": self.strict}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif self.structured == "json_object":
            body["response_format"] = {"type": "json_object"}
        if logprobs:
            body["logprobs"] = True
        return body


def output(reply: Any, host: str, *, loose: bool = False) -> Output:
    """What a server's reply holds. `loose`: the answer may stand among other text, as models write it when no schema
    is enforced.

    Raises Declined when the model or its server will not answer, NoAdvice for a reply of another protocol.
    """
    try:
        choice = reply["choices"][0]
        message = choice["message"]
        content = message.get("content")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise NoAdvice(f"{host} answered with JSON that is no chat completion") from None
    used = _usage(reply.get("usage"))
    if message.get("refusal"):
        raise Declined("the model refused to answer", usage=_spent(used))
    ended = choice.get("finish_reason")
    if ended == "content_filter":
        raise Declined("the server's content filter took the answer away", usage=_spent(used))
    text = _text(content)
    if ended == "length":
        return Output(text, "it was cut off at the most tokens that it may have", usage=used)
    if not text.strip():
        calls = message.get("tool_calls")
        return Output("", "it called a tool instead of answering" if calls else "it is empty", usage=used)
    tokens = _tokens(choice.get("logprobs"))
    if loose:
        text, tokens = _object_in(text, tokens)
    return Output(text, tokens=tokens, usage=used)


def _spent(used: tuple[int, int] | None) -> dict[str, int]:
    return {} if used is None else {"input_tokens": used[0], "output_tokens": used[1]}


def _message(said: Said) -> dict[str, Any]:
    if not said.files:
        return {"role": said.role, "content": said.text}
    return {"role": said.role, "content": [{"type": "text", "text": said.text}, *map(_part, said.files)]}


def _part(file: File) -> dict[str, Any]:
    url = f"data:{file.media_type};base64,{base64.b64encode(file.data).decode()}"
    if file.is_picture:
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"filename": "document", "file_data": url}}


def _first_user(messages: Sequence[Said]) -> int:
    return next(i for i, one in enumerate(messages) if one.role == "user")


def _with_schema(said: Said, schema: Mapping[str, Any]) -> Said:
    wanted = json.dumps(schema, ensure_ascii=False)
    text = f"{said.text}\n\nAnswer with one JSON object that fits this JSON schema, and with nothing else:\n{wanted}"
    return Said(said.role, text, said.files)


def _text(content: Any) -> str:
    """A message's content: text, or a list of parts of which the text ones count."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [cast("dict[str, Any]", one) for one in cast("list[Any]", content) if isinstance(one, dict)]
        return "".join(str(one.get("text", "")) for one in parts if one.get("type") == "text")
    return ""


def _usage(found: Any) -> tuple[int, int] | None:
    """Tokens in and out, None where the server does not say both as whole numbers."""
    if not isinstance(found, Mapping):
        return None
    told = cast("Mapping[str, Any]", found)
    counts = [told.get(name) for name in ("prompt_tokens", "completion_tokens")]
    first, second = counts
    if not _is_count(first) or not _is_count(second):
        return None
    return cast("int", first), cast("int", second)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _tokens(found: Any) -> tuple[Token, ...]:
    """The output's tokens with their log-probabilities; none of them where any is not as the protocol says."""
    content = cast("Mapping[str, Any]", found).get("content") if isinstance(found, Mapping) else None
    if not isinstance(content, list):
        return ()
    tokens: list[Token] = []
    for one in cast("list[Any]", content):
        if not isinstance(one, Mapping):
            return ()
        told = cast("Mapping[str, Any]", one)
        piece, raw, logprob = told.get("token"), told.get("bytes"), told.get("logprob")
        if isinstance(logprob, bool) or not isinstance(logprob, int | Decimal):
            return ()
        if isinstance(raw, list) and all(_is_byte(byte) for byte in cast("list[Any]", raw)):
            spelt = bytes(cast("list[int]", raw))
        elif isinstance(piece, str):
            spelt = piece.encode()
        else:
            return ()
        tokens.append(Token(spelt, Decimal(logprob)))
    return tuple(tokens)


def _is_byte(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


def _object_in(text: str, tokens: tuple[Token, ...]) -> tuple[str, tuple[Token, ...]]:
    """The JSON object in a text with something around it (a code fence, thoughts), and its tokens."""
    start, end = text.find("{"), text.rfind("}") + 1
    if start < 0 or end <= start:
        return text, tokens
    first, last = len(text[:start].encode()), len(text[:end].encode())
    kept: list[Token] = []
    at = 0
    for token in tokens:
        begin, at = at, at + len(token.piece)
        piece = token.piece[max(0, first - begin) : max(0, last - begin)]
        if piece:
            kept.append(Token(piece, token.logprob))
    return text[start:end], tuple(kept)
