"""One run from one integer: the real runtime, kernel and store on a virtual clock, with faults and a judge.

    active    for about forty virtual minutes messages are sent, people act, and what the seed says goes wrong
    healing   faults end, one healthy process is left, pauses end; it works until nothing is left to do
    judging   the independent checker reads what is stored and what the outside's books say

Everything is drawn from the seed and runs on one loop without threads, so the same seed does the same things in the
same order, to the microsecond; `digest` over trace and ledger says so.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from interlock.assembly.hosting import hosted
from interlock.automation.wire import Wire
from interlock.releases import Release, load_release
from interlock.runtime import control
from interlock.runtime.worker import Notice, Pace
from interlock.store.sqlite import SqliteStore, open_sqlite
from interlock.testing.checker import ActionRule, BudgetRule, History, Rules, Submission, Violation, check
from interlock.testing.records import records_of, waiting_in
from interlock.testing.simulator import people
from interlock.testing.simulator.faults import Crash, Dice, Faults, StoreFaults, faults_of
from interlock.testing.simulator.process import Process, TurningInCircles, WallClock
from interlock.testing.simulator.world import ADVISORS, OUTSIDE, Outside, SimulatedAdvisors
from interlock.testing.time import START, ManualClock, VirtualLoop
from interlock.vocabulary.errors import InterlockError
from interlock.vocabulary.ids import BUDGETS

WORKLOAD = Path(__file__).parent / "workload"
SLOTS = 8
"""Few, so that cases share slots and budgets lie beside them."""

ACTIVE_S = 2_400.0
CALLS_MAX = 12_000
"""Uses of the store in one run: three times what a run with many accidents takes."""

SENDING_S = 7_200.0
HEALING_LOOKS_MAX = 60
HEALING_LOOK_S = 300.0


@dataclass(frozen=True)
class Outcome:
    """What a run came to. `digest` is equal for equal runs; `broken` empty when every guarantee held."""

    seed: int
    faults: Faults
    history: History
    broken: tuple[Violation, ...]
    trace: tuple[str, ...]
    digest: str

    def report(self) -> str:
        """For whoever has to find out why: the seed, how to see it again, and what was broken."""
        lines = [
            f"seed {self.seed}: {len(self.broken)} broken",
            f"  replay: python -m interlock.testing.simulator --seed {self.seed} --trace",
            f"  faults: {', '.join(self.faults.words()) or 'none'}",
            *(f"  {violation}" for violation in self.broken),
        ]
        return "\n".join(lines)


@lru_cache(maxsize=1)
def workload() -> Release:
    """The automation that is simulated."""
    return load_release(WORKLOAD)


def rules_of(release: Release) -> Rules:
    """What the automation promises, as the checker is told."""
    program = release.program
    return Rules(
        actions={
            name: ActionRule(
                kind=spec.kind,
                reversible=spec.reversible,
                once_per_case=spec.once_per_case,
                fenced=spec.fenced,
                checked=spec.checked,
                not_after=spec.not_after,
                final=spec.consequence == "final",
                key_valid_for=spec.key_valid_for,
                settle_after=spec.settle_after,
            )
            for name, spec in program.actions.items()
        },
        budgets={
            spec.name: BudgetRule(
                auto=spec.auto,
                hard=spec.hard,
                scale=spec.scale,
                sum=spec.sum.removeprefix("proposal."),
                actions=spec.actions,
                windowed=spec.per != "rolling",
            )
            for spec in program.budgets
        },
        two_eyes=frozenset(name for name, spec in program.reviews.items() if not spec.four_eyes),
    )


def simulate(seed: int, *, faults: Faults | None = None, path: Path | None = None) -> Outcome:
    """Run one seed. `faults` instead of the seed's own; `path`: a file for the store instead of memory."""
    loop = VirtualLoop(ManualClock())
    drawn = faults or faults_of(seed)
    try:
        run = Run(seed, drawn, loop.clock, path)
        loop.set_exception_handler(run.unhandled)
        playing = loop.create_task(run.play())
        run.stop = playing.cancel
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(playing)
        history = run.history()
        broken = (*run.broken, *check(history))
        digest = hashlib.sha256("\n".join(run.lines).encode())
        for slot, (lsn, head) in sorted(history.heads.items()):
            digest.update(f"{slot} {lsn} {head.hex()}".encode())
        return Outcome(seed, drawn, history, broken, tuple(run.lines), digest.hexdigest())
    finally:
        _end(loop)


def _end(loop: VirtualLoop) -> None:
    """Throw away what is still waiting somewhere, and what that leaves."""
    while tasks := asyncio.all_tasks(loop):
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


class Run:
    """One run in progress: its processes, its people, and everything that was seen."""

    def __init__(self, seed: int, faults: Faults, virtual: ManualClock, path: Path | None) -> None:
        self.seed = seed
        self.faults = faults
        self.release = workload()
        self.wire: Wire = self.release.loaded.wire
        self.rules = rules_of(self.release)
        self.submitted: list[Submission] = []
        self.doubts_seen: dict[str, int] = {}
        self.broken: list[Violation] = []
        self.lines: list[str] = []
        self._virtual = virtual
        self._path = path
        self._wall_error = 0
        self._processes: list[Process] = []
        self._buried: set[str] = set()
        self._born = 0
        self._using: Process | None = None
        self.stop: Callable[[], object] = lambda: None
        self._calls = 0
        self._healing = False
        self._settled = False
        self._waiting: tuple[tuple[str, str, str, str], ...] = ()
        self._dice: dict[str, Dice] = {}
        self._store_faults = StoreFaults(faults, self.dice("store"), self._killed)
        self._store = self._open()
        self._hosted = {self.release.name: hosted(self.release, self._store)}
        self._store.put_release(self.release.id, self.release.name, self.release.manifest.to_bytes(), now=START)
        self.outside = Outside(
            faults,
            self.dice("outside"),
            self.rules.actions,
            now=self.real_now,
            durable=lambda: {slot: lsn for slot, (lsn, _) in self._store.heads().items()},
            trace=self.trace,
        )
        self._advisors = SimulatedAdvisors(faults, self.dice("advisors"), self.trace)

    # --- what the parts know of the run

    def dice(self, purpose: str) -> Dice:
        found = self._dice.get(purpose)
        if found is None:
            found = self._dice[purpose] = Dice(self.seed, purpose)
        return found

    def real_now(self) -> int:
        return START + self._virtual.monotonic()

    def wall_now(self) -> int:
        return self.real_now() + self._wall_error

    def trace(self, text: str) -> None:
        self.lines.append(f"{self._virtual.monotonic() / 1e6:.6f} {text}")

    def entered(self, process: Process | None) -> None:
        self._using = process

    def counted(self) -> None:
        self._calls += 1
        if self._calls == CALLS_MAX:
            self.broken.append(Violation(4, f"the run turns in circles: the store was used {CALLS_MAX} times"))
            self.stop()
        if self._calls >= CALLS_MAX:
            raise TurningInCircles

    def ended(self, process: Process, why: str) -> None:
        self.trace(f"{process.name} died: {why}")

    def failed(self, process: Process, error: BaseException) -> None:
        self.trace(f"{process.name} failed: {error!r}")
        if not isinstance(error, TurningInCircles):
            self.broken.append(Violation(4, f"a worker ended with an error: {type(error).__name__}: {error}"))
            self.stop()

    def noticed(self, process: Process, notice: Notice) -> None:
        self.trace(f"{process.name} says {notice.what}")

    def door(self) -> Process | None:
        living = [process for process in self._processes if not process.dead]
        return self.dice("doors").one_of(living) if living else None

    def operating(self, work: Callable[[SqliteStore], Any]) -> Any:
        try:
            return work(self._store)
        except (Crash, InterlockError) as error:
            self.trace(f"operator failed: {type(error).__name__}")
            return None

    def unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception that nobody has waited for. A crashed process leaves some; anything else is a mistake."""
        error = context.get("exception")
        if not isinstance(error, Crash):
            self.broken.append(Violation(4, f"an error was handled by nobody: {context.get('message')}: {error!r}"))

    # --- the run

    async def play(self) -> None:
        OUTSIDE.set(self.outside)
        ADVISORS.set(self._advisors)
        faults, dice = self.faults, self.dice("people")
        letters = people.plan(self.dice("plan"), faults, self.wire, START, ACTIVE_S)
        sending = [
            asyncio.ensure_future(people.deliver(self, Dice(self.seed, f"letter {number}"), letter))
            for number, letter in enumerate(letters)
        ]
        others = [
            asyncio.ensure_future(self._supervise()),
            asyncio.ensure_future(people.review(self, self.dice("reviewers"))),
            asyncio.ensure_future(people.echo(self, self.dice("echo"))),
            asyncio.ensure_future(people.operate(self, dice, (60, 400))),
            *(asyncio.ensure_future(work) for work in self._accidents()),
        ]
        self._store_faults.on = True
        await asyncio.sleep(ACTIVE_S)
        self._heal()
        try:
            await asyncio.wait_for(asyncio.gather(*sending), SENDING_S)
        except TimeoutError:
            self.broken.append(Violation(4, "messages could not be handed in for hours without faults"))
            return
        for task in others[1:]:
            task.cancel()
        await self._finish()
        others[0].cancel()
        await self._stop()

    def _accidents(self) -> list[Any]:
        faults = self.faults
        return [
            self._each(faults.crashes_per_hour, "crashes", self._crash_one),
            self._each(faults.stalls_per_hour, "stalls", self._stall_one),
            self._each(faults.clock_steps_per_hour, "steps", self._step_clock),
            self._each(faults.clock_jumps_per_hour, "jumps", self._jump_clock),
            self._each(faults.pauses_per_hour, "pauses", self._pause),
            self._each(faults.outside_lies_down_per_hour, "outages", self._outage),
        ]

    async def _each(self, per_hour: float, purpose: str, happen: Callable[[Dice], Any]) -> None:
        dice = self.dice(purpose)
        while per_hour:
            await asyncio.sleep(dice.between(0.2, 1.8) * 3_600 / per_hour)
            await happen(dice)

    async def _crash_one(self, dice: Dice) -> None:
        living = [process for process in self._processes if not process.dead]
        if living:
            dice.one_of(living).die("killed")

    async def _stall_one(self, dice: Dice) -> None:
        living = [process for process in self._processes if not process.dead]
        if living:
            process = dice.one_of(living)
            self.trace(f"{process.name} stands still")
            process.stall(dice.between(1, 30))

    async def _step_clock(self, dice: Dice) -> None:
        step = dice.whole(-110, 60) * 1_000_000
        self.trace(f"clock steps by {step // 1_000_000} s")
        self._wall_error += step

    async def _jump_clock(self, dice: Dice) -> None:
        jump = dice.whole(400, 5_000) * 1_000_000
        self.trace(f"clock jumps by {jump // 1_000_000} s")
        self._wall_error += jump
        born = self._born
        await asyncio.sleep(dice.between(60, 400))
        # A process that started meanwhile had nothing to doubt the wall by. Taken back then, its slots would stand
        # still while the outside's clocks go on and keys are forgotten: no promise holds there.
        if dice.chance(0.5) and born == self._born:
            self._wall_error -= jump
            self.trace("clock jumps back")
        else:
            self._accept_clock()

    def _accept_clock(self) -> None:
        self.trace("operator accepts the clock")
        self.operating(lambda store: control.accept_clock(store, self.wall_now()))
        people.wake(self)

    async def _pause(self, dice: Dice) -> None:
        scope = dice.one_of(("all", "automation:desk", "action:desk/pay", "action:desk/letter"))
        if self.operating(lambda store: control.pause(store, [scope])) is None:
            return
        self.trace(f"operator pauses {scope}")
        await asyncio.sleep(dice.between(5, 1_200))
        self.operating(lambda store: control.resume(store, [scope]))
        self.trace(f"operator resumes {scope}")
        people.wake(self)

    async def _outage(self, dice: Dice) -> None:
        action = dice.one_of(("pay", "credit", "collect", "letter"))
        self.outside.down.add(action)
        await asyncio.sleep(dice.between(10, 300))
        self.outside.down.discard(action)

    # --- processes

    async def _supervise(self) -> None:
        """Start what is to run, and start again what has died."""
        dice = self.dice("supervisor")
        wanted = 2 if self.faults.second_worker else 1
        while True:
            living = sum(not process.dead for process in self._processes)
            for _ in range(living, 1 if self._healing else wanted):
                self._start(dice)
            self._bury(dice)
            await asyncio.sleep(dice.between(10, 40) if self._healing else dice.between(0.5, 6))

    def _start(self, dice: Dice) -> None:
        self._born += 1
        skew = 0 if self._healing else dice.whole(-2_000_000, 2_000_000)
        clock = WallClock(self._virtual, lambda: self._wall_error, skew)
        poll = None if self._healing or not self.faults.second_worker else 2_000_000
        process = Process(
            f"w{self._born}",
            self,
            self._store,
            self._hosted,
            clock,
            self.dice("spawn"),
            pace=Pace(poll=poll, ttl=60_000_000) if self._healing else Pace(poll=poll),
        )
        self.trace(f"{process.name} starts")
        self._processes.append(process)

    def _bury(self, dice: Dice) -> None:
        """Somebody notices a death: mostly soon, now and then only when the leases have run out."""
        for process in self._processes:
            if process.dead and process.name not in self._buried and (self._healing or dice.chance(0.7)):
                name = process.name
                if self.operating(lambda store, name=name: store.declare_dead(name, now=self.wall_now()) or True):
                    self._buried.add(name)
                    people.wake(self)

    def _killed(self, where: str) -> None:
        if self._using is not None:
            self._using.die(f"at {where}")

    def _open(self) -> SqliteStore:
        path = ":memory:" if self._path is None else self._path
        return open_sqlite(path, n_slots=SLOTS, durability="fsync", faults=self._store_faults)

    # --- healing and judging

    def _heal(self) -> None:
        """Faults end; whoever runs now is replaced by one healthy process."""
        self.trace("healing")
        self._store_faults.on = False
        self._healing = True
        self.faults = self.outside.faults = self._advisors.faults = Faults()
        self.outside.down.clear()
        for process in self._processes:
            process.die("replaced")
        self._wall_error = max(0, self._wall_error)
        control.resume(self._store, [])
        control.accept_clock(self._store, self.wall_now())

    async def _finish(self) -> None:
        """Work until nothing is left to do: people answer or let reviews expire, doubts are ended by the books."""
        dice = self.dice("finish")
        for look in range(HEALING_LOOKS_MAX):
            await asyncio.sleep(HEALING_LOOK_S)
            await people.resolve_doubts(self, dice, f"h{look}")
            for one in self._store.quarantine():
                self.operating(people.release_of(one.id, people.mending(one.envelope), self.wall_now()))
                people.wake(self)
            if look and self._nothing_left():
                self._settled = True
                return
        self.broken.append(Violation(4, "work was left after hours without faults", tuple(self._left())))

    def _nothing_left(self) -> bool:
        return not self._left()

    def _left(self) -> list[str]:
        left = [f"{one.command.id} {one.command.what}" for one in self._store.open_commands()]
        left += [f"quarantined {one.id}" for one in self._store.quarantine()]
        left += [f"message {'/'.join(name)}" for name in waiting_in(self._store)]
        for record in self._store.cases(automation=self.release.name, status=None, after=None, limit=10_000):
            left += [f"review {record.key}/{name}" for name in record.reviews]
            left += [f"effect {record.key}/{effect.id} {effect.status}" for effect in record.effects.values()]
            left += [f"question {record.key}/{name}" for name in record.questions]
        return left

    async def _stop(self) -> None:
        for process in self._processes:
            if not process.dead:
                process.worker.stop()
                await process.task
        self._waiting = waiting_in(self._store)

    def history(self) -> History:
        """Everything the judge is given."""
        stored = records_of(self._store, (self.release.name, BUDGETS))
        return History(
            rules=self.rules,
            submitted=tuple(self.submitted),
            calls=tuple(self.outside.calls),
            bookings=tuple(self.outside.bookings),
            ledger=stored.ledger,
            heads=stored.heads,
            cases=stored.cases,
            waiting=self._waiting,
            quarantined=stored.quarantined,
            settled=self._settled,
        )
