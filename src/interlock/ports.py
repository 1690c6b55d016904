"""Protocols of the outside, by role: what the runtime needs of a clock, of threads, of a store, of advisors and of
performers.

The store's contract (every implementation runs `tests/conformance`):

- A unit is all or nothing on one slot. Units of several slots may share a physical transaction.
- (automation, key, source, id) is accepted once for ever; the same id with another body is a Conflict. Accepted
means durable as
  `caps.durability` says.
- Compare-and-set on slot epoch and case version decides who writes; a lost race leaves no trace (StoreConflict).
- A command exists if and only if the unit that made it committed. It is delivered at least once under the same id.
- The ledger is gapless and hash-chained per slot, in (slot, lsn) order.
- Messages between slots are relayed exactly once and in order per pair of slots.
- Every statement of a unit binds one slot. No sequences, triggers, savepoints or session state.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.review import Review
from interlock.vocabulary.sealed import Seal
from interlock.vocabulary.task import Task
from interlock.vocabulary.timers import TimerRow

T = TypeVar("T")


class Clock(Protocol):
    """Wall time for records, monotonic time for waiting. Both integer microseconds."""

    def now(self) -> int: ...
    def monotonic(self) -> int: ...


class Spawn(Protocol):
    """Where blocking work runs. Production: one thread per store; simulation: inline, at a seeded moment."""

    async def blocking(self, work: Callable[[], T]) -> T: ...


# --- store
# -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Caps:
    """What a store promises. `lazy` durability refuses irreversible actions."""

    n_slots: int
    durability: Literal["fsync", "quorum", "lazy"]
    locking: Literal["row", "occ", "database"]
    incarnation: str


class Accepted(Struct, frozen=True, gc=False):
    """Durable. `slot` is where it waits."""

    slot: int


class Duplicate(Struct, frozen=True, gc=False):
    """The same message was accepted before; nothing was added."""

    slot: int


class Clash(Struct, frozen=True, gc=False):
    """The id is known with another body; nothing was added."""

    slot: int


Receipt = Accepted | Duplicate | Clash


@dataclass(frozen=True)
class Control:
    """Pauses in force (scopes as in `Facts.paused`) and the generation that says which change was last."""

    generation: int = 0
    paused: tuple[str, ...] = ()


class Due(Struct, frozen=True, gc=False):
    """A message a unit is to consume. `arrival` identifies its inbox row; None: a timer or wake that came due,
    named by `timer`.

    `timer` is (kind, name, generation as text) of the envelope's case: drop it with `Writes.timers_drop` (case,
    kind, name).
    `attempts` is how many times somebody set out to handle it in solo mode: more than were finished, so that many died.
    """

    envelope: Envelope
    arrival: tuple[int, str] | None = None
    timer: tuple[str, str, str] | None = None
    attempts: int = 0


class Lease(Struct, frozen=True, gc=False):
    """A command in a worker's hands until `until`. `lost` marks one whose worker died or went silent; `token` grows
    with every lease.
    """

    command: Command
    slot: int
    token: int = 0
    lost: bool = False
    deaths: int = 0


class Waiting(Struct, frozen=True):
    """Messages of one automation that are accepted and undone. `blocked`: of these, behind one in quarantine.

    since   microseconds: when the oldest was accepted
    """

    automation: str
    count: int
    blocked: int
    since: int


class Undone(Struct, frozen=True):
    """Commands for one dependency. `state`: 0 ready, 1 leased, 2 held, 3 lost; `due`: of the first, None: held."""

    dependency: str
    state: int
    count: int
    due: int | None


class AtWork(Struct, frozen=True):
    """A worker that has registered and not left.

    hosts   automation -> release that it works under, by its own account
    calls   dependency -> commands in its hands
    slots   where these commands lie
    """

    name: str
    joined: int
    beat: int
    alive: bool
    hosts: dict[str, str] = {}
    calls: dict[str, int] = {}
    slots: tuple[int, ...] = ()


@dataclass(frozen=True)
class Condition:
    """How a store is.

    newest      the furthest moment that any slot has seen (microseconds)
    solo        slots that are looked after message by message since a worker died
    between     messages on their way from slot to slot
    free_bytes  room where it is; None: nobody can say
    """

    waiting: tuple[Waiting, ...]
    undone: tuple[Undone, ...]
    at_work: tuple[AtWork, ...]
    newest: int
    solo: int
    between: int
    bytes: int
    log_bytes: int
    free_bytes: int | None


BeginsAs = Literal["created", "restored", "adopted"]


@dataclass(frozen=True)
class Life:
    """What a store lives as long as it is only ever written forwards. A backup taken into use begins another.

    began   microseconds; `incarnation` is what anchors and witnesses name
    """

    number: int
    incarnation: str
    began: int
    why: str


class Finished(Struct, frozen=True):
    """A case that may have come to its end. `place` says where the next page goes on."""

    place: int
    slot: int
    case: CaseId
    updated_at: int


@dataclass(frozen=True)
class Quarantined:
    """A message set aside, whole, with why. `blocks`: later messages of its case wait for it."""

    id: str
    case: CaseId
    envelope: Envelope
    why: str
    at: int
    blocks: bool = True


class Writes(Struct):
    """What one unit commits, on one slot. Order within a list is kept.

    entries      (entry, canonical bytes, hash after it); they continue the slot's chain
    cases        (record after, version before or None for a new case, lsn of its newest entry)
    same_status  cases whose status their writer knows to be unchanged, though this unit has not read them
    leased       commands that the unit's worker takes in hand, put by this unit or free or lost before it: id -> until
    tasks        cases whose open tasks changed, each with all that it has now
    held         commands that wait, without a time, for the next control change
    requeued     back into the inbox, behind what waits there; retried: before everything that waits there
    seals_put    keys of personal data that this unit's turns were the first to need
    seals_erase  cases whose keys are destroyed, with the entry that says so
    bodies       messages that its entries cite: hex sha256 and canonical bytes; each is stored once per slot
    archived     cases that this unit has read, unchanged, and that leave the table of those that move
    """

    now: int
    head: bytes = b""
    lsn: int = 0
    entries: list[tuple[Entry, bytes, bytes]] = []
    cases: list[tuple[CaseRecord, int | None, int]] = []
    same_status: set[CaseId] = set()
    consumed: list[tuple[int, str]] = []
    commands_put: list[Command] = []
    commands_drop: list[str] = []
    leased: dict[str, int] = {}
    held: list[str] = []
    timers_put: list[TimerRow] = []
    timers_drop: list[tuple[CaseId, str, str]] = []
    reviews_put: list[tuple[CaseId, Review]] = []
    reviews_drop: list[tuple[CaseId, str]] = []
    tasks: list[tuple[CaseId, tuple[Task, ...]]] = []
    sends: list[Envelope] = []
    quarantined: list[Quarantined] = []
    quarantine_drop: list[str] = []
    requeued: list[Envelope] = []
    retried: list[Envelope] = []
    seals_put: list[Seal] = []
    seals_erase: list[CaseId] = []
    archived: list[CaseId] = []
    bodies: list[tuple[str, bytes]] = []


class Unit(Protocol):
    """One slot in one writer's hands."""

    slot: int
    epoch: int
    era: int
    lsn: int
    head: bytes
    now: int
    control: Control
    solo: bool

    def messages(self, limit: int) -> list[Due]:
        """Inbox rows in arrival order (those of blocked cases left out), then due timers.

        In solo mode, try one of them only: call `Store.attempt` with its arrival and open the unit again before it is
        tried, since the count must be durable.
        """
        ...

    def cases(self, ids: Iterable[CaseId]) -> dict[CaseId, tuple[CaseRecord, int]]:
        """Records and the lsn of each one's newest entry. Absent cases are absent."""
        ...

    def commands(
        self, *, now: int, full: frozenset[str], limit: int, hosted: frozenset[str] | None = None
    ) -> list[Lease]:
        """Commands that need attention now: due and free, or in the hands of a worker that died or whose lease ran
        out (`lost`).

        Dependencies in `full` are left out, and automations that are not among `hosted` (None: none is), so that
        neither uses up the limit.
        """
        ...

    def commit(self, writes: Writes) -> None:
        """Stage this unit's writes. They are durable when the context of `Store.units` has ended without an error."""
        ...


class Units(list[Unit]):
    """The units of one physical transaction.

    Once its context has ended, `relayed` names the slots that got messages from these units: they have work now; and
    `receipts` are those of what was accepted along with them, or none where that was left to another call. `unsent`
    names those of them that left messages in their outboxes, where nothing was relayed.
    """

    relayed: frozenset[int] = frozenset()
    unsent: frozenset[int] = frozenset()
    receipts: Sequence[Receipt] = ()


@dataclass(frozen=True)
class ReadySlots:
    """A hint, may be stale: slots with work now, and when the next deadline of any slot is (microseconds, None:
    none set).
    """

    slots: frozenset[int]
    next_due: int | None


class Store(Protocol):
    """Durable state. Blocking; the runtime calls it through `Spawn`."""

    @property
    def caps(self) -> Caps: ...
    def ahead(self) -> int:
        """How far the store's clock is ahead of this machine's, as last measured (microseconds).

        0 where they are one. Workers of several machines go by the store's, so that a lease ends for all of them at
        once. Cheap: asked with every reading of the clock.
        """
        ...

    # the door
    def accept(self, batch: Sequence[Envelope], *, now: int) -> list[Receipt]: ...
    def put_payload(self, data: bytes, media_type: str) -> str: ...
    def payload(self, digest: str) -> tuple[bytes, str] | None: ...
    def backlog(self) -> int: ...
    def room(self) -> int | None:
        """Bytes that can still be written; None: nobody can say. Cheap: asked with every batch that is accepted."""
        ...

    # the path
    def ready(
        self, *, now: int, full: frozenset[str] = frozenset(), hosted: frozenset[str] | None = None
    ) -> ReadySlots:
        """Where there is work now. `full` and `hosted` leave out commands as `Unit.commands` does."""
        ...

    def units(
        self, slots: Sequence[int], *, worker: str, now: int, relay: bool = True, accept: Sequence[Envelope] = ()
    ) -> AbstractContextManager[Units]:
        """Claim slots. `relay`: where slots share a database, deliver what the units send in the same transaction.

        `accept`: take these in as `accept` does, in the same transaction and behind the units, which do not see them.
        """
        ...

    def attempt(self, slot: int, arrival: tuple[int, str], known: int) -> int:
        """Count one more attempt at a message in solo mode, durably, before it is tried; returns how many that makes.

        `known`: as many as had been counted when it was read. Raises StoreConflict if it is gone or somebody else has
        counted meanwhile, so that of several workers one tries it.
        """
        ...

    def renew(self, worker: str, commands: Mapping[int, Sequence[str]], *, until: int) -> None: ...
    def relay(self, slot: int, *, limit: int) -> frozenset[int]:
        """Deliver messages of this slot's outbox; returns the slots that got some."""
        ...

    # workers
    def join(self, worker: str, *, now: int) -> None:
        """Register; notices workers that died and puts the slots they held into solo mode."""
        ...

    def beat(self, worker: str, *, now: int) -> None: ...
    def tell(self, worker: str, hosts: Mapping[str, str]) -> None:
        """Say what this worker works on, for people who look: automation -> release."""
        ...

    def leave(self, worker: str) -> None: ...
    def workers(self) -> list[str]:
        """Names of the workers that live now."""
        ...

    def hosting(self) -> dict[str, frozenset[str]]:
        """The workers that live now, each with the automations that it says it hosts (`tell`)."""
        ...

    def declare_dead(self, worker: str, *, now: int) -> None:
        """Record a death on somebody's word, where the store cannot see it.

        A worker on another machine, or one killed by a test.
        """
        ...

    # control and releases
    def set_control(self, paused: Sequence[str], *, expected: int | None = None) -> Control:
        """Write these pauses into every slot under the next generation.

        `expected`: the generation that the change was made from; Raises StoreConflict if another has come since, so
        that two operators at once do not undo each other's pauses.
        """
        ...

    def control(self) -> Control: ...
    def put_release(self, id: str, automation: str, manifest: bytes, *, now: int) -> None: ...
    def releases(self) -> list[tuple[str, str, int]]: ...
    def release(self, id: str) -> bytes | None: ...

    # finished cases: `case`, `newest` and units find them like any other; `cases` does not list them
    def finished(self, automation: str, status: str, *, after: int, limit: int) -> list[Finished]:
        """Cases in this status that are not archived, by place."""
        ...

    def archived(self, automation: str, *, after: int, limit: int) -> list[tuple[int, CaseRecord]]:
        """Archived cases with their places among them, behind a place."""
        ...

    # keys of personal data
    def seals(self, case: CaseId) -> list[Seal]:
        """The keys that a case has had, oldest first: at most one is not destroyed. May be called within `units`."""
        ...

    def seal(self, id: str) -> Seal | None: ...
    def put_seal(self, seal: Seal, subjects: Sequence[str]) -> Seal:
        """Keep a key for its case, durably, unless the case has one; and whom the case is about. Returns the case's."""
        ...

    def cases_about(self, subject: str) -> list[CaseId]:
        """Cases of which an event named this person."""
        ...

    def wipe(self, secrets: Sequence[bytes]) -> bool:
        """Remove what is left of destroyed keys from where this store writes; whether nothing is left of them."""
        ...

    # reading; may run beside the writer
    def case(self, case: CaseId) -> CaseRecord | None: ...
    def cases(
        self, *, automation: str | None, status: str | None, after: CaseId | None, limit: int
    ) -> list[CaseRecord]: ...
    def ledger(self, slot: int, *, after: int, limit: int) -> list[tuple[Entry, bytes, bytes]]:
        """Entries in order, each with its bytes and its hash. An entry has its message, even if its bytes cite it."""
        ...

    def entry(self, slot: int, lsn: int) -> Entry | None: ...
    def heads(self) -> dict[int, tuple[int, bytes]]:
        """Per slot: lsn and head of its chain."""
        ...

    def eras(self) -> dict[int, int]:
        """The era that each slot's ledger is in. A slot's earlier eras are finished: nothing is added to them."""
        ...

    def finish_era(self) -> int:
        """End the era that the ledger is in, in every slot; returns its number. The next entry begins another."""
        ...

    def newest(self, case: CaseId) -> int:
        """lsn of a case's newest entry, 0 if it has none."""
        ...

    def open_reviews(self, *, automation: str | None, group: str | None, limit: int) -> list[tuple[CaseId, Review]]: ...
    def open_tasks(self, *, automation: str | None, group: str | None, limit: int) -> list[tuple[CaseId, Task]]:
        """What people are asked to find out, the longest open first."""
        ...

    def open_commands(self) -> list[Lease]: ...
    def condition(self) -> Condition:
        """How it is, for an operator."""
        ...

    def lives(self) -> list[Life]:
        """All lives, the first one first; the last is the present one."""
        ...

    def estranged(self) -> str:
        """Why this may not be the newest state of the store (it was copied, or put back), in words; "" normally.

        A worker does not join such a store before `begin_life`.
        """
        ...

    def begin_life(self, why: BeginsAs, *, now: int) -> Life:
        """Take this state into use as an incarnation of its own."""
        ...

    def backup(self, path: str) -> None:
        """Write one consistent state to a new file, beside whoever works here. Raises StoreError."""
        ...

    def quarantine(self) -> list[Quarantined]: ...
    def sizes(self) -> dict[str, int]:
        """Bytes per table."""
        ...

    def close(self) -> None: ...


# --- advisors and actions
# ------------------------------------------------------------------------------------------------------


class Advisors(Protocol):
    """Answers questions. Raises Garbled for a value that is not an answer to this question, OutOfTime when it has
    stopped by itself; any other exception is an error of the advisor.
    """

    def answer(self, command: Command) -> Awaitable[Answer]: ...


class Performers(Protocol):
    """Carries out decided actions. Raises NotDone when the outside definitely refused; any other exception leaves
    the outcome unknown.

    `check` says whether the effect happened and, if it did, with what result.
    """

    def perform(self, command: Command) -> Awaitable[Any]: ...
    def check(self, command: Command) -> Awaitable[tuple[bool, Any]]: ...
    def fence(self, command: Command) -> Awaitable[None]: ...


class NoAdvice(Exception):
    """An advisor has no answer, and says what it took to find out (`usage` and `currency` as in `Answer`)."""

    def __init__(self, why: str, *, usage: Mapping[str, int] | None = None, currency: str = "") -> None:
        super().__init__(why)
        self.usage: dict[str, int] = dict(usage or {})
        self.currency = currency


class Garbled(NoAdvice):
    """An advisor returned something that is not a valid answer."""


class OutOfTime(NoAdvice):
    """An advisor has stopped by itself because its time was over."""


class Declined(NoAdvice):
    """The advisor was reached and will not answer this question. Asking the same again is no use."""


class Unavailable(NoAdvice):
    """Nobody in this process can answer: the release names the advisor, and there is no way to it.

    Asking again is no use.
    """


class NotDone(Exception):
    """Raised by a performer: the outside refused and nothing happened, now or later, under this key."""
