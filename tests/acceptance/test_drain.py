"""A budget under workers that die at any moment: never over, and spent to the last unit. The whole size is a command
(tests/acceptance/drain.py); this is it in small, on both stores.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("store", "units", "processes", "kills"), [("sqlite", 1_000, 3, 6), ("postgres", 2_000, 4, 8)])
def test_a_budget_is_drained_to_the_last_unit_whoever_dies(
    store: str, units: int, processes: int, kills: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    db = str(tmp_path / "drain.db") if store == "sqlite" else request.getfixturevalue("postgres_dsn")
    sizes = ["--units", str(units), "--each", "20", "--processes", str(processes), "--kills", str(kills)]
    command = [sys.executable, "-m", "tests.acceptance.drain", "--db", db, "--seed", "7", *sizes]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert told.returncode == 0, told.stdout + told.stderr[-4_000:]
    found = json.loads(told.stdout)
    assert (found["spent"], found["held"], found["booked"], found["violations"]) == (units, 0, units, [])
    assert found["kills"] + found["kills_at_a_statement"] >= 1 and found["looks"] > 0, found
