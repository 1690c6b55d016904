"""`interlock pause`, `resume` and `clock`: the operator's hand on a running system."""

from __future__ import annotations

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, command
from interlock.vocabulary.errors import NotNow


@command(
    name="pause",
    examples="""
        interlock pause                        # everything
        interlock pause automation:refunds
        interlock pause action:refunds/refund
        interlock pause --list
    """,
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.argument("scopes", nargs=-1, metavar="[SCOPE...]")
@click.option("--list", "list_", is_flag=True, help="Show what is paused, and change nothing.")
def pause(inv: Invocation, scopes: tuple[str, ...], list_: bool) -> None:
    """Stop effects from starting, at once.

    SCOPE is all (the default), automation:NAME or action:NAME/ACTION; an automation's name and NAME/ACTION are taken
    too. When the command returns, no effect that it covers will start in any worker. Effects that had started before
    are outside; they are listed. Events are still accepted and decided.
    """
    from interlock.runtime.control import in_force, scope
    from interlock.runtime.control import pause as pause_in

    with opening.store(inv) as store:
        if list_:
            _tell_paused(inv, in_force(store.control()))
            return
        known = opening.known_automations(store)
        done = pause_in(store, [scope(one, known) for one in scopes or ("all",)])
    if inv.json:
        screen.document(
            {
                "generation": done.control.generation,
                "paused": list(in_force(done.control)),
                "started": [
                    {"effect": one.command, "case": str(one.case), "action": one.action, "status": one.status}
                    for one in done.started
                ],
            }
        )
        return
    screen.text(f"paused: {', '.join(in_force(done.control))} (generation {done.control.generation})")
    if not done.started:
        screen.text("Nothing that it covers had started.")
        return
    many = f"{len(done.started)} effects" if len(done.started) > 1 else "1 effect"
    screen.text(f"{many} had started before and cannot be called back:")
    screen.table(
        ("EFFECT", "ACTION", "STATUS"),
        [(one.command, one.action, one.status.replace("_", " ")) for one in done.started],
        indent=2,
    )


@command(
    name="resume",
    examples="interlock resume                       # end every pause\ninterlock resume action:refunds/refund",
    codes=[exits.WRONG, exits.REFUSED, exits.OPERATOR],
)
@click.argument("scopes", nargs=-1, metavar="[SCOPE...]")
def resume(inv: Invocation, scopes: tuple[str, ...]) -> None:
    """Let effects start again.

    Without SCOPE every pause ends. What was held for too long is judged again before it starts.
    """
    from interlock.runtime.control import in_force, scope
    from interlock.runtime.control import resume as resume_in

    with opening.store(inv) as store:
        paused = in_force(store.control())
        chosen = [] if scopes in ((), ("all",)) and "all" not in paused else [scope(one) for one in scopes]
        unknown = [one for one in chosen if one not in paused]
        if unknown:
            raise NotNow(
                f"{', '.join(unknown)} is not paused.",
                code="not_paused",
                hint=f"Paused: {', '.join(paused)}." if paused else "Nothing is.",
            )
        done = resume_in(store, chosen)
    if inv.json:
        screen.document({"generation": done.control.generation, "paused": list(in_force(done.control))})
        return
    _tell_paused(inv, in_force(done.control))


def _tell_paused(inv: Invocation, paused: tuple[str, ...]) -> None:
    if inv.json:
        screen.document({"paused": list(paused)})
    elif paused:
        screen.text(f"paused: {', '.join(paused)}")
    else:
        screen.text("Nothing is paused.")


@command(
    name="clock",
    examples="interlock clock accept",
    codes=[exits.REFUSED, exits.OPERATOR],
    app=False,
)
@click.argument("what", type=click.Choice(["accept"]))
def clock(inv: Invocation, what: str) -> None:
    """Accept a jump of the machine's clock.

    When the wall clock jumps far ahead, workers stop timers, expiries and starts, because all of them would fire at
    once. Make sure that the clock is right, then accept it: every worker on this machine goes on.
    """
    from interlock.runtime.control import accept_clock

    with opening.store(inv) as store:
        now = opening.now()
        accept_clock(store, now)
    if inv.json:
        screen.document({"accepted": screen.iso(now)})
    else:
        screen.text(f"accepted: it is {screen.when(now)}")


COMMANDS = {"pause": pause, "resume": resume, "clock": clock}
