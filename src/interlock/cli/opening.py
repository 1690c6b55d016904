"""From what a command line names to the thing itself: the store, the automation, a case, a moment.

A case is named by its key, or as AUTOMATION/KEY. The plain key is enough where it can mean one automation only: the
only one that the database knows, or the one in --app.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from interlock.cli import screen
from interlock.cli.exits import StoreMissing
from interlock.cli.options import Invocation
from interlock.vocabulary.errors import NotFound, Refused
from interlock.vocabulary.ids import OWN, CaseId

if TYPE_CHECKING:
    from interlock.assembly.address import Address
    from interlock.automation.sealing import Keeper
    from interlock.automation.wire import Wire
    from interlock.ports import Store
    from interlock.releases import Loaded, Release


Opened = TypeVar("Opened")


def now() -> int:
    """Microseconds since 1970 by the machine's clock."""
    return time.time_ns() // 1_000


def database(inv: Invocation) -> Address:
    """The database that --db names."""
    from interlock.assembly.address import HINT, MEMORY, address

    found = address(inv.db)
    if found.text == MEMORY:
        raise Refused(f"--db {inv.db!r} names no file.", code="bad_db", hint=HINT)
    return found


def file(inv: Invocation, otherwise: str) -> Path:
    """The file that --db names, for what can be done with files only. `otherwise`: what to do on another store."""
    found = database(inv)
    if found.path is None:
        raise Refused(f"{found.shown} is no file.", code="no_file", hint=otherwise)
    return found.path


def there(inv: Invocation) -> bool:
    """Whether there may be a database to look at. A server is only asked when it is opened."""
    found = database(inv)
    return found.path is None or found.path.is_file()


@contextmanager
def store(inv: Invocation, *, create: bool = False) -> Generator[Store]:
    """The store, closed when the block ends. Without `create` it must exist: looking at nothing helps nobody."""
    from interlock.assembly import open_store

    where = database(inv)
    screen.sealed_as(_showing(inv, where))
    with closing(existing(where, lambda _: open_store(where.url, create=create), needed=not create)) as opened:
        yield opened


@contextmanager
def to_read(inv: Invocation) -> Generator[Store]:
    """The store for a command that only looks. One that this user may not write is opened read-only."""
    from interlock.assembly import open_to_read

    where = database(inv)
    screen.sealed_as(_showing(inv, where))
    with closing(existing(where, lambda _: open_to_read(where.url))) as opened:
        yield opened


def existing(where: Address, open_it: Callable[[Address], Opened], *, needed: bool = True) -> Opened:
    """What `open_it` opens. Raises StoreMissing if there is no database and one is needed."""
    if needed and where.path is not None and not where.path.is_file():
        raise _missing(f"There is no database at {where.path}.")
    try:
        return open_it(where)
    except NotFound as error:
        raise _missing(error.message) from error


def _missing(message: str) -> StoreMissing:
    return StoreMissing(
        message, hint="Name it with --db or INTERLOCK_DB; `interlock submit` and `interlock run` make one."
    )


def _showing(inv: Invocation, where: Address) -> Callable[[str], str]:
    """How sealed values of this database are shown, also after the command has closed it.

    A store is opened for it when there is something to look up, which most databases never have.
    """
    found: list[Callable[[str], str]] = []

    def show(token: str) -> str:
        if not found:
            from interlock.runtime.vault import Showing

            found.append(Showing(_until_the_end(where, read=True), unsealed=inv.unseal))
        return found[0](token)

    return show


def _until_the_end(where: Address, *, read: bool) -> Store:
    """A store that is closed when the command has ended."""
    from interlock.assembly import open_store, open_to_read

    opened = open_to_read(where.url) if read else open_store(where.url)

    def close() -> None:
        screen.sealed_as(None)
        opened.close()

    click.get_current_context().call_on_close(close)
    return opened


def wire(inv: Invocation, loaded: Loaded) -> Wire:
    """The automation's border to raw data. Where it has personal data, the store is opened to seal the first of it."""
    if not loaded.definition.seals:
        return loaded.wire
    return loaded.wire.kept_by(_LateKeeper(inv))


class _LateKeeper:
    """`automation.sealing.Keeper` over a store that need not be there before something is sealed."""

    def __init__(self, inv: Invocation) -> None:
        self._inv = inv
        self._keeper: Keeper | None = None

    def open(self, case: CaseId, subjects: Sequence[str] = ()) -> AbstractContextManager[None]:
        if self._keeper is None:
            from interlock.runtime.vault import StoreKeeper

            self._keeper = StoreKeeper(_until_the_end(database(self._inv), read=False), now=now)
        return self._keeper.open(case, subjects)


def checking_wire(loaded: Loaded) -> Wire:
    """The same for data that is only looked at: nothing is sealed, so no key is made, and nothing of it may be kept."""
    return loaded.wire.kept_by(_Nobodys()) if loaded.definition.seals else loaded.wire


class _Nobodys:
    """`automation.sealing.Keeper` for values that are dropped once they have been checked."""

    def open(self, case: CaseId, subjects: Sequence[str] = ()) -> AbstractContextManager[None]:
        from interlock.automation.sealing import nobodys

        return nobodys()


def has_automation(inv: Invocation) -> bool:
    """Whether --app is an automation's folder."""
    return (Path(inv.app) / "automation.py").is_file()


def automation(inv: Invocation) -> Loaded:
    """The automation in --app: its types, flow and policy, without its effects."""
    from interlock.releases import load_folder

    _must_be_automation(inv)
    return load_folder(inv.app)


def release(inv: Invocation) -> Release:
    """The whole release in --app, effects and advisors included."""
    from interlock.releases import load_release

    _must_be_automation(inv)
    return load_release(inv.app)


def _must_be_automation(inv: Invocation) -> None:
    if not has_automation(inv):
        where = "The current folder" if inv.app == "." else inv.app
        raise NotFound(
            f"{where} is no automation: it has no automation.py.",
            code="no_automation",
            hint="Name its folder with --app or INTERLOCK_APP, or make one with `interlock init NAME`.",
        )


def case_id(opened: Store, inv: Invocation, name: str) -> CaseId:
    """The case that a command line names. It exists."""
    found = _candidates(opened, inv, name)
    for case in found:
        if opened.newest(case):
            return case
    waiting = opened.backlog()
    hint = "`interlock cases` lists the cases that there are."
    if waiting:
        hint = f"{waiting} accepted messages wait to be handled; `interlock run` handles them."
    raise NotFound(f"There is no case {name}.", hint=hint)


def _candidates(opened: Store, inv: Invocation, name: str) -> list[CaseId]:
    known = known_automations(opened)
    prefix, slash, rest = name.partition("/")
    found: list[CaseId] = []
    if slash and rest and (prefix in known or prefix in OWN):
        found.append(CaseId(prefix, rest))
    if inv.app_given and has_automation(inv):
        found.append(CaseId(automation(inv).name, name))
    elif len(known) == 1:
        found.append(CaseId(known[0], name))
    elif has_automation(inv):
        found.append(CaseId(automation(inv).name, name))
    elif not found and known:
        raise Refused(
            f"{name} may be a case of any of these: {', '.join(known)}.",
            code="ambiguous",
            hint=f"Write the automation's name in front: {known[0]}/{name}.",
        )
    return found


def known_automations(opened: Store) -> list[str]:
    """Automations that have a release in this database."""
    return sorted({name for _, name, _ in opened.releases()})


def other_automation(inv: Invocation, case: CaseId, held: str, *, instead: str = "") -> Refused:
    """--app holds another automation than the case's own. `instead`: what else the user can do about it."""
    also = f", or {instead}" if instead else ""
    return Refused(
        f"{case} is a case of {case.automation}, and {inv.app} holds {held}.",
        code="other_automation",
        hint=f"Name the folder of the case's automation with --app{also}.",
    )


# --- values on the command line ---------------------------------------------------------------------------------------

_SPAN = re.compile(r"(\d+)\s*(ms|s|m|h|d|w)", re.ASCII)
_UNIT_US = {
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}


def span_us(text: str) -> int:
    """Microseconds of `90s`, `15m`, `12h`, `7d`, `2w`, or several in a row."""
    bare = text.replace(" ", "")
    parts = _SPAN.findall(bare)
    if not parts or "".join(number + unit for number, unit in parts) != bare:
        raise click.BadParameter(f"{text!r} is no length of time. Write 90s, 15m, 12h, 7d or 2w.")
    return sum(int(number) * _UNIT_US[unit] for number, unit in parts)


def moment_us(text: str, *, at: int) -> int:
    """Microseconds of a moment: ISO 8601 (UTC where no zone is named), a date, `now`, or so long ago (`7d`)."""
    if text == "now":
        return at
    if _SPAN.match(text.replace(" ", "")):
        return at - span_us(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no moment. Write 2026-01-31, 2026-01-31T12:00:00Z, or 7d for seven days ago."
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def json_value(text: str, what: str) -> Any:
    """A JSON value given as text, as @FILE or as - for standard input."""
    from interlock.runtime.json_input import parse

    if text == "-":
        body = sys.stdin.buffer.read()
    elif text.startswith("@"):
        body = Path(text[1:]).read_bytes()
    else:
        body = text.encode("utf-8", "surrogateescape")
    try:
        return parse(body)
    except Refused as error:
        hint = error.hint or f"{what} takes JSON, @FILE with JSON in it, or - for standard input."
        raise Refused(f"{what}: {error.message}", code=error.code, hint=hint) from None


def principal(given: str | None) -> str:
    """Who acts: --as or INTERLOCK_PRINCIPAL, else the user of this machine."""
    if given:
        return given
    import getpass

    try:
        return f"{getpass.getuser()}@{os.uname().nodename}"
    except (KeyError, OSError):
        raise click.UsageError("Say who you are: --as NAME, or set INTERLOCK_PRINCIPAL.") from None


def fresh_id() -> str:
    """An id for a message that the caller gave none: unique, and in order of time."""
    from uuid_utils import uuid7

    return str(uuid7())
