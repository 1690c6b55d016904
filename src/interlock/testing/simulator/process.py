"""A simulated process: one worker and one door on one store, that can die at any point and stand still at any point.

Dying means that no further line of it writes anything: whatever it still tries on the store raises `Crash`, its tasks
are thrown away, and nothing of its memory is kept. What it has already sent outside is outside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from interlock.kernel.outcome import Step
from interlock.ports import Store
from interlock.runtime.hosted import Hosted
from interlock.runtime.inbox import Door
from interlock.runtime.turns import Unguarded
from interlock.runtime.worker import Notice, Pace, Worker
from interlock.testing.simulator.faults import Crash, Dice, Faults
from interlock.testing.time import START, ManualClock
from interlock.vocabulary.events import EventBody

T = TypeVar("T")

DEADLY = "Deadly"
"""Event type whose consumption ends the process."""


class WallClock:
    """The clock on the wall of a process: virtual time plus what the wall is wrong by. Monotonic time is never
    wrong."""

    def __init__(self, virtual: ManualClock, error: Callable[[], int], skew: int = 0) -> None:
        self._virtual = virtual
        self._error = error
        self._skew = skew

    def now(self) -> int:
        return START + self._virtual.monotonic() + self._error() + self._skew

    def monotonic(self) -> int:
        return self._virtual.monotonic()


class TurningInCircles(Exception):
    """So much is done that nothing can come of it any more."""


class Scene(Protocol):
    """What a process needs of the run around it."""

    faults: Faults

    def entered(self, process: Process | None) -> None:
        """This process is the one that uses the store now."""
        ...

    def counted(self) -> None:
        """The store is used once more. Raises TurningInCircles when that was too often."""
        ...

    def ended(self, process: Process, why: str) -> None: ...
    def failed(self, process: Process, error: BaseException) -> None:
        """The process has ended with an error of its own, which no accident explains."""
        ...

    def noticed(self, process: Process, notice: Notice) -> None: ...


class SimulatedSpawn:
    """The port `Spawn`: inline, with time passing before and after, and the process perhaps dying in it."""

    def __init__(self, process: Process, dice: Dice) -> None:
        self._process = process
        self._dice = dice

    async def blocking(self, work: Callable[[], T]) -> T:
        process, dice = self._process, self._dice
        await process.passes(dice)
        process.alive()
        process.scene.counted()
        process.scene.entered(process)
        try:
            done = work()
        except Crash as crash:
            process.die(f"at {crash}")
            raise
        finally:
            process.scene.entered(None)
        await process.passes(dice)
        process.alive()
        return done


class DeadlyGuard(Unguarded):
    """Runs a step as it is, unless it consumed a message that kills: then the process ends before anybody hears of
    it."""

    def run(self, step: Callable[[], Step]) -> Step:
        done = step()
        for turn in done.turns:
            body = turn.cause.body
            if isinstance(body, EventBody) and body.type == DEADLY:
                raise Crash("a deadly message")
        return done


class Process:
    """One worker with its door. `task` ends when the process does."""

    def __init__(
        self,
        name: str,
        scene: Scene,
        store: Store,
        hosted: Mapping[str, Hosted],
        clock: WallClock,
        dice: Dice,
        *,
        pace: Pace,
    ) -> None:
        self.name = name
        self.scene = scene
        self.store = store
        self.dead = ""
        self.stalled_until = 0.0
        spawn = SimulatedSpawn(self, dice)
        self.worker = Worker(
            store,
            hosted,
            name=name,
            clock=clock,
            spawn=spawn,
            pace=pace,
            guard=DeadlyGuard(),
            report=lambda notice: scene.noticed(self, notice),
        )
        self.door = Door(store, clock=clock, spawn=spawn, accepted=self.worker.wake, carrier=self.worker.take_along)
        self.task = asyncio.ensure_future(self.worker.run())
        self.task.add_done_callback(self._done)

    def alive(self) -> None:
        """Raises Crash in a process that has died."""
        if self.dead:
            raise Crash(self.dead)

    def die(self, why: str) -> None:
        """End here. Idempotent."""
        if self.dead:
            return
        self.dead = why
        self.door.closed = True
        self.task.cancel()
        self.scene.ended(self, why)

    def stall(self, seconds: float) -> None:
        """Stand still at the next occasion, as a paused virtual machine would."""
        self.stalled_until = max(self.stalled_until, asyncio.get_running_loop().time() + seconds)

    async def passes(self, dice: Dice) -> None:
        """Time that a call to the store may take."""
        if dice.chance(self.scene.faults.slow_store):
            await asyncio.sleep(dice.between(0.001, 0.2))
        left = self.stalled_until - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)

    def _done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if not self.dead and error is not None and not isinstance(error, Crash):
            self.dead = f"{type(error).__name__}: {error}"
            self.door.closed = True
            self.scene.failed(self, error)
