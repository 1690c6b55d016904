"""Train the classifiers: `python train.py [--data FOLDER]` writes models/bayes.json and models/linear.npz.

The release names these files, and its id holds their content: a model trained on other messages is another release.
They are not part of the repository.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import bayes
import linear
from advisors import MODELS
from messages import NoData, data_folder, read_messages

BOTH = ("bayes", "linear")


def train(messages: Sequence[tuple[str, str]], into: Path = MODELS, *, which: Sequence[str] = BOTH) -> None:
    """Write the artefacts of these classifiers. `linear` needs scikit-learn (extra `demo`)."""
    into.mkdir(parents=True, exist_ok=True)
    if "bayes" in which:
        (into / "bayes.json").write_bytes(bayes.train(messages))
    if "linear" in which:
        (into / "linear.npz").write_bytes(linear.train(messages))


def main() -> int:
    parser = argparse.ArgumentParser(description="Train the classifiers of the support desk on BANKING77's train.csv.")
    parser.add_argument("--data", metavar="FOLDER", help="the folder that holds train.csv and test.csv")
    parser.add_argument("--only", choices=BOTH, help="train one of the two")
    given = parser.parse_args()
    try:
        messages = read_messages(data_folder(given.data) / "train.csv")
    except NoData as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    which = (given.only,) if given.only else BOTH
    train(messages, which=which)
    print(f"{' and '.join(which)} learned from {len(messages):,} messages; see {MODELS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
