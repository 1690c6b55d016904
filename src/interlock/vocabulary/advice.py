"""Questions and answers. An answer is a claim with a score; it is never a permission.

Scores are integers of millionths: floor(Decimal(repr(x)) * 10**6), refused outside 0..1 at the door. A missing
score is None and
earns nothing.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import Any, Literal

from msgspec import Struct

from interlock.vocabulary.errors import Refused

SCORE_ONE = 1_000_000


def score_micro(score: float | Decimal | None) -> int | None:
    """Millionths of a score in 0..1, exact: through the shortest decimal text, not through binary fractions."""
    if score is None:
        return None
    # float's own repr: a subclass (numpy.float64, which classifiers return) may print itself with its type's name.
    exact = Decimal(float.__repr__(score)) if isinstance(score, float) else Decimal(score)
    if not exact.is_finite() or not 0 <= exact <= 1:
        raise Refused(f"score {score!r} is not a number from 0 to 1.", code="advice_score")
    return int((exact * SCORE_ONE).to_integral_value(rounding=ROUND_FLOOR))


INPUT_TOKENS = "input_tokens"
OUTPUT_TOKENS = "output_tokens"
REQUESTS = "requests"
"""Calls made to a model for one answer: samples, verifiers and repetitions included."""

UNREPORTED = "unreported"
"""Calls that ended without saying what they used (given up, failed): counted where a budget covers the advisor, which
then takes each of them for what one call may use.
"""

COST = "cost"
"""Money, in millionths of the unit of `currency` (`COST_SCALE` digits), rounded up. A call costs less than a cent:
counted in cents, a budget would be exhausted a hundred times too early.
"""

COST_SCALE = 6

SilenceWhy = Literal["timeout", "error", "garbage", "breaker", "lost", "unavailable", "declined", "budget"]
ScoreSource = Literal["logprob", "votes", "classifier", "verifier", "given"]


class Answer(Struct, frozen=True, gc=False, tag="answer", tag_field="as", omit_defaults=True):
    """A typed value (plain data of the question's answer type) with score, rationale and evidence (payload digests
    or short texts).

    usage      what it took, integers by name: `input_tokens`, `output_tokens`, `requests`, `cost` (see COST)
    currency   of `cost`; empty where there is none
    scored_by  where a configured advisor's score comes from; empty for code, which answers for its own
    claimed    what a model said of its own sureness, where the release asks for it: shown to people, never a score
    refused    why earlier outputs of the same model were not taken, in order
    """

    value: Any
    score: int | None = None
    rationale: str = ""
    evidence: tuple[str, ...] = ()
    usage: dict[str, int] = {}
    currency: str = ""
    scored_by: ScoreSource | Literal[""] = ""
    claimed: int | None = None
    refused: tuple[str, ...] = ()


class Silence(Struct, frozen=True, gc=False, tag="silence", tag_field="as", omit_defaults=True):
    """Why an advisor gave no usable answer, and what that cost all the same (as in `Answer`, as far as is known)."""

    why: SilenceWhy
    detail: str = ""
    usage: dict[str, int] = {}
    currency: str = ""


def added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    """The usage of two calls together."""
    if not other:
        return one
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


class RecordedAnswer(Struct, frozen=True, gc=False, omit_defaults=True):
    """The judged answer to a question: an identical one gets it again."""

    type: str
    advisor: str
    answer: Answer
    rank: int
    asked: int
    others: dict[str, Answer | Silence] = {}
