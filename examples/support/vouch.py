"""From which score on may each action run alone? `python vouch.py bayes [--data FOLDER]` prints tables to vouch with.

Cross-validation on train.csv: each fifth is read by a classifier that learned from the other four. Per action the
lowest rung is taken at which the error, bounded from above with 95 % confidence, stays within what this class of
consequence may cost. The test messages play no part. Several rungs are looked at and the lowest good one is taken, so
the bound is a reason to vouch and not a guarantee: a certificate made from it says *vouched*, and that is what it is.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import bayes
import linear
from judge import CONSEQUENCES, Consequence, error_at_most, led_to, right
from messages import NoData, data_folder, read_messages

FOLDS = 5
ERROR_MAX: dict[Consequence, float] = {"minor": 0.05, "money": 0.03, "security": 0.03}
"""What may go wrong of each kind. Nothing final runs alone."""

RUNGS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999, 0.999999)


@dataclass(frozen=True)
class Rung:
    """A score from which on an action may run alone, and what was seen there: `wrong` of `done`."""

    action: str
    score: float
    done: int
    wrong: int

    @property
    def error_max(self) -> float:
        return error_at_most(self.wrong, self.done)


def cross_validated(messages: Sequence[tuple[str, str]], which: str) -> dict[str, list[tuple[float, bool]]]:
    """By action: score and whether it was right, for every message read by a classifier that had not seen it."""
    seen: defaultdict[str, list[tuple[float, bool]]] = defaultdict(list)
    for fold in range(FOLDS):
        learned = [message for number, message in enumerate(messages) if number % FOLDS != fold]
        model = bayes.read(bayes.train(learned)) if which == "bayes" else linear.read(linear.train(learned))
        for number in range(fold, len(messages), FOLDS):
            text, intent = messages[number]
            understood, score = model.classify(text)
            done = led_to(number, understood)
            seen[done.what].append((score, done in right(number, intent)))
    return seen


def rungs(seen: dict[str, list[tuple[float, bool]]]) -> dict[str, Rung | None]:
    """Per action the lowest rung that may be vouched for; None where no rung is good enough."""
    found: dict[str, Rung | None] = {}
    for action, consequence in CONSEQUENCES.items():
        if consequence == "final":
            continue
        tried = [_at(action, rung, seen.get(action, [])) for rung in RUNGS]
        found[action] = next((one for one in tried if one.done and one.error_max <= ERROR_MAX[consequence]), None)
    return found


def _at(action: str, rung: float, seen: Sequence[tuple[float, bool]]) -> Rung:
    counted = [good for score, good in seen if score >= rung]
    return Rung(action, rung, len(counted), counted.count(False))


def to_toml(action: str, rung: Rung | None) -> str:
    """The action's table for release.toml. Without a rung it says that the action always goes to a person."""
    allowed = ERROR_MAX[CONSEQUENCES[action]]
    head = f"[autonomy.{action}]\nerror_max = {allowed:.2f}\n"
    if rung is None:
        return f"{head}# No rung kept within {allowed:.0%}: a person decides.\n"
    seen = f"{rung.wrong} of {rung.done} wrong in cross-validation"
    return (
        f"{head}\n[[autonomy.{action}.vouched]]\nrung = {rung.score}\n"
        f'by = "head of support"\nuntil = 2035-12-31\n'
        f'reason = "{seen}; at most {rung.error_max:.1%} with 95 % confidence."\n'
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Print the rungs that a classifier's answers may be vouched for with.")
    parser.add_argument("which", choices=("bayes", "linear"))
    parser.add_argument("--data", metavar="FOLDER", help="the folder that holds train.csv and test.csv")
    given = parser.parse_args()
    try:
        messages = read_messages(data_folder(given.data) / "train.csv")
    except NoData as error:
        print(f"vouch.py: {error}", file=sys.stderr)
        return 1
    for action, rung in rungs(cross_validated(messages, given.which)).items():
        print(to_toml(action, rung))
    return 0


if __name__ == "__main__":
    sys.exit(main())
