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


class Answer(Struct, frozen=True, tag="answer", tag_field="as", omit_defaults=True):
    """A typed value (plain data of the question's answer type) with score, rationale and evidence (payload digests
    or short texts).
    """

    value: Any
    score: int | None = None
    rationale: str = ""
    evidence: tuple[str, ...] = ()
    usage: dict[str, int] = {}


class Silence(Struct, frozen=True, tag="silence", tag_field="as", omit_defaults=True):
    """Why an advisor gave no usable answer."""

    why: Literal["timeout", "error", "garbage", "breaker", "lost", "unavailable"]
    detail: str = ""


class RecordedAnswer(Struct, frozen=True, omit_defaults=True):
    """The judged answer to a question: an identical one gets it again."""

    type: str
    advisor: str
    answer: Answer
    rank: int
    asked: int
    others: dict[str, Answer | Silence] = {}
