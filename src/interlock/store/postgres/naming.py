"""Which server, database and schema a name means, and how it is shown: without its password.

`postgresql://user@host/database?schema=ours` is libpq's own form with one addition, the schema that the tables are in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from interlock.vocabulary.errors import StoreError

SCHEMES = ("postgresql://", "postgres://")
SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")
PUBLIC = "public"


@dataclass(frozen=True)
class Name:
    """conninfo  what libpq is given; where  what people are shown"""

    conninfo: str
    schema: str
    where: str


def named(dsn: str) -> Name:
    """Raises StoreError for what is no name of a database."""
    schema = PUBLIC
    conninfo = dsn
    if dsn.startswith(SCHEMES):
        try:
            parts = urlsplit(dsn)
        except ValueError as error:
            raise StoreError(
                f"This is no name of a PostgreSQL database: {error}.",
                code="store_open",
                hint="Write postgresql://user@host:5432/database",
            ) from error
        query = parse_qsl(parts.query, keep_blank_values=True)
        schema = dict(query).get("schema", PUBLIC)
        # libpq takes no + for a blank.
        rest = urlencode([pair for pair in query if pair[0] != "schema"], quote_via=quote)
        conninfo = urlunsplit(parts._replace(query=rest))
    if not SCHEMA.fullmatch(schema):
        raise StoreError(
            f"{schema!r} is no name of a schema.",
            code="store_open",
            hint="Use letters, digits and underscores: postgresql://host/database?schema=interlock",
        )
    try:
        known = conninfo_to_dict(conninfo)
    except ProgrammingError as error:
        raise StoreError(
            f"This is no name of a PostgreSQL database: {str(error).strip().splitlines()[0]}.",
            code="store_open",
            hint="Write postgresql://user@host:5432/database",
        ) from error
    return Name(conninfo, schema, _shown(known, schema))


def _shown(known: Mapping[str, object], schema: str) -> str:
    host = str(known.get("host") or known.get("hostaddr") or "")
    port = str(known.get("port") or "")
    user = str(known.get("user") or "")
    database = str(known.get("dbname") or user)
    if host.startswith("/"):
        host = f"[{host}]"
    where = f"postgresql://{user + '@' if user else ''}{host}{':' + port if port else ''}/{database}"
    return where if schema == PUBLIC else f"{where}?schema={schema}"
