"""What an advisor needs of a language model, whoever serves it: messages in, one output with its figures out.

A model's output is text that claims to be an answer. Nothing here believes it; `asking` validates it and says where
its score comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Any, Literal, Protocol

from interlock.ports import NoAdvice
from interlock.vocabulary.advice import COST, COST_SCALE, INPUT_TOKENS, OUTPUT_TOKENS, REQUESTS, UNREPORTED, added

MILLION = 1_000_000


@dataclass(frozen=True)
class File:
    """A picture or document that goes with a message."""

    media_type: str
    data: bytes

    @property
    def is_picture(self) -> bool:
        return self.media_type.startswith("image/")


@dataclass(frozen=True)
class Said:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str
    files: tuple[File, ...] = ()


@dataclass(frozen=True)
class Token:
    """A piece of an output, as its UTF-8 bytes, and the natural logarithm of its probability."""

    piece: bytes
    logprob: Decimal


@dataclass(frozen=True)
class Output:
    """What a model returned.

    text     what claims to be the answer; problem: why there is none, in words ("" if there is one)
    tokens   of `text`, in order, where the model tells them
    usage    input and output tokens; None where the model does not say
    """

    text: str
    problem: str = ""
    tokens: tuple[Token, ...] = ()
    usage: tuple[int, int] | None = None


class NotTaken(NoAdvice):
    """The server did not take the request: nothing was computed, and nothing is paid for it."""


class Model(Protocol):
    """A way to a language model. Raises NoAdvice (and what derives from it) when there is no output at all; Unavailable
    and NotTaken say that the request cost nothing.
    """

    async def generate(
        self, messages: Sequence[Said], schema: Mapping[str, Any], *, logprobs: bool, deadline: float
    ) -> Output:
        """One output that should fit the schema. `deadline`: on the event loop's clock; later it is of no use."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Price:
    """Per million tokens, in units of the currency."""

    input: Decimal
    output: Decimal
    currency: str


@dataclass
class Tally:
    """What one answer has taken so far, over all the calls made for it. Kept apart from the answer, so that it is known
    when there is none. `currency` is that of its cost; `silent` counts requests whose use nobody has told.
    """

    told: dict[str, int] = field(default_factory=dict[str, int])
    currency: str = ""
    silent: int = 0

    @property
    def usage(self) -> dict[str, int]:
        """As an answer records it. A request that was given up or broke off may be paid for all the same."""
        return self.told if not self.silent else added(self.told, {UNREPORTED: self.silent})

    def request(self) -> None:
        self.add({REQUESTS: 1})
        self.silent += 1

    def tokens(self, used: tuple[int, int], price: Price | None) -> None:
        """Count tokens in and out of one request, at the price of the model that took them."""
        input_, made = used
        self.silent -= 1
        self.add({INPUT_TOKENS: input_, OUTPUT_TOKENS: made})
        if price is not None:
            self.add({COST: cost(price, input_, made)}, price.currency)

    def add(self, usage: dict[str, int], currency: str = "") -> None:
        self.told = added(self.told, usage)
        self.currency = self.currency or currency


def cost(price: Price, input_tokens: int, output_tokens: int) -> int:
    """Millionths of the currency's unit, rounded up: a price per million tokens times tokens, exactly."""
    exact = price.input * input_tokens + price.output * output_tokens
    return int((exact.scaleb(COST_SCALE) / MILLION).to_integral_value(rounding=ROUND_CEILING))
