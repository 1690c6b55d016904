"""How a session is set up: where its tables are, how durable its commits, and how its plans are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict

from interlock.store.postgres.naming import Name

CONNECT_S_MAX = 10
"""How long a server may take to answer a new connection."""

UNIT_MS_MAX = 60_000
"""How long a unit may think between two statements before the server ends its session. A worker that is stopped in the
middle of one is buried long before; this is for who is no worker, and longer than any cycle, which would otherwise be
tried again for ever."""

LOST_MS = 10_000
"""After so long without an answer of the network a connection is lost, for both sides."""

SYNCHRONOUS = ("on", "remote_apply")
"""The settings of `synchronous_commit` under which a commit is on disk, and on the synchronous standby's."""


@dataclass(frozen=True)
class SessionLink:
    """Opens sessions of one store.

    holder     names the store, for the workers in it
    read_only  nothing can be written
    relaxed    leave `synchronous_commit` as the server, the role or the name has it
    """

    name: Name
    holder: str
    busy_ms: int
    read_only: bool = False
    relaxed: bool = False

    @property
    def where(self) -> str:
        return self.name.where

    def connect(self) -> psycopg.Connection[Any]:
        known = conninfo_to_dict(self.name.conninfo)
        defaults: dict[str, Any] = {
            "connect_timeout": CONNECT_S_MAX,
            "application_name": "interlock",
            "keepalives_idle": LOST_MS // 2000,
            "keepalives_interval": 1,
            "keepalives_count": LOST_MS // 2000,
            "tcp_user_timeout": LOST_MS,
        }
        connection: psycopg.Connection[Any] = psycopg.connect(
            self.name.conninfo,
            autocommit=True,
            client_encoding="UTF8",
            **{key: value for key, value in defaults.items() if key not in known},
        )
        try:
            connection.execute(self._setting_up().encode())
        except BaseException:
            connection.close()
            raise
        return connection

    def _setting_up(self) -> str:
        settings = {
            "search_path": f'"{self.name.schema}"',
            "lock_timeout": str(self.busy_ms),
            "statement_timeout": "0",
            "idle_in_transaction_session_timeout": str(UNIT_MS_MAX),
            "default_transaction_isolation": "'read committed'",
            "client_min_messages": "warning",
            "timezone": "'UTC'",
            "plan_cache_mode": "force_generic_plan",
            "jit": "off",
            "enable_seqscan": "off",
            "enable_bitmapscan": "off",
            "enable_hashjoin": "off",
            "enable_mergejoin": "off",
            '"interlock.holder"': f"'{self.holder}'",
        }
        if self.read_only:
            settings["default_transaction_read_only"] = "on"
        said = [f"SET {key} TO {value}" for key, value in settings.items()]
        if not self.relaxed:
            allowed = ", ".join(f"'{value}'" for value in SYNCHRONOUS)
            said.append(
                "SELECT set_config('synchronous_commit', 'on', false) "
                f"WHERE current_setting('synchronous_commit') NOT IN ({allowed})"
            )
        return "; ".join(said)


def durability_of(fsync: str, synchronous_commit: str, standbys: str) -> Literal["fsync", "quorum", "lazy"]:
    """What a commit is worth under these settings of the server and the session."""
    if fsync != "on" or synchronous_commit == "off":
        return "lazy"
    return "quorum" if standbys and synchronous_commit in SYNCHRONOUS else "fsync"
