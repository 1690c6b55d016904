"""What both classifiers see of a message: its words and pairs of neighbouring words, in lower case."""

import re
from itertools import pairwise

WORD = re.compile(r"[a-z0-9']+")


def features(text: str) -> list[str]:
    words = WORD.findall(text.lower())
    return words + [f"{first} {second}" for first, second in pairwise(words)]
