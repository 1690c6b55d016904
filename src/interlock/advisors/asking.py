"""Ask a language model and make an answer of what it says.

The model is given the prompt with the question's fields in it and a schema made from the question's type. What it
writes is read strictly and validated against that type; an output that does not fit goes back to it with the reason,
a bounded number of times, and each refused output is recorded with the answer. The score comes from where the release
says; a figure that cannot be had is no score, and what the model says of its own sureness is recorded as a claim and
never as a score.

INVARIANT: whatever a model or its server does, an ask ends within its time with an Answer or with NoAdvice, and what
it took is in either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

from interlock.advisors.json_text import NotJson, Parse
from interlock.advisors.models import File, Model, NotTaken, Output, Price, Said, Tally
from interlock.advisors.prompts import render
from interlock.advisors.schemas import CONFIDENCE, RATIONALE, VALUE, RationalePlace, envelope
from interlock.advisors.scores import agreement, of_tokens
from interlock.ports import Garbled, NoAdvice, OutOfTime, Unavailable
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import INPUT_TOKENS, OUTPUT_TOKENS, SCORE_ONE, Answer, ScoreSource, score_micro
from interlock.vocabulary.errors import Refused
from interlock.vocabulary.limits import (
    ADVICE_TIMEOUT_MS,
    MODEL_GRACE_MS_MAX,
    RATIONALE_CHARS_MAX,
    REASON_CHARS_MAX,
)

ANSWER = "answer"
"""The placeholder under which a verifier's prompt finds the answer that it is to judge."""

ScoreFrom = Literal["none", "logprob", "votes", "stated", "classifier", "verifier"]


@dataclass(frozen=True)
class Asked:
    """How a model is asked: its prompt and everything that shapes the outputs.

    tries   outputs taken at most before there is no answer
    """

    model: Model
    prompt: str
    parse: Parse
    system: str = ""
    tries: int = 2
    rationale: RationalePlace = "after"
    stated: bool = False
    price: Price | None = None


@dataclass(frozen=True)
class Draft:
    """A valid output: the plain value, why, what the model claims of its sureness, and what was refused before it."""

    value: Any
    rationale: str
    claimed: int | None
    output: Output
    refused: tuple[str, ...]


class Scorer(Protocol):
    """Says how far a value that a model chose is to be trusted, in millionths; None if it cannot say.

    Raises NoAdvice.
    """

    async def score(
        self, command: Command, value: Any, files: tuple[File, ...], tally: Tally, deadline: float
    ) -> int | None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class ModelAdvisor:
    """One model as an advisor of one question.

    check     what stands for a value -> the plain value of an answer; raises one of `wrong` with why it is none
    equal     plain value -> what of it counts, to be compared with `==`: 5 and 5.00 are one amount
    files     the pictures and documents of the question's fields
    score     where the score comes from; `samples`: how many outputs are asked for (votes), `scorer`: who is asked
              (classifier, verifier), `score_fields`: what of a record counts
    time      microseconds for all of it; None: what the command says
    """

    asked: Asked
    schema: Mapping[str, Any]
    check: Callable[[str, Any], Any]
    wrong: tuple[type[Exception], ...]
    equal: Callable[[str, Any], Any]
    files: Callable[[str, Mapping[str, Any]], Awaitable[tuple[File, ...]]]
    score: ScoreFrom = "none"
    samples: int = 1
    scorer: Scorer | None = None
    score_fields: tuple[str, ...] = ()
    time: int | None = None

    async def answer(self, command: Command) -> Answer:
        tally = Tally()
        limit = (self.time or command.timeout or ADVICE_TIMEOUT_MS * 1_000) / 1_000_000
        # Ends a little before whoever waits for it would give up, who could not know what it has taken so far.
        own = limit - min(MODEL_GRACE_MS_MAX / 1_000, limit / 20)
        deadline = asyncio.get_running_loop().time() + own
        try:
            async with asyncio.timeout_at(deadline):
                return await self._answer(command, tally, deadline)
        except TimeoutError:
            raise OutOfTime(f"no answer within {limit:g} s", usage=tally.usage, currency=tally.currency) from None
        except NoAdvice as error:
            error.usage, error.currency = tally.usage, tally.currency
            raise

    async def close(self) -> None:
        await self.asked.model.close()
        if self.scorer is not None:
            await self.scorer.close()

    async def _answer(self, command: Command, tally: Tally, deadline: float) -> Answer:
        files = await self.files(command.question, command.data)
        said = conversation(self.asked, command.data, files)
        if self.score == "votes":
            return await self._vote(command, said, tally, deadline)
        logprobs = self.score == "logprob"
        draft = await self._draft(command, said, tally, deadline, logprobs=logprobs)
        score, source, notes = await self._scored(command, draft, files, tally, deadline)
        return self._made(draft, score, source, (*draft.refused, *notes), tally)

    async def _scored(
        self, command: Command, draft: Draft, files: tuple[File, ...], tally: Tally, deadline: float
    ) -> tuple[int | None, ScoreSource | Literal[""], tuple[str, ...]]:
        """The score, its source, and why there is none where one was to be had."""
        if self.score == "logprob":
            score = of_tokens(draft.output.text, draft.output.tokens, VALUE, self.score_fields)
            return score, "logprob", () if score is not None else ("the server gave no log-probabilities of the value",)
        if self.scorer is not None:
            source: ScoreSource = "verifier" if self.score == "verifier" else "classifier"
            try:
                return await self.scorer.score(command, draft.value, files, tally, deadline), source, ()
            except NoAdvice as error:
                return None, source, (f"no score: {error}"[:REASON_CHARS_MAX],)
        return None, "", ()

    async def _vote(self, command: Command, said: list[Said], tally: Tally, deadline: float) -> Answer:
        """The answer that most samples agree on. A sample that is no answer agrees with nothing."""

        drafts, lost = await sampled(self.samples, lambda: self._draft(command, said, tally, deadline, logprobs=False))
        best, share = agreement([self.equal(command.question, one.value) for one in drafts], self.samples)
        refused = [why for one in drafts for why in one.refused]
        refused += [f"a sample gave no answer: {error}"[:REASON_CHARS_MAX] for error in lost]
        return self._made(drafts[best], share, "votes", tuple(refused), tally)

    def _made(
        self, draft: Draft, score: int | None, source: ScoreSource | Literal[""], refused: tuple[str, ...], tally: Tally
    ) -> Answer:
        return Answer(
            draft.value,
            score,
            draft.rationale,
            usage=tally.usage,
            currency=tally.currency,
            scored_by=source,
            claimed=draft.claimed,
            refused=refused,
        )

    async def _draft(
        self, command: Command, said: list[Said], tally: Tally, deadline: float, *, logprobs: bool
    ) -> Draft:
        return await drafted(
            self.asked,
            said,
            self.schema,
            lambda raw: self.check(command.question, raw),
            self.wrong,
            tally,
            deadline,
            logprobs=logprobs,
        )


def conversation(asked: Asked, fields: Mapping[str, Any], files: tuple[File, ...]) -> list[Said]:
    """The messages that begin an ask."""
    user = Said("user", render(asked.prompt, fields), files)
    return [Said("system", asked.system), user] if asked.system else [user]


async def drafted(
    asked: Asked,
    said: list[Said],
    schema: Mapping[str, Any],
    check: Callable[[Any], Any],
    wrong: tuple[type[Exception], ...],
    tally: Tally,
    deadline: float,
    *,
    logprobs: bool,
) -> Draft:
    """The first output that fits, of at most `tries`. Raises Garbled when none does."""
    refused: tuple[str, ...] = ()
    history = list(said)
    for _ in range(asked.tries):
        tally.request()
        try:
            output = await asked.model.generate(history, schema, logprobs=logprobs, deadline=deadline)
        except (Unavailable, NotTaken):
            tally.tokens((0, 0), asked.price)
            raise
        except NoAdvice as error:
            if error.usage:
                used = error.usage.get(INPUT_TOKENS, 0), error.usage.get(OUTPUT_TOKENS, 0)
                tally.tokens(used, asked.price)
            raise
        if output.usage is not None:
            tally.tokens(output.usage, asked.price)
        try:
            return _read(asked, output, check, wrong, refused)
        except Garbled as error:
            why = str(error)[:REASON_CHARS_MAX]
        refused = (*refused, why)
        history = [*said, *_again(output, why)]
    raise Garbled("; ".join(f"output {i}: {why}" for i, why in enumerate(refused, 1)))


async def sampled(count: int, draft: Callable[[], Awaitable[Draft]]) -> tuple[list[Draft], list[NoAdvice]]:
    """So many drafts at once: those that came, in the order in which they were asked for, and why the others did not.

    Raises the first of these when none came.
    """

    async def one() -> Draft | NoAdvice:
        try:
            return await draft()
        except NoAdvice as error:
            return error

    found = await asyncio.gather(*(one() for _ in range(count)))
    drafts = [each for each in found if isinstance(each, Draft)]
    lost = [each for each in found if isinstance(each, NoAdvice)]
    if not drafts:
        raise lost[0]
    return drafts, lost


def _again(output: Output, why: str) -> list[Said]:
    told = f"That is no valid answer: {why}. Answer again, with the corrected JSON object and nothing else."
    return [*([Said("assistant", output.text)] if output.text.strip() else []), Said("user", told)]


def _read(
    asked: Asked,
    output: Output,
    check: Callable[[Any], Any],
    wrong: tuple[type[Exception], ...],
    refused: tuple[str, ...],
) -> Draft:
    """The output as a draft. Raises Garbled with what is wrong with it."""
    if output.problem:
        raise Garbled(output.problem)
    try:
        found = asked.parse(output.text.encode("utf-8", "surrogatepass"))
    except NotJson as error:
        raise Garbled(str(error)) from None
    if not isinstance(found, dict) or VALUE not in found:
        raise Garbled(f"it is no JSON object with `{VALUE}`")
    told = cast("dict[str, Any]", found)
    expected = {VALUE, RATIONALE, *((CONFIDENCE,) if asked.stated else ())}
    unknown = sorted(name for name in told if name not in expected)
    if unknown:
        raise Garbled(f"it has members that nobody asked for beside `{VALUE}`")
    try:
        value = check(told[VALUE])
    except wrong as error:
        raise Garbled(f"{VALUE}: {error}") from None
    rationale = told.get(RATIONALE) or ""
    if not isinstance(rationale, str) or len(rationale) > RATIONALE_CHARS_MAX:
        raise Garbled(f"{RATIONALE}: it is text of at most {RATIONALE_CHARS_MAX} characters")
    return Draft(value, rationale, _claimed(told) if asked.stated else None, output, refused)


def _claimed(told: Mapping[str, Any]) -> int | None:
    """What the model says of its sureness; nothing where that is no number from 0 to 1. It is never a score."""
    claim = told.get(CONFIDENCE)
    if claim is None or isinstance(claim, bool | str | list | dict):
        return None
    try:
        return score_micro(claim)
    except (Refused, ArithmeticError):
        return None


# --- who else may say how good an answer is --------------------------------------------------------------------------


class Advisor(Protocol):
    """Somebody who answers the same question."""

    async def answer(self, command: Command) -> Answer: ...


@dataclass(frozen=True)
class Classifier:
    """Another advisor of the same question: its score where it answers alike, 0 where it answers otherwise."""

    advisor: Advisor
    equal: Callable[[str, Any], Any]

    async def score(
        self, command: Command, value: Any, files: tuple[File, ...], tally: Tally, deadline: float
    ) -> int | None:
        try:
            said = await self.advisor.answer(command)
        except NoAdvice as error:
            tally.add(error.usage, error.currency)
            raise
        except Exception as error:  # noqa: BLE001 - a user's own code: that it failed means that there is no score
            raise NoAdvice(f"the classifier failed: {type(error).__name__}") from None
        tally.add(said.usage, said.currency)
        if said.score is None:
            return None
        alike = self.equal(command.question, value) == self.equal(command.question, said.value)
        return said.score if alike else 0

    async def close(self) -> None:
        """The advisor is closed by whoever made it."""


@dataclass(frozen=True)
class Verifier:
    """A model that is shown the question and the answer and says whether the answer is right.

    Its score is the probability of `true` where it tells log-probabilities, the share of `true` among `samples`
    outputs where there are several, and its plain word (1 or 0) otherwise. `opened`: the answer as it was written,
    where personal data in it has been sealed since.
    """

    asked: Asked
    opened: Callable[[Any], Any]
    logprobs: bool = False
    samples: int = 1

    async def score(
        self, command: Command, value: Any, files: tuple[File, ...], tally: Tally, deadline: float
    ) -> int | None:
        said = conversation(self.asked, {**command.data, ANSWER: self.opened(value)}, files)
        schema, _ = envelope({"type": "boolean"}, rationale="none", stated=False)
        found, _ = await sampled(
            self.samples,
            lambda: drafted(
                self.asked, said, schema, _yes_or_no, (ValueError,), tally, deadline, logprobs=self.logprobs
            ),
        )
        if not self.logprobs:
            return sum(one.value for one in found) * SCORE_ONE // self.samples
        (one,) = found
        sure = of_tokens(one.output.text, one.output.tokens, VALUE, ())
        if sure is None:
            raise NoAdvice("the verifier's server gave no log-probabilities")
        return sure if one.value else SCORE_ONE - sure

    async def close(self) -> None:
        await self.asked.model.close()


def _yes_or_no(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise ValueError("it is true or false")
    return raw
