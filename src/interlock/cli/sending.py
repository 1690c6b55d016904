"""`interlock submit` and `interlock do`: what comes in through the door.

Accepted means durable: what was accepted is handled by whichever worker runs, now or later. The same message sent
again is a duplicate and changes nothing; the same id with other content is a conflict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import click

from interlock.cli import exits, following, opening, screen
from interlock.cli.options import Invocation, acting, command
from interlock.vocabulary.errors import Conflict, Refused

if TYPE_CHECKING:
    from interlock.automation.wire import Wire
    from interlock.ports import Receipt, Store
    from interlock.releases import Loaded
    from interlock.vocabulary.events import Envelope

BATCH = 1_000
"""Events accepted in one commit. A file is accepted batch by batch: each one that was reported is durable."""

BAD_SHOWN = 50
"""Bad lines shown; all of them are counted, and `--json` has all."""


@command(
    name="submit",
    examples="""
        interlock submit TicketOpened --id e1 --data '{"ticket": "t1", "paid": "40.00", "message": "Broken."}'
        interlock submit TicketOpened --id e2 --source helpdesk --data @event.json
        interlock submit --file events.jsonl
        some-exporter | interlock submit --file - --keep-going
    """,
    codes=[exits.WRONG, exits.REFUSED, exits.OPERATOR],
)
@click.argument("type_", metavar="[TYPE]", required=False)
@click.option("--data", metavar="JSON", help="The event's fields: JSON, @FILE, or - for standard input.")
@click.option("--id", "id_", metavar="ID", help="The sender's id of the event: makes sending it again harmless.")
@click.option(
    "--source", metavar="NAME", default="cli", show_default=True, help="Who sends; ids are unique per source."
)
@click.option("--key", metavar="KEY", default="", help="The case, if you want it checked against the data.")
@click.option("--at", metavar="TIME", help="When it happened. [default: now]")
@click.option(
    "--file", "file", metavar="FILE", help="Events, one JSON object per line: CloudEvents 1.0 or short. - is stdin."
)
@click.option("--keep-going", is_flag=True, help="With --file: accept the good lines even if others are bad.")
@acting
def submit(
    inv: Invocation,
    type_: str | None,
    data: str | None,
    id_: str | None,
    source: str,
    key: str,
    at: str | None,
    file: str | None,
    keep_going: bool,
    as_: str | None,
) -> None:
    """Send events: one, or a file of them.

    A line of a file is {"type", "id", "source", "data", "occurred_at"} or a CloudEvent 1.0 in JSON. All lines are
    checked first; if any is bad, every bad line is listed and nothing is accepted (with --keep-going, the good ones
    are).

    Give every event the id that its sender knows it by: sent again it is a duplicate, and changes nothing.
    """
    if (type_ is None) == (file is None):
        raise click.UsageError("Give a TYPE with --data, or --file.")
    loaded = opening.automation(inv)
    who = opening.principal(as_)
    if file is not None:
        _submit_file(inv, loaded, file, who, keep_going=keep_going)
        return
    from interlock.runtime.inbox import event_envelope, moment

    if data is None:
        raise click.UsageError("Give the event's fields with --data.")
    now = opening.now()
    envelope = event_envelope(
        loaded.name,
        opening.wire(inv, loaded),
        type_ or "",
        opening.json_value(data, "--data"),
        id=id_ or opening.fresh_id(),
        source=source,
        principal=who,
        occurred_at=moment(at, "--at"),
        now=now,
        key=key,
    )
    with opening.store(inv, create=True) as store:
        receipt = accept(store, [envelope])[0]
        told = outcome(receipt)
        if told == "conflict":
            raise Conflict(
                f"{envelope.id!r} of {envelope.source!r} was accepted before with other content.",
                hint="Send what was sent before, or give the new event an id of its own.",
            )
        if inv.json:
            screen.document({"outcome": told, "case": str(envelope.case), "id": envelope.id, "source": envelope.source})
        else:
            screen.text(f"{told}: {envelope.id} for {envelope.case}")
            following.say_if_nobody_works(store)


def accept(store: Store, envelopes: list[Envelope]) -> list[Receipt]:
    """Through the door: durable when this returns."""
    import os

    from interlock.runtime.inbox import Admitted, refuse_backlog, refuse_without_room
    from interlock.settings import from_environment

    settings = from_environment(os.environ)
    refuse_backlog(store.backlog(), settings.inbox_max)
    most = Admitted(disk_free_min_bytes=settings.disk_free_min_mb * 1_000_000)
    refuse_without_room(store, envelopes, most)
    return store.accept(envelopes, now=opening.now())


def outcome(receipt: Receipt) -> Literal["accepted", "duplicate", "conflict"]:
    """A receipt in one word."""
    from interlock.ports import Accepted, Duplicate

    match receipt:
        case Accepted():
            return "accepted"
        case Duplicate():
            return "duplicate"
        case _:
            return "conflict"


def hand_in(inv: Invocation, store: Store, envelope: Envelope, wait: str | None) -> None:
    """Through the door, and tell what becomes of it. A message sent again is told what became of it the first time."""
    from interlock.runtime.inbox import outcome_of

    after = store.newest(envelope.case)
    receipt = accept(store, [envelope])[0]
    if outcome(receipt) == "duplicate":
        after = 0
    outcome_of(envelope, receipt)
    following.follow(inv, store, envelope, after=after, wait=wait)


def _submit_file(inv: Invocation, loaded: Loaded, file: str, who: str, *, keep_going: bool) -> None:
    name = "standard input" if file == "-" else file
    good: list[tuple[int, Envelope]] = []
    bad: list[dict[str, Any]] = []
    personal: list[tuple[int, bytes]] = []
    with click.open_file(file, "rb") as lines, screen.progress(quiet=inv.json) as progress:
        for number, line, found in _envelopes(loaded, opening.checking_wire(loaded), enumerate(lines, 1), who):
            if isinstance(found, Refused):
                bad.append({"line": number, "code": found.code, "message": found.message})
            elif loaded.definition.seals:
                personal.append((number, line))
            else:
                good.append((number, found))
            if number % 500 == 0:
                progress("checking", number, 0)
    counts = {"accepted": 0, "duplicate": 0, "conflict": 0}
    stopped = bool(bad) and not keep_going
    if personal and not stopped:
        # Now that something will be accepted: sealing makes the keys of new cases.
        for number, _, found in _envelopes(loaded, opening.wire(inv, loaded), personal, who):
            if isinstance(found, Refused):
                bad.append({"line": number, "code": found.code, "message": found.message})
            else:
                good.append((number, found))
    read = max(len(good), len(personal)) + len(bad)
    if good and not stopped:
        with opening.store(inv, create=True) as store, screen.progress(quiet=inv.json) as progress:
            for start in range(0, len(good), BATCH):
                batch = good[start : start + BATCH]
                for (number, envelope), receipt in zip(batch, accept(store, [one for _, one in batch]), strict=True):
                    told = outcome(receipt)
                    counts[told] += 1
                    if told == "conflict":
                        message = f"{envelope.id!r} of {envelope.source!r} was accepted before with other content."
                        bad.append({"line": number, "code": "conflict", "message": message})
                progress("accepting", min(start + BATCH, len(good)), len(good))
            if not inv.json and counts["accepted"]:
                following.say_if_nobody_works(store)
    _tell_file(inv, name, counts, read, bad, stopped=stopped)
    if bad:
        click.get_current_context().exit(exits.WRONG)


def _tell_file(
    inv: Invocation, name: str, counts: dict[str, int], read: int, bad: list[dict[str, Any]], *, stopped: bool
) -> None:
    if inv.json:
        refused = len(bad) - counts["conflict"]
        screen.document({"file": name, "read": read, **counts, "refused": refused, "problems": bad})
        return
    for one in bad[:BAD_SHOWN]:
        screen.notice(f"{name}:{one['line']}: {one['message']}")
    if len(bad) > BAD_SHOWN:
        screen.notice(f"... and {len(bad) - BAD_SHOWN} more")
    if stopped:
        good = read - len(bad)
        hint = f"Mend them, or accept the {good} good ones with --keep-going." if good else ""
        screen.error(f"{len(bad)} of {read} lines are bad; nothing was accepted.", hint)
        return
    told = [f"{counts['accepted']} accepted"]
    told += [f"{counts[what]} {what}s" for what in ("duplicate", "conflict") if counts[what]]
    if len(bad) > counts["conflict"]:
        told.append(f"{len(bad) - counts['conflict']} bad")
    screen.text(", ".join(told))


def _envelopes(
    loaded: Loaded, wire: Wire, lines: Iterable[tuple[int, bytes]], who: str
) -> Iterator[tuple[int, bytes, Envelope | Refused]]:
    """Every numbered line that is not empty, and what it says or what is wrong with it."""
    from interlock.runtime.inbox import event_envelope, read_line

    now = opening.now()
    for number, line in lines:
        if not line.strip():
            continue
        try:
            event = read_line(line, number)
            yield (
                number,
                line,
                event_envelope(
                    loaded.name,
                    wire,
                    event.type,
                    event.data,
                    id=event.id,
                    source=event.source,
                    principal=who,
                    occurred_at=event.occurred_at,
                    now=now,
                    key=event.subject,
                ),
            )
        except Refused as error:
            yield number, line, error


@command(
    name="do",
    examples="""
        interlock do refund --key t1 --args '{"amount": "5.00", "reason": "late"}' --as ann@example.com
        interlock do reply --key t1 --args @reply.json --id call-17 --wait 30s
    """,
    codes=[exits.WRONG, exits.REFUSED, exits.OPERATOR],
)
@click.argument("action")
@click.option("--key", required=True, metavar="KEY", help="The case.")
@click.option(
    "--args", "args", metavar="JSON", default="{}", help="The action's arguments: JSON, @FILE, or - for stdin."
)
@click.option("--id", "id_", metavar="ID", help="Your id of this call: makes asking again harmless.")
@acting
@click.option(
    "--wait", metavar="TIME", help="How long to wait for the decision. [default: 10s if a worker runs, else not]"
)
def do(inv: Invocation, action: str, key: str, args: str, id_: str | None, as_: str | None, wait: str | None) -> None:
    """Ask for an action yourself.

    It takes the ordinary path: validity, policy, budgets, and a person where the policy wants one. Nothing is skipped
    because a person asks. The decision is made by a worker; without one the call waits, durably, until one runs.

    Exits 0 if it was allowed or goes to a review, 3 if it was denied.
    """
    loaded = opening.automation(inv)
    from interlock.runtime.inbox import call_envelope

    who = opening.principal(as_)
    prefix = f"{loaded.name}/"
    envelope = call_envelope(
        loaded.name,
        opening.wire(inv, loaded),
        action,
        opening.json_value(args, "--args"),
        key=key.removeprefix(prefix),
        id=id_ or opening.fresh_id(),
        source="cli",
        principal=who,
        by="agent" if who.startswith("agent:") else "person",
        now=opening.now(),
    )
    with opening.store(inv, create=True) as store:
        hand_in(inv, store, envelope, wait)


COMMANDS = {"submit": submit, "do": do}
