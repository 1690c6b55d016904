"""PostgreSQL's errors in the words of the one who can do something about it."""

from __future__ import annotations

from typing import NoReturn

import psycopg

from interlock.vocabulary.errors import (
    InterlockBug,
    InterlockError,
    NotFound,
    StoreBusy,
    StoreConflict,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
)

BUSY = {
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "55P03",  # lock_not_available
    "57014",  # query_canceled
}
AWAY = {
    "25P03",  # idle_in_transaction_session_timeout
    "25P04",  # transaction_timeout
    "53300",  # too_many_connections
    "57P01",  # admin_shutdown
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now
    "57P05",  # idle_session_timeout
}
NOT_NOW = ("starting up", "shutting down", "in recovery mode", "too many", "reserved for")
POOLED = {
    "26000",  # invalid_sql_statement_name
    "42P05",  # duplicate_prepared_statement
}


def lost(where: str, why: object) -> StoreBusy:
    return StoreBusy(
        f"The connection to {where} was lost: {first_line(why)}.",
        hint="Nothing is lost: it is tried again. Look after the server if this goes on.",
    )


def translated(state: str, message: str, where: str) -> InterlockError:
    """The error for a SQLSTATE."""
    said = first_line(message)
    if state in BUSY:
        return StoreBusy(
            f"{where} is held by another process: {said}.", hint="Try again; stop the other one if it hangs."
        )
    if state in AWAY or state.startswith("08"):
        return lost(where, said)
    if state == "23505":
        return StoreConflict(f"Another writer was first ({said}).", hint="Nothing was written; run it again.")
    if state == "53100":
        return StoreFull(f"No space is left for {where}; nothing of this was kept.", hint="Free some and go on.")
    if state in {"25006", "42501"}:
        return StoreReadOnly(
            f"{where} cannot be written: {said}.",
            hint="Name the primary, and a role that owns the tables or was granted what it needs.",
        )
    if state in {"XX001", "XX002"}:
        return StoreCorrupt(f"{where} is damaged: {said}.", hint="Restore it from a backup.")
    if state == "58030":
        return StoreError(f"{where} could not be read or written: {said}.", code="store_io", hint="Check the disk.")
    if state in {"3D000", "3F000"}:
        return NotFound(f"{where} is not there: {said}.", hint="Check the name, or create it.")
    if state in POOLED:
        return StoreError(
            f"{where} forgets what a session has prepared: {said}.",
            code="store_open",
            hint="Connect to the server itself, or through a pooler in session mode.",
        )
    if state in {"42P01", "42703"}:
        return StoreError(
            f"The tables of {where} have been removed or changed while it was open: {said}.",
            code="store_gone",
            hint="Put them back, or stop everything that uses it and start again.",
        )
    return InterlockBug(f"a statement on {where} failed: {state} {said}")


def not_opened(error: psycopg.Error, where: str) -> InterlockError:
    """Why no connection could be made. libpq gives no SQLSTATE here, only the server's or its own words."""
    said = first_line(error)
    lower = said.lower()
    if "does not exist" in lower and "database" in lower:
        return NotFound(
            f"There is no database at {where}: {said}.",
            hint="Create it (createdb), or check the name.",
        )
    if any(
        words in lower for words in ("starting up", "shutting down", "in recovery mode", "too many", "reserved for")
    ):
        return StoreBusy(f"{where} takes no connection now: {said}.", hint="Try again.")
    return StoreError(
        f"{where} cannot be opened: {said}.",
        code="store_open",
        hint="Check that the server runs, its address, and the name and password of the role.",
    )


def first_line(said: object) -> str:
    lines = [line.strip() for line in str(said).splitlines() if line.strip()]
    return (lines[0] if lines else "no reason was given").rstrip(".")


def refuse(error: InterlockError, cause: BaseException | None) -> NoReturn:
    raise error from cause
