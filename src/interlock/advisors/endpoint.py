"""One address that takes JSON and answers with JSON: bounded in time, size and connections, apart from every other.

Each endpoint has connections of its own, so one that hangs takes none from another. A server that asks for time
(`Retry-After`) gets it, from every call at once: within a call's own deadline the call waits, beyond it the call ends
at once, and nothing is sent meanwhile. How long a server may ask for is bounded. Redirects are not followed: a key
goes where the release sent it and nowhere else.

INVARIANT: what is raised here names host, status and the server's own error code; never a key, a prompt or an answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import httpx2

from interlock.advisors.json_text import NotJson, Parse
from interlock.advisors.models import NotTaken
from interlock.advisors.secrets import resolve
from interlock.ports import NoAdvice, Unavailable
from interlock.vocabulary.limits import MODEL_BYTES_MAX, RETRY_AFTER_MS_MAX, RETRY_AFTER_TRIES_MAX

_BUSY = frozenset({429, 503, 529})
_TRANSIENT = frozenset({408, 409, 425, 500, 502, 504})
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PLAIN = ("", "identity")


class Busy(NotTaken):
    """The server takes nothing now (429, 503). `after`: seconds that it asks for; None if it does not say."""

    def __init__(self, why: str, after: float | None) -> None:
        super().__init__(why)
        self.after = after


@dataclass
class Endpoint:
    """Where requests go.

    headers      by name; values may be references to secrets, `format` of a key included (`Bearer {}` of `key`)
    connections  at once
    parse        strict JSON: bytes to plain data
    """

    url: str
    parse: Parse
    key: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    connections: int = 64
    bytes_max: int = MODEL_BYTES_MAX

    def __post_init__(self) -> None:
        self._client: httpx2.AsyncClient | None = None
        self._closed_until = 0.0
        self.host = httpx2.URL(self.url).host

    async def post(self, body: bytes, *, deadline: float) -> Any:
        """The JSON that the server answers with. `deadline` is on the event loop's clock.

        Raises Unavailable where asking again is no use (a missing key, a request that the server will not have), and
        NoAdvice for every other failure. Never waits beyond the deadline for a server that asks for time.
        """
        for tried in range(1, RETRY_AFTER_TRIES_MAX + 1):
            await self._open(deadline)
            try:
                return await self._once(body)
            except Busy as busy:
                if busy.after is None:
                    raise
                wait = min(busy.after, RETRY_AFTER_MS_MAX / 1_000)
                self._closed_until = max(self._closed_until, _now() + wait)
                if tried == RETRY_AFTER_TRIES_MAX or self._closed_until >= deadline:
                    raise
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _open(self, deadline: float) -> None:
        """Wait until the server wants to be asked again."""
        while (wait := self._closed_until - _now()) > 0:
            if self._closed_until >= deadline:
                raise NotTaken(f"{self.host} asked not to be called for another {wait:.1f} s")
            await asyncio.sleep(wait)

    async def _once(self, body: bytes) -> Any:
        secrets = [resolve(self.key)] if self.key else []
        headers = {"accept": "application/json", "accept-encoding": "identity", "content-type": "application/json"}
        if secrets:
            headers["authorization"] = f"Bearer {secrets[0]}"
        for name, value in self.headers.items():
            secrets.append(resolve(value))
            headers[name.lower()] = secrets[-1]
        try:
            async with self._connected().stream("POST", self.url, content=body, headers=headers) as response:
                content = await self._content(response)
                status, got = response.status_code, response.headers
        except (httpx2.ConnectError, httpx2.ProxyError, httpx2.UnsupportedProtocol) as error:
            raise NotTaken(f"{self.host} cannot be reached: {type(error).__name__}") from None
        except httpx2.HTTPError as error:
            raise NoAdvice(f"{self.host} broke off: {type(error).__name__}") from None
        if status >= 300:
            raise self._refused(status, got, content, secrets)
        kind = got.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise NoAdvice(f"{self.host} answered with {kind[:60] or 'no content type'}, not with JSON")
        try:
            return self.parse(content)
        except NotJson as error:
            raise NoAdvice(f"{self.host} answered with what cannot be read: {error}") from None

    def _connected(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = httpx2.AsyncClient(
                limits=httpx2.Limits(max_connections=self.connections, max_keepalive_connections=self.connections),
                # The deadline of the whole call is kept around it; these would only end it for another reason.
                timeout=None,
                follow_redirects=False,
            )
        return self._client

    async def _content(self, response: httpx2.Response) -> bytes:
        """The body, no more of it than may be. Compressed ones are not taken: their size is known too late."""
        if response.headers.get("content-encoding", "").lower() not in _PLAIN:
            raise NoAdvice(f"{self.host} sent a compressed answer though it was asked not to")
        parts: list[bytes] = []
        size = 0
        async for part in response.aiter_raw():
            size += len(part)
            if size > self.bytes_max:
                raise NoAdvice(f"{self.host} sent more than {self.bytes_max} bytes")
            parts.append(part)
        return b"".join(parts)

    def _refused(self, status: int, headers: httpx2.Headers, content: bytes, secrets: list[str]) -> NoAdvice:
        code = self._code(content, secrets)
        why = f"{self.host} answered HTTP {status}" + (f" ({code})" if code else "")
        if status in _BUSY:
            after = retry_after(headers.get("retry-after", ""))
            return Busy(why if after is None else f"{why} and asks for {after:g} s", after)
        return NoAdvice(why) if status in _TRANSIENT else Unavailable(why)

    def _code(self, content: bytes, secrets: list[str]) -> str:
        """The server's own word for what is wrong, where it is one word and no secret. Its sentences may repeat what
        it was sent.
        """
        try:
            error = cast("dict[str, Any]", self.parse(content)).get("error")
        except (NotJson, AttributeError):
            return ""
        if not isinstance(error, Mapping):
            return ""
        told = cast("Mapping[str, Any]", error)
        for name in ("code", "type"):
            word = told.get(name)
            if (
                isinstance(word, str)
                and _CODE.fullmatch(word)
                and not any(word in one or one in word for one in secrets)
            ):
                return word
        return ""


def retry_after(text: str) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110 10.2.3: seconds, or a date); None if it says nothing
    usable.
    """
    text = text.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit() and len(text) <= 12:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _now() -> float:
    return asyncio.get_running_loop().time()
