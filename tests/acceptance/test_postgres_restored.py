"""A server put back from its base backup: noticed where PostgreSQL shows it, and said by a person where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.cli_session import interlock, new_automation
from tests.postgres_server import Servers

pytestmark = pytest.mark.xdist_group("postgres-story")

BY = ("--as", "ann@example.com", "--comment", "the disk failed")


def test_a_base_backup_is_put_back_in_recovery(postgres_servers: Servers, tmp_path: Path) -> None:
    origin = postgres_servers.new()
    origin.create_database("claims")
    folder = new_automation(tmp_path)
    here = origin.dsn("claims")
    interlock(folder, "submit", "--file", "events.jsonl", INTERLOCK_DB=here)
    interlock(folder, "run", "--until-idle", INTERLOCK_DB=here)
    base = postgres_servers.base_backup(origin, "base")
    cases = interlock(folder, "cases", INTERLOCK_DB=here).out
    origin.kill9()

    recovered = postgres_servers.restored(base, "recovered", recovery=True)
    there = recovered.dsn("claims")
    assert interlock(folder, "cases", INTERLOCK_DB=there).out == cases
    refused = interlock(folder, "run", "--until-idle", "--json", code=4, INTERLOCK_DB=there).data["error"]
    assert refused["code"] == "store_estranged"
    interlock(folder, "recover", "--begin", *BY, INTERLOCK_DB=there)
    assert interlock(folder, "recover", "--json", INTERLOCK_DB=there).data["recovering"] is True
    interlock(folder, "recover", "--end", *BY, INTERLOCK_DB=there)
    interlock(folder, "run", "--until-idle", INTERLOCK_DB=there)
    interlock(folder, "verify", INTERLOCK_DB=there)

    # The same folder started as it is looks like its origin, to PostgreSQL and so to us.
    unnoticed = postgres_servers.restored(base, "unnoticed").dsn("claims")
    assert interlock(folder, "recover", "--json", INTERLOCK_DB=unnoticed).data["estranged"] is None
    told = interlock(folder, "recover", "--begin", "--as", "ann", "--json", code=3, INTERLOCK_DB=unnoticed).data[
        "error"
    ]
    assert told["code"] == "not_estranged" and "--comment" in told["hint"]
    interlock(folder, "recover", "--begin", *BY, INTERLOCK_DB=unnoticed)
    assert interlock(folder, "recover", "--json", INTERLOCK_DB=unnoticed).data["recovering"] is True
