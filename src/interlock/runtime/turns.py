"""One unit: messages in, steps through the kernel, writes and commands out.

The order within a unit is fixed: inbox rows as they arrived, due timers, results of this worker's own calls, then
starts. So a stop that was accepted before a payment could start is seen first.

Poison: a step that raises sets its message aside, whole, and keeps nothing else of it; the case is blocked until an
operator decides, and what comes for it waits in the inbox. Its neighbours do not notice.

Start: a perform is handed to the kernel as a message of its own. Only a command that the kernel answers with
`started` is carried out, and only after this unit has committed.

INVARIANT: a command is launched only if this unit's writes lease it, so it never runs without a durable record of who
has it.
INVARIANT: a message of an automation that is not hosted here is left where it is; it is another worker's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import structs

from interlock.automation.sealing import within
from interlock.kernel.outcome import Step
from interlock.kernel.poison import POISON, quarantine, quarantine_id, why_poison
from interlock.kernel.step import OWN_STEPS, step
from interlock.ports import Due, Lease, Quarantined, Unit, Writes
from interlock.runtime.dispatch import answer_envelope, local_of
from interlock.runtime.draft import Draft, Unrecordable
from interlock.runtime.hosted import Hosted
from interlock.runtime.recent import Recent
from interlock.runtime.recovery import lost_outcome
from interlock.vocabulary.advice import Silence
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import AnswerBody, Envelope, StartBody
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import OWN, CaseId

STARTS_PER_UNIT_MAX = 256
"""Stored commands looked at in one unit: bounds the length of a transaction."""

START_SOURCE = "interlock.worker"


class Guard(Protocol):
    """Runs a step and ends it if it does not end by itself (raises StepTooLong). `watching` goes around many."""

    def run(self, step: Callable[[], Step]) -> Step: ...
    def watching(self) -> AbstractContextManager[None]: ...


class Unguarded:
    """Runs a step as it is."""

    def run(self, step: Callable[[], Step]) -> Step:
        return step()

    def watching(self) -> AbstractContextManager[None]:
        return nullcontext()


@dataclass
class Cycle:
    """What the units of one cycle know beside the store, and share.

    rooms      how many more calls each dependency takes; counted down as units take commands in hand
    reopens    dependencies whose breaker is open, and when it may be tried again
    in_hand    whether this worker is carrying out a command already
    recent     records that need not be read again
    only       the hosted automations, where commands of others have been met: the store is then to leave those out
    actions    dependencies of all actions hosted here, once asked for
    """

    hosted: Mapping[str, Hosted]
    lease_until: Callable[[int], int]
    room_of: Callable[[str], int]
    in_hand: Callable[[str], bool]
    breaker: Mapping[str, str] = field(default_factory=dict[str, str])
    reopens: Mapping[str, int] = field(default_factory=dict[str, int])
    full: frozenset[str] = frozenset()
    frozen: bool = False
    guard: Guard = field(default_factory=Unguarded)
    rooms: dict[str, int] = field(default_factory=dict[str, int])
    recent: Recent | None = None
    only: frozenset[str] | None = None
    actions: set[str] | None = None

    def room(self, dependency: str) -> int:
        room = self.rooms.get(dependency)
        if room is None:
            room = self.rooms[dependency] = self.room_of(dependency)
        return room

    def facts(self, unit: Unit, answers: int = 0) -> Facts:
        """What the unit's turns may know. `answers`: how many it consumes, each of which may lead to a start."""
        return Facts(
            now=unit.now,
            control=unit.control.generation,
            paused=unit.control.paused,
            breaker=dict(self.breaker),
            frozen_clock=self.frozen,
            starts=answers > 0 and self.room_to_start(answers),
        )

    def room_to_start(self, most: int) -> bool:
        """Whether every action of every automation here takes this many more calls now."""
        if self.actions is None:
            programs = [one.program for one in self.hosted.values()]
            self.actions = {p.dependencies.get(name, f"action:{name}") for p in programs for name in p.actions}
        return not self.reopens and all(self.room(name) >= most for name in self.actions)


@dataclass
class Taken:
    """What a unit came to. `writes` None: there was nothing to do. `launch` runs after the commit, never before.

    `foreign`: commands of automations that are not hosted here stood among those looked at.
    """

    writes: Writes | None
    launch: list[Lease]
    withdrawn: list[str]
    more: bool
    starved: set[str]
    next_due: int | None
    touched: list[CaseId]
    quarantined: list[Quarantined]
    turns: int = 0
    epoch: int = -1
    foreign: bool = False


def take_turns(unit: Unit, cycle: Cycle, outcomes: Sequence[Envelope], *, limit: int, look: bool) -> Taken:
    """Consume what waits for this slot, at most `limit` messages, and take in hand what may start.

    outcomes   results of this worker's calls; all of them are consumed or requeued
    look       also look for stored commands that are due or lost, not only at those this unit makes
    """
    messages = hosted_messages(unit, cycle, limit)
    answers = sum(type(envelope.body) is AnswerBody for envelope in outcomes)
    if answers and messages:
        # Answers that waited for a blocked case, or in solo mode, lie in the inbox; they start effects like any other.
        answers += sum(type(due.envelope.body) is AnswerBody for due in messages)
    return _Turns(unit, cycle, answers).run(messages, outcomes, limit=limit, look=look)


class _Turns:
    """The state of one `take_turns`."""

    def __init__(self, unit: Unit, cycle: Cycle, answers: int) -> None:
        self._unit = unit
        self._cycle = cycle
        known = None if cycle.recent is None else cycle.recent.of(unit.slot, unit.epoch)
        self._draft = Draft(unit, cycle.facts(unit, answers), known)
        self._launch: dict[str, Lease] = {}
        self._starved: set[str] = set()
        self._quarantined: list[Quarantined] = []
        self._waiting: deque[Lease] = deque()
        self._tried: set[str] = set()
        self._turns = 0
        self._foreign = False

    def run(self, messages: Sequence[Due], outcomes: Sequence[Envelope], *, limit: int, look: bool) -> Taken:
        unit, draft = self._unit, self._draft
        draft.load([due.envelope.case for due in messages] + [envelope.case for envelope in outcomes])
        for due in messages:
            self._message(due)
        for envelope in outcomes:
            self._outcome(envelope)
        self._starts(look=look)
        writes = draft.writes()
        return Taken(
            writes=writes,
            launch=list(self._launch.values()),
            withdrawn=list(draft.commands_dropped),
            # Where nothing could be consumed (nobody believes the clock) looking again at once would find the same.
            more=writes is not None and 0 < limit <= len(messages),
            starved=self._starved,
            next_due=draft.next_due(),
            touched=[record.case for record, _, _ in writes.cases] if writes else [],
            quarantined=self._quarantined,
            turns=self._turns,
            epoch=unit.epoch,
            foreign=self._foreign,
        )

    # --- messages

    def _message(self, due: Due) -> None:
        draft, envelope = self._draft, due.envelope
        if due.arrival is None and self._cycle.frozen:
            return  # a clock that nobody believes makes nothing due
        record = draft.case(envelope.case)
        if record is not None and record.blocked:
            if due.arrival is None:
                draft.consume(due)
                draft.requeue(envelope)
            return
        draft.consume(due)
        self._take_started(self._step(record, envelope))

    def _outcome(self, envelope: Envelope) -> None:
        record = self._draft.case(envelope.case)
        if record is not None and record.blocked:
            self._draft.requeue(envelope)
            return
        self._take_started(self._step(record, envelope))

    def _take_started(self, done: Step | None) -> None:
        """What has started with an answer's turn is this worker's: left in the store, it would be nobody's for ever."""
        if done is not None and done.started:
            self._take(Lease(self._draft.commands_put[done.started], self._unit.slot))

    def _step(self, record: CaseRecord | None, envelope: Envelope) -> Step | None:
        """Through the kernel; None when the message turned out to be poison and was set aside."""
        draft, facts = self._draft, self._draft.facts
        self._turns += 1
        try:
            own = OWN_STEPS.get(envelope.automation)
            if own is not None:
                done = own(record, envelope, facts)
            else:
                hosted = self._cycle.hosted[envelope.automation]
                program = hosted.program
                if hosted.keeper is None:
                    done = self._cycle.guard.run(lambda: step(record, envelope, facts, program))
                else:
                    with within(draft.vault(envelope.case, hosted.keeper)):
                        done = self._cycle.guard.run(lambda: step(record, envelope, facts, program))
        except POISON as error:
            self._set_aside(record, envelope, why_poison(error))
            return None
        try:
            draft.apply(done)
        except Unrecordable as error:
            self._set_aside(record, envelope, why_poison(error))
            return None
        for message, why, blocks in done.quarantined:
            self._keep(Quarantined(quarantine_name(message), message.case, message, why, facts.now, blocks))
        return done

    def _set_aside(self, record: CaseRecord | None, envelope: Envelope, why: str) -> None:
        done, one = set_aside(record, envelope, self._draft.facts, why)
        self._draft.apply(done)
        self._keep(one)

    def _keep(self, one: Quarantined) -> None:
        self._draft.quarantined(one)
        self._quarantined.append(one)

    # --- starts

    def _starts(self, *, look: bool) -> None:
        unit, draft, cycle = self._unit, self._draft, self._cycle
        if look:
            leases = unit.commands(now=unit.now, full=cycle.full, limit=STARTS_PER_UNIT_MAX, hosted=cycle.only)
            self._foreign = any(one.command.automation not in cycle.hosted for one in leases)
            # What was not looked for may be here: the slot is to be looked at again when there is room.
            self._starved |= cycle.full
            fresh = [
                one
                for one in leases
                if one.command.automation in cycle.hosted
                and not (draft.dropped(one.command.id) or one.command.id in draft.commands_put)
            ]
            draft.load(
                [CaseId(one.command.automation, one.command.key) for one in fresh if one.command.what == "perform"]
            )
            self._waiting.extend(fresh)
        self._gather()
        while self._waiting:
            lease = self._waiting.popleft()
            if draft.dropped(lease.command.id) or cycle.in_hand(lease.command.id):
                continue
            self._start(lease)
            self._gather()

    def _gather(self) -> None:
        """Queue the commands that steps of this unit have put and that are due."""
        draft, now = self._draft, self._unit.now
        for command in draft.fresh:
            name = command.id
            if command.due <= now and draft.commands_put.get(name) is command and name not in draft.leased:
                self._waiting.append(Lease(command, self._unit.slot))
        draft.fresh.clear()

    def _start(self, lease: Lease) -> None:
        draft, cycle, now = self._draft, self._cycle, self._unit.now
        command = lease.command
        record = draft.case(CaseId(command.automation, command.key))
        if record is not None and record.blocked:
            if lease.lost:
                self._found_of_blocked(lease)
            return
        if lease.lost:
            outcome = lost_outcome(lease, now)
            if outcome is not None:
                self._forget(command.id)
                self._step(record, outcome)
                return
        dependency = command.dependency
        if dependency in cycle.reopens:
            self._forget(command.id)
            if command.what == "ask":
                self._step(record, answer_envelope(command, Silence("breaker", f"{dependency} is failing"), now))
            else:
                draft.put_command(structs.replace(command, due=max(now + 1, cycle.reopens[dependency])))
            return
        if cycle.room(dependency) <= 0:
            self._starved.add(dependency)
            return
        if command.what == "perform":
            if not cycle.frozen:
                self._perform(record, lease)
        else:
            self._take(lease)

    def _found_of_blocked(self, lease: Lease) -> None:
        """A lost command of a case that waits for an operator: what is known of it waits, too, and it is lost no more.

        Otherwise its slot would be in solo mode for as long as the operator takes.
        """
        outcome = lost_outcome(lease, self._unit.now)
        if outcome is None:
            self._draft.put_command(lease.command)
        else:
            self._draft.drop_command(lease.command.id)
            self._draft.requeue(outcome)

    def _forget(self, command: str) -> None:
        """The command is answered in this unit; it need not be stored before."""
        self._draft.commands_put.pop(command, None)

    def _perform(self, record: CaseRecord | None, lease: Lease) -> None:
        command, now = lease.command, self._unit.now
        if command.id in self._tried:
            return  # the kernel has said in this very unit what is to become of it
        self._tried.add(command.id)
        name = f"{command.id}@{command.attempt}"
        body = StartBody(local_of(command), command.attempt)
        started = self._step(
            record,
            Envelope(command.automation, command.key, name, START_SOURCE, command.dependency, now, now, body),
        )
        if started is not None and started.started == command.id:
            self._take(lease)

    def _take(self, lease: Lease) -> None:
        draft, cycle = self._draft, self._cycle
        command = draft.commands_put.get(lease.command.id, lease.command)
        draft.leased[command.id] = cycle.lease_until(self._unit.now)
        cycle.rooms[command.dependency] = cycle.room(command.dependency) - 1
        self._launch[command.id] = Lease(command, self._unit.slot, lease.token)


def quarantine_name(envelope: Envelope) -> str:
    """What an operator calls a message in quarantine: its case, and its name within it."""
    return f"{envelope.case}#{quarantine_id(envelope)}"


def set_aside(record: CaseRecord | None, envelope: Envelope, facts: Facts, why: str) -> tuple[Step, Quarantined]:
    """The turn that blocks a case, and the message as the quarantine keeps it."""
    one = Quarantined(quarantine_name(envelope), envelope.case, envelope, why, facts.now)
    return quarantine(record, envelope, facts, why), one


def is_hosted(cycle: Cycle, automation: str) -> bool:
    return automation in cycle.hosted or automation in OWN


def hosted_messages(unit: Unit, cycle: Cycle, limit: int) -> list[Due]:
    """The messages this worker may consume. Others stay, and do not stand in the way of those behind them."""
    asked = limit
    while True:
        found = unit.messages(asked) if asked else []
        ours = [due for due in found if is_hosted(cycle, due.envelope.automation)]
        if len(ours) == len(found) or len(ours) >= limit or len(found) < asked:
            return ours[:limit]
        asked *= 4
