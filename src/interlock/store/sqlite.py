"""The store on SQLite: one file, any number of processes on one machine. The only module that knows sqlite3.

WAL with synchronous=FULL: what a call reported as done survives a power cut. One connection writes, under a lock and
in transactions that begin as writers (BEGIN IMMEDIATE), so the claim of a slot is the claim of the file and
compare-and-set never waits on a lock it cannot get. A second connection reads beside it. In memory there is one
connection for both.

INVARIANT: a call either did all it says or nothing. Whatever goes wrong, a full disk and a bug included, the
transaction is rolled back before the error leaves, and the store can be used again.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

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
from interlock.store import (
    condition,
    control,
    door,
    eras,
    handshake,
    lives,
    readiness,
    relay,
    seals,
    workers,
    writes,
)
from interlock.store.driver import AFTER_COMMIT, BEFORE_COMMIT, Connection, Cut, StatementFaults
from interlock.store.liveness import FileLiveness, Liveness, MemoryLiveness
from interlock.store.one_database import OneDatabase
from interlock.store.packing import Packing, known_packing, packing
from interlock.store.place import Place
from interlock.store.unit import ClaimedUnit
from interlock.vocabulary.errors import (
    InterlockBug,
    NotFound,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreVersion,
)
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.limits import SLOTS
from interlock.vocabulary.sealed import Seal

Durability = Literal["fsync", "quorum", "lazy"]

MEMORY = ":memory:"
SQLITE_MIN = (3, 38, 0)
"""The first SQLite with JSON functions always built in; upserts and row values are older."""

BUSY_MS = 5_000
"""How long to wait for another process's transaction: theirs last milliseconds, a slow disk's a second."""

CACHE_KIB = 65_536
"""Page cache of the writer: the hot ends of all slots in a database of a million cases."""

READER_CACHE_KIB = 16_384
"""Page cache of the reader: what `ready` walks over when every slot has a backlog."""

CHECKPOINT_PAGES = 4_000
"""WAL pages between checkpoints: a hot page is written back once for many changes."""


def open_sqlite(
    path: str | Path,
    *,
    n_slots: int | None = None,
    create: bool = True,
    durability: Durability | None = None,
    busy_ms: int = BUSY_MS,
    read_only: bool = False,
    faults: StatementFaults | None = None,
    slots: Collection[int] | None = None,
) -> SqliteStore:
    """Open a database, making it if there is none and `create` says so. ":memory:" ends with the store.

    n_slots      of a new database; of an existing one it must agree with what it has
    durability   what `caps` says: "fsync" for files, "lazy" in memory, which nothing outlives; a test may say otherwise
    busy_ms      how long to wait for another process before StoreBusy
    read_only    for a file, folder or disk that may not be written: nothing is, and whatever would raises StoreReadOnly
    faults       called before each write and around each commit (see `driver.StatementFaults`)
    slots        which of the slots it keeps, if it is one of several (`cells`); None: all

    Raises StoreVersion, StoreCorrupt, StoreReadOnly, StoreBusy, StoreFull; NotFound: there is none and none to be made.
    """
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        raise StoreVersion(
            f"This Python has SQLite {sqlite3.sqlite_version}; {'.'.join(map(str, SQLITE_MIN))} or newer is needed.",
            hint="Use a newer Python or a newer system library.",
        )
    name = str(path)
    if n_slots is not None and n_slots < 1:
        raise StoreError(f"A store of {n_slots} slots cannot hold anything.", code="store_slots", hint="Use 1 or more.")
    if name != MEMORY and not create and not Path(name).is_file():
        raise NotFound(f"There is no database at {name}.", hint="Check the path, or create one with `interlock init`.")
    liveness = MemoryLiveness() if name == MEMORY else FileLiveness(Path(f"{name}.workers"))
    writer = _connect_read_only(name, busy_ms) if read_only else _connect(name, busy_ms)
    try:
        with _translated(name):
            if read_only:
                meta, dictionaries = _look(writer, name, n_slots, slots)
                reader = writer
            else:
                meta, dictionaries = _prepare(writer, name, n_slots, liveness, slots)
                reader = writer if name == MEMORY else _reader(name, busy_ms)
    except BaseException:
        writer.close()
        raise
    caps = Caps(meta.n_slots, durability or ("lazy" if name == MEMORY else "fsync"), "database", meta.incarnation)
    return SqliteStore(name, writer, reader, caps, dictionaries, liveness, faults)


def sqlite_layout(path: str | Path) -> handshake.Layout:
    """Which layout a file has, and what opening it would do about that. Changes nothing.

    Raises NotFound, and StoreError for a file that cannot be read.
    """
    name = str(path)
    if not Path(name).is_file():
        raise NotFound(f"There is no database at {name}.", hint="Check the path.")
    with closing(_connect_read_only(name, BUSY_MS)) as reader, _translated(name):
        return handshake.layout(reader, name)


class SqliteStore(OneDatabase):
    """`ports.Store`: gives each role's function a connection in a transaction of its own, and nothing else.

    May be used from several threads. Within `units` the same thread may read, not write.
    """

    def __init__(
        self,
        path: str,
        writer: sqlite3.Connection,
        reader: sqlite3.Connection,
        caps: Caps,
        dictionaries: Packing,
        liveness: Liveness,
        faults: StatementFaults | None,
    ) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._db: Connection = writer if faults is None else Cut(writer, faults)
        self._faults = faults
        self._caps = caps
        self._packing = dictionaries
        self._liveness = liveness
        self._place = None if path == MEMORY else Place(path)
        self._write_lock = threading.RLock()
        self._read_lock = self._write_lock if reader is writer else threading.RLock()
        self._open_transaction = False

    @property
    def caps(self) -> Caps:
        return self._caps

    def ahead(self) -> int:
        """Whoever has the file open is on this machine."""
        return 0

    # --- the door

    def accept(self, batch: Sequence[Envelope], *, now: int) -> list[Receipt]:
        prepared = self._prepared(batch, now)
        with self._writing() as db:
            receipts = door.accept(db, prepared, now)
        self._accepted_since += len(batch)
        return receipts

    def _prepared(self, batch: Sequence[Envelope], now: int) -> list[door.Prepared]:
        if self._place is not None:
            self._place.check(now)
        return door.prepare(batch, self._caps.n_slots)

    def room(self) -> int | None:
        return condition.room(None if self._path == MEMORY else Path(self._path))

    # --- the path

    def ready(
        self, *, now: int, full: frozenset[str] = frozenset(), hosted: frozenset[str] | None = None
    ) -> ReadySlots:
        with self._reading() as db:
            return readiness.ready(db, now, full, hosted)

    @contextmanager
    def units(
        self, slots: Sequence[int], *, worker: str, now: int, relay: bool = True, accept: Sequence[Envelope] = ()
    ) -> Generator[Units]:
        prepared = self._prepared(accept, now) if accept else []
        receipts: list[Receipt] = []
        with self._writing() as db:
            claimed = [ClaimedUnit(db, self._packing, slot, worker=worker, now=now) for slot in dict.fromkeys(slots)]
            units = Units(claimed)
            yield units
            staged = [(unit, unit.writes) for unit in claimed if unit.writes is not None]
            if not relay:
                units.unsent = frozenset(unit.slot for unit, wrote in staged if wrote.sends)
            relayed: frozenset[int] = frozenset()
            if staged:
                relayed = writes.apply(db, self._packing, staged, relaying=relay, n_slots=self._caps.n_slots)
            if prepared:
                receipts = door.accept(db, prepared, now)
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
            return frozenset(relay.relay(db, slot, limit=limit))

    def outbox(self, slot: int, targets: Collection[int], *, limit: int) -> list[relay.Sent]:
        with self._reading() as db:
            return relay.outbox(db, slot, targets, limit)

    def receive(self, sender: int, messages: Sequence[relay.Sent]) -> frozenset[int]:
        with self._writing() as db:
            return frozenset(relay.receive(db, sender, messages))

    def sent_off(self, slot: int, numbers: Sequence[int]) -> None:
        with self._writing() as db:
            relay.sent_off(db, slot, numbers)

    def unsent(self) -> list[int]:
        with self._reading() as db:
            return relay.unsent(db)

    # --- workers

    def join(self, worker: str, *, now: int) -> None:
        why = self.estranged()
        if why:
            raise lives.refusal(self._path, why)
        again = self._liveness.holds(worker)
        self._liveness.hold(worker)
        with self._writing() as db:
            known = workers.registered(db)
            dead = [name for name in known if self._liveness.is_dead(name)]
            if worker in known:  # The name is ours now, so whoever was registered under it is gone.
                dead.append(worker)
            for name in dead:
                workers.bury(db, name, now)
            workers.register(db, worker, now)
        if not again:
            self._clear(dead, but=worker)

    def beat(self, worker: str, *, now: int) -> None:
        if self._place is not None:
            self._place.check(now)
        with self._reading() as db:
            known = workers.registered(db)
        dead = [name for name in known if name != worker and self._liveness.is_dead(name)]
        with self._writing() as db:
            for name in dead:
                workers.bury(db, name, now)
            workers.beat(db, worker, now)
        self._clear(dead, but=worker)
        self._testify()

    def tell(self, worker: str, hosts: Mapping[str, str]) -> None:
        with self._writing() as db:
            workers.tell(db, worker, hosts)

    def leave(self, worker: str) -> None:
        with self._writing() as db:
            workers.leave(db, worker)
        self._liveness.release(worker)
        self._testify()

    def declare_dead(self, worker: str, *, now: int) -> None:
        """Record a death that no lock can show: a worker in memory that a test has killed."""
        self._liveness.release(worker)
        with self._writing() as db:
            workers.bury(db, worker, now)

    def _clear(self, dead: Sequence[str], *, but: str) -> None:
        for name in dead:
            if name != but:
                self._liveness.clear(name)

    def workers(self) -> list[str]:
        """Names of the workers that live now, on this machine."""
        with self._reading() as db:
            known = workers.registered(db)
        return [name for name in known if not self._liveness.is_dead(name)]

    def hosting(self) -> dict[str, frozenset[str]]:
        with self._reading() as db:
            known = workers.hosting(db)
        return {name: hosts for name, hosts in known.items() if not self._liveness.is_dead(name)}

    def condition(self) -> Condition:
        alive = frozenset(self.workers())
        with self._reading() as db:
            return condition.condition(db, None if self._path == MEMORY else Path(self._path), alive)

    # --- lives

    def estranged(self) -> str:
        if self._path == MEMORY:
            return ""
        # The witness is read first: what it has seen was committed before, so the database must hold as much.
        witness = lives.read_witness(self._witness)
        with self._reading() as db:
            return lives.estranged(db, lives.number_of(Path(self._path)), witness)

    def begin_life(self, why: BeginsAs, *, now: int) -> Life:
        incarnation = str(uuid.uuid4())
        with self._writing() as db:
            lives.begin(db, incarnation, now, why, None if self._path == MEMORY else self._file_number())
            life, _ = lives.current(db)
        self._caps = replace(self._caps, incarnation=incarnation)
        self._testify()
        return life

    def backup(self, path: str) -> None:
        with _new_file(path) as part:
            _copy(self._path, self._writer if self._path == MEMORY else None, part)

    @property
    def _witness(self) -> Path:
        return Path(f"{self._path}.life")

    def _file_number(self) -> int | None:
        return lives.number_of(Path(self._path))

    def _testify(self) -> None:
        """Renew what says how far this life has come. A disk that takes nothing leaves the witness older, not wrong."""
        if self._path == MEMORY:
            return
        with self._reading() as db:
            seen = lives.Witness(self._caps.incarnation, lives.epochs(db))
        with suppress(OSError):
            lives.write_witness(self._witness, seen)

    # --- control and releases

    def set_control(self, paused: Sequence[str], *, expected: int | None = None) -> Control:
        with self._writing() as db:
            return control.set_control(db, paused, expected)

    # --- eras of the ledger

    def finish_era(self) -> int:
        with self._writing() as db:
            return eras.finish(db)

    # --- keys of personal data

    def put_seal(self, seal: Seal, subjects: Sequence[str]) -> Seal:
        with self._writing() as db:
            return seals.put(db, seal, subjects)

    def wipe(self, secrets: Sequence[bytes]) -> bool:
        """Empty the write-ahead log into the file, and look for the keys in every byte of both.

        What `secure_delete` did not reach (a page that was split before) goes when the file is written anew, which
        takes as long as copying it, and happens only where the search finds something.
        """
        if self._path == MEMORY:
            return True
        files = [Path(self._path), Path(f"{self._path}-wal")]
        for rebuild in (False, True):
            with self._write_lock, self._read_lock, _translated(self._path):
                if rebuild:
                    self._writer.execute("VACUUM")
                busy = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if not secrets:
                return not busy
            if not any(seals.left_in(file, secrets) for file in files):
                return True
            if busy:
                return False  # Another process reads an older state, so the log cannot be emptied now.
        return False

    # --- the connection

    def bound(self, pages_max: int) -> None:
        """Let the database grow to this many pages at most, as a full disk would; 0 lifts the bound."""
        with self._write_lock, _translated(self._path):
            self._writer.execute(f"PRAGMA max_page_count = {pages_max or 2**32 - 2}")

    def close(self) -> None:
        """Give the file back. Workers that have not left are dead from now on, as if the process had ended."""
        with self._write_lock, self._read_lock:
            self._liveness.close()
            self._reader.close()
            self._writer.close()

    @contextmanager
    def _writing(self) -> Generator[Connection]:
        """A write transaction: committed when the block ends, rolled back when it raises or wrote nothing."""
        with self._write_lock:
            if self._open_transaction:
                raise InterlockBug("the store was written to inside `units`; stage it in the unit instead")
            writer, faults = self._writer, self._faults
            self._open_transaction = True
            try:
                _roll_back(writer)  # An exception thrown into the thread may have struck before a rollback.
                writer.execute("BEGIN IMMEDIATE")
                before = writer.total_changes
                yield self._db
                if writer.total_changes == before:
                    writer.execute("ROLLBACK")
                else:
                    if faults is not None:
                        faults(BEFORE_COMMIT)
                    writer.execute("COMMIT")
                    if faults is not None:
                        faults(AFTER_COMMIT)
            except sqlite3.Error as error:
                _roll_back(writer)
                _raise(error, self._path)
            except BaseException:
                _roll_back(writer)
                raise
            finally:
                self._open_transaction = False

    @contextmanager
    def _reading(self, *, snapshot: bool = False) -> Generator[Connection]:
        with self._read_lock:
            if self._path == MEMORY:
                with _translated(self._path):
                    yield self._reader
                return
            with _translated(self._path):
                _roll_back(self._reader)
                self._reader.execute("BEGIN")  # One snapshot for all statements of the call.
                try:
                    yield self._reader
                finally:
                    _roll_back(self._reader)


def _connect(name: str, busy_ms: int) -> sqlite3.Connection:
    with _translated(name):
        return sqlite3.connect(
            name, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False, cached_statements=256
        )


def _reader(name: str, busy_ms: int) -> sqlite3.Connection:
    reader = _connect(name, busy_ms)
    reader.execute("PRAGMA query_only = ON")
    reader.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    return reader


def _connect_read_only(name: str, busy_ms: int) -> sqlite3.Connection:
    """A connection that writes nothing, not even the shared memory of the log where its folder may not be written."""
    path = Path(name).absolute()
    with _translated(name):
        try:
            # Its header is read with the first statement, so that is where a log that cannot be shared shows.
            return _asked(_connect_uri(f"{path.as_uri()}?mode=ro", busy_ms))
        except sqlite3.OperationalError as error:
            log = Path(f"{path}-wal")
            if not path.is_file() or error.sqlite_errorcode & 0xFF not in (
                sqlite3.SQLITE_CANTOPEN,
                sqlite3.SQLITE_READONLY,
            ):
                raise
            if log.is_file() and log.stat().st_size:
                raise StoreReadOnly(
                    f"{name} has a log of changes ({log.name}) that cannot be read where nothing may be written.",
                    hint=f"Copy both files to a folder of your own and name the copy of {path.name}.",
                ) from error
            return _asked(_connect_uri(f"{path.as_uri()}?mode=ro&immutable=1", busy_ms))


def _connect_uri(uri: str, busy_ms: int) -> sqlite3.Connection:
    return sqlite3.connect(
        uri, uri=True, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False, cached_statements=256
    )


def _asked(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _look(
    reader: sqlite3.Connection, name: str, n_slots: int | None, slots: Collection[int] | None
) -> tuple[handshake.Meta, Packing]:
    """The handshake of one who only looks."""
    reader.execute("PRAGMA query_only = ON")
    reader.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    meta = handshake.meet(reader, name)
    handshake.agree(meta, n_slots, name)
    handshake.agree_slots(reader, meta, slots, name)
    return meta, known_packing(reader)


@contextmanager
def _new_file(path: str) -> Generator[Path]:
    """Where a file is written that gets its name when it is whole, and never takes another's place."""
    if Path(path).exists():
        raise StoreError(
            f"{path} exists.", code="exists", hint="A backup never overwrites anything; name another file."
        )
    part = Path(f"{path}.part")
    part.unlink(missing_ok=True)
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}.", code="store_open") from error
    finally:
        part.unlink(missing_ok=True)


Pages = Callable[[str, Sequence[str]], Iterable[Sequence[tuple[Any, ...]]]]
"""Rows of a table with these columns, in lists that fit into memory."""

PLACES = {"cases": ("rowid",), "archive": ("rowid",)}
"""Tables whose rows are listed by the number of the row."""


def write_copy(path: str, rows_of: Pages) -> None:
    """Write what another store holds as a database of SQLite, whole on the disk when this returns.

    It opens like a copied file: to be looked at, and for workers only once it has been taken into use.
    """
    with _new_file(path) as part, _translated(str(part)):
        copy = sqlite3.connect(part, isolation_level=None)
        try:
            copy.execute("BEGIN IMMEDIATE")
            handshake.create(copy, n_slots=0, program="", now=0)
            tables = copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                named = [row[1] for row in copy.execute(f"PRAGMA table_info({table})")]
                columns = (*PLACES.get(table, ()), *named)
                copy.execute(f"DELETE FROM {table}")
                insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
                for page in rows_of(table, columns):
                    copy.executemany(insert, page)
            copy.execute("COMMIT")
        finally:
            copy.close()
        with part.open("rb") as file:
            os.fsync(file.fileno())


def _copy(name: str, source: sqlite3.Connection | None, target: Path) -> None:
    """One consistent state of a database, whole on the disk when this returns.

    In one step, which is one read transaction: beside it others write, and none of that is in the copy.
    """
    with _translated(name):
        reader = source or _connect_read_only(name, BUSY_MS)
        try:
            copy = sqlite3.connect(target, isolation_level=None)
            try:
                reader.backup(copy, pages=-1)
                found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            finally:
                copy.close()
        finally:
            if source is None:
                reader.close()
    if found != "ok":
        raise StoreCorrupt(f"{name} is damaged; its copy is of no use: {found}.", hint="Restore it from a backup.")
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _prepare(
    writer: sqlite3.Connection, name: str, n_slots: int | None, liveness: Liveness, slots: Collection[int] | None
) -> tuple[handshake.Meta, Packing]:
    """Settings of the connection, the schema if the file is new, migrations if it is old, and the handshake."""
    writer.execute("PRAGMA foreign_keys = OFF")
    writer.execute(
        "PRAGMA secure_delete = OFF"
    )  # Erasure is by key (ciphertext), not by overwriting every finished inbox row.
    writer.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    if handshake.is_new(writer) and name != MEMORY:
        writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("BEGIN IMMEDIATE")
    try:
        if handshake.is_new(writer):  # Asked again under the lock: two processes may have come to a new file together.
            now = time.time_ns() // 1000
            handshake.create(
                writer, n_slots=n_slots or SLOTS, program=metadata.version("interlock"), now=now, slots=slots
            )
            Path(f"{name}.life").unlink(missing_ok=True)  # The witness of a database that is gone.
        handshake.migrate(
            writer, name, alive=lambda: [one for one in workers.registered(writer) if not liveness.is_dead(one)]
        )
        meta = handshake.meet(writer, name)
        handshake.agree(meta, n_slots, name)
        handshake.agree_slots(writer, meta, slots, name)
        if meta.semantics < handshake.SEMANTICS:
            handshake.take_over(writer)
        dictionaries = packing(writer)
        if name != MEMORY and lives.current(writer)[1] is None and (number := lives.number_of(Path(name))) is not None:
            lives.settle_in(writer, number)
        writer.execute("COMMIT")
    except BaseException:
        _roll_back(writer)
        raise
    if name != MEMORY:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA synchronous = FULL")
        writer.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        writer.execute(f"PRAGMA journal_size_limit = {CHECKPOINT_PAGES * 4096 * 2}")
    return meta, dictionaries


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # SQLite rolls back by itself after some errors.
        connection.execute("ROLLBACK")


@contextmanager
def _translated(path: str) -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        _raise(error, path)


def _raise(error: sqlite3.Error, path: str) -> NoReturn:
    """SQLite's error in the words of the one who can do something about it."""
    # Errors of the Python module itself (a closed connection, a wrong number of parameters) have no code.
    code = cast("int", getattr(error, "sqlite_errorcode", -1))
    match code & 0xFF if code >= 0 else code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            raise StoreBusy(
                f"{path} is held by another process.", hint="Try again; stop the other one if it hangs."
            ) from error
        case sqlite3.SQLITE_FULL:
            raise StoreFull(
                f"No space is left for {path}; nothing of this was kept.", hint="Free some and go on."
            ) from error
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            raise StoreReadOnly(
                f"{path} cannot be written: {error}.",
                hint="Check its permissions and those of its folder, and the mount.",
            ) from error
        case sqlite3.SQLITE_CANTOPEN:
            raise StoreError(
                f"{path} cannot be opened: {error}.",
                code="store_open",
                hint="Check that its folder exists and may be written.",
            ) from error
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_FORMAT:
            raise StoreCorrupt(
                f"{path} is damaged or not a database: {error}.", hint="Restore it from a backup."
            ) from error
        case sqlite3.SQLITE_IOERR:
            raise StoreError(
                f"{path} could not be read or written: {error}.", code="store_io", hint="Check the disk."
            ) from error
        case _:
            raise InterlockBug(f"a statement on {path} failed: {type(error).__name__}: {error}") from error
