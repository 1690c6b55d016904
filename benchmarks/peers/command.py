"""`./dev bench --peers [--quick] [--only NAME ...] [--seed N] [--json FILE] [--docs FOLDER]`.

Compares interlock with what a user would pick instead, on SQLite and PostgreSQL, in one run with interleaved rounds.
The first run installs the peers, each into an environment of its own below .venv-peers. A full run takes about ten
minutes, wants the machine for itself, and writes its tables into docs/peers.md and its plot into docs/peers.svg;
`--quick` is over in two minutes and only prints.

Exit code 0 when every peer came to its end, 1 when one did not; what it said stands below the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers import figures, kills, plot, rounds, table
from benchmarks.peers.databases import Files, cluster
from benchmarks.peers.environments import ROOT, NotInstalled, python_for
from benchmarks.peers.roster import ENTRANTS, Entrant
from benchmarks.peers.rounds import Extent


def main(arguments: Sequence[str]) -> int:
    summary = (__doc__ or "").partition("\n\n")[2]
    parser = argparse.ArgumentParser(
        prog="./dev bench --peers", description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="one short round, two kills; nothing is written to docs")
    names = sorted({entrant.adapter for entrant in ENTRANTS}) + [entrant.name for entrant in ENTRANTS]
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help=f"of: {', '.join(names)}")
    parser.add_argument("--seed", type=int, default=1, help="order of the peers and moments of the kills (default 1)")
    parser.add_argument("--json", type=Path, help="also write all figures here")
    parser.add_argument("--docs", type=Path, help="where peers.md is and peers.svg goes (default of a full run: docs)")
    args = parser.parse_args(arguments)
    wanted = [one for one in ENTRANTS if not args.only or {one.adapter, one.name} & set(args.only)]
    docs = args.docs or (None if args.quick or args.only else ROOT / "docs")
    began = time.monotonic()
    try:
        run = compare(wanted, rounds.QUICK if args.quick else rounds.FULL, seed=args.seed, say=_progress(began))
    except NotInstalled as error:
        print(f"./dev bench --peers: {error}", file=sys.stderr)
        return 1
    print(table.as_text(run))
    if args.json:
        args.json.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
    if docs:
        table.into_page(docs / "peers.md", run)
        (docs / table.PLOT).write_text(plot.as_svg(run), encoding="utf-8")
        print(f"Written to {docs / 'peers.md'} and {docs / table.PLOT}.")
    return 1 if any(row["failed"] for row in run["rows"]) else 0


def compare(wanted: Sequence[Entrant], extent: Extent, *, seed: int, say: rounds.Say) -> figures.Data:
    """The whole of it, as plain data."""
    for environment in dict.fromkeys(entrant.environment for entrant in wanted):
        python_for(environment)
    with tempfile.TemporaryDirectory(prefix="interlock-peers-") as name, cluster() as server:
        # Where PostgreSQL's files are as well: the same disk for both.
        folder = Path(name)
        setting = figures.setting(folder, extent, seed=seed, postgres=server.version)
        places: rounds.Places = {"SQLite": Files(folder), "PostgreSQL": server}
        measured = rounds.run(wanted, places, folder, extent, seed=seed, say=say)
        judged = kills.run(
            [one for one in wanted if not measured[one].failed], places, folder, extent, seed=seed, say=say
        )
    return {
        "setting": setting,
        "load_after": round(os.getloadavg()[0], 1),
        "rows": [figures.row(one, measured[one], judged.get(one)) for one in wanted],
    }


def _progress(began: float) -> rounds.Say:
    return lambda what: print(f"{time.monotonic() - began:6.0f} s  {what}", file=sys.stderr, flush=True)
