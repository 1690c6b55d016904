"""TF-IDF and multinomial logistic regression, trained by scikit-learn (extra `demo`) and served with numpy alone.

The artefact holds the weights and the vocabulary and no code: a pickle would run whatever is in it. Regularisation
keeps its scores low (most right answers score below 0.9), the opposite of naive Bayes on the same messages.

Both libraries are imported where they are used: the first release does not ask this classifier and needs neither.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from features import features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector: TypeAlias = NDArray[np.float64]

INVERSE_PENALTY = 10.0
TOLERANCE = 1e-3
SEEN_MIN = 2


@dataclass(frozen=True)
class Linear:
    """`rarity`: inverse document frequency by word; `weights`: one row per word, one column per intent."""

    intents: tuple[str, ...]
    words: dict[str, int]
    rarity: Vector
    weights: Vector
    offset: Vector

    def classify(self, text: str) -> tuple[str, float]:
        """The likeliest intent and its probability by the model, 0..1."""
        import numpy as np

        counts = Counter(word for word in features(text) if word in self.words)
        rows = [self.words[word] for word in counts]
        weight = np.array(list(counts.values()), dtype=np.float64) * self.rarity[rows]
        length = float(np.sqrt((weight**2).sum())) or 1.0
        total = (weight / length) @ self.weights[rows] + self.offset
        best = int(total.argmax())
        return self.intents[best], min(1.0, float(1 / np.exp(total - total[best]).sum()))


def train(messages: Sequence[tuple[str, str]]) -> bytes:
    """Learn from (text, intent); returns the artefact, a .npz archive."""
    import numpy as np

    vectorizer, model = fitted(messages)
    file = io.BytesIO()
    np.savez_compressed(
        file,
        intents=np.array([str(intent) for intent in model.classes_]),
        words=np.array(vectorizer.get_feature_names_out(), dtype=np.str_),
        rarity=vectorizer.idf_.astype(np.float64),
        weights=model.coef_.T.astype(np.float32),
        offset=model.intercept_.astype(np.float64),
    )
    return file.getvalue()


def fitted(messages: Sequence[tuple[str, str]]) -> tuple[Any, Any]:
    """scikit-learn's vectorizer and model."""
    from sklearn.feature_extraction.text import (  # pyright: ignore[reportMissingTypeStubs]
        TfidfVectorizer,  # pyright: ignore[reportUnknownVariableType]
    )
    from sklearn.linear_model import LogisticRegression  # pyright: ignore[reportMissingTypeStubs]

    weighing: Any = TfidfVectorizer
    logistic: Any = LogisticRegression
    vectorizer = weighing(analyzer=features, min_df=SEEN_MIN)
    seen = vectorizer.fit_transform([text for text, _ in messages])
    intents = [intent for _, intent in messages]
    return vectorizer, logistic(C=INVERSE_PENALTY, solver="newton-cg", tol=TOLERANCE).fit(seen, intents)


def read(artefact: bytes) -> Linear:
    """The classifier of an artefact."""
    import numpy as np

    with np.load(io.BytesIO(artefact), allow_pickle=False) as data:
        return Linear(
            intents=tuple(str(one) for one in data["intents"]),
            words={str(word): row for row, word in enumerate(data["words"])},
            rarity=data["rarity"],
            weights=data["weights"].astype(np.float64),
            offset=data["offset"],
        )


def load(path: Path) -> Linear:
    return read(path.read_bytes())
