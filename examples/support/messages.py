"""The messages: 13,083 real questions of bank customers with their intents (BANKING77), and accounts to go with them.

The data set (Casanueva et al., "Efficient Intent Detection with Dual Sentence Encoders", 2020; CC-BY-4.0) is no part of
this repository. It is looked for where `--data` says, in `INTERLOCK_BANKING77`, and beside the repository. It has texts
and intents and nothing else: what the bank knows of each customer is invented here, the same for everybody who runs it.
"""

import csv
import hashlib
import os
from decimal import Decimal
from pathlib import Path

from automation import Account

VARIABLE = "INTERLOCK_BANKING77"
BESIDE = Path("shared/data/banking77")


class NoData(Exception):
    """The data set is not there. The text says where it was looked for."""


def data_folder(given: str | Path | None = None) -> Path:
    """The folder that holds train.csv and test.csv. Raises NoData."""
    here = Path(__file__).resolve()
    beside = [parent / BESIDE for parent in here.parents[3:4]]
    places = [Path(given)] if given else [Path(os.environ[VARIABLE])] if os.environ.get(VARIABLE) else beside
    for place in places:
        if (place / "train.csv").is_file() and (place / "test.csv").is_file():
            return place
    looked = ", ".join(str(place) for place in places)
    raise NoData(f"no train.csv and test.csv in {looked}; name their folder with --data or {VARIABLE}")


def read_messages(file: Path) -> list[tuple[str, str]]:
    """(text, intent) of each line."""
    with file.open(encoding="utf-8", newline="") as opened:
        return [(row["text"], row["category"]) for row in csv.DictReader(opened)]


def account_of(number: int) -> Account:
    """The invented account of the message with this number. One in some dozen has something that a rule minds."""
    roll = hashlib.sha256(f"account {number}".encode()).digest()
    return Account(
        id=f"a{number:05d}",
        verified=roll[0] >= 8,  # 3 % are not
        vulnerable=roll[1] < 5,  # 2 %
        card="none" if roll[2] < 5 else "frozen" if roll[2] < 10 else "active",
        balance=Decimal(roll[3] * 997 + roll[4]) / 100,
        last_fee=Decimal(0) if roll[5] < 20 else Decimal(50 + roll[6] * 6) / 100,  # up to 15.80
        last_payment=Decimal(100 + roll[7] * 100 + roll[8]) / 100,  # 1.00 to 258.55
        transfer="settled" if roll[9] < 26 else "pending",
        contact_changed_days=roll[10] % 7 if roll[10] < 5 else 400 + roll[10],
    )
