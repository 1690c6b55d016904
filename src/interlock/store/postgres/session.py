"""One session with the server: statements are sent without waiting, and answered when somebody asks.

What a role runs is queued in libpq's pipeline. The queue goes out, and the answers come back, when a result is looked
at or the transaction ends: ten writes of a unit are one exchange, and so are the claim of sixty slots and the reading
of what waits in them. An error shows at that exchange; the server has then skipped what stood behind it.

Statements are prepared once per session, and their plans made once: a unit's statements find their rows by key, and a
plan that read a table from end to end because it was small when the plan was made would go on doing so for hours.

INVARIANT: a session whose state is not known (an exception struck within an exchange) is given up, never used again.
INVARIANT: when the answer to a COMMIT is lost, the server is asked what became of the transaction.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import psycopg
from psycopg import pq

from interlock.store.driver import Changed, Later, Result
from interlock.store.postgres.errors import first_line, lost, not_opened, translated
from interlock.store.postgres.statements import BY_TEXT, NEEDLESS, STATEMENTS, Statement, read
from interlock.store.postgres.wire import DECODERS, Decoder
from interlock.vocabulary.errors import InterlockBug, InterlockError, StoreBusy, StoreError

ANSWER_MS_MAX = 60_000
"""How long an answer is waited for before the server is taken for gone. Locks are waited for less (`busy_ms`)."""

FATE_S_MAX = 10.0
"""How long a transaction whose fate is not known is asked after."""

OK = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
STATE = pq.DiagnosticField.SQLSTATE

BEGIN = read("begin", "BEGIN")
BEGIN_SNAPSHOT = read("begin_snapshot", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
COMMIT = read("commit", "COMMIT")
ROLLBACK = read("rollback", "ROLLBACK")
TRANSACTION = STATEMENTS["transaction"]
TRANSACTION_FATE = STATEMENTS["transaction_fate"]


class Link(Protocol):
    """Opens connections that are set up for this store."""

    @property
    def where(self) -> str: ...
    def connect(self) -> psycopg.Connection[Any]: ...


class Answer:
    """What a statement gave, once somebody asks."""

    __slots__ = ("_read", "_result", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._result: pq.abc.PGresult | None = None
        self._read = 0

    def arrived(self, result: pq.abc.PGresult) -> None:
        self._result = result

    def _get(self) -> pq.abc.PGresult:
        if self._result is None:
            self._session.flush()
            if self._result is None:
                raise InterlockBug("the answer to a statement was asked for after its transaction had failed")
        return self._result

    @property
    def missing(self) -> bool:
        """Whether no answer has come."""
        return self._result is None

    @property
    def rowcount(self) -> int:
        return self._get().command_tuples or 0

    def fetchone(self) -> Any:
        result = self._get()
        if self._read >= result.ntuples:
            return None
        row = self._row(result, self._read, self._decoders(result))
        self._read += 1
        return row

    def fetchall(self) -> list[Any]:
        result = self._get()
        decoders = self._decoders(result)
        rows = [self._row(result, number, decoders) for number in range(self._read, result.ntuples)]
        self._read = result.ntuples
        return rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())

    def _decoders(self, result: pq.abc.PGresult) -> list[Decoder]:
        return [DECODERS[result.ftype(column)] for column in range(result.nfields)]

    def _row(self, result: pq.abc.PGresult, number: int, decoders: Sequence[Decoder]) -> tuple[Any, ...]:
        value = result.get_value
        return tuple(
            [
                None if (data := value(number, column)) is None else decode(data)
                for column, decode in enumerate(decoders)
            ]
        )


class _Preparing:
    """The answer to a PREPARE."""

    __slots__ = ("_name", "_prepared")

    def __init__(self, prepared: set[str], name: str) -> None:
        self._prepared = prepared
        self._name = name

    def arrived(self, result: pq.abc.PGresult) -> None:
        self._prepared.add(self._name)


class Session(Later):
    """A `driver.Connection` that also begins and ends transactions. Used by one thread at a time."""

    def __init__(self, link: Link, *, moved: Callable[[Session], None]) -> None:
        """`moved` is called whenever a new connection has taken the place of a lost one."""
        self._link = link
        self._moved = moved
        self._connection: psycopg.Connection[Any] | None = None
        self._conn: pq.abc.PGconn | None = None
        self._poll = select.poll()
        self._prepared: set[str] = set()
        self._preparing: set[str] = set()
        self._sent: deque[Answer | _Preparing | None] = deque()
        self._expected: list[tuple[Result, int, Callable[[], InterlockError]]] = []
        self._number: Answer | None = None
        self._inside = False
        self._ever = False
        self.wrote = False

    # --- statements

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Result:
        if sql in NEEDLESS:
            return Changed(0)
        statement = BY_TEXT[sql]
        return self.send(statement, statement.one(parameters))

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Result:
        statement = BY_TEXT[sql]
        rows = parameters if isinstance(parameters, list) else list(parameters)
        if not rows:
            return Changed(0)
        return self.send(statement, statement.rows(rows))

    def must_change(self, sql: str, rows: Sequence[Sequence[Any]], otherwise: Callable[[], InterlockError], /) -> None:
        """Run a write that changes one row per row given; the next exchange raises this error if it did not."""
        self._expected.append((self.executemany(sql, rows), len(rows), otherwise))

    def run(self, name: str, *parameters: Any) -> Answer:
        """A statement of this store's own."""
        statement = STATEMENTS[name]
        return self.send(statement, [e(p) for e, p in zip(statement.encoders, parameters, strict=True)])

    def send(self, statement: Statement, parameters: list[bytes | None]) -> Answer:
        conn = self._usable()
        self._inside = True
        name = statement.name
        try:
            if name not in self._prepared and name not in self._preparing:
                conn.send_prepare(statement.prepared, statement.sql)
                self._preparing.add(name)
                self._sent.append(_Preparing(self._prepared, name))
            conn.send_query_prepared(statement.prepared, parameters, [1] * len(parameters), 1)
        except psycopg.Error as error:
            self.give_up()
            raise lost(self._link.where, error) from error
        answer = Answer(self)
        self._sent.append(answer)
        self.wrote = self.wrote or statement.writes
        self._inside = False
        return answer

    def _usable(self) -> pq.abc.PGconn:
        """The connection. Raises StoreBusy where there is none, or none whose state is known."""
        if self._conn is None:
            raise lost(self._link.where, "it is closed")
        if self._inside:
            self.give_up()
            raise lost(self._link.where, "an exchange was interrupted")
        return self._conn

    def flush(self, *, wait: bool = True) -> None:
        """Send what is queued; `wait`: until all of it is answered. Raises the first error among the answers."""
        conn = self._usable()
        if not self._sent:
            return
        self._inside = True
        failed: tuple[str, str] | None = None
        try:
            conn.pipeline_sync()
            self._sent.append(None)
            while conn.flush():
                if self._wait(select.POLLIN | select.POLLOUT) & ~select.POLLOUT:
                    conn.consume_input()
            if wait:
                failed = self._collect(conn)
        except psycopg.Error as error:
            self.give_up()
            raise lost(self._link.where, error) from error
        self._inside = False
        if wait:
            self._check()
        if failed is not None:
            state, message = failed
            if conn.status != pq.ConnStatus.OK or state.startswith(("57P", "25P03", "08")):
                self.give_up()
            raise translated(state, message, self._link.where)

    def _check(self) -> None:
        """Raise what was to be raised if a write has not changed what it must."""
        expected, self._expected = self._expected, []
        for answer, count, otherwise in expected:
            if isinstance(answer, Answer) and answer.missing:
                return  # What stood before it has failed.
            if answer.rowcount != count:
                raise otherwise()

    def _collect(self, conn: pq.abc.PGconn) -> tuple[str, str] | None:
        """Take every answer. Returns SQLSTATE and words of the first that is an error."""
        failed: tuple[str, str] | None = None
        sent = self._sent
        while sent:
            one = sent.popleft()
            result = self._result(conn)
            if result is None:
                raise psycopg.OperationalError("an answer is missing")
            if one is None:
                if result.status != pq.ExecStatus.PIPELINE_SYNC:
                    raise psycopg.OperationalError(first_line(result.get_error_message()))
                continue
            if result.status in OK:
                one.arrived(result)
            elif failed is None and result.status != pq.ExecStatus.PIPELINE_ABORTED:
                failed = ((result.error_field(STATE) or b"08006").decode(), result.get_error_message())
                if conn.status != pq.ConnStatus.OK:
                    return failed
            if self._result(conn) is not None:
                raise psycopg.OperationalError("an answer too many")
        self._preparing.clear()
        return failed

    def _result(self, conn: pq.abc.PGconn) -> pq.abc.PGresult | None:
        while conn.is_busy():
            self._wait(select.POLLIN)
            conn.consume_input()
        return conn.get_result()

    def _wait(self, events: int) -> int:
        """Until the socket is ready; the interpreter is free meanwhile."""
        conn = self._conn
        if conn is None:
            raise psycopg.OperationalError("the connection is closed")
        self._poll.modify(conn.socket, events)
        ready = self._poll.poll(ANSWER_MS_MAX)
        if not ready:
            raise psycopg.OperationalError(f"the server has not answered for {ANSWER_MS_MAX // 1000} s")
        return ready[0][1]

    # --- transactions

    def begin(self, *, snapshot: bool = False) -> None:
        """Begin a transaction, connecting again if the connection was lost. Sent with the first statement."""
        self.ready()
        self.wrote = False
        self._number = None
        self._expected.clear()
        self.send(BEGIN_SNAPSHOT if snapshot else BEGIN, [])

    def commit(self) -> None:
        """Commit what was sent. When this returns, it is durable; when it raises, nothing of it is there."""
        self.take_number()
        self.flush()
        asked, self._number = self._number, None
        number: str = asked.fetchone()[0] if asked else ""
        self.send(COMMIT, [])
        try:
            self.flush()
        except StoreBusy as error:
            if self._conn is not None or not self._committed(number, error):
                raise

    def take_number(self) -> None:
        """Ask for the number of the transaction, along with what else is on its way."""
        if self._number is None:
            self._number = self.send(TRANSACTION, [])

    def rollback(self) -> None:
        """Undo what was sent, or give the session up."""
        if self._conn is None:
            return
        if self._inside:
            self.give_up()
            return
        try:
            self._drain()
            if self.connected and self._conn.transaction_status != pq.TransactionStatus.IDLE:
                self.send(ROLLBACK, [])
                self.flush()
        except InterlockError:
            self.give_up()

    def _drain(self) -> None:
        """Let what was queued be answered, whatever the answers are: it is about to be undone."""
        if self._sent:
            try:
                self.flush()
            except InterlockError:
                return

    def _committed(self, number: str, error: StoreBusy) -> bool:
        """What became of a transaction whose COMMIT was not answered.

        Of a server that has been started again meanwhile nobody believes "committed": it may have lost the transaction
        and given its number to another. What it has kept all the same is then done again, which finds it done.
        """
        until = time.monotonic() + FATE_S_MAX
        while time.monotonic() < until:
            try:
                self.ready()
                (fate,) = self.send(TRANSACTION_FATE, TRANSACTION_FATE.one((number,))).fetchone()
            except StoreBusy:
                time.sleep(0.05)
                continue
            except (StoreError, InterlockBug):
                return False  # Not opened again, or a server that has never heard of it: it did not keep it.
            if fate == "in progress":
                time.sleep(0.02)
                continue
            return fate == "committed"
        raise StoreError(
            f"What became of a transaction on {self._link.where} cannot be found out: {error}",
            code="store_io",
            hint="Look after the server and start this process again.",
        ) from error

    # --- the connection

    def ready(self) -> None:
        """Be connected. Raises StoreBusy while the server cannot be reached."""
        if self._inside or (self._conn is not None and self._has_ended(self._conn)):
            self.give_up()
        if self._conn is not None:
            return
        again = self._ever
        try:
            connection = self._link.connect()
        except psycopg.Error as error:
            failed = not_opened(error, self._link.where)
            if again and isinstance(failed, StoreError) and failed.code == "store_open":
                raise lost(self._link.where, error) from error
            raise failed from error
        self._connection, conn = connection, connection.pgconn
        conn.nonblocking = 1
        conn.enter_pipeline_mode()
        self._conn = conn
        self._poll = select.poll()
        self._poll.register(conn.socket, select.POLLIN)
        self._ever = True
        if again:
            try:
                self._moved(self)
            except BaseException:
                self.give_up()
                raise

    def _has_ended(self, conn: pq.abc.PGconn) -> bool:
        """Whether the server has ended the session while nobody used it: it says so, and then there is nothing more."""
        try:
            while self._poll.poll(0):
                conn.consume_input()
        except psycopg.Error:
            return True
        return conn.status != pq.ConnStatus.OK

    def give_up(self) -> None:
        """Close the connection, whatever state it is in. The server undoes what was not committed."""
        connection, self._connection, self._conn = self._connection, None, None
        self._inside = False
        self._prepared.clear()
        self._preparing.clear()
        self._sent.clear()
        if connection is not None:
            connection.close()

    @property
    def connected(self) -> bool:
        return self._conn is not None

    def shout(self, text: str) -> None:
        """Statements without parameters, one after the other, outside the pipeline: making tables, for one."""
        conn = self._conn
        if conn is None:
            raise lost(self._link.where, "it is closed")
        self.flush()
        conn.exit_pipeline_mode()
        conn.nonblocking = 0
        try:
            result = conn.exec_(text.encode())
        finally:
            conn.nonblocking = 1
            conn.enter_pipeline_mode()
        if result.status not in OK:
            state = (result.error_field(STATE) or b"08006").decode()
            raise translated(state, result.get_error_message(), self._link.where)
