"""What a user calls a database: which store it means, and how it may be shown.

    interlock.db, sqlite:///interlock.db, sqlite:////var/lib/interlock.db     a file
    :memory:                                                                  ends with its process
    postgresql://user:password@host:5432/database?schema=claims               as libpq takes it, and the schema
    cells:cells.toml, cells:///cells.toml                                     several databases, named in a file
    any of them with ?mode=ro                                                 to be looked at only

INVARIANT: what is shown of an address holds no password, wherever it stood in it, and neither does an error that
opening it raises: `hiding` takes it out of those, also where a library has put the whole address into its message.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from interlock.vocabulary.errors import InterlockError, Refused

SQLITE = "sqlite:///"
POSTGRES = ("postgresql://", "postgres://")
CELLS = "cells:"
MEMORY = ":memory:"

READ_ONLY = "?mode=ro"
"""Behind a database's name: look, and write nothing, whatever permissions would allow."""

SHOWN = ("user", "host", "hostaddr", "port", "dbname", "service", "schema", "target_session_attrs")
"""Parameters that say where a server is. Others may be secret, or become so."""

SECRET = ("password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret")

HIDDEN = "***"

HINT = f"Write {SQLITE}PATH, the path of a SQLite file, postgresql://user@host/database, or {CELLS}FILE.toml."


@dataclass(frozen=True)
class Address:
    """Where a database is.

    text       what its store is opened with: a path, `:memory:`, or a URL for libpq
    shown      for people
    path       of a SQLite file; None for any other store
    cells      the file that names the cells, if it is a store of several databases
    read_only  whether it may only be looked at
    secrets    what must not be shown, as it stands in `text` and as it is meant
    """

    text: str
    shown: str
    path: Path | None = None
    read_only: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)
    cells: Path | None = None

    @property
    def postgres(self) -> bool:
        return self.text.startswith(POSTGRES)

    @property
    def url(self) -> str:
        """What names the same database again: to another process, for example."""
        if self.postgres:
            separator = "&" if "?" in self.text else "?"
            return f"{self.text}{separator}mode=ro" if self.read_only else self.text
        if self.cells is not None and self.read_only:
            return f"{self.text}{READ_ONLY}"
        if self.path is None:
            return self.text
        return f"{SQLITE}{self.path}{READ_ONLY if self.read_only else ''}"


def address(url: str | Path) -> Address:
    """Read a name. Raises Refused (`bad_db`) for one that names no database."""
    text = str(url)
    if text.startswith(POSTGRES):
        return _postgres(text)
    only = text.endswith(READ_ONLY)
    text = text.removesuffix(READ_ONLY).removeprefix(SQLITE)
    if text.startswith(CELLS):
        file = text.removeprefix(CELLS).removeprefix("///")
        if not file:
            raise Refused(f"{text!r} names no file.", code="bad_db", hint=HINT)
        return Address(f"{CELLS}{file}", f"{CELLS}{file}", None, only, cells=Path(file))
    if "://" in text:
        raise Refused(f"No store is called {text.partition('://')[0]!r}.", code="bad_db", hint=HINT)
    if not text:
        raise Refused("An empty name names no database.", code="bad_db", hint=HINT)
    if text == MEMORY:
        return Address(MEMORY, MEMORY)
    return Address(text, text, Path(text), only)


def _postgres(text: str) -> Address:
    scheme, _, rest = text.partition("://")
    where, _, query = rest.partition("?")
    authority, slash, database = where.partition("/")
    user, at, hosts = authority.rpartition("@")
    user, _, password = user.partition(":")
    pairs = parse_qsl(query, keep_blank_values=True)
    modes = [value for name, value in pairs if name == "mode"]
    if modes not in ([], ["ro"]):
        raise Refused(f"mode={modes[-1]} is no way to open a database.", code="bad_db", hint="Write mode=ro, or none.")
    # libpq percent-decodes, and does not take a plus for a blank as forms do.
    given = [one for one in query.split("&") if one and one.partition("=")[0] != "mode"]
    plain = f"{scheme}://{where}" + (f"?{'&'.join(given)}" if given else "")
    shown_query = urlencode([(name, value) for name, value in pairs if name in SHOWN], quote_via=quote, safe="/,[]:")
    shown = f"{scheme}://{user}{at if user else ''}{hosts}{slash}{database}{'?' if shown_query else ''}{shown_query}"
    found = [password]
    for one in given:
        name, _, value = one.partition("=")
        if name in SECRET:
            found.append(value)
    secrets = tuple(sorted({form for one in found if one for form in (one, unquote(one))}, key=len, reverse=True))
    return Address(plain, shown, None, bool(modes), secrets)


@contextmanager
def hiding(where: Address) -> Generator[None]:
    """Take the address's secrets out of the errors that this block raises."""
    try:
        yield
    except InterlockError as error:
        if any(secret in str(part) for secret in where.secrets for part in (error.message, error.hint, error)):
            error.message, error.hint = hidden(where, error.message), hidden(where, error.hint)
            error.args = tuple(hidden(where, str(part)) for part in error.args)
            raise error from None  # what lies behind it would be shown with --debug
        raise


def hidden(where: Address, text: str) -> str:
    """The text without the address's secrets."""
    for secret in where.secrets:
        text = text.replace(secret, HIDDEN)
    return text
