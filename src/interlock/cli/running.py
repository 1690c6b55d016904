"""`interlock run`: a worker, and the supervisor that starts it again when it dies.

The process that the user starts is the supervisor; the worker is its child. A turn that cannot be interrupted, or a
performer that takes the process down, ends the child alone: the next one finds everything in the database, and
handles what was in hand as the actions' kinds say.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, command
from interlock.vocabulary.errors import NotFound

if TYPE_CHECKING:
    from interlock.runtime.worker import Notice, Tally

CHILD = "INTERLOCK_RUN_CHILD"
"""Set for the process that does the work."""

DEATHS_MAX = 12
"""Deaths in a row after which `--until-idle` gives up: enough to set aside several messages that each killed three
workers.
"""


@command(
    name="run",
    examples="""
        interlock run
        interlock run automations/refunds automations/claims --db sqlite:///production.db
        interlock run --until-idle                       # handle what waits, then end
        interlock run interlock-demo/cheques --db interlock-demo.db --until-idle
    """,
    codes=[exits.WRONG, exits.OPERATOR, exits.BUG],
)
@click.argument("folders", nargs=-1, metavar="[FOLDER...]")
@click.option("--until-idle", is_flag=True, help="End when nothing is left to do but for people, pauses and timers.")
@click.option("--no-supervisor", is_flag=True, help="Run the worker in this process; its death is then the end.")
@click.option("--quiet", is_flag=True, help="No status line.")
def run(inv: Invocation, folders: tuple[str, ...], until_idle: bool, no_supervisor: bool, quiet: bool) -> None:
    """Run a worker until it is told to stop.

    FOLDER is an automation's folder, by default that of --app; one worker can run several. It handles what was
    accepted, asks advisors, decides, and starts effects. Everything is found in the database: after a crash, running
    it again goes on where it stopped.

    SIGTERM or Ctrl-C: takes nothing more in hand, waits for what is in flight, leaves. A second one ends it at once,
    which loses nothing either. If the worker itself dies it is started again.
    """
    chosen = folders or (inv.app,)
    for folder in chosen:
        if not (Path(folder) / "automation.py").is_file():
            raise NotFound(
                f"{folder} is no automation: it has no automation.py.",
                code="no_automation",
                hint="Name its folder: interlock run FOLDER.",
            )
    if no_supervisor or CHILD in os.environ:
        _work(inv, chosen, until_idle=until_idle, quiet=quiet)
        return
    from interlock.runtime.supervisor import supervise

    arguments = ["run", *chosen]
    arguments += ["--until-idle"] * until_idle + ["--quiet"] * quiet + ["--json"] * inv.json + ["--debug"] * inv.debug
    code = supervise(
        [sys.executable, "-m", "interlock.cli", *arguments],
        # In the environment, which other users of the machine cannot read: it may hold a password.
        env={**os.environ, CHILD: str(os.getpid()), "INTERLOCK_DB": inv.db},
        report=screen.warning,
        deaths_max=DEATHS_MAX if until_idle else None,
    )
    click.get_current_context().exit(code)


def _supervisor() -> int | None:
    """Process id of the supervisor that started this worker, if one did."""
    said = os.environ.get(CHILD, "")
    return int(said) if said.isdigit() else None


def _work(inv: Invocation, folders: tuple[str, ...], *, until_idle: bool, quiet: bool) -> None:
    from interlock.assembly import run_worker
    from interlock.settings import from_environment

    line = StatusLine(quiet=quiet or inv.json)
    where = opening.database(inv)
    if not quiet and not inv.json:
        screen.notice(f"Working on {', '.join(folders)} in {where.shown}; Ctrl-C ends it.")
    started = time.monotonic()
    ended = run_worker(
        where.url,
        folders,
        settings=from_environment(os.environ),
        until_idle=until_idle,
        supervisor=_supervisor(),
        on_notice=lambda notice: _notice(inv, line, notice),
        on_tally=line.show,
    )
    line.clear()
    seconds = time.monotonic() - started
    if inv.json:
        screen.record(
            {
                "turns": ended.tally.turns,
                "calls": ended.tally.launched,
                "seconds": round(seconds, 3),
                "drained": not ended.killed,
            }
        )
    elif not quiet:
        left = " Ended before everything in flight had come back; the next worker takes it up." if ended.killed else ""
        screen.notice(
            f"{ended.tally.turns} messages handled, {ended.tally.launched} calls made in {seconds:.1f} s.{left}"
        )


class StatusLine:
    """One line at the bottom of a terminal that is written over; nothing elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._on = not quiet and sys.stderr.isatty()
        self._shown = False
        self._before = (time.monotonic(), 0)

    def show(self, tally: Tally) -> None:
        if not self._on:
            return
        now, (then, turns) = time.monotonic(), self._before
        rate = (tally.turns - turns) / max(now - then, 0.001)
        self._before = (now, tally.turns)
        text = f"{tally.turns} messages handled ({rate:.0f}/s), {tally.launched} calls made"
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)
        self._shown = True

    def clear(self) -> None:
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)
            self._shown = False


def _notice(inv: Invocation, line: StatusLine, notice: Notice) -> None:
    """Tell what an operator should know, above the status line."""
    line.clear()
    if inv.json:
        screen.record({"notice": notice.what, "text": notice.text})
    else:
        screen.warning(notice.text)


COMMANDS = {"run": run}
