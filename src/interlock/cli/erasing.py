"""`interlock erase`: destroy the keys of a person's data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, acting, command
from interlock.vocabulary.errors import NotFound

if TYPE_CHECKING:
    from interlock.runtime.erasure import Erasure


@command(
    name="erase",
    examples="""
        interlock erase customer-17 --dry-run
        interlock erase customer-17 --reason "request 2026-031" --as dpo@example.com --yes
    """,
    codes=[exits.WRONG, exits.REFUSED, exits.OPERATOR],
    app=False,
)
@click.argument("subject", metavar="SUBJECT")
@click.option("--reason", default="", metavar="TEXT", help="Why; stays in the ledger, so name nobody in it.")
@click.option("--dry-run", is_flag=True, help="Only list the cases that would be erased.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@acting
def erase(inv: Invocation, subject: str, reason: str, dry_run: bool, yes: bool, as_: str | None) -> None:
    """Erase a person: nobody can read their personal data again.

    SUBJECT is what events name as their Subject, or a case's key. The key of every case about this person is
    destroyed; the cases are closed, with an entry in the ledger that says when and by whom, and not about whom.
    Everything else stays, and `interlock verify` still checks it. It cannot be undone.

    A case with an effect under way is left as it is and listed; settle or resolve it, then erase again (exit code 3).
    Copies elsewhere (backups, what effects were told) are not reached.
    """
    from interlock.runtime.erasure import cases_of, erase_subject

    with opening.store(inv) as store:
        cases = cases_of(store, subject)
        if dry_run:
            if inv.json:
                screen.document({"cases": [str(case) for case in cases]})
            else:
                screen.table(("CASE",), [(case,) for case in cases], empty="No case with personal data is about them.")
            return
        if cases and not yes:
            if inv.json:
                raise click.UsageError("Say --yes: with --json nobody is asked.")
            click.confirm(f"Erase the personal data of {len(cases)} case(s), for ever?", abort=True)
        if not cases:
            raise NotFound(
                "No case with personal data is about this subject.",
                hint="Give what events name as their Subject, or a case's key.",
            )
        who = opening.principal(as_)
        done = erase_subject(store, subject, principal=who, reason=reason, now=opening.now(), id=opening.fresh_id())
    if inv.json:
        screen.document(done.to_data())
    else:
        _tell(done)
    if done.waiting:
        click.get_current_context().exit(exits.REFUSED)
    if not done.wiped:
        click.get_current_context().exit(exits.OPERATOR)


def _tell(done: Erasure) -> None:
    for case in done.erased:
        screen.text(f"erased: {case}")
    for one in done.waiting:
        screen.warning(f"not yet: {one.case} has {', '.join(one.waits_for)}.")
    if done.waiting:
        screen.notice("Settle or resolve what is under way, then erase again.")
    if not done.wiped:
        screen.warning(
            "The keys are gone from the tables, and may still stand in the write-ahead log: another process reads from "
            "it. Erase again when it has ended."
        )


COMMANDS = {"erase": erase}
