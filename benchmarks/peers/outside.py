"""What lies outside of every peer: the event, the advisor, the rule, and a provider with books of its own.

The books are a file that is only appended to, one `write` per line. A line that was written stays when the writing
process is killed, as a real provider's books would: they are what losses and repetitions are judged by. They are not
flushed to the disk, because a provider's disk is not this machine's cost.

Delays come from one place and are the same for everybody. A delay of nothing does not even yield to the event loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

AVAILABLE_CENTS = 50_000
AMOUNT_CENTS = 1_200
SCORE_PER_MILLE = 980
LIMIT_CENTS = 250_000
SURE_PER_MILLE = 900


@dataclass(frozen=True)
class Event:
    """A request to pay something out. `id` is the sender's; the same id again is the same event."""

    number: int

    @property
    def id(self) -> str:
        return f"e{self.number}"

    @property
    def case(self) -> str:
        return f"c{self.number}"

    @property
    def customer(self) -> str:
        return f"customer-{self.number % 997}"

    def data(self) -> dict[str, str | int]:
        return {"case": self.case, "customer": self.customer, "available_cents": AVAILABLE_CENTS}


def number_of(case: str) -> int:
    """The number in a case's name."""
    return int(case[1:])


@dataclass(frozen=True)
class Advice:
    amount_cents: int
    score_per_mille: int
    rationale: str

    def data(self) -> dict[str, str | int]:
        return {
            "amount_cents": self.amount_cents,
            "score_per_mille": self.score_per_mille,
            "rationale": self.rationale,
        }


def may_pay(available_cents: int, amount_cents: int, score_per_mille: int) -> bool:
    """The rule. Every peer decides by it; the cases of the benchmark all pass it."""
    return 0 < amount_cents <= min(available_cents, LIMIT_CENTS) and score_per_mille >= SURE_PER_MILLE


@dataclass
class World:
    """The advisor and the provider. Delays in seconds."""

    books: Path
    advisor_s: float = 0.0
    provider_s: float = 0.0
    _file: int = field(default=-1, init=False)
    _void: frozenset[str] = field(default=frozenset(), init=False)

    def open(self) -> None:
        """Open the books, and be the world that `world()` gives to code which is loaded rather than called by us."""
        The.world = self
        self._file = os.open(self.books, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._void = frozenset(str(line["void"]) for line in read_books(self.books) if "void" in line)

    async def advise(self, case: str, customer: str) -> Advice:
        if self.advisor_s:
            await asyncio.sleep(self.advisor_s)
        return Advice(AMOUNT_CENTS, SCORE_PER_MILLE, f"{customer} asked for {case}")

    async def pay(self, case: str, amount_cents: int, key: str) -> str:
        """Pay, and answer after as long again. Asked twice it pays twice: it knows no idempotency keys."""
        if self.provider_s:
            await asyncio.sleep(self.provider_s / 2)
        self._book(case, amount_cents, key)
        if self.provider_s:
            await asyncio.sleep(self.provider_s / 2)
        return f"t-{key}"

    def pay_now(self, case: str, amount_cents: int, key: str) -> str:
        """`pay` for callers on a thread of their own."""
        if self.provider_s:
            time.sleep(self.provider_s / 2)
        self._book(case, amount_cents, key)
        if self.provider_s:
            time.sleep(self.provider_s / 2)
        return f"t-{key}"

    def was_paid(self, key: str) -> bool:
        """Whether a payment with this key is in the books."""
        return any(line.get("key") == key for line in read_books(self.books))

    def make_void(self, key: str) -> None:
        """From now on, also for a later process, a payment with this key is refused."""
        self._void |= {key}
        os.write(self._file, json.dumps({"void": key}).encode() + b"\n")

    def _book(self, case: str, amount_cents: int, key: str) -> None:
        if key in self._void:
            raise ValueError(f"The key {key} was made void.")
        os.write(self._file, b'{"case":"%s","cents":%d,"key":"%s"}\n' % (case.encode(), amount_cents, key.encode()))


class The:
    """The one world of this process, once it has been opened."""

    world: World


def world() -> World:
    return The.world


def read_books(path: Path) -> Iterator[dict[str, str | int]]:
    """The lines of the books, oldest first."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
