"""Who reads the box: two real classifiers of different kinds on scikit-learn's scanned handwritten digits.

They know nothing of accounts, limits or rules. Both learn from the same half of the digits (`training_half`); cheques
are composed from the other half, which neither has seen. Training takes a fraction of a second and its result stays
in memory.

The support vector machine leads because its score says something: a digit's score is the probability of being right,
fitted by cross-validation within the training half on the margin to the nearest other digit. An amount's score is the
product over its digits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, cast

import numpy as np
from automation import ReadAmount, Reading
from numpy.typing import NDArray
from scan import Shades, shades
from sklearn.datasets import load_digits  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
from sklearn.ensemble import ExtraTreesClassifier  # pyright: ignore[reportMissingTypeStubs]
from sklearn.linear_model import LogisticRegression  # pyright: ignore[reportMissingTypeStubs]
from sklearn.model_selection import (  # pyright: ignore[reportMissingTypeStubs]
    StratifiedKFold,
    train_test_split,  # pyright: ignore[reportUnknownVariableType]
)
from sklearn.svm import SVC  # pyright: ignore[reportMissingTypeStubs]

from interlock import Advice

Vector = NDArray[np.float64]
Digits = NDArray[np.int64]

PENALTY, WIDTH = 10.0, 0.001
"""Parameters of the support vector machine: the usual ones for these digits."""

TREES = 100
SEED = 7

INK_MIN = 16
"""A digit with less ink is not a digit: an empty or bleached box is refused instead of guessed."""

_training = threading.Lock()


@dataclass(frozen=True)
class Look:
    """What a model saw in each digit: the digit, and how sure it is (0..1)."""

    digits: Digits
    sure: Vector


def training_half() -> tuple[Shades, Digits]:
    """The digits that the readers learn from; the other half is for writing cheques."""
    load: Any = load_digits
    split = cast("Any", train_test_split)
    data = load()
    parts = split(data.data, data.target, test_size=0.5, random_state=SEED, stratify=data.target)
    return parts[0], parts[2]


@cache
def svm_model() -> Callable[[Shades], Look]:
    """A support vector machine per pair of digits.

    The score is the winner's narrowest margin, put through a fitted logistic curve.
    """
    pixels, digits = training_half()
    margins, right = np.zeros(len(digits)), np.zeros(len(digits), dtype=bool)
    folds: Any = StratifiedKFold(4, shuffle=True, random_state=SEED)
    for known, unknown in folds.split(pixels, digits):
        winner, margins[unknown] = narrowest(fitted(pixels[known], digits[known]), pixels[unknown])
        right[unknown] = winner == digits[unknown]
    logistic: Any = LogisticRegression
    curve = logistic(C=100.0).fit(margins.reshape(-1, 1), right)
    slope, offset = float(curve.coef_[0, 0]), float(curve.intercept_[0])
    machine = fitted(pixels, digits)

    def read(pixels: Shades) -> Look:
        winner, margin = narrowest(machine, pixels)
        return Look(winner, 1 / (1 + np.exp(-(slope * margin + offset))))

    return read


def fitted(pixels: Shades, digits: Digits) -> Any:
    machine: Any = SVC
    return machine(C=PENALTY, gamma=WIDTH, decision_function_shape="ovo").fit(pixels, digits)


def narrowest(machine: Any, pixels: Shades) -> tuple[Digits, Vector]:
    """The digit that wins most duels in each row of pixels, and the margin of its narrowest one."""
    first, second = np.triu_indices(10, 1)
    margins: Vector = machine.decision_function(pixels)
    duels = np.full((len(pixels), 10, 10), np.inf)
    duels[:, first, second], duels[:, second, first] = margins, -margins
    # Among equal numbers of duels won, the least narrow loss decides.
    won = (duels > 0).sum(axis=2) * 1_000.0 + np.tanh(duels.min(axis=2))
    winner = won.argmax(axis=1)
    return winner, duels[np.arange(len(pixels)), winner].min(axis=1)


@cache
def trees_model() -> Callable[[Shades], Look]:
    """Extremely randomised trees; the share of trees that voted for the digit is the score."""
    pixels, digits = training_half()
    many: Any = ExtraTreesClassifier
    forest = many(TREES, random_state=SEED).fit(pixels, digits)
    # The forest's own `predict_proba` starts a thread pool per call, which costs more than the trees themselves.
    trees: list[Any] = [tree.tree_ for tree in forest.estimators_]

    def read(pixels: Shades) -> Look:
        narrow = np.ascontiguousarray(pixels, dtype=np.float32)
        votes: Vector = np.mean([tree.predict(narrow).reshape(len(narrow), -1) for tree in trees], axis=0)
        return Look(votes.argmax(axis=1), votes.max(axis=1))

    return read


def reading(model: Callable[[], Callable[[Shades], Look]], question: ReadAmount) -> Advice[Reading]:
    pixels = shades(question.box.read())
    if (pixels.sum(axis=1) < INK_MIN).any():
        raise ValueError("the box has a digit without ink")
    with _training:
        read = model()
    seen = read(pixels)
    cents = int("".join(str(digit) for digit in seen.digits))
    weakest, spaced = int(seen.sure.argmin()), " ".join(str(digit) for digit in seen.digits)
    return Advice(
        Reading(amount=Decimal(cents).scaleb(-2)),
        score=min(1.0, float(seen.sure.prod())),
        rationale=f"digits {spaced}; least sure of number {weakest + 1} ({seen.sure[weakest]:.2f})",
        evidence=(question.box,),
    )


@ReadAmount.advisor("svm")
def svm(question: ReadAmount) -> Advice[Reading]:
    return reading(svm_model, question)


@ReadAmount.advisor("trees")
def trees(question: ReadAmount) -> Advice[Reading]:
    return reading(trees_model, question)
