"""One person in a process of their own: gives prepared verdicts on a database that others work on at the same time.

`python review_racer.py DATABASE START WHO SEED < reviews.json` waits for the moment START and then acts as fast as the
door takes it: approves each review, and in between takes some of the approvals back and gives them again.
"""

from __future__ import annotations

import json
import random
import sys
import time

from interlock.assembly import open_store
from interlock.runtime.inbox import handling_envelope, verdict_envelope
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.ids import parse_full_id


def main(database: str, start: str, who: str, seed: str) -> None:
    dice = random.Random(seed)
    reviews: list[dict[str, str]] = json.load(sys.stdin)
    dice.shuffle(reviews)
    store = open_store(f"sqlite:///{database}")
    time.sleep(max(0.0, float(start) - time.time()))
    count = 0

    def give(act: str, review: dict[str, str]) -> Envelope:
        nonlocal count
        count += 1
        case, local = parse_full_id(review["id"])
        now, name = time.time_ns() // 1_000, f"{who}{count}"
        if act == "withdraw":
            return handling_envelope(
                case.automation, case.key, local, "withdraw", group="finance", id=name, principal=who, now=now
            )
        return verdict_envelope(
            case.automation,
            case.key,
            local,
            "approve" if act == "approve" else "reject",
            group="finance",
            seen=review["seen"],
            args=None,
            comment="",
            id=name,
            principal=who,
            now=now,
        )

    for review in reviews:
        for act in dice.choice((["approve"], ["approve", "withdraw"], ["approve", "withdraw", "approve"], ["approve"])):
            store.accept([give(act, review)], now=time.time_ns() // 1_000)
            time.sleep(dice.random() * 0.02)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
