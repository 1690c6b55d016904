"""A worker stands still with a payment under way, is taken for dead, and wakes to a reply that nobody waits for.

The one story of the suite whose order is fixed: the provider lands requests when it is told to, so that the late word
comes exactly between the second attempt's request and its landing. The late word is "refused"; it was true of the first
attempt. If it settled the payment, the ledger would say "not happened" of one that the books then hold.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import structs, to_builtins

from interlock.ports import Store
from interlock.runtime import inbox
from interlock.testing.records import every_case
from tests.faults import people
from tests.faults.accidents import Accidents
from tests.faults.boundaries import append, lines
from tests.faults.clock import true_now
from tests.faults.stores import Place
from tests.faults.world import World, workload

WAIT_S = 45.0
"""Longest wait for a step of the story: shorter than a payment's timeout, longer than any machine is slow."""


class Hung(World):
    def __init__(self, seed: int, place: Place, folder: Path) -> None:
        super().__init__(seed, place, folder, Accidents(workers=1, orders=0), healing_s=60)

    def letters(self) -> list[people.Letter]:
        return []

    def _set_up(self, store: Store) -> None:
        wire = workload().loaded.wire
        made = inbox.event_envelope(
            people.AUTOMATION, wire, "Placed", {"order": "o0", "total": "50.00"},
            id="e0", source="shop", principal="shop", occurred_at=self.start, now=self.start,
        )  # fmt: skip
        name = (made.automation, made.key, made.source, made.id)
        said = {"attempt": "s0", "letter": "", "at": true_now()}
        append(
            self.folder / "submissions.jsonl", **said, name=name, body=to_builtins(made.body),
            occurred_at=made.occurred_at,
        )  # fmt: skip
        store.accept([structs.replace(made, received_at=true_now())], now=true_now())
        append(self.folder / "submissions.jsonl", **said, receipt="accepted")

    def _active(self) -> None:
        self._ask_provider("hold")
        first = self._worker()
        self._until(lambda: len(self._payments()) == 1, "the first attempt")
        os.kill(first.pid, signal.SIGSTOP)
        self.counts["stop_worker"] += 1
        self._ask_provider("land", key=self._payments()[0], refuses=True)
        self._worker()
        self._until(lambda: len(self._payments()) == 2, "the second attempt, by another worker")
        versions = self._version()
        os.kill(first.pid, signal.SIGCONT)
        self._until(lambda: self._version() > versions, "the late word")
        self._ask_provider("land", key=self._payments()[1], refuses=False)

    def _payments(self) -> list[str]:
        made = lines(self.folder / "calls.jsonl")
        return [str(line["key"]) for line in made if (line["what"], line["action"]) == ("perform", "pay")]

    def _version(self) -> int:
        return self._in_child(
            "looking", lambda: self._with_store(lambda store: sum(one.version for one in every_case(store, "desk")))
        )

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(f"{what} did not come: {(self.folder / 'log.txt').read_text()[-2_000:]}")
            time.sleep(0.02)
