"""Kills at random moments, judged by the provider's books.

A peer works on a number of cases, its process is killed with SIGKILL after a random time and started again on the
same database, until it has been killed often enough; then it may finish. As a sender must, the driver sends an event
again until it has been acknowledged, and never after that: what was acknowledged is the peer's to finish. Advisor and
provider take some milliseconds, so that kills also fall between a payment and its record.

    lost       acknowledged, everything has come to rest, and the books have no payment
    repeated   payments beyond the first of a case. They carry the same key; the provider of this benchmark knows no
               keys, so each is money
    left       paid at most once, but by the peer's own records not at its end: what a person would have to look at
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.databases import Database
from benchmarks.peers.driven import Driven, Failed, started
from benchmarks.peers.outside import number_of, read_books
from benchmarks.peers.roster import Entrant
from benchmarks.peers.rounds import Extent, Places, Say

DELAYS = {"advisor_s": 0.004, "provider_s": 0.006}
IN_FLIGHT = 16
BATCH = 2_000
"""Cases that a process is given at most before it is killed: more than it can do in that time."""
LIVES_S = (0.05, 0.8)
"""After how long it is killed: drawn evenly between these."""
LAST = 40
"""Cases that the last process gets on top, to show that it still works."""


@dataclass(frozen=True)
class Judged:
    kills: int
    accepted: int
    lost: int
    repeated: int
    left: int
    failed: str = ""


def run(
    entrants: Sequence[Entrant], places: Places, folder: Path, extent: Extent, *, seed: int, say: Say
) -> dict[Entrant, Judged]:
    found: dict[Entrant, Judged] = {}
    for entrant in entrants:
        if not entrant.recovers:
            continue
        say(f"killing {entrant.name} {extent.kills} times")
        books = folder / f"books-{entrant.name}"
        try:
            with places[entrant.database].fresh() as database:
                found[entrant] = one(entrant, database, books, extent.kills, random.Random(f"{seed}/{entrant.name}"))
        except Failed as error:
            found[entrant] = Judged(0, 0, 0, 0, 0, failed=str(error))
    return found


def one(entrant: Entrant, database: Database, books: Path, kills: int, draw: random.Random) -> Judged:
    """Kill one peer so many times, let it finish, and look into the books."""
    accepted: set[int] = set()
    for _ in range(kills):
        with started(entrant, database.url, books) as driven:
            driven.tell(do="cases", numbers=_unacknowledged(accepted, BATCH), in_flight=IN_FLIGHT, **DELAYS)
            accepted |= _heard_until_killed(driven, draw.uniform(*LIVES_S))
    with started(entrant, database.url, books) as driven:
        driven.tell(do="cases", numbers=_unacknowledged(accepted, LAST), in_flight=IN_FLIGHT, **DELAYS)
        while "ended" not in (line := driven.answer()):
            accepted.add(line["accepted"])
        left = set(driven.ask("left", "left")["left"])
        driven.stop()
    return judge(kills, accepted, left, (str(line["case"]) for line in read_books(books) if "case" in line))


def judge(kills: int, accepted: Set[int], left: Set[int], payments: Iterable[str]) -> Judged:
    """What the provider's books say of what was acknowledged. `payments`: the case of each payment."""
    paid = Counter(number_of(case) for case in payments)
    return Judged(
        kills=kills,
        accepted=len(accepted),
        lost=sum(1 for number in accepted if not paid[number] and number not in left),
        repeated=paid.total() - len(paid),
        left=len(left),
    )


def _unacknowledged(accepted: set[int], fresh: int) -> list[int]:
    """What its senders send now, in order: everything that was not acknowledged, and `fresh` new events.

    A peer takes them in order, so what a killed one had begun lies among the first IN_FLIGHT after the last
    acknowledged.
    """
    known = max(accepted, default=-1) + 1 + IN_FLIGHT
    return [number for number in range(known + fresh) if number not in accepted]


def _heard_until_killed(driven: Driven, seconds: float) -> set[int]:
    lines: list[dict[str, int]] = []
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        line = driven.hear(left)
        if line is not None:
            lines.append(line)
        elif driven.ended():
            raise Failed(driven.epitaph("ended by itself"))
    lines += driven.kill()
    return {line["accepted"] for line in lines if "accepted" in line}
