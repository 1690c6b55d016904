"""A release driven by hand against a real store: what the runtime does, one unit after the other, with scripted
outsides.

Advisors and effects are functions of the command. An effect that returns None loses its reply: its outcome is
unknown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from interlock.ports import Advisors, Performers, Store
from interlock.releases import Release, load_release
from interlock.runtime.dispatch import answer_envelope, result_envelope
from interlock.runtime.hosted import Hosted
from interlock.runtime.turns import Cycle, take_turns
from interlock.store.sqlite import SqliteStore, open_sqlite
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import Answer, Silence
from interlock.vocabulary.events import Body, CallBody, Envelope, EventBody, VerdictBody
from interlock.vocabulary.ids import CaseId

EXAMPLES = Path(__file__).parents[3] / "examples"
START = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
SECOND = 1_000_000
DAY = 86_400 * SECOND
BOX = {"digest": "0" * 64, "media_type": "image/png"}


@lru_cache
def release_of(name: str) -> Release:
    return load_release(EXAMPLES / name)


def reads(amount: str, score: int = 980_000) -> Answer:
    return Answer({"amount": amount}, score, f"I read {amount}.")


@dataclass
class Desk:
    """One automation, its store and its outsides."""

    release: Release
    store: SqliteStore
    path: str = ":memory:"
    now: int = START
    answers: dict[str, Answer | Silence] = field(default_factory=dict[str, Any])
    effects: dict[str, Callable[[Command], Any]] = field(default_factory=dict[str, Any])
    performed: list[Command] = field(default_factory=list[Command])
    sent: int = 0

    def send(
        self, key: str, body: Body, *, principal: str = "branch", occurred_at: int | None = None, id: str = ""
    ) -> None:
        self.sent += 1
        self.now += SECOND
        envelope = Envelope(
            self.release.name,
            key,
            id or f"m{self.sent}",
            "test",
            principal,
            self.now - 5 * SECOND if occurred_at is None else occurred_at,
            self.now,
            body,
        )
        self.store.accept([envelope], now=self.now)

    def hear(self, type: str, data: dict[str, Any], **more: Any) -> None:
        plain, key = self.release.loaded.wire.event_data(type, data)
        self.send(key, EventBody(type, plain), **more)
        self.run()

    def call(self, key: str, action: str, args: dict[str, Any], *, principal: str = "ann") -> None:
        self.send(key, CallBody(action, self.release.loaded.wire.call_args(action, args)), principal=principal)
        self.run()

    def verdict(self, key: str, verdict: Any, *, principal: str, group: str = "clearing", args: Any = None) -> None:
        record = self.store.case(CaseId(self.release.name, key))
        assert record is not None
        review = next(iter(record.reviews.values()))
        self.send(key, VerdictBody(review.id, verdict, group, review.seen, args, "looked at it"), principal=principal)
        self.run()

    def advance(self, micros: int) -> None:
        self.now += micros
        self.run()

    def run(self) -> None:
        """Until nothing is left to do at this moment."""
        waiting: defaultdict[int, list[Envelope]] = defaultdict(list)
        hosted = {self.release.name: Hosted(self.release.program, _nobody(), _nobody())}
        for _ in range(200):
            slots = sorted(self.store.ready(now=self.now).slots | waiting.keys())
            if not slots:
                return
            cycle = Cycle(hosted, lambda now: now + 15 * SECOND, lambda _: 100, lambda _: False)
            launched: list[Any] = []
            with self.store.units(slots, worker="w", now=self.now) as units:
                for unit in units:
                    taken = take_turns(unit, cycle, waiting.pop(unit.slot, []), limit=256, look=True)
                    if taken.writes is not None:
                        unit.commit(taken.writes)
                    launched.extend(taken.launch)
            for lease in launched:
                outcome = self._outside(lease.command)
                waiting[lease.slot].append(outcome)
        raise AssertionError("does not come to rest")

    def _outside(self, command: Command) -> Envelope:
        if command.what == "ask":
            return answer_envelope(command, self.answers.get(command.advisor, Silence("timeout")), self.now)
        self.performed.append(command)
        act = self.effects.get(f"{command.what}:{command.action}")
        said = act(command) if act else ("happened", {"id": "tx-1"} if command.action == "pay" else None)
        if said is None:
            return result_envelope(command, "unknown", self.now, reason="no reply within 30 s")
        return result_envelope(command, said[0], self.now, result=said[1])


def _nobody() -> Any:
    unused: Advisors | Performers | None = None
    return unused


def desk(example: str = "cheques", path: str = ":memory:", *, n_slots: int = 4) -> Desk:
    release = release_of(example)
    store = open_sqlite(path, n_slots=n_slots, durability="fsync")
    store.put_release(release.id, release.name, release.manifest.to_bytes(), now=START)
    store.join("w", now=START)
    return Desk(release, store, path, answers={"svm": reads("120.00"), "trees": reads("120.00", 930_000)})


def a_week_of_cheques(at: Desk) -> Desk:
    """One of each: paid alone, paid after a doubt, approved, edited, rejected, stopped, late, silent, quarantined
    budget-wise.
    """
    paid = ("c1", "c2", "c3")
    for key in paid:
        at.hear("Presented", {"cheque": key, "box": BOX})
        at.hear("FundsReported", {"cheque": key, "available": "500.00"})
    # A reply is lost; the check finds the payment.
    at.effects["perform:pay"] = lambda _: None
    at.effects["check:pay"] = lambda _: ("happened", {"id": "tx-9"})
    at.hear("Presented", {"cheque": "doubt", "box": BOX})
    at.hear("FundsReported", {"cheque": "doubt", "available": "500.00"})
    at.advance(6 * SECOND)
    at.effects.clear()
    # The readers disagree: people decide.
    at.answers["trees"] = reads("720.00", 810_000)
    for key in ("approved", "edited", "rejected", "waiting"):
        at.hear("Presented", {"cheque": key, "box": BOX})
        at.hear("FundsReported", {"cheque": key, "available": "900.00"})
    at.verdict("approved", "approve", principal="cora")
    at.verdict("edited", "edit", principal="cora", args={"amount": "720.00"})
    at.verdict("edited", "approve", principal="dan")
    at.verdict("rejected", "reject", principal="cora")
    # One reader is silent.
    at.answers["trees"] = Silence("timeout")
    at.hear("Presented", {"cheque": "silent", "box": BOX})
    at.hear("FundsReported", {"cheque": "silent", "available": "900.00"})
    # A stop that happened before the payment and arrives after it; and one in time.
    at.hear("StopPayment", {"cheque": "c1"}, occurred_at=START)
    at.hear("Presented", {"cheque": "stopped", "box": BOX})
    at.hear("StopPayment", {"cheque": "stopped"})
    at.advance(DAY)
    return at


def anything(store: Store, slots: Sequence[int]) -> int:
    return sum(len(store.ledger(slot, after=0, limit=10_000)) for slot in slots)
