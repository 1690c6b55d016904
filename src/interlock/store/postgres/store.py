"""`ports.Store` on PostgreSQL: each role's function in a transaction of its own.

One session writes, under a lock; another reads beside it. A unit's claim is a lock on its slot's row that nobody waits
for (FOR UPDATE SKIP LOCKED); compare-and-set on slot epoch and case version decides who writes. What must change every
slot, or one that somebody may hold, waits for the claims, in the order of the slots.

Durable means what the server's settings make of it, and `caps.durability` says so.

INVARIANT: a call either did all it says or nothing, also when the connection is lost in the middle of it.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import metadata
from typing import Literal, TypeVar

from interlock.ports import (
    BeginsAs,
    Caps,
    Condition,
    Control,
    Life,
    ReadySlots,
    Receipt,
    Units,
)
from interlock.store import condition, control, eras, lives, reading, relay, seals, sqlite, workers, writes
from interlock.store import door as doors
from interlock.store.driver import AFTER_COMMIT, BEFORE_COMMIT, Connection, Cut, StatementFaults
from interlock.store.handshake import Layout
from interlock.store.one_database import OneDatabase
from interlock.store.packing import Packing
from interlock.store.postgres import copying, door, handshake, liveness
from interlock.store.postgres.link import SessionLink, durability_of
from interlock.store.postgres.naming import named
from interlock.store.postgres.session import Session
from interlock.store.postgres.unit import Claims, PostgresUnit
from interlock.vocabulary.errors import (
    InterlockBug,
    InterlockError,
    StoreBusy,
    StoreConflict,
    StoreError,
    StoreReadOnly,
)
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.limits import SLOTS
from interlock.vocabulary.sealed import Seal

T = TypeVar("T")
Durability = Literal["fsync", "quorum", "lazy"]

BUSY_MS = 5_000
"""How long to wait for a claim that somebody holds: units last milliseconds."""

RACES_MAX = 5
"""How often a call is run again that lost a race for a key to another process."""


def open_postgres(
    dsn: str,
    *,
    n_slots: int | None = None,
    create: bool = True,
    durability: Durability | None = None,
    busy_ms: int = BUSY_MS,
    read_only: bool = False,
    faults: StatementFaults | None = None,
    partitions: int = 0,
    silent_ms: int = liveness.SILENT_US // 1_000,
    sessionless_ms: int = liveness.SESSIONLESS_US // 1_000,
    slots: Collection[int] | None = None,
) -> PostgresStore:
    """Open a database, making its tables if there are none and `create` says so. The database itself must exist.

    dsn          `postgresql://user@host/database`, with `?schema=` for tables elsewhere than in `public`
    n_slots      of a new database; of an existing one it must agree with what it has
    durability   what `caps` says; None: what the server's settings make of a commit. "lazy" leaves the setting
                 synchronous_commit as it is
    busy_ms      how long to wait for another process's claim before StoreBusy
    read_only    nothing is written, and whatever would raises StoreReadOnly; the server may be a standby
    faults       called before each write and around each commit (see `driver.StatementFaults`)
    partitions   split each table of a new database over so many partitions by slot; 0: do not
    silent_ms    how long a worker may be silent before it is taken for dead
    sessionless_ms   the same for one whose session has ended
    slots        which of the slots it keeps, if it is one of several (`cells`); None: all

    Raises StoreVersion, StoreCorrupt, StoreReadOnly, StoreBusy, StoreFull, StoreError; NotFound: there is none.
    """
    if n_slots is not None and n_slots < 1:
        raise StoreError(f"A store of {n_slots} slots cannot hold anything.", code="store_slots", hint="Use 1 or more.")
    holder = str(uuid.uuid4())
    link = SessionLink(named(dsn), holder, busy_ms, read_only=read_only, relaxed=durability == "lazy")
    store = PostgresStore(link, durability, faults, (silent_ms * 1_000, sessionless_ms * 1_000))
    try:
        store.open(n_slots=n_slots, create=create, partitions=partitions, slots=slots)
    except BaseException:
        store.close()
        raise
    return store


def postgres_layout(dsn: str, *, busy_ms: int = BUSY_MS) -> Layout:
    """Which layout a database has, and what opening it would do about that. Changes nothing.

    Raises NotFound, and StoreError for one that cannot be read.
    """
    link = SessionLink(named(dsn), str(uuid.uuid4()), busy_ms, read_only=True)
    session = Session(link, moved=_nothing)
    try:
        session.ready()
        return handshake.layout(session, link)
    finally:
        session.give_up()


class PostgresStore(OneDatabase):
    """`ports.Store`: gives each role's function a session in a transaction of its own, and nothing else.

    May be used from several threads. Within `units` the same thread may read, not write.
    """

    def __init__(
        self,
        link: SessionLink,
        durability: Durability | None,
        faults: StatementFaults | None,
        silent: tuple[int, int],
    ) -> None:
        self._link = link
        self._durability: Durability | None = durability
        self._faults = faults
        self._silent = silent
        self._writer = Session(link, moved=self._moved)
        self._reader = Session(link, moved=_nothing)
        self._db: Connection = self._writer if faults is None else Cut(self._writer, faults)
        self._write_lock = threading.RLock()
        self._read_lock = threading.RLock()
        self._open_transaction = False
        self._caps: Caps = Caps(0, "lazy", "row", "")
        self._packing: Packing
        self._seen_epochs = 0
        self._ahead = 0
        self._held: set[str] = set()
        self._told: dict[str, dict[str, str]] = {}

    def open(self, *, n_slots: int | None, create: bool, partitions: int, slots: Collection[int] | None) -> None:
        """Connect, make or migrate what is there, and shake hands."""
        session = self._writer
        session.ready()
        meta, self._packing = handshake.prepare(
            session,
            self._link,
            n_slots=n_slots or SLOTS,
            asked_slots=n_slots,
            create=create,
            partitions=partitions,
            program=metadata.version("interlock"),
            now=time.time_ns() // 1000,
            silent=self._silent,
            slots=slots,
        )
        found: Durability = self._durability or self._found_durability(session)
        self._caps = Caps(meta.n_slots, found, "row", meta.incarnation)
        if not self._link.read_only:
            with self._writing() as db:
                if lives.current(db)[1] is None:
                    lives.settle_in(db, self._place(session))
        self._compare_clocks()

    @property
    def caps(self) -> Caps:
        return self._caps

    def ahead(self) -> int:
        return self._ahead

    def _compare_clocks(self) -> None:
        """Correct `ahead` if it is outside of what one exchange with the server says that it can be."""
        before = time.time_ns() // 1_000
        theirs = self.clock()
        after = time.time_ns() // 1_000
        if not theirs - after <= self._ahead <= theirs - before:
            self._ahead = theirs - (before + after) // 2

    # --- the door

    def accept(self, batch: Sequence[Envelope], *, now: int) -> list[Receipt]:
        prepared = doors.prepare(batch, self._caps.n_slots)
        receipts = self._again(lambda: self._accept(prepared, now))
        self._accepted_since += len(batch)
        return receipts

    def _accept(self, prepared: Sequence[doors.Prepared], now: int) -> list[Receipt]:
        if self._faults is None and all(said for _, _, said, _ in prepared):
            # What is remembered may be sent again when the answer is lost. So the statement's own transaction will do.
            with self._alone() as session:
                return door.accept(session, prepared, now)
        with self._writing():
            if self._faults is not None:
                self._faults(doors.SEEN_ADD)
            return door.accept(self._writer, prepared, now)

    def room(self) -> int | None:
        """A server does not tell its clients."""
        return None

    # --- the path

    def ready(
        self, *, now: int, full: frozenset[str] = frozenset(), hosted: frozenset[str] | None = None
    ) -> ReadySlots:
        self._heal()
        slots: set[int] = set()
        next_due: int | None = None
        with self._reading() as db:
            for slot, due in db.run("ready", now, sorted(full), None if hosted is None else sorted(hosted)):
                if slot is not None:
                    slots.add(slot)
                elif due is not None and (next_due is None or due < next_due):
                    next_due = due
        return ReadySlots(frozenset(slots), next_due)

    @contextmanager
    def units(
        self, slots: Sequence[int], *, worker: str, now: int, relay: bool = True, accept: Sequence[Envelope] = ()
    ) -> Generator[Units]:
        prepared = doors.prepare(accept, self._caps.n_slots)
        with self._writing() as db:
            asked = list(dict.fromkeys(slots))
            claims = Claims(self._writer, asked, now, self._faults)
            claimed = [
                PostgresUnit(db, self._packing, claims, slot, worker=worker, now=now)
                for slot in asked
                if slot in claims.rows
            ]
            units = Units(claimed)
            yield units
            staged = [(unit, unit.writes) for unit in claimed if unit.writes is not None]
            if not relay:
                units.unsent = frozenset(unit.slot for unit, wrote in staged if wrote.sends)
            relayed: frozenset[int] = frozenset()
            if staged or prepared:
                self._writer.take_number()
            if staged:
                relayed = writes.apply(db, self._packing, staged, relaying=relay, n_slots=self._caps.n_slots)
            if prepared and self._faults is not None:
                self._faults(doors.SEEN_ADD)
            receipts = door.accept(self._writer, prepared, now)
        units.relayed, units.receipts = relayed, receipts
        self._accepted_since += len(prepared)

    def attempt(self, slot: int, arrival: tuple[int, str], known: int) -> int:
        with self._writing() as db:
            return workers.attempt(db, slot, arrival, known)

    def renew(self, worker: str, commands: Mapping[int, Sequence[str]], *, until: int) -> None:
        with self._writing() as db:
            for slot, ids in commands.items():
                workers.renew(db, worker, slot, list(ids), until)

    def relay(self, slot: int, *, limit: int) -> frozenset[int]:
        with self._writing() as db:
            self._writer.run("claim_waiting", [slot])
            return frozenset(relay.relay(db, slot, limit=limit))

    def outbox(self, slot: int, targets: Collection[int], *, limit: int) -> list[relay.Sent]:
        with self._reading() as db:
            return relay.outbox(db, slot, targets, limit)

    def receive(self, sender: int, messages: Sequence[relay.Sent]) -> frozenset[int]:
        with self._writing() as db:
            self._writer.run("claim_waiting", sorted({target for _, target, _ in messages}))
            return frozenset(relay.receive(db, sender, messages))

    def sent_off(self, slot: int, numbers: Sequence[int]) -> None:
        with self._writing() as db:
            self._writer.run("claim_waiting", [slot])
            relay.sent_off(db, slot, numbers)

    def unsent(self) -> list[int]:
        with self._reading() as db:
            return relay.unsent(db)

    # --- workers

    def join(self, worker: str, *, now: int) -> None:
        why = self.estranged()
        if why:
            raise lives.refusal(self._link.where, why)
        with self._writing() as db:
            known = liveness.states(self._writer, *self._silent)
            liveness.join(self._writer, db, worker, known, now)
            lives.settle_in(db, self._place(self._writer))
        self._held.add(worker)

    def beat(self, worker: str, *, now: int) -> None:
        with self._writing() as db:
            known = liveness.states(self._writer, *self._silent)
            if not liveness.beat(self._writer, db, worker, known, now) and worker in self._told:
                workers.tell(db, worker, self._told[worker])
            seen = lives.epochs(db)
            found = self._durability or self._found_durability(self._writer)
            if found != self._caps.durability:
                self._caps = replace(self._caps, durability=found)
                lives.settle_in(db, self._place(self._writer))
        self._held.add(worker)
        self._seen_epochs = max(seen, self._seen_epochs)
        self._compare_clocks()

    def tell(self, worker: str, hosts: Mapping[str, str]) -> None:
        with self._writing() as db:
            workers.tell(db, worker, hosts)
        self._told[worker] = dict(hosts)

    def leave(self, worker: str) -> None:
        with self._writing() as db:
            workers.leave(db, worker)
        self._forget(worker)

    def declare_dead(self, worker: str, *, now: int) -> None:
        with self._writing() as db:
            liveness.bury(self._writer, db, [worker], now)
        self._forget(worker)

    def _forget(self, worker: str) -> None:
        self._held.discard(worker)
        self._told.pop(worker, None)

    def workers(self) -> list[str]:
        """Names of the workers that live now, on any machine."""
        with self._reading() as db:
            return [one.name for one in liveness.states(db, *self._silent) if not one.dead]

    def hosting(self) -> dict[str, frozenset[str]]:
        with self._reading() as db:
            alive = {one.name for one in liveness.states(db, *self._silent) if not one.dead}
            return {name: hosts for name, hosts in workers.hosting(db).items() if name in alive}

    def condition(self) -> Condition:
        alive = frozenset(self.workers())
        with self._reading() as db:
            found = condition.condition(db, None, alive)
            return replace(found, bytes=sum(reading.sizes(db).values()))

    # --- lives

    def estranged(self) -> str:
        with self._reading(snapshot=True) as db:
            return self._why_estranged(db)

    def _why_estranged(self, session: Session) -> str:
        """What gives a change away: another place, another timeline, and what a worker here has seen."""
        life, lived = lives.current(session)
        if self._seen_epochs and (
            life.incarnation != self._caps.incarnation or lives.epochs(session) < self._seen_epochs
        ):
            return "it was put back to an earlier state: a worker has seen more of it than it holds"
        if lived is None:
            return ""
        *was_in, was_on, was = str(lived).split("/")
        *is_in, is_on, _ = self._place(session).split("/")
        if was_in != is_in:
            return "it is a copy: another server, database or schema than the one it was lived in"
        if was_on == is_on or was == "quorum":
            return ""  # Where every commit is on a standby before it is acknowledged, the standby may take over.
        return "its server was restored from a backup, or a standby took over that may have been behind"

    def _place(self, session: Session) -> str:
        """Server, database, schema, timeline, and what a commit is worth there, as one text."""
        return "/".join([*(str(part) for part in session.run("place").fetchone()), self._caps.durability])

    def begin_life(self, why: BeginsAs, *, now: int) -> Life:
        incarnation = str(uuid.uuid4())
        with self._writing() as db:
            self._writer.run("claim_all")
            lives.begin(db, incarnation, now, why, self._place(self._writer))
            life, _ = lives.current(db)
        self._caps = replace(self._caps, incarnation=incarnation)
        self._seen_epochs = 0
        return life

    def backup(self, path: str) -> None:
        """Write one consistent state as a database of SQLite, in one snapshot beside whoever works here.

        It is read like any other; the server's own means (pg_basebackup, pg_dump) are what is restored from.
        """
        with self._reading(snapshot=True) as db:
            sqlite.write_copy(path, lambda table, columns: copying.pages(db, table, columns, self._caps.n_slots))

    # --- control and releases

    def set_control(self, paused: Sequence[str], *, expected: int | None = None) -> Control:
        with self._writing() as db:
            self._writer.run("claim_all")
            return control.set_control(db, paused, expected)

    # --- eras of the ledger

    def finish_era(self) -> int:
        with self._writing() as db:
            self._writer.run("claim_all")
            return eras.finish(db)

    # --- keys of personal data

    def put_seal(self, seal: Seal, subjects: Sequence[str]) -> Seal:
        return self._again(lambda: self._put_seal(seal, subjects))

    def _put_seal(self, seal: Seal, subjects: Sequence[str]) -> Seal:
        with self._writing() as db:
            return seals.put(db, seal, subjects)

    def wipe(self, secrets: Sequence[bytes]) -> bool:
        """Write the table of keys anew, so that its file holds none that was destroyed.

        The server's log, its standbys and its backups hold them for as long as they are kept.
        """
        with self._alone() as session:
            session.shout("VACUUM FULL seals")
        return True

    # --- sessions

    def clock(self) -> int:
        """Microseconds of the server's clock."""
        with self._reading() as db:
            return db.run("clock").fetchone()[0]

    def close(self) -> None:
        """End the sessions. Workers that have not left are dead from now on, as if the process had ended."""
        with self._write_lock, self._read_lock:
            if self._held and self._writer.connected and not self._open_transaction:
                with suppress(InterlockError), self._writing():
                    self._writer.run("worker_gone")
            self._held.clear()
            self._reader.give_up()
            self._writer.give_up()

    def _moved(self, session: Session) -> None:
        """The writer has another connection: its workers live on, unless this is not the database that they know."""
        why = self._why_estranged(session)
        if why and self._held:
            raise lives.refusal(self._link.where, why)
        durability = self._durability or self._found_durability(session)
        if durability == "lazy" and self._caps.durability != "lazy":
            # Whoever works here was let begin because nothing acknowledged is lost.
            raise StoreError(
                f"{self._link.where} acknowledges what may be lost: it runs without fsync, and did not before.",
                code="store_open",
                hint="Set it up as it was, and start this process again.",
            )
        self._caps = replace(self._caps, durability=durability)
        if self._held and not self._link.read_only:
            session.run("worker_moved")
            session.flush()

    def _found_durability(self, session: Session) -> Durability:
        fsync, synchronous, standbys, _ = session.run("settings").fetchone()
        return durability_of(fsync, synchronous, standbys)

    def _heal(self) -> None:
        """Connect the writer again, if its session was ended while nobody used it, so that its workers live on."""
        if self._held and self._write_lock.acquire(blocking=False):
            try:
                if not self._open_transaction:
                    self._writer.ready()
            finally:
                self._write_lock.release()

    def _again(self, call: Callable[[], T]) -> T:
        """Run a call that may lose a race for a key, until it does not."""
        for _ in range(RACES_MAX - 1):
            with suppress(StoreConflict):
                return call()
        try:
            return call()
        except StoreConflict as error:
            raise StoreBusy(error.message, hint="Try again.") from error

    @contextmanager
    def _alone(self) -> Generator[Session]:
        """The writer, outside a transaction: each exchange is one of its own."""
        with self._write_lock:
            self._refuse_within()
            self._open_transaction = True
            try:
                self._writer.ready()
                yield self._writer
            except BaseException:
                self._writer.rollback()
                raise
            finally:
                self._open_transaction = False

    @contextmanager
    def _writing(self) -> Generator[Connection]:
        """A write transaction: committed when the block ends, rolled back when it raises or wrote nothing."""
        with self._write_lock:
            self._refuse_within()
            writer, faults = self._writer, self._faults
            self._open_transaction = True
            try:
                writer.begin()
                yield self._db
                if not writer.wrote:
                    writer.rollback()
                elif faults is None:
                    writer.commit()
                else:
                    faults(BEFORE_COMMIT)
                    writer.commit()
                    faults(AFTER_COMMIT)
            except BaseException:
                writer.rollback()
                raise
            finally:
                self._open_transaction = False

    def _refuse_within(self) -> None:
        if self._open_transaction:
            raise InterlockBug("the store was written to inside `units`; stage it in the unit instead")
        if self._link.read_only:
            raise StoreReadOnly(
                f"{self._link.where} was opened to be read only.", hint="Open it where it may be written."
            )

    @contextmanager
    def _reading(self, *, snapshot: bool = False) -> Generator[Session]:
        """The reader. `snapshot`: what several statements see is one state."""
        with self._read_lock:
            reader = self._reader
            try:
                if snapshot:
                    reader.begin(snapshot=True)
                else:
                    reader.ready()
                yield reader
            except BaseException:
                reader.rollback()
                raise
            if snapshot:
                reader.rollback()


def _nothing(session: Session) -> None:
    """The reader has no workers."""
