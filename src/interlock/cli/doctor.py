"""`interlock doctor`: what is installed, configured, slow and stuck, and what to do about it."""

from __future__ import annotations

import os

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, command

MARK = {"ok": "ok", "note": "note", "warning": "LOOK", "bad": "BAD"}


@command(
    name="doctor",
    examples="""
        interlock doctor
        interlock doctor --json | jq '.checks[] | select(.level == "bad")'
    """,
    codes=[exits.WRONG, exits.OPERATOR],
    app=False,
)
@click.option("--all", "all_", is_flag=True, help="Show what is well, too.")
def doctor(inv: Invocation, all_: bool) -> None:
    """Say what is installed, configured, slow and stuck, and what to do about it.

    Looks at the database that --db names: recovery, room on the disk, workers, what waits and since when, calls that
    are overdue, doubts, quarantine, pauses, clocks, breakers, certificates, budgets. Writes nothing.

    Exits 1 if somebody should look at something.
    """
    from interlock.assembly.doctor import configured, examine, installed
    from interlock.settings import Settings, from_environment

    settings = from_environment(os.environ)
    found = [*installed(), *configured(settings, Settings())]
    with opening.to_read(inv) as store:
        found += examine(store, settings, now=opening.now())
    ill = [one for one in found if one.level in ("warning", "bad")]
    if inv.json:
        screen.document({"well": not ill, "checks": [one.to_data() for one in found]})
    else:
        shown = found if all_ else [one for one in found if one.level != "ok"]
        screen.table(
            ("", "ABOUT", "WHAT", "DO"), [(MARK[one.level], one.about, one.text, one.do) for one in shown], empty=""
        )
        well = sum(one.level == "ok" for one in found)
        screen.text(f"{screen.count(well, 'check')} well" + (f", {len(ill)} to look at" if ill else ""))
    if ill:
        click.get_current_context().exit(exits.WRONG)


COMMANDS = {"doctor": doctor}
