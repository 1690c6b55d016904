"""Who takes part, on which database, and what its figures are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DatabaseName = Literal["SQLite", "PostgreSQL"]


@dataclass(frozen=True)
class Entrant:
    """One peer on one database.

    adapter       the module in benchmarks/peers/adapters, without its `on_`
    environment   the requirements it runs under; "" for interlock's own environment
    packages      whose versions are named beside its figures
    recovers      whether it takes part in the kills: the raw limit promises nothing
    """

    adapter: str
    database: DatabaseName
    environment: str = ""
    packages: tuple[str, ...] = ()
    recovers: bool = True

    @property
    def name(self) -> str:
        return f"{self.adapter}-{'sqlite' if self.database == 'SQLite' else 'postgres'}"

    @property
    def title(self) -> str:
        return TITLES[self.adapter]


TITLES = {
    "raw": "raw inserts (the limit)",
    "interlock": "interlock",
    "dbos": "DBOS",
    "langgraph": "LangGraph",
    "eventsourcing": "eventsourcing",
    "ctrlrun": "CTRLRun",
}
ENGINES = ("dbos", "langgraph")
"""Those that promise to take a case to its end by themselves: durable execution."""

DATABASES: tuple[DatabaseName, ...] = ("SQLite", "PostgreSQL")
ENTRANTS = tuple(
    entrant
    for database in DATABASES
    for entrant in (
        Entrant("raw", database, recovers=False),
        Entrant("interlock", database),
        Entrant("dbos", database, "dbos", ("dbos",)),
        Entrant(
            "langgraph",
            database,
            "langgraph",
            ("langgraph", f"langgraph-checkpoint-{'sqlite' if database == 'SQLite' else 'postgres'}"),
        ),
        Entrant("eventsourcing", database, "eventsourcing", ("eventsourcing",)),
        Entrant("ctrlrun", database, "ctrlrun", ("ctrlrun",)),
    )
)
