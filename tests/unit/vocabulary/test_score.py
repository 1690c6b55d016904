"""Scores enter exactly: whole millionths, rounded down, through the shortest decimal text."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.vocabulary.advice import score_micro
from interlock.vocabulary.errors import Refused


@pytest.mark.parametrize(
    ("score", "micro"),
    [
        (0, 0), (1, 1_000_000), (0.29, 290_000), (0.57, 570_000), (0.9, 900_000), (0.1 + 0.2, 300_000),
        (0.9999999, 999_999), (1e-7, 0), (5e-324, 0), (-0.0, 0), (Decimal("0.123456789"), 123_456), (None, None),
    ],
)  # fmt: skip
def test_a_score_is_what_its_text_says(score: float | Decimal | None, micro: int | None) -> None:
    assert score_micro(score) == micro


def test_through_binary_fractions_about_half_would_have_lost_a_millionth() -> None:
    drawn = range(1, 1_000_000, 997)
    wrong = [n for n in drawn if int(Decimal(n / 1_000_000) * 1_000_000) != n]
    assert len(wrong) > len(drawn) // 3
    assert all(score_micro(n / 1_000_000) == n for n in drawn)


@given(st.integers(0, 1_000_000))
def test_every_millionth_survives(n: int) -> None:
    assert score_micro(float(f"{n / 1_000_000:.6f}")) == n


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf"), -0.000001, 1.0000001, Decimal("NaN")])
def test_what_is_no_score_is_refused(score: float | Decimal) -> None:
    with pytest.raises(Refused) as refused:
        score_micro(score)
    assert refused.value.code == "advice_score"


def test_a_classifiers_own_float_is_a_score() -> None:
    numpy = pytest.importorskip("numpy")
    assert score_micro(numpy.float64(0.93)) == 930_000
