"""`interlock budgets`: what is left, what is held and spent, and by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, command
from interlock.vocabulary.errors import NotFound

if TYPE_CHECKING:
    from decimal import Decimal

    from interlock.ledger.balances import Balance, Share

CHARGES = 20


@command(
    name="budgets",
    examples="""
        interlock budgets
        interlock budgets refunds                  # and by whom it is held and was spent
        interlock budgets refunds --key c-17 --past
        interlock budgets --json | jq '.budgets[] | select(.free == "0.00")'
    """,
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.argument("name", required=False)
@click.option("--automation", metavar="NAME", help="Only budgets of this automation.")
@click.option("--key", metavar="KEY", help="Only the account of this key; several values are joined by a slash.")
@click.option("--past", is_flag=True, help="Windows that are over as well.")
@click.option(
    "--charges", type=click.IntRange(0, 10_000), metavar="N", help=f"How many charges to name. [default {CHARGES}]"
)
def budgets(
    inv: Invocation, name: str | None, automation: str | None, key: str | None, past: bool, charges: int | None
) -> None:
    """Show what budgets have left, what is held and spent, and by whom.

    One line per budget, key and window: the windows of now, and older ones that still hold something, because an
    effect in doubt keeps what it holds. With NAME, also the commands that hold it, those that wait for it, and the
    newest charges. An overrun is what the outside used beyond what was reserved.
    """
    from interlock.ledger.balances import balances, known_budgets

    with opening.to_read(inv) as store:
        known = opening.known_automations(store)
        if automation is not None and automation not in known:
            raise NotFound(
                f"There is no automation {automation!r} here.", hint=f"There are: {', '.join(known) or 'none'}."
            )
        count = charges if charges is not None else (CHARGES if name else 0)
        now = opening.now()
        found = balances(store, now=now, automation=automation, budget=name, key=key, past=past, charges=count)
        names = known_budgets(store)
    if name is not None and not found and name not in names:
        raise NotFound(f"There is no budget {name!r} here.", hint=f"There are: {', '.join(names) or 'none'}.")
    if inv.json:
        screen.document({"budgets": [one.to_data() for one in found]})
        return
    screen.table(
        ("BUDGET", "KEY", "WINDOW", "MAX", "SPENT", "HELD", "FREE", "WAIT", ""),
        [_row(one) for one in found],
        empty="No budgets." if not names else "Nothing has been taken from these budgets in their present windows.",
    )
    if name is None:
        return
    for one in found:
        _shares(one, "held by", one.held_by)
        _shares(one, "waited for by", one.waiting)
        _shares(one, "spent by, newest first", one.spent_by or ())


def _row(one: Balance) -> tuple[object, ...]:
    notes: list[str] = []
    if one.currency:
        notes.append(one.currency)
    if one.hard is not None and one.hard != one.auto:
        notes.append(f"{_text(one.free_hard)} up to {_text(one.hard)} with approval")
    if one.overrun:
        notes.append(f"overrun by {_text(one.overrun)}")
    if not one.present:
        notes.append("window is over" if one.auto is not None else "no longer in the release")
    return (
        f"{one.automation}/{one.budget}",
        one.key,
        one.window,
        _text(one.auto),
        _text(one.spent),
        _text(one.held),
        _text(one.free),
        len(one.waiting) or "",
        ", ".join(notes),
    )


def _shares(one: Balance, title: str, shares: tuple[Share, ...]) -> None:
    if not shares:
        return
    screen.text("")
    screen.text(" ".join(filter(None, (one.budget, one.key, one.window, title))))
    screen.table(
        ("AMOUNT", "COMMAND", "WHEN", "WHAT"),
        [(_text(share.amount), share.command, screen.when(share.at), share.what) for share in shares],
        indent=2,
    )


def _text(amount: Decimal | None) -> str:
    return "-" if amount is None else f"{amount:f}"


COMMANDS = {"budgets": budgets}
