"""`interlock demo`: the demonstration on real handwriting. What it does stands in `interlock.demo`."""

from __future__ import annotations

from pathlib import Path

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, command

DATABASE = Path("interlock-demo.db")
FOLDER = Path("interlock-demo")


@command(
    name="demo",
    examples="""
        interlock demo
        interlock demo --cheques 200 --seed 11 --db /tmp/demo.db --dir /tmp/demo
        interlock demo --fresh
    """,
    codes=[exits.WRONG, exits.OPERATOR],
    app=False,
)
@click.option("--dir", "folder", metavar="FOLDER", help=f"Everything beside the database. [default: {FOLDER}]")
@click.option("--cheques", type=click.IntRange(1, 9_999), help="How many. [default: 800]")
@click.option("--seed", type=int, help="Another number makes another morning. [default: 7]")
@click.option("--fresh", is_flag=True, help="Remove an earlier demonstration and begin anew.")
def demo(inv: Invocation, folder: str | None, cheques: int | None, seed: int | None, fresh: bool) -> None:
    """Run the demonstration: cheques with real handwriting.

    Two classifiers read scanned digits that neither has seen, customers stop payments, accounts are frozen, the bank
    loses replies, reviewers work part of the queue. Then the judge compares the bank's books with the truth. It needs
    scikit-learn: pip install 'interlock[demo]'.

    It leaves its database (--db, by default interlock-demo.db) to look at. Interrupted, even by kill -9, it goes on
    where it stopped: start it again, or let `interlock run` complete it.
    """
    from rich.console import Console

    from interlock.demo.run import run_demo
    from interlock.demo.show import progress_on, show_summary

    given = opening.database(inv) if inv.db_given else None
    db = given.url if given is not None else DATABASE
    beside = FOLDER if given is None or given.path is None else _beside(given.path)
    with progress_on(Console(stderr=True, quiet=inv.json)) as tell:
        summary = run_demo(
            db=db, folder=Path(folder) if folder else beside, cheques=cheques, seed=seed, fresh=fresh, tell=tell
        )
    if inv.json:
        screen.document(summary.to_data())
    else:
        show_summary(summary, Console())


def _beside(db: Path) -> Path:
    """The folder that belongs to a database: its name without the ending."""
    return db.with_suffix("") if db.suffix else db.with_name(f"{db.name}-files")


COMMANDS = {"demo": demo}
