"""One store over several: each keeps some of the slots in a database of its own (a cell), and none knows of the others.

Nothing here is transactional by itself, and nothing needs to be. Every transaction touches one slot, so each lies in
one cell. What a unit sends to another slot goes into the outbox of its own and is carried over afterwards: the
receiving cell takes it in, and only when that is durable does it leave the outbox. A crash in between delivers it
again, which the receiver's watermark makes void. So messages arrive exactly once and in order per pair of slots, as
within one database.

What concerns every slot (pauses, releases, the end of an era) is written to cell after cell. Pauses and eras have
reached all of them when the call returns. A pause or release that could not reach one is brought to it when a worker's
next beat does.

A cell that cannot be reached is busy: its slots are left out of what is claimed, what is accepted for it raises
StoreBusy, and the others go on. A list that would have to leave it out raises StoreBusy, too: an incomplete list does
not say that it is. What is asked in passing (what is ready, how much waits) is answered by those that can be reached.

One call claims slots of one cell, in turn, since units of two databases cannot commit together; the slots of others
look as if somebody else held them.

INVARIANT: every slot is kept by exactly one cell. Each cell's own record of its slots agrees with what it is opened
for, or it is not opened.
INVARIANT: a message is in the sender's outbox, or at or below the receiver's watermark; never neither.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from interlock.ports import (
    AtWork,
    BeginsAs,
    Caps,
    Condition,
    Control,
    Finished,
    Lease,
    Life,
    Quarantined,
    ReadySlots,
    Receipt,
    Store,
    Undone,
    Units,
    Waiting,
)
from interlock.store.door import digest_of, slot_of_digest
from interlock.store.handshake import ranges
from interlock.store.relay import Sent
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.errors import (
    InterlockBug,
    StoreBusy,
    StoreConflict,
    StoreError,
)
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.ids import CaseId, slot_of
from interlock.vocabulary.review import Review
from interlock.vocabulary.sealed import Seal, slot_of_seal
from interlock.vocabulary.task import Task

T = TypeVar("T")

RELAY_MAX = 256
"""Messages of a slot carried over at once."""

AWAY_FIRST_S = 0.1
AWAY_MAX_S = 3.0
"""How long a cell that could not be reached twice running is left alone before it is tried again. An attempt may take
as long as a connection may, and whoever makes it waits.
"""

NAP_S = 0.02
"""How long a worker waits that has come for slots of unreachable cells only: it will come again at once."""

CARRY_AGAIN_S = 0.5
"""How long a message to an unreachable cell waits before it is tried again."""


class Cell(Store, Protocol):
    """A store that keeps some of the slots, and lets messages be carried to and from it."""

    def outbox(self, slot: int, targets: Collection[int], *, limit: int) -> list[Sent]:
        """The oldest messages of a slot that are for these others."""
        ...

    def receive(self, sender: int, messages: Sequence[Sent]) -> frozenset[int]:
        """Take them in, unless they came before. Durable on return. Returns the slots that got some."""
        ...

    def sent_off(self, slot: int, numbers: Sequence[int]) -> None:
        """These messages of a slot have been received for good."""
        ...

    def unsent(self) -> list[int]:
        """Slots that have something in their outboxes."""
        ...

    def place_of(self, case: CaseId) -> int:
        """Where a case stands in lists. Raises NotFound."""
        ...

    def placed(
        self, automation: str | None, status: str | None, *, after: int, limit: int
    ) -> list[tuple[int, CaseRecord]]:
        """Cases with their places, behind a place."""
        ...


@dataclass(frozen=True)
class Part:
    """One cell as its owner describes it.

    name    what people are told
    slots   which it keeps
    open    opens it; called again when it could not be reached
    """

    name: str
    slots: frozenset[int]
    open: Callable[[], Cell]


def open_cells(parts: Sequence[Part], *, n_slots: int, read_only: bool = False) -> CellStore:
    """Open every cell that can be reached, as one store. `read_only`: cells that may not be written.

    Raises StoreError (store_slots) unless each slot is in exactly one of them, whatever opening one raises that is more
    than being out of reach, and StoreBusy if none can be reached.
    """
    check_slots({part.name: part.slots for part in parts}, n_slots)
    store = CellStore([_Place(number, part) for number, part in enumerate(parts)], n_slots)
    try:
        store.begin(read_only=read_only)
    except BaseException:
        store.close()
        raise
    return store


def check_slots(parts: Mapping[str, Collection[int]], n_slots: int) -> None:
    """Raises StoreError unless each of the slots is in exactly one part."""
    kept_by: defaultdict[int, list[str]] = defaultdict(list)
    for name, slots in parts.items():
        for slot in slots:
            kept_by[slot].append(name)
    if outside := sorted(slot for slot in kept_by if not 0 <= slot < n_slots):
        raise _slots(f"there are {n_slots} slots, 0 to {n_slots - 1}; {ranges(outside)} is none of them")
    if missing := [slot for slot in range(n_slots) if slot not in kept_by]:
        raise _slots(f"no cell keeps {ranges(missing)}")
    if twice := [slot for slot, names in kept_by.items() if len(names) > 1]:
        names = " and ".join(dict.fromkeys(name for slot in twice for name in kept_by[slot]))
        raise _slots(f"{names} both keep {ranges(twice)}")


def _slots(what: str) -> StoreError:
    return StoreError(
        f"The cells do not share the slots out: {what}.",
        code="store_slots",
        hint="Name every slot exactly once.",
    )


class _Place:
    """A cell, opened when it is first reached, and for how long it is left alone when it is not."""

    def __init__(self, number: int, part: Part) -> None:
        self.number = number
        self.name = part.name
        self.slots = part.slots
        self.store: Cell | None = None
        self.joined: set[str] = set()
        self._open = part.open
        self._lock = threading.RLock()
        self._failures = 0
        self._until = 0.0
        self._why = ""

    @property
    def away(self) -> bool:
        """Whether it is left alone now."""
        return self._failures > 1 and time.monotonic() < self._until

    @contextmanager
    def reached(self) -> Generator[Cell]:
        """The cell, for one call. Raises StoreBusy while it cannot be reached."""
        if self.away:
            raise StoreBusy(
                f"Cell {self.name} cannot be reached: {self._why}", hint="It is tried again; the others go on."
            )
        try:
            yield self._opened()
        except StoreBusy as error:
            self._failures += 1
            self._why = error.message
            self._until = time.monotonic() + min(AWAY_MAX_S, AWAY_FIRST_S * 2 ** min(self._failures, 10))
            raise
        self._failures = 0

    def _opened(self) -> Cell:
        with self._lock:
            if self.store is None:
                try:
                    self.store = self._open()
                except StoreBusy:
                    raise
                except StoreError as error:
                    if error.code != "store_open":
                        raise
                    raise StoreBusy(error.message, hint=error.hint) from error
            return self.store

    def close(self) -> None:
        with self._lock:
            store, self.store = self.store, None
            self.joined.clear()
        if store is not None:
            store.close()


class CellStore:
    """`ports.Store` over cells. May be used from several threads, as they may."""

    def __init__(self, places: Sequence[_Place], n_slots: int) -> None:
        self._places = list(places)
        self._n_slots = n_slots
        self._home = {slot: place for place in places for slot in place.slots}
        self._next = 0
        self._told: dict[str, dict[str, str]] = {}
        self._durability: str | None = None
        self._pending: dict[int, float] = {}

    def begin(self, *, read_only: bool) -> None:
        """Open what can be reached, and let all of it know the same."""
        failed = self._each(lambda cell: cell.caps)[1]
        if len(failed) == len(self._places):
            raise next(iter(failed.values()))
        self._durability = self.caps.durability
        if not read_only:
            self._level()

    # --- which cell

    def _of(self, slot: int) -> _Place:
        place = self._home.get(slot)
        if place is None:
            raise InterlockBug(f"slot {slot} does not exist in this store")
        return place

    def _of_case(self, case: CaseId) -> _Place:
        return self._of(slot_of(case, self._n_slots))

    def _each(self, call: Callable[[Cell], T]) -> tuple[dict[_Place, T], dict[_Place, StoreBusy]]:
        """Ask every cell, and say which could not be reached."""
        found: dict[_Place, T] = {}
        failed: dict[_Place, StoreBusy] = {}
        for place in self._places:
            try:
                with place.reached() as cell:
                    found[place] = call(cell)
            except StoreBusy as error:
                failed[place] = error
        return found, failed

    def _every(self, call: Callable[[Cell], T]) -> list[T]:
        """Ask every cell. Raises StoreBusy if one cannot be reached."""
        found, failed = self._each(call)
        for error in failed.values():
            raise error
        return list(found.values())

    def _some(self, call: Callable[[Cell], T]) -> list[T]:
        """Ask every cell that can be reached. Raises StoreBusy if none can."""
        found, failed = self._each(call)
        if not found:
            raise next(iter(failed.values()))
        return list(found.values())

    @property
    def caps(self) -> Caps:
        """Of the whole. A commit is worth what it is worth in the weakest cell; the incarnation is that of each."""
        cells = [place.store for place in self._places]
        known = [cell.caps for cell in cells if cell is not None]
        order = ("lazy", "fsync", "quorum")
        durability = order[min((order.index(caps.durability) for caps in known), default=0)]
        locking = known[0].locking if len({caps.locking for caps in known}) == 1 else "row"
        incarnation = "+".join("?" if cell is None else cell.caps.incarnation for cell in cells)
        return Caps(self._n_slots, durability, locking, incarnation)

    # --- the door

    def accept(self, batch: Sequence[Envelope], *, now: int) -> list[Receipt]:
        """Each cell takes its part in, whatever becomes of the others'.

        Raises StoreBusy if one cannot: what the others took stays accepted, and is a duplicate when all of it is sent
        again.
        """
        parts: defaultdict[_Place, list[int]] = defaultdict(list)
        for number, message in enumerate(batch):
            parts[self._of_case(message.case)].append(number)
        receipts: dict[int, Receipt] = {}
        failed: list[tuple[_Place, StoreError]] = []
        for place, numbers in parts.items():
            try:
                with place.reached() as cell:
                    taken = cell.accept([batch[number] for number in numbers], now=now)
            except StoreError as error:
                failed.append((place, error))
            else:
                receipts.update(zip(numbers, taken, strict=True))
        if failed:
            (_, error), missing = failed[0], sum(len(parts[place]) for place, _ in failed)
            if missing == len(batch):
                raise error
            raise StoreBusy(
                f"{missing} of {len(batch)} messages were not accepted: {error.message}",
                hint="The others were. Send all of them again: what was accepted is known.",
            ) from error
        return [receipts[number] for number in range(len(batch))]

    def put_payload(self, data: bytes, media_type: str) -> str:
        with self._of(slot_of_digest(digest_of(data), self._n_slots)).reached() as cell:
            return cell.put_payload(data, media_type)

    def payload(self, digest: str) -> tuple[bytes, str] | None:
        with self._of(slot_of_digest(digest, self._n_slots)).reached() as cell:
            return cell.payload(digest)

    def backlog(self) -> int:
        return sum(self._some(lambda cell: cell.backlog()))

    def ahead(self) -> int:
        """By the first that is open: servers that keep one store are expected to agree on the time."""
        return next((place.store.ahead() for place in self._places if place.store is not None), 0)

    def room(self) -> int | None:
        rooms = [room for room in self._some(lambda cell: cell.room()) if room is not None]
        return min(rooms, default=None)

    # --- the path

    def ready(
        self, *, now: int, full: frozenset[str] = frozenset(), hosted: frozenset[str] | None = None
    ) -> ReadySlots:
        got = self._carry_pending()
        hints = self._some(lambda cell: cell.ready(now=now, full=full, hosted=hosted))
        moments = [hint.next_due for hint in hints if hint.next_due is not None]
        return ReadySlots(got.union(*(hint.slots for hint in hints)), min(moments, default=None))

    @contextmanager
    def units(
        self, slots: Sequence[int], *, worker: str, now: int, relay: bool = True, accept: Sequence[Envelope] = ()
    ) -> Generator[Units]:
        with ExitStack() as claim:
            place, units = self._claim(claim, slots, worker, now, accept)
            yield units
        if place is None:
            if accept and not slots:
                units.receipts = self.accept(accept, now=now)
            return
        if relay and units.unsent:
            units.relayed = self._carry(units.unsent)
        if accept and not units.receipts:
            # What has committed stays committed: the door finds out by itself what keeps these from being accepted.
            with suppress(StoreError):
                units.receipts = self.accept(accept, now=now)

    def _claim(
        self, claim: ExitStack, slots: Sequence[int], worker: str, now: int, accept: Sequence[Envelope]
    ) -> tuple[_Place | None, Units]:
        """Slots of the next cell in turn that can be reached and has any of them to give."""
        by_place: defaultdict[_Place, list[int]] = defaultdict(list)
        for slot in slots:
            by_place[self._of(slot)].append(slot)
        self._next += 1
        turn = sorted(by_place, key=lambda place: (place.number - self._next) % len(self._places))
        unreachable = 0
        for place in turn:
            along = accept if all(self._of_case(message.case) is place for message in accept) else ()
            one = ExitStack()
            try:
                cell = one.enter_context(place.reached())
                # Not relayed by the cell: what is for slots of others would be lost in its own tables.
                units = one.enter_context(
                    cell.units(by_place[place], worker=worker, now=now, relay=False, accept=along)
                )
            except StoreBusy:
                one.close()
                unreachable += 1
                continue
            if units or along or place is turn[-1]:
                claim.push(one.__exit__)
                return place, units
            one.close()
        if turn and unreachable == len(turn):
            time.sleep(NAP_S)
        return None, Units()

    def attempt(self, slot: int, arrival: tuple[int, str], known: int) -> int:
        with self._of(slot).reached() as cell:
            return cell.attempt(slot, arrival, known)

    def renew(self, worker: str, commands: Mapping[int, Sequence[str]], *, until: int) -> None:
        by_place: defaultdict[_Place, dict[int, Sequence[str]]] = defaultdict(dict)
        for slot, ids in commands.items():
            by_place[self._of(slot)][slot] = ids
        for place, part in by_place.items():
            # Of a cell that cannot be reached the leases run out, which is what they are for.
            with suppress(StoreBusy), place.reached() as cell:
                cell.renew(worker, part, until=until)

    # --- between cells

    def relay(self, slot: int, *, limit: int) -> frozenset[int]:
        got: set[int] = set()
        home = self._of(slot)
        busy: StoreBusy | None = None
        for place in self._places:
            if limit <= 0:
                break
            try:
                with home.reached() as sender:
                    messages = sender.outbox(slot, place.slots, limit=limit)
                if messages:
                    with place.reached() as receiver:
                        got |= receiver.receive(slot, messages)
                    with home.reached() as sender:
                        sender.sent_off(slot, [number for number, _, _ in messages])
            except StoreBusy as error:
                busy = error
            else:
                limit -= len(messages)
        if busy is not None and not got:
            raise busy
        return frozenset(got)

    def _carry(self, slots: Iterable[int]) -> frozenset[int]:
        """All that these have to send. What cannot be delivered now is come back to."""
        got: frozenset[int] = frozenset()
        for slot in slots:
            try:
                while reached := self.relay(slot, limit=RELAY_MAX):
                    got |= reached
            except StoreError:
                # What sent them has committed, and they stay where they are. Whatever is wrong with the receiver is
                # said by its own calls.
                self._pending[slot] = time.monotonic() + CARRY_AGAIN_S
            else:
                self._pending.pop(slot, None)
        return got

    def _carry_pending(self) -> frozenset[int]:
        now = time.monotonic()
        due = [slot for slot, moment in list(self._pending.items()) if moment <= now]
        return self._carry(due) if due else frozenset()

    # --- workers

    def join(self, worker: str, *, now: int) -> None:
        def joining(place: _Place) -> None:
            with place.reached() as cell:
                cell.join(worker, now=now)
            place.joined.add(worker)

        joined: list[_Place] = []
        busy: StoreBusy | None = None
        try:
            for place in self._places:
                try:
                    joining(place)
                except StoreBusy as error:
                    busy = error
                else:
                    joined.append(place)
        except BaseException:
            for place in joined:
                with suppress(StoreError), place.reached() as cell:
                    cell.leave(worker)
                place.joined.discard(worker)
            raise
        if busy is not None and not joined:
            raise busy
        self._carry_left()

    def beat(self, worker: str, *, now: int) -> None:
        reached = 0
        busy: StoreBusy | None = None
        for place in self._places:
            try:
                with place.reached() as cell:
                    if worker in place.joined:
                        cell.beat(worker, now=now)
                    else:
                        self._welcome(cell)
                        cell.join(worker, now=now)
                        if worker in self._told:
                            cell.tell(worker, self._told[worker])
                        place.joined.add(worker)
            except StoreBusy as error:
                busy = error
            else:
                reached += 1
        if busy is not None and not reached:
            raise busy
        self._level()
        self._carry_left()

    def _welcome(self, cell: Cell) -> None:
        """A worker that was let begin on durable cells takes no irreversible action to one that forgets."""
        if cell.caps.durability == "lazy" and self._durability != "lazy":
            raise StoreError(
                "A cell that could not be reached before acknowledges what may be lost; the others do not.",
                code="store_open",
                hint="Set it up like the others, and start this process again.",
            )

    def _carry_left(self) -> None:
        """What workers that died, or could not reach a cell, have left in outboxes."""
        left, _ = self._each(lambda cell: cell.unsent())
        self._carry(slot for slots in left.values() for slot in slots if slot not in self._pending)

    def tell(self, worker: str, hosts: Mapping[str, str]) -> None:
        self._told[worker] = dict(hosts)
        self._some(lambda cell: cell.tell(worker, hosts))

    def leave(self, worker: str) -> None:
        self._told.pop(worker, None)
        for place in self._places:
            place.joined.discard(worker)
        self._some(lambda cell: cell.leave(worker))

    def declare_dead(self, worker: str, *, now: int) -> None:
        self._every(lambda cell: cell.declare_dead(worker, now=now))
        for place in self._places:
            place.joined.discard(worker)

    def workers(self) -> list[str]:
        return sorted({name for names in self._some(lambda cell: cell.workers()) for name in names})

    def hosting(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for cell in self._some(lambda cell: cell.hosting()):
            for name, hosts in cell.items():
                found[name] = found.get(name, frozenset()) | hosts
        return found

    # --- control and releases

    def set_control(self, paused: Sequence[str], *, expected: int | None = None) -> Control:
        """Every cell that can be reached has it when this returns or raises.

        Raises StoreBusy naming those that could not be reached: they get it before they do anything else when a worker
        reaches them, and the call may be repeated.
        """
        before, _ = self._each(lambda cell: cell.control())
        if expected is not None and max((one.generation for one in before.values()), default=0) != expected:
            raise StoreConflict(
                "Somebody else changed the pauses first.", hint="Nothing was written; look and try again."
            )
        failed: dict[_Place, StoreBusy] = {}
        written = False
        for place in self._places:
            # The first one decides between two operators; whoever wins there writes to the others.
            last = before[place].generation if expected is not None and not written and place in before else None
            try:
                with place.reached() as cell:
                    cell.set_control(paused, expected=last)
                    written = True
            except StoreBusy as error:
                failed[place] = error
        if not written:
            raise next(iter(failed.values()))
        self._level()
        if failed:
            names = ", ".join(place.name for place in failed)
            raise StoreBusy(
                f"The change is in force, but not in {names}: {next(iter(failed.values())).message}",
                hint="Run it again when that is reached; a worker that reaches it first brings it level.",
            )
        return self.control()

    def control(self) -> Control:
        return max(self._some(lambda cell: cell.control()), key=lambda one: one.generation)

    def _level(self) -> None:
        """Bring pauses and releases that a cell has missed to it. The later change wins; of equal ones both hold."""
        known, _ = self._each(lambda cell: (cell.control(), {row[0]: row for row in cell.releases()}))
        controls = {place: one for place, (one, _) in known.items()}
        if len(set(controls.values())) > 1:
            generation = max(one.generation for one in controls.values())
            newest = {one.paused for one in controls.values() if one.generation == generation}
            paused = sorted({scope for scopes in newest for scope in scopes})
            if len(newest) > 1:
                generation += 1
            for place, one in controls.items():
                # Another worker may be at the same: of two that write from the same generation one is refused.
                with suppress(StoreConflict, StoreBusy):
                    for number in range(one.generation, generation):
                        with place.reached() as cell:
                            cell.set_control(paused, expected=number)
        releases = {id_: row for _, rows in known.values() for id_, row in rows.items()}
        for place, (_, rows) in known.items():
            for id_ in releases.keys() - rows.keys():
                manifest = self.release(id_)
                if manifest is not None:
                    with suppress(StoreBusy), place.reached() as cell:
                        cell.put_release(id_, releases[id_][1], manifest, now=releases[id_][2])

    def put_release(self, id: str, automation: str, manifest: bytes, *, now: int) -> None:
        self._some(lambda cell: cell.put_release(id, automation, manifest, now=now))

    def releases(self) -> list[tuple[str, str, int]]:
        found: dict[str, tuple[str, str, int]] = {}
        for rows in self._some(lambda cell: cell.releases()):
            for row in rows:
                found[row[0]] = min(found.get(row[0], row), row, key=lambda one: one[2])
        return sorted(found.values(), key=lambda row: (row[2], row[0]))

    def release(self, id: str) -> bytes | None:
        return next((found for found in self._some(lambda cell: cell.release(id)) if found is not None), None)

    # --- finished cases

    def finished(self, automation: str, status: str, *, after: int, limit: int) -> list[Finished]:
        found = self._paged(
            after,
            lambda cell, place: [
                (one.place, one) for one in cell.finished(automation, status, after=place, limit=limit)
            ],
        )
        return [Finished(place, one.slot, one.case, one.updated_at) for place, one in found[:limit]]

    def archived(self, automation: str, *, after: int, limit: int) -> list[tuple[int, CaseRecord]]:
        return self._paged(after, lambda cell, place: cell.archived(automation, after=place, limit=limit))[:limit]

    def _paged(self, after: int, page: Callable[[Cell, int], list[tuple[int, T]]]) -> list[tuple[int, T]]:
        """Rows with their places, in order. A place here is that in the cell, and which cell: no two are the same."""
        count = len(self._places)
        pages = [
            [(place * count + number, row) for place, row in rows]
            for number, rows in enumerate(self._numbered(lambda cell, own: page(cell, (after - own) // count)))
        ]
        return list(heapq.merge(*pages, key=lambda one: one[0]))

    def _numbered(self, call: Callable[[Cell, int], T]) -> list[T]:
        """Ask every cell, which is told its number."""
        found: list[T] = []
        for place in self._places:
            with place.reached() as cell:
                found.append(call(cell, place.number))
        return found

    # --- keys of personal data

    def seals(self, case: CaseId) -> list[Seal]:
        with self._of_case(case).reached() as cell:
            return cell.seals(case)

    def seal(self, id: str) -> Seal | None:
        with self._of(slot_of_seal(id)).reached() as cell:
            return cell.seal(id)

    def put_seal(self, seal: Seal, subjects: Sequence[str]) -> Seal:
        with self._of(seal.slot).reached() as cell:
            return cell.put_seal(seal, subjects)

    def cases_about(self, subject: str) -> list[CaseId]:
        return [case for cases in self._every(lambda cell: cell.cases_about(subject)) for case in cases]

    def wipe(self, secrets: Sequence[bytes]) -> bool:
        return all(self._every(lambda cell: cell.wipe(secrets)))

    # --- reading

    def case(self, case: CaseId) -> CaseRecord | None:
        with self._of_case(case).reached() as cell:
            return cell.case(case)

    def cases(
        self, *, automation: str | None, status: str | None, after: CaseId | None, limit: int
    ) -> list[CaseRecord]:
        behind = 0
        if after is not None:
            place = self._of_case(after)
            with place.reached() as cell:
                behind = cell.place_of(after) * len(self._places) + place.number
        found = self._paged(behind, lambda cell, place: cell.placed(automation, status, after=place, limit=limit))
        return [record for _, record in found[:limit]]

    def ledger(self, slot: int, *, after: int, limit: int) -> list[tuple[Entry, bytes, bytes]]:
        with self._of(slot).reached() as cell:
            return cell.ledger(slot, after=after, limit=limit)

    def entry(self, slot: int, lsn: int) -> Entry | None:
        with self._of(slot).reached() as cell:
            return cell.entry(slot, lsn)

    def heads(self) -> dict[int, tuple[int, bytes]]:
        return dict(sorted(item for heads in self._every(lambda cell: cell.heads()) for item in heads.items()))

    def eras(self) -> dict[int, int]:
        return dict(sorted(item for eras in self._every(lambda cell: cell.eras()) for item in eras.items()))

    def finish_era(self) -> int:
        """In every cell, or StoreBusy: then some have ended theirs, and the next call ends one for all."""
        ended = max(self._every(lambda cell: cell.finish_era()))
        for place in self._places:
            with place.reached() as cell:
                while min(cell.eras().values()) <= ended:
                    cell.finish_era()
        return ended

    def newest(self, case: CaseId) -> int:
        with self._of_case(case).reached() as cell:
            return cell.newest(case)

    def open_reviews(self, *, automation: str | None, group: str | None, limit: int) -> list[tuple[CaseId, Review]]:
        pages = self._every(lambda cell: cell.open_reviews(automation=automation, group=group, limit=limit))
        return list(heapq.merge(*pages, key=lambda one: one[1].expires_at))[:limit]

    def open_tasks(self, *, automation: str | None, group: str | None, limit: int) -> list[tuple[CaseId, Task]]:
        pages = self._every(lambda cell: cell.open_tasks(automation=automation, group=group, limit=limit))
        return list(heapq.merge(*pages, key=lambda one: one[1].opened_at))[:limit]

    def open_commands(self) -> list[Lease]:
        return [lease for leases in self._every(lambda cell: cell.open_commands()) for lease in leases]

    def quarantine(self) -> list[Quarantined]:
        return [one for found in self._every(lambda cell: cell.quarantine()) for one in found]

    def condition(self) -> Condition:
        found = self._every(lambda cell: cell.condition())
        frees = [one.free_bytes for one in found if one.free_bytes is not None]
        return Condition(
            waiting=_waiting(found),
            undone=_undone(found),
            at_work=_at_work(found),
            newest=max(one.newest for one in found),
            solo=sum(one.solo for one in found),
            between=sum(one.between for one in found),
            bytes=sum(one.bytes for one in found),
            log_bytes=sum(one.log_bytes for one in found),
            free_bytes=min(frees, default=None),
        )

    def sizes(self) -> dict[str, int]:
        total: defaultdict[str, int] = defaultdict(int)
        for sizes in self._every(lambda cell: cell.sizes()):
            for table, size in sizes.items():
                total[table] += size
        return dict(total)

    # --- lives

    def lives(self) -> list[Life]:
        """The whole begins another life whenever a cell does."""
        by_cell = self._every(lambda cell: cell.lives())
        present = [lives[0] for lives in by_cell]
        first = max(present, key=lambda life: life.began)
        found = [replace(first, number=1, incarnation=_joined(present))]
        later = sorted(
            ((life.began, cell, life.number, life) for cell, lives in enumerate(by_cell) for life in lives[1:]),
        )
        for number, (_, cell, _, life) in enumerate(later, 2):
            present[cell] = life
            found.append(replace(life, number=number, incarnation=_joined(present)))
        return found

    def estranged(self) -> str:
        found, _ = self._each(lambda cell: cell.estranged())
        return next((f"cell {place.name}: {why}" for place, why in found.items() if why), "")

    def begin_life(self, why: BeginsAs, *, now: int) -> Life:
        """In every cell: what one has forgotten, the others may have heard of."""
        self._every(lambda cell: cell.begin_life(why, now=now))
        return self.lives()[-1]

    def backup(self, path: str) -> None:
        raise StoreError(
            "There is no moment that several databases have in common, so they cannot be copied as one.",
            code="store_backup",
            hint="Back each cell up by itself, by the means of its server.",
        )

    def close(self) -> None:
        for place in self._places:
            place.close()


def _joined(lives: Sequence[Life]) -> str:
    return "+".join(life.incarnation for life in lives)


def _waiting(found: Sequence[Condition]) -> tuple[Waiting, ...]:
    total: dict[str, Waiting] = {}
    for one in (one for condition in found for one in condition.waiting):
        known = total.get(one.automation)
        total[one.automation] = (
            one
            if known is None
            else Waiting(
                one.automation, known.count + one.count, known.blocked + one.blocked, min(known.since, one.since)
            )
        )
    return tuple(total[name] for name in sorted(total))


def _undone(found: Sequence[Condition]) -> tuple[Undone, ...]:
    total: dict[tuple[str, int], Undone] = {}
    for one in (one for condition in found for one in condition.undone):
        known = total.get((one.dependency, one.state))
        if known is not None:
            dues = [due for due in (known.due, one.due) if due is not None]
            one = Undone(one.dependency, one.state, known.count + one.count, min(dues, default=None))  # noqa: PLW2901
        total[one.dependency, one.state] = one
    return tuple(total[name] for name in sorted(total))


def _at_work(found: Sequence[Condition]) -> tuple[AtWork, ...]:
    total: dict[str, AtWork] = {}
    for one in (one for condition in found for one in condition.at_work):
        known = total.get(one.name)
        if known is not None:
            calls = {name: known.calls.get(name, 0) + one.calls.get(name, 0) for name in known.calls | one.calls}
            one = AtWork(  # noqa: PLW2901
                one.name,
                min(known.joined, one.joined),
                max(known.beat, one.beat),
                known.alive or one.alive,
                known.hosts | one.hosts,
                dict(sorted(calls.items())),
                tuple(sorted({*known.slots, *one.slots})),
            )
        total[one.name] = one
    return tuple(total[name] for name in sorted(total))
