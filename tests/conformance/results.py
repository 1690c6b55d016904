"""What the conformance suite says of each store, as the table of docs/reference/stores.md.

`python -m tests.conformance.results` runs the whole suite (`INTERLOCK_CONFORMANCE=all`: some minutes) and writes the
page; it exits with 1, and writes nothing, if a test has failed. `tests/docs/test_stores_page.py` compares the page's
counts with what would run now.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from tests.conformance.stores import IMPLEMENTATIONS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "reference" / "stores.md"

Table = dict[str, Counter[str]]
"""Tests by module and implementation."""

NAMES = [one.name for one in IMPLEMENTATIONS]

HEAD = """# Stores

<!-- Written by `python -m tests.conformance.results`; change the tests, not this file. -->

One suite holds every store to [`ports.Store`](api.md): `tests/conformance`. Each number is how many of its tests ran
and passed on that store, all of them in one run of `./dev exec python -m tests.conformance.results`. What says nothing
of a store (it ends with its process; no transaction spans several databases) does not run on it.

- `sqlite-memory`, `sqlite-file`: SQLite, in memory and in a file
- `postgres`: one PostgreSQL, a real server with `fsync` on
- `postgres-partitioned`: the same with every table split by its slot, which stock PostgreSQL allows only where each key
  has the slot in it
- `postgres-cells`: two databases as one store ([how](../howto/cells.md))

"""


def of_test(id_: str) -> tuple[str, str] | None:
    """Module and implementation of a test, None for one that is about a single store."""
    place, _, parameters = id_.rstrip("]").partition("[")
    module = place.split("::")[0].rpartition("/")[2].removesuffix(".py").rpartition(".")[2]
    # The longest name first: "postgres" begins others.
    for name in sorted(NAMES, key=len, reverse=True):
        if parameters == name or parameters.startswith(f"{name}-") or parameters.endswith(f"-{name}"):
            return module, name
    return None


def counted(ids: list[str]) -> Table:
    table: Table = {}
    for id_ in ids:
        found = of_test(id_)
        if found is not None:
            table.setdefault(found[0], Counter())[found[1]] += 1
    return table


def collected() -> Table:
    """What would run."""
    told = _pytest("--collect-only", "-q", "--no-header").stdout
    return counted([line for line in told.splitlines() if "::" in line])


def page(table: Table) -> str:
    rows = ["| what | tests | " + " | ".join(NAMES) + " |", "|---" * (2 + len(NAMES)) + "|"]
    for module in sorted(table):
        counts = [str(table[module][name] or "-") for name in NAMES]
        rows.append(f"| {_what(module)} | `{module}` | " + " | ".join(counts) + " |")
    sums = [str(sum(row[name] for row in table.values())) for name in NAMES]
    rows.append("| **all** | | " + " | ".join(f"**{one}**" for one in sums) + " |")
    return HEAD + "\n".join(rows) + "\n"


def _what(module: str) -> str:
    text = ast.get_docstring(ast.parse((HERE / f"{module}.py").read_text(encoding="utf-8"))) or module
    return " ".join(text.split("\n\n")[0].split())


def _pytest(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", str(HERE), *arguments],
        cwd=ROOT,
        env={**os.environ, "INTERLOCK_CONFORMANCE": "all"},
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = _pytest("-q", "-n", "2", f"--junit-xml={report}")
        sys.stdout.write(done.stdout[-2_000:])
        if done.returncode:
            return 1
        cases = ElementTree.parse(report).iter("testcase")
        PAGE.write_text(page(counted([f"{one.get('classname')}::{one.get('name')}" for one in cases])), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
