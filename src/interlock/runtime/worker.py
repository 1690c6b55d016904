"""The loop that makes cases move.

One worker is one event loop and one store. Every cycle it takes the slots that have work, runs a unit for each in one
blocking call on the store's thread, commits them together, and launches what was taken in hand. Slots become dirty
when something was accepted for them here, when a call of theirs has ended, when another slot sent them a message,
when a deadline passes, and when the store says so (`ready`), which is how work accepted by other processes is found.

Nothing that the worker holds in memory is the only copy of anything but an outcome on its way into the store, and
that one is covered by its command's lease: if the worker dies, the command is lost and recovered.

INVARIANT: a call is launched after the commit that leased it, and its outcome is kept until a commit has consumed it.
INVARIANT: a full or busy store loses nothing: the cycle is tried again with the same outcomes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from interlock.ports import Clock, Lease, Spawn, Store
from interlock.runtime.clock import ClockGuard
from interlock.runtime.control import clock_accepted_at
from interlock.runtime.dispatch import Dispatcher
from interlock.runtime.hosted import Hosted
from interlock.runtime.parcels import Parcel, contents, hand_out, slots_of
from interlock.runtime.recent import Recent
from interlock.runtime.sharing import Sharing
from interlock.runtime.solo import Tries, take_solo
from interlock.runtime.turns import Cycle, Guard, Taken, Unguarded, take_turns
from interlock.vocabulary import limits
from interlock.vocabulary.errors import StoreBusy, StoreConflict, StoreFull
from interlock.vocabulary.events import Envelope

T = TypeVar("T")

SLOTS_PER_COMMIT_MAX = 64
"""Slots whose units share one physical transaction: bounds how long a writer holds the store."""

MESSAGES_PER_COMMIT = 1_024
"""Messages that the units of one physical transaction consume together, about."""

YIELDS = 5
"""Turns of the event loop between two transactions under load. A sender that has its receipt needs four to hand over
its next message, a call whose answer is there at once as many; waiting for them costs microseconds and makes the next
transaction carry what two would have (measured: 0.11 transactions per case for 0.19, and a quarter less CPU).
"""

BACKOFF_FIRST_US = 20_000
BACKOFF_MAX_US = 2_000_000
"""Pauses after the store was full or busy, and before a slot is looked at again that the store calls ready though
nothing moves.
"""


CYCLES_PER_POLL = 10
POLL_PAUSE_MAX_US = 1_000_000
"""A worker whose transactions take long looks for others' work after ten of them, or a second: it has enough to do, and
on a machine that is behind it would otherwise look with each, and take from the next worker what that one has just
accepted.
"""

BUSY_PAUSE_US = 3_000
"""How long to leave slots that another worker holds, where there is nothing else to do: about as long as its
transaction lasts. Asking for them without a pause costs ten transactions for each that gets them.
"""


@dataclass(frozen=True)
class Pace:
    """How often a worker does what no message tells it to do. Microseconds.

    poll    how often other processes' work is looked for; None: there are no other processes
    ttl     how long a lease lasts; it is renewed, and the worker reports that it lives, at a third of that
    drain   how long calls in flight may go on after `stop`
    """

    poll: int | None = 100_000
    ttl: int = limits.LEASE_TTL_MS * 1_000
    drain: int = 20_000_000


@dataclass(frozen=True)
class Notice:
    """Something the operator should know of a worker that goes on.

    `what` is stable: store_full, store_busy, recovered, quarantined, clock_jump, clock_accepted, loop_blocked.
    """

    what: str
    text: str


@dataclass
class Tally:
    """What a worker has done since it began. `outcomes`: answers and results of its calls that units have consumed."""

    cycles: int = 0
    turns: int = 0
    outcomes: int = 0
    launched: int = 0
    conflicts: int = 0
    retries: int = 0


@dataclass
class _Plan:
    slots: dict[int, bool]
    outcomes: dict[int, list[Envelope]]
    ready: bool
    beat: bool
    now: int
    cycle: Cycle
    parcels: list[Parcel]


@dataclass
class _Came:
    """What a cycle on the store's thread has come to."""

    taken: list[tuple[int, Taken]] = field(default_factory=list[tuple[int, Taken]])
    busy: set[int] = field(default_factory=set[int])
    solo: set[int] = field(default_factory=set[int])
    relayed: frozenset[int] = frozenset()
    clock_accepted: bool = False
    ready: frozenset[int] = frozenset()
    left: list[int] = field(default_factory=list[int])
    next_due: int | None = None


def _silent(notice: Notice) -> None:
    """Nobody listens."""


class Worker:
    """Runs until `stop` has drained it, or the store cannot be written any more (raises StoreError)."""

    def __init__(
        self,
        store: Store,
        hosted: Mapping[str, Hosted],
        *,
        name: str,
        clock: Clock,
        spawn: Spawn,
        pace: Pace | None = None,
        guard: Guard | None = None,
        report: Callable[[Notice], None] = _silent,
        breaker_failures: int = limits.BREAKER_FAILURES,
        breaker_open: int = limits.BREAKER_OPEN_MS * 1_000,
        jump_max: int = limits.CLOCK_JUMP_MS_MAX * 1_000,
    ) -> None:
        self.name = name
        self.tally = Tally()
        self.clock = ClockGuard(clock, jump_max=jump_max)
        self._store = store
        self._hosted = dict(hosted)
        self._spawn = spawn
        self._recent = Recent()
        self._pace = pace or Pace()
        self._guard = guard or Unguarded()
        self._report = report
        self._wake = asyncio.Event()
        self.dispatcher = Dispatcher(
            self._hosted,
            now=self.clock.now,
            arrived=self._wake.set,
            breaker_failures=breaker_failures,
            breaker_open=breaker_open,
        )
        # slot -> whether stored commands are to be looked for, too
        self._dirty: dict[int, bool] = {}
        self._outcomes: dict[int, list[Envelope]] = {}
        self._starved: dict[str, deque[int]] = {}
        self._stalled: dict[int, tuple[int, int]] = {}
        # Slots with work that another worker held when they were asked for last.
        self._held: set[int] = set()
        self._sharing = Sharing(name)
        self._tries = Tries()
        self._next_due: int | None = None
        self._next_poll = 0
        self._next_beat = 0
        self._told: dict[str, str] = {}
        self._backoff = 0
        self._in_cycle: frozenset[int] = frozenset()
        # A cycle that asks the store what is ready may be in any slot.
        self._in_any = False
        # Whether others' automations have work here, which must not stand before ours.
        self._foreign = False
        self._stopping = False
        self._drained_by: int | None = None
        self._frozen_told = False
        self._watchers: list[asyncio.Future[None]] = []
        self._parcels: list[Parcel] = []
        # Between `join` and the end of the loop.
        self._at_it = False

    # --- from outside, on the worker's loop

    def wake(self, slots: Iterable[int], *, look: bool = False) -> None:
        """Something waits in these slots. `look`: perhaps commands, too (a pause has ended)."""
        for slot in slots:
            self._stalled.pop(slot, None)
            self._dirty[slot] = look or self._dirty.get(slot, False)
        self._wake.set()

    def take_along(self, parcel: Parcel) -> bool:
        """Accept these messages with the next transaction. False: not by this worker, now."""
        if not self._at_it or self._stopping or self._backoff:
            return False
        self._parcels.append(parcel)
        self._wake.set()
        return True

    def host(self, name: str, one: Hosted) -> None:
        """Take on another automation, or another release of one."""
        self._hosted[name] = one
        self.dispatcher.forget_limits()
        self.look_everywhere()

    def look_everywhere(self) -> None:
        """Ask the store at once what is ready."""
        self._next_poll = 0
        self._stalled.clear()
        self._wake.set()

    def stop(self) -> None:
        """Take nothing more in hand; end when what is in flight has ended or the time for that is over."""
        self._stopping = True
        self._wake.set()

    def accept_clock(self) -> None:
        """An operator says that the wall clock is right after a jump."""
        self.clock.accept()
        self._frozen_told = False
        self._report(Notice("clock_accepted", "The wall clock is accepted; timers, expiries and starts go on."))
        self.look_everywhere()

    def moving(self, slot: int | None = None) -> bool:
        """Whether anything is on its way (in this slot): a unit, an outcome, a call."""
        if slot is None:
            return self.working() or len(self.dispatcher) > 0
        return (
            slot in self._dirty
            or slot in self._outcomes
            or slot in self._in_cycle
            or self._in_any
            or self.dispatcher.pending
            or any(lease.slot == slot for lease in self.dispatcher.in_hand())
        )

    def working(self) -> bool:
        """Whether anything is to be done here, calls in flight aside."""
        busy = self._dirty or self._outcomes or self._in_cycle or self._in_any or self.dispatcher.pending
        return bool(busy) or self._is_due()

    def stalled(self) -> frozenset[int]:
        """Slots that the store calls ready, but in which nothing moves here: other workers' automations, foremost."""
        return frozenset(self._stalled)

    def _is_due(self) -> bool:
        if self._next_poll == 0:
            return True
        return not self.clock.frozen and self._next_due is not None and self._next_due <= self.clock.now()

    async def changed(self) -> None:
        """Return after the next cycle."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.append(future)
        await future

    # --- the loop

    async def run(self) -> None:
        """Work until stopped and drained."""
        now = self.clock.now()
        await self._blocking(lambda: self._join(now))
        self._next_beat = now + self._pace.ttl // 3
        self._at_it = True
        try:
            while not self._over():
                await self._sleep()
                if not self._over():
                    await self._turn()
            with suppress(StoreBusy, StoreFull):
                # A store that cannot be told sees it all the same, when this process ends.
                await self._spawn.blocking(lambda: self._store.leave(self.name))
        finally:
            self._at_it = False
            self._settle(self._parcels)
            self.dispatcher.close()
            self._tell_watchers()

    def _over(self) -> bool:
        if not self._stopping:
            return False
        now = self.clock.now()
        if self._drained_by is None:
            self._drained_by = now + self._pace.drain
        settled = not len(self.dispatcher) and not self.dispatcher.pending and not self._outcomes
        return settled or now >= self._drained_by

    async def _sleep(self) -> None:
        """Until there is something to do."""
        held = self._held
        if self._outcomes.keys() - held or (self._dirty.keys() - held and not self._stopping):
            # Under load the loop never waits, but it must let calls begin and end.
            self._wake.clear()
            for _ in range(YIELDS):
                await asyncio.sleep(0)
            return
        if self._wake.is_set():
            self._wake.clear()
            return
        now = self.clock.now()
        moments = [self._next_beat]
        if self._held and (self._outcomes or not self._stopping):
            moments.append(now + BUSY_PAUSE_US)
        if self._drained_by is not None:
            moments.append(self._drained_by)
        # A worker that drains looks for nothing new: those moments stay in the past, and waiting for one would be a
        # loop in which no call in flight could end.
        if not self._stopping and (self._pace.poll is not None or self._next_poll == 0):
            moments.append(self._next_poll)
        if not self._stopping and self._next_due is not None and not self.clock.frozen:
            moments.append(self._next_due)
        wait = min(moments) - now
        if wait > 0:
            # A microsecond more: a loop's timer may fire a hair early, and a deadline that is not yet due would be
            # looked for twice.
            timer = asyncio.get_running_loop().call_later((wait + 1) / 1_000_000, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
        self._wake.clear()

    async def _blocking(self, work: Callable[[], None]) -> None:
        """A small thing on the store's thread; waits out a store that is full or busy."""
        while True:
            try:
                await self._spawn.blocking(work)
            except (StoreBusy, StoreFull) as error:
                await self._wait_for_store(error)
            else:
                self._backoff = 0
                return

    async def _wait_for_store(self, error: StoreBusy | StoreFull) -> None:
        self.tally.retries += 1
        if self._backoff == 0:
            self._report(Notice(error.code, f"{error} Trying again until it works; nothing is lost."))
        self._backoff = min(BACKOFF_MAX_US, max(BACKOFF_FIRST_US, self._backoff * 2))
        await asyncio.sleep(self._backoff / 1_000_000)

    async def _turn(self) -> None:
        """One cycle: plan, run it on the store's thread, launch what it took in hand."""
        plan = self._plan()
        if not (plan.slots or plan.ready or plan.beat or plan.parcels):
            return
        self._in_cycle, self._in_any = frozenset(plan.slots), plan.ready
        try:
            came = await self._try(lambda: self._cycle(plan))
        finally:
            self._settle(plan.parcels)
        if came is None:
            self._restore(plan.slots, plan.outcomes)
        else:
            self._after(plan, came)
            for slot in sorted(came.solo):
                await self._visit(slot, plan)
        self._in_cycle, self._in_any = frozenset(), False
        self._tell_watchers()

    async def _visit(self, slot: int, plan: _Plan) -> None:
        """A slot in solo mode: transactions of its own, so that a death there takes no neighbour with it."""
        outcomes = plan.outcomes.get(slot, [])
        tries, alone = self._tries, self._sharing.alone
        solo = await self._try(
            lambda: take_solo(
                self._store, slot, self.name, plan.cycle, outcomes, now=plan.now, tries=tries, alone=alone
            )
        )
        if solo is None:
            self._restore({slot: True}, {slot: outcomes})
            return
        if solo.kept:
            self._restore({slot: True}, {slot: list(solo.kept)})
        came = _Came(taken=[(slot, solo.taken)], solo={slot}, relayed=solo.relayed, ready=frozenset({slot}))
        self._absorb(plan.now, came)

    async def _try(self, work: Callable[[], T]) -> T | None:
        """Work on the store's thread.

        None: the store could not take it now, nothing was written, and a pause has passed.
        """
        try:
            done = await self._spawn.blocking(work)
        except (StoreBusy, StoreFull) as error:
            await self._wait_for_store(error)
            return None
        except StoreConflict:
            self.tally.conflicts += 1
            await asyncio.sleep(BACKOFF_FIRST_US / 1_000_000)
            return None
        if self._backoff:
            self._backoff = 0
            self._report(Notice("recovered", "The store takes writes again."))
        return done

    def _settle(self, parcels: list[Parcel]) -> None:
        """Let the door have them back. Those without receipts it writes itself, and learns what is wrong."""
        for parcel in parcels:
            if parcel.receipts is not None:
                self.wake(slots_of(parcel.receipts))
            parcel.settle()

    def _plan(self) -> _Plan:
        now = self.clock.now()
        for slot, envelope in self.dispatcher.take():
            self._outcomes.setdefault(slot, []).append(envelope)
        self._feed_starved(now)
        if self.clock.frozen and not self._frozen_told:
            self._frozen_told = True
            self._report(Notice("clock_jump", CLOCK_JUMPED))
        slots: dict[int, bool] = {}
        outcomes: dict[int, list[Envelope]] = {}
        for slot in list(self._outcomes)[:SLOTS_PER_COMMIT_MAX]:
            outcomes[slot] = self._outcomes.pop(slot)
            slots[slot] = self._dirty.pop(slot, False)
        if not self._stopping:
            for slot in list(self._dirty)[: SLOTS_PER_COMMIT_MAX - len(slots)]:
                slots[slot] = self._dirty.pop(slot)
        breaker, reopens = self.dispatcher.unwell(now)
        ttl = self._pace.ttl
        stopping = self._stopping
        cycle = Cycle(
            hosted=self._hosted,
            lease_until=lambda moment: moment + ttl,
            room_of=lambda dependency: 0 if stopping else self.dispatcher.room(dependency, now),
            in_hand=self.dispatcher.__contains__,
            breaker=breaker,
            reopens={} if stopping else reopens,
            full=self.dispatcher.full(),
            frozen=self.clock.frozen,
            guard=self._guard,
            recent=self._recent,
            only=frozenset(self._hosted) if self._foreign else None,
        )
        due = self._next_due is not None and self._next_due <= now and not self.clock.frozen
        polled = self._next_poll <= now and (self._pace.poll is not None or self._next_poll == 0)
        parcels, self._parcels = self._parcels, []
        return _Plan(slots, outcomes, (due or polled) and not stopping, self._next_beat <= now, now, cycle, parcels)

    def _restore(self, slots: Mapping[int, bool], outcomes: Mapping[int, list[Envelope]]) -> None:
        """Nothing of this was committed: it is still to be done, at once."""
        self._give_back(slots, outcomes)
        self._wake.set()

    def _give_back(self, slots: Mapping[int, bool], outcomes: Mapping[int, list[Envelope]]) -> None:
        for slot, look in slots.items():
            self._dirty[slot] = look or self._dirty.get(slot, False)
        for slot, envelopes in outcomes.items():
            if envelopes:
                self._outcomes[slot] = envelopes + self._outcomes.get(slot, [])

    # --- on the store's thread

    def _cycle(self, plan: _Plan) -> _Came:
        store, came = self._store, _Came()
        if plan.beat:
            store.beat(self.name, now=plan.now)
            self._tell()
            self._look_around()
            self._renew(plan.now)
        if plan.cycle.frozen:
            came.clock_accepted = clock_accepted_at(store.control()) > plan.now
        slots = plan.slots
        if plan.ready:
            hint = store.ready(now=plan.now, full=plan.cycle.full, hosted=plan.cycle.only)
            came.ready, came.next_due = hint.slots, hint.next_due
            own, late = self._sharing.split(hint.slots, plan.now)
            for slot in own:
                if slot in slots:
                    slots[slot] = True
                elif self._is_stalled(slot, plan.now):
                    continue
                elif len(slots) < SLOTS_PER_COMMIT_MAX:
                    slots[slot] = True
                else:
                    came.left.append(slot)
            for slot in late:
                if slot in slots or (len(slots) < SLOTS_PER_COMMIT_MAX and not self._is_stalled(slot, plan.now)):
                    slots[slot] = True
        parcels = [parcel for parcel in plan.parcels if not parcel.refused()]
        if not slots and not parcels:
            return came
        limit = 0 if self._stopping else min(limits.UNIT_MESSAGES_MAX, max(8, MESSAGES_PER_COMMIT // (len(slots) or 1)))
        with (
            store.units(list(slots), worker=self.name, now=plan.now, accept=contents(parcels)) as units,
            self._guard.watching(),
        ):
            for unit in units:
                if unit.solo:
                    came.solo.add(unit.slot)
                    continue
                outcomes = plan.outcomes.get(unit.slot, ())
                taken = take_turns(unit, plan.cycle, outcomes, limit=limit, look=slots[unit.slot])
                if taken.writes is not None:
                    unit.commit(taken.writes)
                came.taken.append((unit.slot, taken))
            came.busy.update(slots.keys() - {unit.slot for unit in units})
        came.relayed = units.relayed
        hand_out(parcels, units.receipts)
        return came

    def _join(self, now: int) -> None:
        self._store.join(self.name, now=now)
        self._told.clear()
        self._tell()
        self._look_around()

    def _tell(self) -> None:
        """Let people who look see what this worker works on."""
        hosts = {name: one.program.release for name, one in self._hosted.items()}
        if hosts != self._told:
            self._store.tell(self.name, hosts)
            self._told = hosts

    def _look_around(self) -> None:
        """Who else works here. Without a poll there is nobody else by definition."""
        if self._pace.poll is not None:
            self._sharing.live(self._store.hosting(), self._hosted)

    def _is_stalled(self, slot: int, now: int) -> bool:
        stalled = self._stalled.get(slot)
        return stalled is not None and stalled[0] > now

    def _renew(self, now: int) -> None:
        by_slot: dict[int, list[str]] = {}
        for lease in self.dispatcher.in_hand():
            by_slot.setdefault(lease.slot, []).append(lease.command.id)
        if by_slot:
            self._store.renew(self.name, by_slot, until=now + self._pace.ttl)

    # --- after a cycle

    def _after(self, plan: _Plan, came: _Came) -> None:
        if plan.beat:
            self._next_beat = plan.now + self._pace.ttl // 3
        if plan.ready:
            self._next_due = came.next_due
            took = self.clock.now() - plan.now
            self._next_poll = plan.now + max(self._pace.poll or 1, min(CYCLES_PER_POLL * took, POLL_PAUSE_MAX_US))
            for slot in came.left:
                self._dirty[slot] = True
        self._held = came.busy
        for slot in came.busy:
            self._give_back({slot: plan.slots[slot]}, {slot: plan.outcomes.get(slot, [])})
        self.tally.cycles += 1
        self.tally.outcomes += sum(len(plan.outcomes[slot]) for slot in plan.outcomes if slot not in came.busy)
        if came.clock_accepted:
            self.accept_clock()
        self._absorb(plan.now, came)

    def _absorb(self, now: int, came: _Came) -> None:
        """Units have committed: launch what they took in hand and remember what they left."""
        launch: list[Lease] = []
        for slot, taken in came.taken:
            self.tally.turns += taken.turns
            launch += taken.launch
            if taken.withdrawn:
                self.dispatcher.withdraw(taken.withdrawn)
            if taken.more:
                self._dirty[slot] = self._dirty.get(slot, False)
            for dependency in taken.starved:
                waiting = self._starved.setdefault(dependency, deque())
                if slot not in waiting:
                    waiting.append(slot)
            self._expect(taken.next_due)
            for one in taken.quarantined:
                self._report(Notice("quarantined", f"{one.case}: message {one.envelope.id!r} was set aside: {one.why}"))
            if taken.writes is not None:
                self._stalled.pop(slot, None)
                if taken.epoch >= 0:
                    self._recent.keep(slot, taken.epoch, taken.writes.cases)
                if slot in came.solo:
                    self._dirty[slot] = True
                if slot in came.ready and self._pace.poll is None:
                    # What was due hid the deadlines behind it in the same slot, and no poll will find them.
                    self._expect(now)
            elif slot in came.ready:
                pause = min(BACKOFF_MAX_US, self._stalled.get(slot, (0, BACKOFF_FIRST_US))[1] * 2)
                self._stalled[slot] = (now + pause, pause)
                if self._pace.poll is not None:
                    # Only another process can set it going again without this worker hearing of it.
                    self._expect(now + pause)
        if not self._foreign and any(taken.foreign for _, taken in came.taken):
            self._foreign = True
            self.look_everywhere()  # What was hidden behind others' work shows now.
        for slot in came.relayed:
            self._dirty[slot] = self._dirty.get(slot, False)
        self.tally.launched += len(launch)
        self.dispatcher.launch(launch)
        self._feed_starved(now)

    def _expect(self, moment: int | None) -> None:
        if moment is not None and (self._next_due is None or moment < self._next_due):
            self._next_due = moment

    def _feed_starved(self, now: int) -> None:
        """Where a dependency takes calls again, slots that wait for it may try; one that finds nothing makes way."""
        for dependency, waiting in list(self._starved.items()):
            for _ in range(min(self.dispatcher.room(dependency, now), len(waiting))):
                self._dirty[waiting.popleft()] = True
            if not waiting:
                del self._starved[dependency]

    def _tell_watchers(self) -> None:
        watchers, self._watchers = self._watchers, []
        for future in watchers:
            with suppress(asyncio.InvalidStateError):
                future.set_result(None)


CLOCK_JUMPED = (
    "The wall clock jumped ahead of the monotonic one. Timers, expiries and starts wait until it is accepted."
)

LAG_LOOK_S = 0.25
LAG_MAX_S = 0.5
"""A loop that is late by more than this was blocked by somebody's `async def` that does not await."""


async def watch_lag(dispatcher: Dispatcher, report: Callable[[Notice], None]) -> None:
    """Notice an async advisor or performer that blocks the event loop, and say which ones were in flight.

    Runs until cancelled.
    """
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        running = sorted({lease.command.dependency for lease in dispatcher.in_hand()})
        await asyncio.sleep(LAG_LOOK_S)
        late = loop.time() - before - LAG_LOOK_S
        if late > LAG_MAX_S:
            running = sorted({*running, *(lease.command.dependency for lease in dispatcher.in_hand())})
            text = f"The event loop was blocked for {late:.1f} s by an async function. In flight: {_list(running)}."
            report(Notice("loop_blocked", text + " Make a function that blocks a plain def; it then runs in a thread."))


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
