"""A server that speaks the chat completions protocol, on a real socket, and fails in every way that one can.

It plays a script: each request takes the next reply, the last one stays. It runs in a thread of its own, so that tests
of one process and of several use it alike.
"""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What is sent back. `pause`: seconds before the head, `hang_after`: bytes of the body after which nothing more
    comes while the connection stays open; `cut_after`: after which it is closed.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pause: float = 0.0
    hang_after: int | None = None
    cut_after: int | None = None


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: Any


Script = Sequence[Reply | Callable[[Asked], Reply]]


def completion(content: Any, *, usage: tuple[int, int] | None = (100, 20), **choice: Any) -> dict[str, Any]:
    """A chat completion. `content`: the message's text, or data that becomes JSON text."""
    text = content if isinstance(content, str) or content is None else json.dumps(content)
    message = {"role": "assistant", "content": text, **choice.pop("message", {})}
    found: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "small",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None, **choice}],
    }
    if usage is not None:
        prompt, made = usage
        found["usage"] = {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}
    return found


def said(content: Any, **more: Any) -> Reply:
    """A completion as a reply."""
    return as_json(completion(content, **more))


def as_json(data: Any, *, status: int = 200, **more: Any) -> Reply:
    headers = {"content-type": "application/json", **more.pop("headers", {})}
    return Reply(json.dumps(data).encode(), status, headers, **more)


def failure(status: int, code: str = "server_error", *, message: str = "", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return as_json({"error": {"message": message, "type": code, "code": code}}, status=status, headers=named)


def with_logprobs(content: Any, sure: Mapping[str, float], *, usage: tuple[int, int] = (100, 20)) -> Reply:
    """A completion with a log-probability for every token. Tokens are single characters but for the words in `sure`,
    which are whole tokens with that probability; all others are certain.
    """
    text = content if isinstance(content, str) else json.dumps(content)
    tokens: list[dict[str, Any]] = []
    at = 0
    while at < len(text):
        word = next((one for one in sure if text.startswith(one, at)), text[at])
        logprob = math.log(sure[word]) if word in sure else 0.0
        tokens.append({"token": word, "logprob": logprob, "bytes": list(word.encode()), "top_logprobs": []})
        at += len(word)
    return said(text, usage=usage, logprobs={"content": tokens, "refusal": None})


class ModelServer:
    """`asked`: every request so far; `left`: connections that their client closed before the reply was whole."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.left = 0
        self._script: list[Reply | Callable[[Asked], Reply]] = []
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-server", daemon=True)
        self._thread.start()
        self._started.wait(60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def play(self, *script: Reply | Callable[[Asked], Reply]) -> None:
        """Forget what was asked and answer with these from now on."""
        self.asked, self.left, self._script = [], 0, list(script)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        asked = Asked(head[0].split(" ")[1], headers, json.loads(raw) if raw else None)
        self.asked.append(asked)
        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        reply = step if isinstance(step, Reply) else step(asked)
        gone = asyncio.ensure_future(reader.read(1))
        if reply.pause:
            await asyncio.wait([gone], timeout=reply.pause)
        if gone.done() and not gone.result():
            self.left += 1
            return False
        sent = {"content-length": str(len(reply.body)), "connection": "keep-alive", **reply.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        writer.write(f"HTTP/1.1 {reply.status} Some Reason\r\n{lines}\r\n".encode("latin-1"))
        if reply.hang_after is not None:
            writer.write(reply.body[: reply.hang_after])
            await writer.drain()
            await gone
            self.left += 1
            return False
        if reply.cut_after is not None:
            writer.write(reply.body[: reply.cut_after])
            await writer.drain()
            gone.cancel()
            return False
        writer.write(reply.body)
        await writer.drain()
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
        return True
