"""One run with real processes on a real store: from a seed to a judgement.

    active    for some seconds messages are sent, people act, and what the seed says goes wrong
    healing   everybody is replaced by healthy processes, which work until nothing is left to do
    judging   the simulation's independent checker reads what is stored and what the provider's books say

The processes are forks of this one, which has loaded everything and holds no connection, thread or event loop: a life
costs a fork and not the start of a program. What runs in them is what `interlock run` runs
(`assembly.run_worker`), with two things put in place of others: the store's hook that ends the process at a boundary,
and the clock that the driver moves.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from interlock.assembly import running
from interlock.kernel.outcome import Step
from interlock.ports import Store
from interlock.releases import Release, load_release
from interlock.runtime import control
from interlock.runtime.inbox import Admitted, Door
from interlock.runtime.threads import Pool
from interlock.runtime.watchdog import Watchdog
from interlock.settings import Settings
from interlock.testing.simulator import Faults
from interlock.testing.simulator.faults import Dice
from interlock.vocabulary.errors import StoreError
from interlock.vocabulary.events import EventBody
from tests.faults import advisors, judge, outside, people
from tests.faults.accidents import ACTIVE_S, Accidents, drawn
from tests.faults.boundaries import CRASHED, Boundaries, lines
from tests.faults.clock import SharedError, WorldClock, true_now
from tests.faults.stores import Place

WORKLOAD = Path(__file__).with_name("workload")

HEALING_S = 300.0
"""When a run that does not settle is given up. It takes seconds; a machine under load is slow, not wrong."""

ACTIVE_MAX_S = 40.0
"""When the active time ends however little has happened."""

CALLS_PER_ORDER = 1.5

OPERATOR_TRIES = 25

PLANTED_HEALING_S = 8.0
"""The same for a program with a planted mistake, of which nobody expects that it settles."""

SETTINGS = Settings(
    poll_ms=50,
    lease_ttl_ms=2_000,
    drain_ms=4_000,
    disk_free_min_mb=0,
    breaker_failures=20,
    breaker_open_ms=500,
    threads_max=4,
    slots=8,
)

DEADLY = 98
"""Exit code of a process that a message has killed."""

NOT_BEGUN = 75
"""Exit code of a process that found no database to begin with. It is started again, as a supervisor would."""

ENDS = {0, CRASHED, DEADLY, -signal.SIGKILL, -signal.SIGTERM}
"""How a process may end without anybody having to explain it."""


@lru_cache(maxsize=1)
def workload() -> Release:
    return load_release(WORKLOAD)


@dataclass
class Child:
    pid: int
    role: str
    stopped_until: float = 0.0


@dataclass
class Result:
    """What a run came to, as plain values. `broken`: what the judge found, in words; empty when all held."""

    seed: int
    store: str
    words: list[str]
    broken: list[str] = field(default_factory=list[str])
    counts: Counter[str] = field(default_factory=Counter[str])
    crash_points: Counter[str] = field(default_factory=Counter[str])
    doubts: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0


class World:
    """One run in progress. The only thing in this process that changes is the list of children."""

    def __init__(
        self,
        seed: int,
        place: Place,
        folder: Path,
        accidents: Accidents | None = None,
        *,
        healing_s: float = HEALING_S,
    ) -> None:
        self.seed = seed
        self.healing_s = healing_s
        self.place = place
        self.folder = folder
        self.accidents = accidents or drawn(seed, place.breaks)
        self.counts: Counter[str] = Counter()
        self.broken: list[str] = []
        self.error = SharedError()
        self.start = true_now()
        self.lost: tuple[int, int] | None = None
        self._dice = Dice(seed, "driver")
        self._children: list[Child] = []
        self._born: Counter[str] = Counter()
        self._healing = False
        # Unix sockets have short names; a test's folder may not.
        self.socket = str(folder / "outside.sock")

    # --- the run

    def run(self) -> Result:
        workload()
        began = time.monotonic()
        try:
            self.place.make()
            self._in_child("setup", lambda: self._with_store(self._set_up))
            self._provider()
            self._active()
            self._heal()
            result = self._judged()
        finally:
            for child in list(self._children):
                self._kill(child)
            self.place.remove()
        result.seconds = time.monotonic() - began
        return result

    def _set_up(self, store: Store) -> None:
        """What stands in the store before anything begins."""

    def _active(self) -> None:
        self._people(healing=False)
        moments = list(self.accidents.moments)
        if "restore" in self.accidents.has:
            self._backup()
        births: list[float] = []
        for _ in range(self.accidents.workers):
            self._worker()
        while (at := self._elapsed()) < ACTIVE_S or not (at > ACTIVE_MAX_S or self._has_been_tried()):
            while moments and moments[0][0] <= at:
                self._happen(moments.pop(0)[1])
            self._wake_stopped()
            for child in self._buried():
                if child.role == "worker":
                    births.append(at + self._dice.between(0, 0.6))
                elif child.role == "people":
                    self._people(healing=False)
            while births and min(births) <= at:
                births.remove(min(births))
                self._worker()
            time.sleep(0.01)

    def _has_been_tried(self) -> bool:
        """Whether the outside was asked often enough for its faults to have mattered. A slow machine takes longer."""
        calls = self.folder / "calls.jsonl"
        return calls.exists() and calls.read_bytes().count(b"\n") >= CALLS_PER_ORDER * self.accidents.orders

    def _heal(self) -> None:
        """Everything that is broken is mended, and healthy processes go on."""
        self._healing = True
        self._end_everybody()
        self.place.free()
        self._ask_provider("heal")
        # The wall stands where it once stood furthest, so that nobody has to wait until it gets there again.
        self.error.set(max(self.error.now, self.error.highest))
        now = WorldClock(self.error).now
        self._in_child("operator", lambda: self._with_store(lambda store: self._mend(store, now())))
        self._worker()
        self._people(healing=True)
        until = time.monotonic() + self.healing_s
        settled = False
        while not settled and time.monotonic() < until:
            for child in self._buried():
                if child.role == "people":
                    settled = True
                elif child.role == "worker":
                    self._worker()
            time.sleep(0.01)
        if not settled:
            left = (self.folder / "left.txt").read_text().splitlines()
            self.broken.append(
                f"guarantee 4: work was left after {self.healing_s:.0f} s without faults [{'; '.join(left)}]"
            )
        for child in self._of("worker"):
            os.kill(child.pid, signal.SIGTERM)
        self._await("worker")

    def _judged(self) -> Result:
        for child in list(self._children):
            self._kill(child)
        found = self._in_child("judge", lambda: self._with_store(lambda store: judge.judged(store, self.run_seen())))
        crashes = lines(self.folder / "crashes.jsonl")
        points = Counter(str(line["before"]) for line in crashes)
        self.counts["crash_points"] = len(crashes)
        self.counts.update(found["counts"])
        return Result(
            seed=self.seed,
            store=self.place.name,
            words=self.accidents.words(),
            broken=self.broken + found["broken"],
            counts=self.counts,
            crash_points=points,
            doubts=Counter(found["doubts"]),
        )

    def letters(self) -> list[people.Letter]:
        plan = self.accidents
        return people.plan(self.seed, plan.outside, workload(), self.start, plan.orders)

    def run_seen(self) -> judge.Seen:
        return judge.Seen(self.folder, workload(), settled=not self.broken, lost=self.lost)

    # --- accidents

    def _happen(self, what: str) -> None:
        dice = self._dice
        workers = [child for child in self._of("worker") if not child.stopped_until]
        match what:
            case "kill_worker" if workers:
                self._kill(dice.one_of(workers), keep=True)
            case "stop_worker" if workers:
                self._stop(dice.one_of(workers), dice.between(0.3, 4))
            case "kill_people":
                for child in self._of("people"):
                    self._kill(child, keep=True)
            case "step_clock":
                self.error.set(self.error.now + dice.whole(-110, 60) * 1_000_000)
            case "jump_clock":
                self._jump_clock()
            case "pause":
                self._pause()
            case "disk_full":
                self._fill_disk()
            case "restore":
                self._restore()
            case _ if what in ("kill_worker", "stop_worker"):
                return
            case other:
                self.place.happen(other, dice)
        self.counts[what] += 1

    def _jump_clock(self) -> None:
        """Ahead by more than is believed; then the wall comes back, or an operator says that it is right."""
        jump = self._dice.whole(400, 5_000) * 1_000_000
        born = self._born["worker"]
        self.error.set(self.error.now + jump)
        self._wait(self._dice.between(0.3, 1.2))
        # A process that started meanwhile had nothing to doubt the wall by, and slots never go back.
        if born == self._born["worker"] and self._dice.chance(0.5):
            self.error.set(self.error.now - jump)
        else:
            now = WorldClock(self.error).now()
            self._operator(lambda store: control.accept_clock(store, now))

    def _pause(self) -> None:
        scope = self._dice.one_of(("all", "automation:desk", "action:desk/pay", "action:desk/letter"))
        self._operator(lambda store: control.pause(store, [scope]))
        self._wait(self._dice.between(0.1, 1))
        self._operator(lambda store: control.resume(store, [scope]))

    def _fill_disk(self) -> None:
        self.place.fill()
        self._wait(self._dice.between(0.2, 1))
        self.place.free()

    def _backup(self) -> None:
        since = true_now()
        self.lost = (since, since)
        self._in_child("backup", lambda: self.place.backup(self.folder / "backup.db"))

    def _restore(self) -> None:
        """The newest state is lost. What was under way outside lands before anybody goes on."""
        assert self.lost is not None
        self._end_everybody()
        while not self._ask_provider("idle")["idle"]:
            time.sleep(0.01)
        now = WorldClock(self.error).now()
        self._in_child("restore", lambda: self.place.restore(self.folder / "backup.db", now))
        self.lost = (self.lost[0], true_now())
        for _ in range(self.accidents.workers):
            self._worker()
        self._people(healing=False)
        self._wait(self._dice.between(0.3, 1.5))
        # Whoever ends a recovery looks at the clock first: with one that is behind, what is sent again passes for new.
        self.error.set(max(0, self.error.now))
        self._operator(lambda store: people.end_recovery(store, WorldClock(self.error).now()))

    def _wait(self, seconds: float) -> None:
        """Let an accident last while everything else goes on."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._wake_stopped()
            time.sleep(0.01)

    def _mend(self, store: Store, now: int) -> None:
        people.mend(store, now)
        people.end_recovery(store, now)

    # --- processes

    def _elapsed(self) -> float:
        return (true_now() - self.start) / 1_000_000

    def _of(self, role: str) -> list[Child]:
        return [child for child in self._children if child.role == role]

    def _fork(self, role: str, work: Callable[[], object]) -> Child:
        """Do the work in a process of its own. What it says goes to `log.txt`."""
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            _become(work, self.folder / "log.txt", role)
        child = Child(pid, role)
        self._children.append(child)
        return child

    def _in_child(self, role: str, work: Callable[[], Any]) -> Any:
        """Do a finite work in a process of its own and return what it says, as JSON. Raises when it failed."""
        told = self.folder / f"{role}.json"
        child = self._fork(role, lambda: told.write_text(json.dumps(work())))
        _, status = os.waitpid(child.pid, 0)
        self._children.remove(child)
        if status != 0:
            raise AssertionError(f"{role} failed: {(self.folder / 'log.txt').read_text()[-4_000:]}")
        return json.loads(told.read_text())

    def _operator(self, work: Callable[[Store], Any]) -> None:
        """A command of an operator, who gives it again while the database does not take it."""
        for _ in range(OPERATOR_TRIES):
            child = self._fork("operator", lambda: self._with_store(work))
            _, status = os.waitpid(child.pid, 0)
            self._children.remove(child)
            if status == 0:
                return
            self._wait(0.2)

    def _with_store(self, work: Callable[[Store], Any]) -> Any:
        store = self.place.open()
        try:
            return work(store)
        finally:
            store.close()

    def _provider(self) -> None:
        heads = self.place.heads()
        dice = Dice(self.seed, "outside")
        self._fork("provider", lambda: outside.run(self.folder, self.socket, self.accidents.outside, dice, heads))
        while True:
            with suppress(OSError, outside.Unreachable):
                self._ask_provider("idle")
                return
            time.sleep(0.01)

    def _ask_provider(self, what: str, **said: object) -> dict[str, Any]:
        return _ask(self.socket, {"what": what, **said})

    def _worker(self, *, at: int = 0, until_idle: bool = False) -> Child:
        """`at`: the boundary at which it ends, whatever its dice say."""
        self._born["worker"] += 1
        number = self._born["worker"]
        dice = Dice(self.seed, f"worker {number}")
        plan = self.accidents
        if not self._healing and dice.chance(plan.crash_points):
            # As likely to be among the first ten as between the hundredth and the thousandth.
            at = int(10 ** dice.between(0, 3))
        slow = 0.0 if self._healing else plan.slow_disk
        skew = 0 if self._healing else dice.whole(-2_000_000, 2_000_000)
        hook = Boundaries(self.folder, f"worker {number}", at=at, slow=slow)
        faults = Faults() if self._healing else plan.outside

        def work() -> None:
            os.environ[outside.SOCKET] = self.socket
            advisors.begin(faults, dice)
            work_as(self.place, WorldClock(self.error, skew), hook, until_idle=until_idle)
            (self.folder / "passed.txt").write_text(str(hook.passed))

        return self._fork("worker", work)

    def _people(self, *, healing: bool) -> None:
        self._born["people"] += 1
        number = self._born["people"]
        dice = Dice(self.seed, f"people {number}")
        plan = self.accidents
        at = int(10 ** dice.between(0, 2.5)) if not healing and dice.chance(plan.crash_points * 0.5) else 0
        hook = Boundaries(self.folder, f"people {number}", at=at)
        faults = Faults() if healing else plan.outside
        letters = self.letters()
        lost_since = self.lost[0] if self.lost and self.lost[1] > self.lost[0] else 0

        async def everybody() -> None:
            with begins():
                store, clock = self.place.open(hook), WorldClock(self.error)
            spawn = Pool("people", 1)
            door = Door(store, clock=clock, spawn=spawn, admitted=Admitted(10**6, 10**6, 0))
            town = people.Town(
                self.folder,
                store,
                clock,
                door,
                spawn,
                dice,
                faults,
                self.start,
                doubt_look=people.HEALTHY_LOOK_US if healing else people.DOUBT_LOOK_US,
                restored=self.lost is not None,
            )
            await people.live(town, letters, lost_since=lost_since, healing=healing)
            spawn.close()
            store.close()

        def work() -> None:
            os.environ[outside.SOCKET] = self.socket
            asyncio.run(everybody())

        self._fork("people", work)

    def _kill(self, child: Child, *, keep: bool = False) -> None:
        """SIGKILL. `keep`: its death is noticed in the ordinary way."""
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        if not keep:
            with suppress(ChildProcessError):
                os.waitpid(child.pid, 0)
            self._children.remove(child)

    def _stop(self, child: Child, seconds: float) -> None:
        os.kill(child.pid, signal.SIGSTOP)
        child.stopped_until = time.monotonic() + seconds

    def _wake_stopped(self) -> None:
        for child in self._children:
            if child.stopped_until and child.stopped_until <= time.monotonic():
                child.stopped_until = 0.0
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGCONT)

    def _end_everybody(self) -> None:
        for child in [*self._of("worker"), *self._of("people")]:
            self._kill(child)

    def _buried(self) -> list[Child]:
        """Children that have ended, no longer among the living. One that ended with an error of its own is noted."""
        ended: list[Child] = []
        for child in list(self._children):
            found, status = os.waitpid(child.pid, os.WNOHANG)
            if found:
                self._children.remove(child)
                ended.append(child)
                self._judge_end(child, os.waitstatus_to_exitcode(status))
        return ended

    def _judge_end(self, child: Child, code: int) -> None:
        self.counts[f"{child.role}s ended"] += 1
        if code in ENDS:
            return
        if code == NOT_BEGUN and self.accidents.has & self.place.excuses:
            self.counts["begun without a database"] += 1
            return
        said = (self.folder / "log.txt").read_text()[-3_000:]
        self.broken.append(f"guarantee 4: a {child.role} ended with an error (exit code {code}): {said}")

    def _await(self, role: str) -> None:
        for child in self._of(role):
            _, status = os.waitpid(child.pid, 0)
            self._children.remove(child)
            self._judge_end(child, os.waitstatus_to_exitcode(status))


class DeadlyWatchdog(Watchdog):
    """A worker's watchdog in a world where consuming a message of type Deadly ends the process."""

    def run(self, step: Callable[[], Step]) -> Step:
        done = super().run(step)
        for turn in done.turns:
            body = turn.cause.body
            if isinstance(body, EventBody) and body.type == "Deadly":
                os._exit(DEADLY)
        return done


@contextmanager
def begins(begun: Callable[[], bool] = lambda: False) -> Generator[None]:
    """A process that cannot begin says so by its exit code. What has begun must outlive its database's troubles."""
    try:
        yield
    except StoreError as error:
        if begun():
            raise
        print(f"not begun: {error}", file=sys.stderr, flush=True)
        os._exit(NOT_BEGUN)


def work_as(place: Place, clock: WorldClock, hook: Boundaries, *, until_idle: bool = False) -> None:
    """Be `interlock run` on this place, on this clock and with this hook."""
    running.open_store = lambda url, slots: place.open(hook)  # type: ignore[assignment]
    running.load_release = lambda folder: workload()  # type: ignore[assignment]
    running.Watchdog = DeadlyWatchdog  # type: ignore[misc]
    running.clock_of = lambda store: clock  # type: ignore[assignment]
    real, begun = running.make_worker, False

    def make_worker(*arguments: Any) -> Any:
        nonlocal begun
        begun = True
        return real(*arguments)

    running.make_worker = make_worker
    with begins(lambda: begun):
        running.run_worker("", [WORKLOAD], settings=SETTINGS, until_idle=until_idle)


def _become(work: Callable[[], object], log: Path, role: str) -> NoReturn:
    """The body of a fork: never returns into its parent's code."""
    try:
        handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it was, it ends here
        print(f"--- {role} {os.getpid()}", file=sys.stderr)
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _ask(socket: str, said: dict[str, object]) -> dict[str, Any]:
    """One request to the provider, without an event loop."""
    import socket as sockets

    with sockets.socket(sockets.AF_UNIX) as line:
        line.connect(socket)
        line.sendall(json.dumps(said).encode() + b"\n")
        return json.loads(line.makefile().readline() or "{}")
