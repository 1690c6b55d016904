"""Every boundary between two statements, one after the other: a worker ends there, others go on, the judge looks.

The story is small and always the same: orders that are paid, credited, looked at by people and written to, messages of
every kind, an outside that loses some replies. A first run counts the boundaries that a worker's life passes; then, for
each of them, a run of its own in which the first worker ends there. The worker after it ends at a boundary, too, drawn
from the seed, so that recovering is interrupted as well.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import structs, to_builtins

from interlock.ports import Store
from interlock.runtime import inbox
from interlock.testing.simulator import Faults
from interlock.testing.simulator.faults import Dice
from interlock.vocabulary.events import Envelope
from tests.faults import people
from tests.faults.accidents import Accidents
from tests.faults.boundaries import append
from tests.faults.clock import true_now
from tests.faults.stores import Place
from tests.faults.world import Result, World, workload

OUTSIDE = Faults(outside_loses_reply=0.25, outside_refuses=0.1)


class Sweep(World):
    """One life that ends at boundary `at` (0: it does not), one that ends somewhere, and healthy ones."""

    def __init__(self, seed: int, at: int, place: Place, folder: Path) -> None:
        super().__init__(seed, place, folder, Accidents(workers=1, orders=0, outside=OUTSIDE))
        self.at = at
        self.passed = 0

    def letters(self) -> list[people.Letter]:
        return []

    def _set_up(self, store: Store) -> None:
        """Everything has been sent before the first life begins, so that its boundaries are always the same."""
        path = self.folder / "submissions.jsonl"
        for number, envelope in enumerate(self._story()):
            name = (envelope.automation, envelope.key, envelope.source, envelope.id)
            said = {"attempt": f"s{number}", "letter": "", "at": true_now()}
            body = to_builtins(envelope.body)
            append(path, **said, name=name, body=body, occurred_at=envelope.occurred_at)
            store.accept([structs.replace(envelope, received_at=true_now())], now=true_now())
            append(path, **said, receipt="accepted")

    def _story(self) -> list[Envelope]:
        wire = workload().loaded.wire
        events = [
            ("o0", "Placed", {"total": "50.00"}),
            ("o1", "Placed", {"total": "80.00", "risky": True}),
            ("o2", "Placed", {"total": "400.00"}),
            ("o3", "Poked", {}),
            ("o3", "Placed", {"total": "20.00"}),
            ("o3", "Poked", {}),
            ("o0", "Changed", {"total": "60.00"}),
        ]
        return [
            inbox.event_envelope(
                people.AUTOMATION, wire, type, {"order": order, **data},
                id=f"e{number}", source="shop", principal="shop", occurred_at=self.start, now=self.start,
            )
            for number, (order, type, data) in enumerate(events)
        ]  # fmt: skip

    def _active(self) -> None:
        self._worker(at=self.at, until_idle=True)
        self._await("worker")
        if self.at:
            self._worker(at=Dice(self.seed, f"second life {self.at}").whole(1, 60), until_idle=True)
            self._await("worker")
        else:
            self.passed = int((self.folder / "passed.txt").read_text())


def boundaries(seed: int, place: Place, folder: Path) -> int:
    """How many boundaries the first life passes when nothing ends it. Raises AssertionError when the run is broken."""
    sweep = Sweep(seed, 0, place, folder)
    result = sweep.run()
    assert not result.broken, result.broken
    return sweep.passed


def run_boundary(seed: int, at: int, place: Place, folder: Path) -> Result:
    """One run in which the first worker ends at this boundary."""
    return Sweep(seed, at, place, folder).run()
