"""`interlock workers`: who works on this database, on what, and with what in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, command

if TYPE_CHECKING:
    from interlock.ports import AtWork


@command(
    name="workers",
    examples="""
        interlock workers
        interlock workers --db postgresql://interlock@db.example.com/claims --json
    """,
    codes=[exits.OPERATOR],
    app=False,
)
def workers(inv: Invocation) -> None:
    """Show who works here: since when, on which releases, with which calls in hand.

    A worker that has died stays on the list until another one, or it itself, starts and takes up what it held. A
    worker takes slots in hand for the time of a commit only; SLOTS are those in which it has calls under way.
    """
    with opening.to_read(inv) as store:
        found = store.condition().at_work
    now = opening.now()
    if inv.json:
        screen.document({"workers": [_data(one) for one in found]})
        return
    screen.table(
        ("WORKER", "", "SINCE", "HEARD OF", "HOSTS", "SLOTS", "CALLS IN HAND"),
        [
            (
                one.name,
                "alive" if one.alive else "DEAD",
                screen.when(one.joined),
                f"{max(0, now - one.beat) // 1_000_000} s ago",
                ", ".join(f"{name} {release[:12]}" for name, release in one.hosts.items()) or "nothing",
                len(one.slots),
                ", ".join(f"{count} {dependency}" for dependency, count in one.calls.items()) or "none",
            )
            for one in found
        ],
        empty="Nobody works on this database. Start a worker: interlock run",
    )


def _data(one: AtWork) -> dict[str, Any]:
    return {
        "worker": one.name,
        "alive": one.alive,
        "since": screen.iso(one.joined),
        "beat": screen.iso(one.beat),
        "hosts": one.hosts,
        "slots": one.slots,
        "calls": one.calls,
    }


COMMANDS = {"workers": workers}
