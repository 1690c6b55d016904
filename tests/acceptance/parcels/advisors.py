"""Advisors that answer as they are told to: every way of giving no answer, beside a good one."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from decimal import Decimal
from typing import Any, cast

from automation import Weigh, Weight

from interlock import Advice

GOOD = Advice(Weight(grams=500), score=0.99, rationale="It was on the scale.")


def garbage(kind: str) -> Any:
    return {
        "type": {"grams": 500},
        "none": None,
        "value": Advice(cast("Any", {"grams": -1})),
        "extra": Advice(cast("Any", {"grams": 5, "pay": "me"})),
        "nan": Advice(Weight(grams=1), score=float("nan")),
        "above": Advice(Weight(grams=1), score=1.5),
        "below": Advice(Weight(grams=1), score=-0.1),
        "text": Advice(Weight(grams=1), score=cast("Any", "0.9")),
        "true": Advice(Weight(grams=1), score=True),
        "infinite": Advice(Weight(grams=1), score=float("inf")),
        "huge": Advice(Weight(grams=1), score=0.9, rationale="x" * 2_000_000),
        "evidence": Advice(Weight(grams=1), score=0.9, evidence=tuple(f"{n:0>100}" for n in range(5_000))),
        "usage": Advice(Weight(grams=1), score=0.9, usage=cast("Any", 7)),
        "tokens": Advice(Weight(grams=1), score=0.9, usage=cast("Any", {"tokens": float("inf")})),
        "surrogate": Advice(Weight(grams=1), score=0.9, rationale="\ud800"),
        "action": Advice(cast("Any", {"action": "charge", "parcel": "p", "amount": "1", "effect": "good"})),
        "integer": Advice(cast("Any", {"grams": 10**400})),
        "decimal": Advice(cast("Any", {"grams": Decimal("sNaN")})),
        "generator": (part for part in "500"),
    }[kind]


class Rude(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even my name")


@Weigh.advisor("scale")
async def scale(question: Weigh) -> Advice[Weight]:
    match question.advice.split(":"):
        case ["raise"]:
            raise RuntimeError("the scale is broken\n" * 5_000)
        case ["rude"]:
            raise Rude
        case ["exit"]:
            sys.exit(0)
        case ["interrupt"]:
            raise KeyboardInterrupt
        case ["cancel"]:
            raise asyncio.CancelledError
        case ["stop"]:
            raise StopAsyncIteration
        case ["hang"]:
            await asyncio.sleep(3_600)
        case ["block"]:
            time.sleep(1.5)  # noqa: ASYNC251 - the point: it blocks everybody
        case ["die"]:
            os._exit(99)
        case ["garbage", kind]:
            return garbage(kind)
        case _:
            pass
    return GOOD


@Weigh.advisor("clerk")
def clerk(question: Weigh) -> Advice[Weight]:
    """The second in the chain; a plain function, so it runs in a thread of its own."""
    match question.advice.split(":"):
        case ["exit"]:
            sys.exit(0)
        case ["stop"]:
            raise StopIteration
        case ["hang"]:
            time.sleep(3_600)
        case ["good"]:
            return GOOD
        case _:
            pass
    raise LookupError("The clerk does not know.")
