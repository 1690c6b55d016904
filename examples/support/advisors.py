"""Who reads a message: naive Bayes (first release), logistic regression (the later one). They know nothing of accounts.

Both only read the artefact that `train.py` wrote beside them and that the release names, so a release is the model, not
the program that made it. An answer takes a fraction of a millisecond: no thread is worth its while.
"""

from functools import cache
from pathlib import Path
from typing import cast

from automation import Understand, Understood
from bayes import Bayes
from bayes import load as load_bayes
from intents import Intent
from linear import Linear
from linear import load as load_linear

from interlock import Advice

MODELS = Path(__file__).parent / "models"


@cache
def bayes_model() -> Bayes:
    return load_bayes(MODELS / "bayes.json")


@cache
def linear_model() -> Linear:
    return load_linear(MODELS / "linear.npz")


@Understand.advisor("bayes")
async def bayes(question: Understand) -> Advice[Understood]:
    intent, score = bayes_model().classify(question.text)
    return Advice(Understood(intent=cast("Intent", intent)), score=score)


@Understand.advisor("linear")
async def linear(question: Understand) -> Advice[Understood]:
    intent, score = linear_model().classify(question.text)
    return Advice(Understood(intent=cast("Intent", intent)), score=score)
