"""Who reads the box: real classifiers on scikit-learn's scanned digits. Knows nothing of rules, accounts or limits.

Needs the extra `demo` (scikit-learn); it is imported on the first question, so that the rest works without it.
"""

from decimal import Decimal
from functools import cache
from io import BytesIO
from typing import Any

from automation import ReadAmount, Reading

from interlock import Advice


def trained(model: Any) -> Any:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits: Any = load_digits()
    x, _, y, _ = train_test_split(digits.data, digits.target, test_size=0.5, random_state=7, stratify=digits.target)
    return model.fit(x, y)


@cache
def svm_model() -> Any:
    from sklearn.svm import SVC

    return trained(SVC(C=10, gamma=0.001, probability=True, random_state=7))


@cache
def trees_model() -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return trained(ExtraTreesClassifier(200, random_state=7))


def reading(model: Any, question: ReadAmount) -> Advice[Reading]:
    import numpy as np

    pixels = np.load(BytesIO(question.box.read())).reshape(-1, 64)  # one row per digit, 0..16
    likely: Any = model.predict_proba(pixels)
    digits, sure = likely.argmax(1), likely.max(1)
    weakest = int(sure.argmin())
    return Advice(
        Reading(amount=Decimal("".join(map(str, digits)))),
        score=float(sure.prod()),
        rationale=f"digits {[int(digit) for digit in digits]}, weakest {sure[weakest]:.2f} at position {weakest + 1}",
        evidence=(question.box,),
    )


@ReadAmount.advisor("svm")
def svm(question: ReadAmount) -> Advice[Reading]:
    return reading(svm_model(), question)


@ReadAmount.advisor("trees")
def trees(question: ReadAmount) -> Advice[Reading]:
    return reading(trees_model(), question)
