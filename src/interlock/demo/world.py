"""The world outside: cheques written by hand, and what branches, customers and the core system say about them.

The handwriting is real: scikit-learn's scanned digits, of which the readers learn one half and cheques are written
with the other. An amount is written in cents, so 3 to 6 digits are 1.00 to 9,999.99. Everything follows from a seed,
so the same seed is the same morning.

`Written` is the truth about a cheque. Only the judge and the simulated reviewers read it; nothing of it is in an event.

INVARIANT: no cheque holds a scan that a reader has learnt from.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

from interlock.vocabulary.errors import Refused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Stop = Literal["", "before", "during", "after"]
Wave = Literal["morning", "afternoon"]
Event = dict[str, Any]
"""An event in the form that `interlock submit --file` takes."""

LENGTHS = {3: 20, 4: 35, 5: 30, 6: 15}
"""How many digits amounts have, in shares."""

SPLIT_SEED = 7
"""Which half of the digits the readers learn; the same number as in the automation's `advisors.py`."""


@dataclass(frozen=True)
class Written:
    """The truth about one cheque. Amounts in cents.

    covered   the most that the account can pay, once all reports are in
    stop      when the drawer stopped it: before it was presented, while it was being worked on, or after
    forged    it is presented a second time with another amount box
    blank     the box cannot be read by anybody
    """

    cheque: str
    amount: int
    covered: int
    written_at: str
    stop: Stop = ""
    frozen: bool = False
    stale: bool = False
    forged: bool = False
    blank: bool = False


@dataclass(frozen=True)
class Said:
    """One event as it is delivered: `event` in the form that `interlock submit --file` takes.

    Order is the order of delivery.
    """

    wave: Wave
    event: Event


@dataclass(frozen=True)
class Morning:
    """Cheques, what is said about them, and the scans by cheque (`c0042`, and `c0042-forged` where there is a second
    one).
    """

    written: Sequence[Written]
    said: Sequence[Said]
    boxes: dict[str, list[int]]


def digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The half of the scanned digits that no reader has learnt: pixels by row, and what each one is."""
    try:
        from sklearn.datasets import load_digits  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
        from sklearn.model_selection import (  # pyright: ignore[reportMissingTypeStubs]
            train_test_split,  # pyright: ignore[reportUnknownVariableType]
        )
    except ImportError as missing:
        raise Refused(
            "The demonstration reads real handwriting, which needs scikit-learn.",
            code="demo_extra",
            hint="Install it with: pip install 'interlock[demo]'",
        ) from missing
    load: Any = load_digits
    split = cast("Any", train_test_split)
    data = load()
    parts = split(data.data, data.target, test_size=0.5, random_state=SPLIT_SEED, stratify=data.target)
    return parts[1], parts[3]


def compose(seed: int, cheques: int, started: datetime, what_each_is: Sequence[int]) -> Morning:
    """Write cheques and say what happens to them. `what_each_is` tells the digit of every scan that may be used."""
    draw = random.Random(f"interlock demo {seed}")
    shapes: dict[int, list[int]] = {digit: [] for digit in range(10)}
    for index, digit in enumerate(what_each_is):
        shapes[digit].append(index)
    written: list[Written] = []
    boxes: dict[str, list[int]] = {}
    placed: list[tuple[Wave, float, Event]] = []
    for number in range(1, cheques + 1):
        one, box, forged = _write(draw, number, started, shapes)
        written.append(one)
        boxes[one.cheque] = box
        if forged:
            boxes[f"{one.cheque}-forged"] = forged
        placed += _tell(draw, number, one, started)
    waves: tuple[Wave, Wave] = ("morning", "afternoon")
    order = sorted(placed, key=lambda p: (waves.index(p[0]), p[1]))
    return Morning(written, [Said(wave, event) for wave, _, event in order], boxes)


def _write(
    draw: random.Random, number: int, started: datetime, shapes: dict[int, list[int]]
) -> tuple[Written, list[int], list[int]]:
    """One cheque, the scans of its amount, and the scans of a forged second amount if there is one."""
    (length,) = draw.choices(list(LENGTHS), weights=list(LENGTHS.values()))
    amount = draw.randrange(10 ** (length - 1), 10**length)
    stop: Stop = draw.choices(("", "before", "during", "after"), weights=(92, 2, 3, 3))[0]
    poor = draw.random() < 0.06
    stale = draw.random() < 0.015
    age = timedelta(days=draw.randint(200, 500) if stale else draw.randint(0, 60))
    forged = draw.random() < 0.012
    one = Written(
        cheque=f"c{number:04d}",
        amount=amount,
        covered=int(amount * draw.uniform(0.3, 0.95)) if poor else int(amount * draw.uniform(1.1, 6.0)) + 500,
        written_at=_text(started.replace(hour=0, minute=0, second=0, microsecond=0) - age),
        stop=stop,
        frozen=draw.random() < 0.02,
        stale=stale,
        forged=forged,
        blank=draw.random() < 0.01,
    )
    second = amount * draw.randint(2, 9) + draw.randint(1, 99) if forged else 0
    return one, _by_hand(draw, amount, shapes), _by_hand(draw, second, shapes) if forged else []


def _by_hand(draw: random.Random, amount: int, shapes: dict[int, list[int]]) -> list[int]:
    return [draw.choice(shapes[int(digit)]) for digit in str(amount)]


def _tell(draw: random.Random, number: int, one: Written, started: datetime) -> list[tuple[Wave, float, Event]]:
    """What is said about one cheque: (wave, place in its wave, event).

    Places decide what is early, late and out of order.
    """
    presented = float(number)
    funds = presented + (draw.uniform(-8, 0) if draw.random() < 0.35 else draw.uniform(0, 12))
    told: list[tuple[Wave, float, Event]] = []

    def tell(
        wave: Wave, place: float, type: str, id: str, source: str, /, *, happened: float | None = None, **data: Any
    ) -> None:
        # Two seconds per place; the afternoon begins when the last cheque has come.
        seconds = 2 * (place if happened is None else happened) + (7_200 if wave == "afternoon" else 0)
        event = {
            "type": type,
            "id": f"{one.cheque}-{id}",
            "source": source,
            "occurred_at": _text(started + timedelta(seconds=seconds)),
            "data": {"cheque": one.cheque, **data},
        }
        told.append((wave, place, event))

    # A box stands for its scan here; the folder of the demonstration puts the picture's digest in its place.
    paper: dict[str, Any] = {"box": one.cheque, "written_at": one.written_at}
    tell("morning", presented, "Presented", "presented", "branch", **paper)
    if draw.random() < 0.02:
        tell("morning", funds, "FundsReported", "funds", "core", available=_euros(one.covered // 2))
        tell("afternoon", draw.uniform(0, 5), "FundsReported", "funds-later", "core", available=_euros(one.covered))
    else:
        # Some reports are of an hour ago and come last.
        late = presented - 30 if draw.random() < 0.06 else None
        tell("morning", funds, "FundsReported", "funds", "core", happened=late, available=_euros(one.covered))
    if one.frozen:
        tell("morning", presented - draw.uniform(1, 10), "AccountFrozen", "frozen", "compliance")
    if one.stop == "before":
        tell("morning", presented - draw.uniform(1, 10), "StopPayment", "stop", "customer")
    elif one.stop == "during":
        tell("morning", max(presented, funds) + draw.uniform(0, 60), "StopPayment", "stop", "customer")
    elif one.stop == "after":
        tell("afternoon", draw.uniform(0, 20), "StopPayment", "stop", "customer")
    chance = draw.random()
    if chance < 0.06:  # the same message again
        first = told[draw.randrange(len(told))]
        told.append((first[0], first[1] + draw.uniform(0, 30), first[2]))
    elif chance < 0.12:  # the same paper again, at another counter
        wave: Wave = "morning" if draw.random() < 0.5 else "afternoon"
        place = presented + draw.uniform(0, 25) if wave == "morning" else draw.uniform(0, 20)
        tell(wave, place, "Presented", "presented-again", "branch", **paper)
    if one.forged:
        forgery: dict[str, Any] = {"box": f"{one.cheque}-forged", "written_at": one.written_at}
        tell("morning", presented + draw.uniform(0.1, 10), "Presented", "presented-forged", "branch", **forgery)
    return told


def _euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
