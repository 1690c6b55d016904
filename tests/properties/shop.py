"""A stage with the purchases automation on it, and a hand for everything that can happen to it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from interlock.releases import Release, load_release
from interlock.runtime.inbox import resolve_envelope, verdict_envelope
from interlock.testing.outside import Conduct
from interlock.testing.stage import Stage
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import Envelope, EventBody
from interlock.vocabulary.ids import BUDGETS, CaseId

FOLDER = Path(__file__).parent / "purchases"
MINUTE = 60_000_000


# Shortly before New York's clocks go back: a day of 25 hours begins within the test.
BEFORE_A_LONG_DAY = int(datetime(2026, 10, 31, 22, 0, tzinfo=ZoneInfo("America/New_York")).timestamp()) * 1_000_000


@lru_cache(maxsize=1)
def release() -> Release:
    return load_release(FOLDER)


class Shop:
    """The automation on a stage, with a hand for everything that can happen to it."""

    def __init__(self) -> None:
        self.stage = Stage(release(), start=BEFORE_A_LONG_DAY, slots=4)
        self.count = 0
        self.keys: list[str] = []
        self.clerk("10.00", 10)

    def send(self, key: str, type: str, data: dict[str, Any], *, settle: bool = True) -> None:
        self.count += 1
        now = self.stage.clock.now()
        name = f"e{self.count}"
        self.stage.accept(Envelope("purchases", key, name, "shop", "shop", now, now, EventBody(type, data)))
        if settle:
            self.stage.settle()

    def want(self, customer: str, amount: str, *, settle: bool = True) -> None:
        key = f"p{len(self.keys)}"
        self.keys.append(key)
        self.send(key, "Wanted", {"purchase": key, "customer": customer, "amount": amount}, settle=settle)

    def puzzle(self, customer: str) -> None:
        key = f"p{len(self.keys)}"
        self.keys.append(key)
        self.send(key, "Puzzling", {"purchase": key, "customer": customer, "text": f"what is {key}"})

    def clerk(self, amount: str, tokens: int) -> None:
        usage = {"input_tokens": tokens - tokens // 3, "output_tokens": tokens // 3}
        self.stage.outside.say("Estimate", "clerk", Answer({"amount": amount}, 900_000, usage=usage))

    def conduct(self, mode: Any, paid: str | None) -> None:
        bill = release().loaded.definition.actions["buy"].result_type
        result = None if paid is None else bill(paid=Decimal(paid))
        self.stage.outside.conduct["buy"] = Conduct(mode, result, "as the test says")

    def accounts(self) -> dict[str, CaseRecord]:
        found = self.stage.store.cases(automation=BUDGETS, status=None, after=None, limit=10_000)
        return {record.key: record for record in found}

    def record(self, key: str) -> CaseRecord | None:
        return self.stage.store.case(CaseId("purchases", key))

    def approve(self) -> None:
        """Somebody approves the oldest open review."""
        for key in self.keys:
            record = self.record(key)
            for review in record.reviews.values() if record else ():
                self.count += 1
                group = review.groups[0].name
                envelope = verdict_envelope(
                    "purchases",
                    key,
                    review.id,
                    "approve",
                    group=group,
                    seen=review.seen,
                    args=None,
                    comment="",
                    id=f"v{self.count}",
                    principal="ann",
                    now=self.stage.clock.now(),
                )
                self.stage.accept(envelope)
                self.stage.settle()
                return

    def resolve(self) -> None:
        """Somebody ends the oldest doubt, by what the outside's books say."""
        for key in self.keys:
            record = self.record(key)
            for effect in record.effects.values() if record else ():
                if effect.status == "in_doubt":
                    booked = next((b for b in self.stage.outside.books if b.key == effect.key), None)
                    self.count += 1
                    said = "happened" if booked else "not_happened"
                    envelope = resolve_envelope(
                        "purchases",
                        key,
                        effect.id,
                        said,
                        result=booked.result if booked else None,
                        comment="",
                        id=f"r{self.count}",
                        principal="bob",
                        now=self.stage.clock.now(),
                    )
                    self.stage.accept(envelope)
                    self.stage.settle()
                    return

    def die(self, ticks: int) -> None:
        """The worker goes on for so many turns of its loop and is killed where it stands; another begins."""
        for _ in range(ticks):
            if not self.stage.tick():
                break
        self.stage.crash()
        self.stage.settle()

    def do(self, operation: tuple[Any, ...]) -> None:
        match operation:
            case ("want", customer, amount):
                self.want(customer, amount)
            case ("rush", customers, amount, ticks):
                for customer in customers:
                    self.want(customer, amount, settle=False)
                self.die(ticks)
            case ("puzzle", customer):
                self.puzzle(customer)
            case ("drop", nth):
                if self.keys:
                    key = self.keys[-1 - nth % len(self.keys)]
                    self.send(key, "Dropped", {"purchase": key})
            case ("clerk", amount, tokens):
                self.clerk(amount, tokens)
            case ("outside", mode, paid):
                self.conduct(mode, paid)
            case ("dies after",):
                self.stage.dies_after.add("buy")
            case ("approve",):
                self.approve()
            case ("resolve",):
                self.resolve()
            case ("pass", minutes):
                self.stage.advance(minutes * MINUTE)
            case _:
                raise AssertionError(operation)
