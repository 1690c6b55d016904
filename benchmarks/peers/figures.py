"""A run as plain data: what JSON keeps, and what the table, the page and the plot are made from."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.peers.environments import ROOT, versions
from benchmarks.peers.kills import Judged
from benchmarks.peers.roster import ENGINES, Entrant
from benchmarks.peers.rounds import ADVISOR_S, IN_FLIGHT, Extent, Measured, Taken

Data = dict[str, Any]


def setting(folder: Path, extent: Extent, *, seed: int, postgres: str) -> Data:
    """What must be known to read the figures: machine, load before, versions, seed."""
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "seed": seed,
        "extent": asdict(extent),
        "machine": f"{_processor()}, {os.cpu_count()} CPUs, {psutil.virtual_memory().total >> 30} GB",
        "disk": _disk(folder),
        "load_before": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": postgres,
        "commit": _commit(),
    }


def row(entrant: Entrant, measured: Measured, judged: Judged | None) -> Data:
    """All figures of one peer on one database."""
    return {
        "name": entrant.name,
        "adapter": entrant.adapter,
        "title": entrant.title,
        "database": entrant.database,
        "versions": versions(entrant.environment, entrant.packages) if entrant.environment else {},
        "failed": measured.failed or (judged.failed if judged else ""),
        "bytes_per_case": measured.bytes,
        "transactions_per_case": measured.transactions,
        "loads": {
            load: {"cases": sum(one.cases for one in taken), **{name: spread(taken, name) for name in FIGURES}}
            for load, taken in measured.loads.items()
        },
        "kills": None if judged is None or judged.failed else asdict(judged),
    }


FIGURES = ("cpu_ms", "client_ms", "server_ms", "per_s", "p50_ms", "p99_ms", "writes")
"""Of each load. CPU and latencies in milliseconds, `writes` per case."""


def spread(taken: Sequence[Taken], name: str) -> list[float]:
    """Median, lowest and highest over the rounds."""
    values = [float(getattr(one, name)) for one in taken]
    return [statistics.median(values), min(values), max(values)]


def median(row: Data, load: str, name: str) -> float | None:
    """None where the peer has not got so far."""
    return row["loads"][load][name][0] if load in row["loads"] else None


def comparisons(rows: Sequence[Data]) -> dict[str, Data]:
    """What was asked for of interlock, per database; what cannot be said is left out.

    engine_over_interlock   the CPU per case of the best durable-execution engine, over interlock's
    share_of_ideal          with the slow advisor: the rate, over that of clients who wait for nothing else
    """
    found: dict[str, Data] = {}
    for database in dict.fromkeys(row["database"] for row in rows):
        here: Mapping[str, Data] = {row["adapter"]: row for row in rows if row["database"] == database}
        if "interlock" not in here:
            continue
        said = found[database] = {}
        ours = median(here["interlock"], "many", "cpu_ms")
        engines = [spent for name in ENGINES if name in here if (spent := median(here[name], "many", "cpu_ms"))]
        if ours and engines:
            said["engine_over_interlock"] = min(engines) / ours
        if rate := median(here["interlock"], "slow", "per_s"):
            said["share_of_ideal"] = rate / (IN_FLIGHT / ADVISOR_S)
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _disk(folder: Path) -> str:
    """The file system that the databases lie on; in memory, flushing costs nothing and every rate is a fiction."""
    parts = [part for part in psutil.disk_partitions(all=True) if folder.is_relative_to(part.mountpoint)]
    return max(parts, key=lambda part: len(part.mountpoint)).fstype if parts else "unknown"


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
