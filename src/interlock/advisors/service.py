"""An advisor behind a plain HTTP service: the question's fields go out as JSON, an answer comes back.

Request: `{"question": "Triage", "fields": {...}}`. Reply: `{"value": ..., "score": 0.93, "rationale": "...",
"evidence": ["..."], "usage": {"input_tokens": 120}}`; all but `value` may be missing. A score that the service
measures (a classifier's) counts only if the release says that it does; one that a model states of itself is kept as a
claim.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from interlock.advisors.endpoint import Endpoint
from interlock.ports import Garbled, NoAdvice, OutOfTime
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import Answer, score_micro
from interlock.vocabulary.errors import Refused
from interlock.vocabulary.limits import ADVICE_TIMEOUT_MS, MODEL_GRACE_MS_MAX, RATIONALE_CHARS_MAX

ServiceScore = Literal["none", "given", "stated"]
_MEMBERS = frozenset({"value", "score", "rationale", "evidence", "usage"})


@dataclass(frozen=True)
class ServiceAdvisor:
    """`check` and `wrong` as in `asking.ModelAdvisor`. `score`: given: the service measures it; stated: it is a claim;
    none: it is not looked at.
    """

    endpoint: Endpoint
    check: Callable[[str, Any], Any]
    wrong: tuple[type[Exception], ...]
    score: ServiceScore = "none"
    time: int | None = None

    async def answer(self, command: Command) -> Answer:
        limit = (self.time or command.timeout or ADVICE_TIMEOUT_MS * 1_000) / 1_000_000
        deadline = asyncio.get_running_loop().time() + limit - min(MODEL_GRACE_MS_MAX / 1_000, limit / 20)
        body = json.dumps({"question": command.question, "fields": command.data}, ensure_ascii=False).encode()
        try:
            async with asyncio.timeout_at(deadline):
                reply = await self.endpoint.post(body, deadline=deadline)
        except TimeoutError:
            raise OutOfTime(f"no answer within {limit:g} s", usage={"requests": 1}) from None
        except NoAdvice as error:
            error.usage = {"requests": 1}
            raise
        return self._answer(command.question, reply)

    async def close(self) -> None:
        await self.endpoint.close()

    def _answer(self, question: str, reply: Any) -> Answer:
        if not isinstance(reply, Mapping) or "value" not in reply:
            raise Garbled("the service's reply is no JSON object with `value`", usage={"requests": 1})
        told = cast("Mapping[str, Any]", reply)
        usage = _usage(told.get("usage"))
        try:
            if unknown := sorted(set(told) - _MEMBERS):
                raise Garbled(f"the reply has unknown members: {', '.join(unknown)[:200]}")
            value = self.check(question, told["value"])
            score = None if self.score == "none" else _score(told.get("score"))
            rationale = told.get("rationale") or ""
            evidence = cast("list[Any]", told.get("evidence") or [])
            if not isinstance(rationale, str) or len(rationale) > RATIONALE_CHARS_MAX:
                raise Garbled(f"rationale: it is text of at most {RATIONALE_CHARS_MAX} characters")
            if not isinstance(cast("object", evidence), list) or not all(isinstance(one, str) for one in evidence):
                raise Garbled("evidence: it is a list of texts")
        except Garbled as error:
            error.usage = usage
            raise
        except self.wrong as error:
            raise Garbled(f"value: {error}", usage=usage) from None
        given = self.score == "given"
        return Answer(
            value,
            score if given else None,
            rationale,
            tuple(evidence),
            usage,
            scored_by="given" if given else "",
            claimed=None if given else score,
        )


def _score(claim: Any) -> int | None:
    if claim is None:
        return None
    if isinstance(claim, bool | str | list | dict):
        raise Garbled("score: it is a number from 0 to 1")
    try:
        return score_micro(claim)
    except (Refused, ArithmeticError):
        raise Garbled("score: it is a number from 0 to 1") from None


def _usage(found: Any) -> dict[str, int]:
    """The service's own counts that are whole numbers, and that it was called."""
    told: Mapping[str, Any] = cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
    counts: dict[str, int] = {
        name: told[name]
        for name in ("input_tokens", "output_tokens")
        if isinstance(told.get(name), int) and not isinstance(told[name], bool) and 0 <= told[name] < 2**53
    }
    return {"requests": 1, **counts}
