"""Multinomial naive Bayes on the words that a message contains, without any library.

Words are assumed to be independent given the intent, which they are not: the posterior is far too sure of itself (most
scores lie above 0.99). That is what makes it a good example of a score that is no probability.
Method: Manning, Raghavan, Schuetze, "Introduction to Information Retrieval" (2008), chapter 13; a word is counted once
per message, and add-`SMOOTHING` instead of add-one.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from features import features

SMOOTHING = 0.1
SEEN_MIN = 2
"""A word that only one message has says nothing about the next one."""


@dataclass(frozen=True)
class Bayes:
    """`start`: log prior by intent. `absent`: log probability of a word never seen with the intent. `gain`: by word,
    what it adds to that for each intent (by index) with which it was seen.
    """

    intents: tuple[str, ...]
    start: tuple[float, ...]
    absent: tuple[float, ...]
    gain: dict[str, tuple[tuple[int, float], ...]]

    def classify(self, text: str) -> tuple[str, float]:
        """The likeliest intent and its posterior, 0..1."""
        known = [word for word in dict.fromkeys(features(text)) if word in self.gain]
        total = [start + len(known) * absent for start, absent in zip(self.start, self.absent, strict=True)]
        for word in known:
            for index, more in self.gain[word]:
                total[index] += more
        best = max(total)
        return self.intents[total.index(best)], 1 / sum(math.exp(one - best) for one in total)


def train(messages: Iterable[tuple[str, str]]) -> bytes:
    """Learn from (text, intent); returns the artefact: counts as JSON, the same bytes for the same messages."""
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    told: Counter[str] = Counter()
    for text, intent in messages:
        told[intent] += 1
        for word in set(features(text)):
            seen[word][intent] += 1
    intents = sorted(told)
    index = {intent: place for place, intent in enumerate(intents)}
    words = {
        word: sorted([index[intent], count] for intent, count in counts.items())
        for word, counts in sorted(seen.items())
        if counts.total() >= SEEN_MIN
    }
    artefact = {"intents": intents, "messages": [told[intent] for intent in intents], "words": words}
    return json.dumps(artefact, separators=(",", ":")).encode()


def read(artefact: bytes) -> Bayes:
    """The classifier of an artefact."""
    data = json.loads(artefact)
    intents: list[str] = data["intents"]
    messages: list[int] = data["messages"]
    words: dict[str, Sequence[tuple[int, int]]] = data["words"]
    counts = [0] * len(intents)
    for found in words.values():
        for index, count in found:
            counts[index] += count
    return Bayes(
        intents=tuple(intents),
        start=tuple(math.log(number / sum(messages)) for number in messages),
        absent=tuple(math.log(SMOOTHING / (number + SMOOTHING * len(words))) for number in counts),
        gain={
            word: tuple((index, math.log((count + SMOOTHING) / SMOOTHING)) for index, count in found)
            for word, found in words.items()
        },
    )


def load(path: Path) -> Bayes:
    return read(path.read_bytes())
