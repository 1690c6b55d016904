"""Plain thresholds beside the vouched policy, on 3,080 messages that no classifier has seen.

    python report.py [--data FOLDER] [--keep FOLDER]

Trains what is not trained yet, lays out both releases, works through test.csv with each of them in a process of its
own, and judges what was done by the intents of the data set. `--keep` leaves releases and databases to be looked into
with `interlock explain`, `interlock report` and `interlock verify`.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import bayes
import linear
from advisors import MODELS
from judge import CONSEQUENCES, Consequence, Deed, Score, judged, led_to
from messages import NoData, data_folder, read_messages
from train import train
from vouch import ERROR_MAX

HERE = Path(__file__).parent
Which = Literal["bayes", "linear"]
RELEASES: Mapping[Which, str] = {"bayes": "release.toml", "linear": "release-linear.toml"}
NAMES: Mapping[Which, str] = {"bayes": "naive Bayes", "linear": "logistic regression"}
THRESHOLDS = (0.8, 0.9, 0.95)
GRAVER: tuple[Consequence, ...] = ("money", "security", "final")


@dataclass(frozen=True)
class Comparison:
    """One classifier: executing its answers directly from each threshold on, beside its release under the interlock.

    classes   of what the release did: how much of each class of consequence, and how much of that was wrong
    people    what people were asked for, by whether a score, a rule or both asked for them
    """

    which: Which
    release: str
    right: int
    plain: Mapping[float, Score]
    vouched: Score
    classes: Mapping[Consequence, tuple[int, int]]
    people: Mapping[str, int]


def laid_out(release: str, into: Path, models: Path = MODELS) -> Path:
    """A release as a folder of its own: this code and policy, that release.toml, and the models it names."""
    into.mkdir(parents=True)
    for file in (*HERE.glob("*.py"), HERE / "policy.yaml"):
        shutil.copy(file, into)
    shutil.copy(HERE / release, into / "release.toml")
    shutil.copytree(models, into / "models")
    return into


def compare(data: Path, place: Path, models: Path = MODELS) -> list[Comparison]:
    """Both releases over all test messages, side by side; folders, databases and results are left in `place`."""
    running = {
        which: subprocess.Popen(
            [
                sys.executable,
                laid_out(release, place / which, models) / "desk.py",
                data / "test.csv",
                place / f"{which}.db",
                place / f"{which}.json",
            ]
        )
        for which, release in RELEASES.items()
    }
    failed = [which for which, process in running.items() if process.wait() != 0]
    if failed:
        raise SystemExit(f"report.py: the release of {', '.join(failed)} did not come to its end; see above")
    messages = read_messages(data / "test.csv")
    return [compared(which, messages, json.loads((place / f"{which}.json").read_text()), models) for which in RELEASES]


def compared(
    which: Which, messages: Sequence[tuple[str, str]], worked: Mapping[str, Any], models: Path = MODELS
) -> Comparison:
    """Judge one classifier's answers and one release's deeds by the same measure."""
    classify = (
        bayes.load(models / "bayes.json").classify if which == "bayes" else linear.load(models / "linear.npz").classify
    )
    answers = [classify(text) for text, _ in messages]
    intents = [intent for _, intent in messages]
    done = [(one["message"], Deed(one["what"], one["arguments"])) for one in worked["done"]]
    by_class: dict[Consequence, Score] = {
        consequence: judged(intents, [one for one in done if CONSEQUENCES[one[1].what] == consequence])
        for consequence in ERROR_MAX
    }
    return Comparison(
        which=which,
        release=worked["release"],
        right=sum(understood == intent for (understood, _), intent in zip(answers, intents, strict=True)),
        plain={
            threshold: judged(
                intents,
                [(n, led_to(n, understood)) for n, (understood, score) in enumerate(answers) if score >= threshold],
            )
            for threshold in THRESHOLDS
        },
        vouched=judged(intents, done),
        classes={name: (score.done, score.mistakes) for name, score in by_class.items()},
        people=Counter(_who_asked(one["because"]) for one in worked["asked"]),
    )


def _who_asked(because: Sequence[str]) -> str:
    by_rule = [rule for rule in because if rule != "autonomy"]
    if "autonomy" not in because:
        return "a rule"
    return "both" if by_rule else "the score or the kind of action"


def to_text(comparisons: Sequence[Comparison]) -> str:
    """The report, as tables that a README can hold."""
    lines = [
        "| who reads, and what then decides | acted on alone | wrong | of these money | security | accounts closed |",
        "|---|---|---|---|---|---|",
    ]
    for one in comparisons:
        rows = [(f"score of {threshold} or more", score) for threshold, score in one.plain.items()]
        for name, score in [*rows, ("**vouched policy**", one.vouched)]:
            done, wrong = f"{score.done} ({score.share:.1%})", f"{score.mistakes} ({score.error:.1%})"
            graver = " | ".join(str(score.wrong[consequence]) for consequence in GRAVER)
            lines.append(f"| {NAMES[one.which]}: {name} | {done} | {wrong} | {graver} |")
    names = " | ".join(NAMES[one.which] for one in comparisons)
    lines += ["", f"| under the vouched policy | {names} | vouched for |", "|---" * (len(comparisons) + 2) + "|"]
    for name, limit in ERROR_MAX.items():
        cells = [_rate(*one.classes[name]) for one in comparisons]
        lines.append(f"| {name}: wrong of done | {' | '.join(cells)} | at most {limit:.0%} |")
    for who in ("the score or the kind of action", "a rule", "both"):
        cells = [str(one.people.get(who, 0)) for one in comparisons]
        lines.append(f"| sent to people by {who} | {' | '.join(cells)} | |")
    refused = [str(one.vouched.messages - one.vouched.done - sum(one.people.values())) for one in comparisons]
    lines.append(f"| denied | {' | '.join(refused)} | |")
    known = [f"{one.right / one.vouched.messages:.1%}" for one in comparisons]
    lines.append(f"| intents understood, of all messages | {' | '.join(known)} | |")
    return "\n".join(lines)


def _rate(done: int, wrong: int) -> str:
    return f"{wrong} of {done} ({wrong / done:.1%})" if done else "none done"


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare plain thresholds with the vouched policy on BANKING77.")
    parser.add_argument("--data", metavar="FOLDER", help="the folder that holds train.csv and test.csv")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="leave releases and databases in this new folder")
    given = parser.parse_args()
    if given.keep and given.keep.exists():
        print(f"report.py: {given.keep} exists already", file=sys.stderr)
        return 1
    try:
        data = data_folder(given.data)
    except NoData as error:
        print(f"report.py: {error}", file=sys.stderr)
        return 1
    if not ((MODELS / "bayes.json").is_file() and (MODELS / "linear.npz").is_file()):
        train(read_messages(data / "train.csv"))
    if given.keep:
        print(to_text(compare(data, given.keep)))
        print(f"\nLook into {given.keep}: interlock report --db {given.keep / 'bayes.db'}")
        return 0
    with tempfile.TemporaryDirectory() as place:
        print(to_text(compare(data, Path(place))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
