"""What is measured of each peer, round by round, so that whatever the machine does meanwhile hits all of them.

A sizing pass comes first, in which two processes per peer do some cases and some more: their difference is what a
case leaves behind, and how many transactions it took. Then rounds; in each, every peer once, in an order drawn anew: a
fresh database, a warm-up, and three loads for a fixed time each.

A loop for a fixed time, not for a fixed number of cases: the fastest and the slowest peer differ by two orders of
magnitude, and both should be looked at for as long.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.peers.databases import Database, Place
from benchmarks.peers.driven import Driven, Failed, started
from benchmarks.peers.outside import read_books
from benchmarks.peers.roster import DatabaseName, Entrant

IN_FLIGHT = 32
ADVISOR_S = 0.05
RAW_POINTS = 3

LoadName = Literal["one", "many", "slow"]
"""one: one case at a time; many: 32 at a time; slow: 32 at a time, and the advisor takes 50 ms."""
LOADS: dict[LoadName, dict[str, Any]] = {
    "one": {"in_flight": 1, "advisor_s": 0.0},
    "many": {"in_flight": IN_FLIGHT, "advisor_s": 0.0},
    "slow": {"in_flight": IN_FLIGHT, "advisor_s": ADVISOR_S},
}


@dataclass(frozen=True)
class Extent:
    """How much is done. `seconds`: of one load; `sizing`: cases of the sizing pass, of its two processes."""

    rounds: int = 3
    seconds: float = 2.0
    warm_up: int = 50
    sizing: tuple[int, int] = (100, 500)
    kills: int = 8


FULL = Extent()
QUICK = Extent(rounds=1, seconds=0.5, warm_up=20, sizing=(20, 80), kills=2)


@dataclass(frozen=True)
class Taken:
    """One load of one round. CPU in milliseconds per case, `server_ms` that of the database's server."""

    cases: int
    client_ms: float
    server_ms: float
    per_s: float
    p50_ms: float
    p99_ms: float
    writes: float

    @property
    def cpu_ms(self) -> float:
        return self.client_ms + self.server_ms


@dataclass
class Measured:
    """Everything of one peer. `transactions`: per case, None where the database counts only those that write."""

    bytes: float = 0.0
    transactions: float | None = None
    loads: dict[LoadName, list[Taken]] = field(default_factory=dict[LoadName, list[Taken]])
    failed: str = ""


Say = Callable[[str], None]
Places = Mapping[DatabaseName, Place]


def size_up(entrant: Entrant, place: Place, books: Path, extent: Extent, environment: Mapping[str, str]) -> Measured:
    """Bytes and transactions per case, 32 at a time: by how much more there is after more cases.

    Not beside an empty database, whose pages have room for the first cases.
    """
    sizes: list[tuple[int, int | None]] = []
    for cases in extent.sizing:
        with place.fresh() as database, _working(entrant, database, books, environment) as driven:
            driven.ask("load", "cases", cases=cases, **LOADS["many"])
            driven.stop()
            sizes.append((database.size(), database.transactions()))
    (smaller, fewer), (larger, more) = sizes
    cases = extent.sizing[1] - extent.sizing[0]
    return Measured((larger - smaller) / cases, None if fewer is None or more is None else (more - fewer) / cases)


def _working(entrant: Entrant, database: Database, books: Path, environment: Mapping[str, str]) -> Any:
    books.unlink(missing_ok=True)
    return started(entrant, database.url, books, environment=environment)


def load(driven: Driven, database: Database, name: LoadName, seconds: float) -> Taken:
    writes, server = database.writes(), database.server_cpu()
    told = driven.ask("load", "cases", seconds=seconds, **LOADS[name])
    server = database.server_cpu() - server
    cases = told["cases"]
    return Taken(
        cases=cases,
        client_ms=told["cpu_s"] / cases * 1000,
        server_ms=server / cases * 1000,
        per_s=cases / told["wall_s"],
        p50_ms=told["p50_ms"],
        p99_ms=told["p99_ms"],
        writes=(database.writes() - writes) / cases,
    )


def run(
    entrants: Sequence[Entrant], places: Places, folder: Path, extent: Extent, *, seed: int, say: Say
) -> dict[Entrant, Measured]:
    """Sizing and rounds. A peer that fails is named with what it said, and left out of what follows."""
    draw = random.Random(seed)
    books = folder / "books"
    found: dict[Entrant, Measured] = {}
    environment: dict[str, str] = {}
    # interlock first: the raw limit inserts as many bytes as it leaves behind.
    for entrant in sorted(entrants, key=lambda one: one.adapter != "interlock"):
        say(f"sizing {entrant.name}")
        try:
            found[entrant] = size_up(entrant, places[entrant.database], books, extent, environment)
        except Failed as error:
            found[entrant] = Measured(failed=str(error))
        if entrant.adapter == "interlock" and not found[entrant].failed:
            environment.setdefault("RAW_BYTES", str(round(found[entrant].bytes / RAW_POINTS)))
    for number in range(1, extent.rounds + 1):
        order = [entrant for entrant in entrants if not found[entrant].failed]
        draw.shuffle(order)
        for entrant in order:
            say(f"round {number} of {extent.rounds}: {entrant.name}")
            try:
                _one_round(entrant, places[entrant.database], books, extent, environment, found[entrant])
            except Failed as error:
                found[entrant].failed = str(error)
    return found


def _one_round(
    entrant: Entrant, place: Place, books: Path, extent: Extent, environment: Mapping[str, str], into: Measured
) -> None:
    with place.fresh() as database, _working(entrant, database, books, environment) as driven:
        cases = driven.ask("load", "cases", cases=extent.warm_up, **LOADS["many"])["cases"]
        for name in LOADS:
            taken = load(driven, database, name, extent.seconds)
            cases += taken.cases
            into.loads.setdefault(name, []).append(taken)
        driven.stop()
    paid = sum(1 for line in read_books(books) if "case" in line)
    if paid != cases:
        raise Failed(f"{entrant.name} reported {cases} cases, but the provider's books have {paid} payments.")
