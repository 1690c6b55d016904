"""`interlock quarantine ...`: messages that could not be handled, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from interlock.cli import exits, following, opening, screen
from interlock.cli.options import Group, Invocation, acting, command
from interlock.vocabulary.errors import NotFound, Refused

if TYPE_CHECKING:
    from interlock.ports import Quarantined, Store


@click.group(name="quarantine", cls=Group)
def quarantine() -> None:
    """Messages that could not be handled.

    A message whose turn fails (a reducer raised, ran too long, or took the process down) is set aside whole, and its
    case waits: what came later may depend on it. Every other case goes on.
    """


@command(
    name="list",
    examples="interlock quarantine list\ninterlock quarantine list --json",
    codes=[exits.OPERATOR],
    app=False,
)
def list_(inv: Invocation) -> None:
    """List messages in quarantine."""
    with opening.to_read(inv) as store:
        found = store.quarantine()
    if inv.json:
        screen.document({"quarantine": [_data(one) for one in found]})
        return
    screen.table(
        ("CASE", "ID", "SINCE", "BLOCKS", "WHY"),
        [(one.case, one.id, screen.when(one.at), "yes" if one.blocks else "no", one.why) for one in found],
        empty="Nothing is in quarantine.",
    )


@command(name="show", examples="interlock quarantine show helpdesk:e17", codes=[exits.WRONG, exits.OPERATOR])
@click.argument("id_", metavar="ID")
def show(inv: Invocation, id_: str) -> None:
    """Show a message in quarantine, whole. ID is its id in the list, or its case."""
    with opening.to_read(inv) as store:
        one = _find(store, inv, id_)
    if inv.json:
        screen.document({**_data(one), "message": _message(one)})
        return
    screen.title(f"{one.case}  {one.id}")
    envelope = one.envelope
    screen.pairs(
        [
            ("why", one.why),
            ("since", screen.when(one.at)),
            ("blocks its case", "yes" if one.blocks else "no"),
            ("sent by", envelope.principal),
            ("happened at", screen.when(envelope.occurred_at)),
            ("received at", screen.when(envelope.received_at)),
        ],
        indent=2,
    )
    screen.title("Message")
    screen.pairs([(name, screen.plain(value)) for name, value in _message(one).items()], indent=2)


@command(
    name="retry",
    examples="interlock quarantine retry helpdesk:e17 --as ann@example.com",
    codes=[exits.WRONG, exits.REFUSED, exits.OPERATOR],
)
@click.argument("id_", metavar="ID")
@acting
def retry(inv: Invocation, id_: str, as_: str | None) -> None:
    """Put a message back, before everything that waits for its case. Mend its cause first."""
    _end(inv, id_, "retry", as_)


@command(
    name="discard",
    examples="interlock quarantine discard helpdesk:e17 --as ann@example.com",
    codes=[exits.WRONG, exits.REFUSED, exits.OPERATOR],
)
@click.argument("id_", metavar="ID")
@acting
def discard(inv: Invocation, id_: str, as_: str | None) -> None:
    """Drop a message for ever; its case goes on without it. Both are in the ledger."""
    _end(inv, id_, "discard", as_)


def _end(inv: Invocation, name: str, how: Literal["retry", "discard"], as_: str | None) -> None:
    from interlock.runtime.control import release_message

    who = opening.principal(as_)
    with opening.store(inv) as store:
        one = _find(store, inv, name)
        release_message(store, one.id, how, who, now=opening.now())
        if inv.json:
            screen.document({"outcome": how, **_data(one)})
            return
        screen.text(f"{'put back' if how == 'retry' else 'discarded'}: {one.id} of {one.case}")
        following.say_if_nobody_works(store)


def _find(store: Store, inv: Invocation, name: str) -> Quarantined:
    found = [one for one in store.quarantine() if name in (one.id, str(one.case), one.case.key, f"{one.case} {one.id}")]
    if not found:
        raise NotFound(f"Nothing called {name!r} is in quarantine.", hint="`interlock quarantine list` lists what is.")
    if len(found) > 1:
        places = ", ".join(f"'{one.case} {one.id}'" for one in found)
        raise Refused(f"{name!r} may be any of these: {places}.", code="ambiguous", hint="Give one of them, in quotes.")
    return found[0]


def _data(one: Quarantined) -> dict[str, Any]:
    return {
        "id": one.id,
        "case": str(one.case),
        "why": one.why,
        "at": screen.iso(one.at),
        "blocks": one.blocks,
    }


def _message(one: Quarantined) -> dict[str, Any]:
    import msgspec

    envelope = one.envelope
    body: dict[str, Any] = msgspec.to_builtins(envelope.body)
    return {"id": envelope.id, "source": envelope.source, **body}


for declared in (list_, show, retry, discard):
    quarantine.add_command(declared)

COMMANDS: dict[str, click.Command] = {"quarantine": quarantine}
