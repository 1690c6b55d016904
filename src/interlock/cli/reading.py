"""`interlock explain`, `history`, `report`, `tail` and `verify`: reading the ledger. What they say is made in
`interlock.ledger`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, command
from interlock.vocabulary.errors import InterlockError, NotFound, Refused

if TYPE_CHECKING:
    from interlock.ledger import Line

FOLLOW_EVERY_S = 0.3


@command(
    name="explain",
    examples="""
        interlock explain refunds/t1/3.0
        interlock explain t1
        interlock explain refunds/t1/3.0 --json | jq .policy
    """,
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.argument("id_", metavar="ID")
def explain(inv: Invocation, id_: str) -> None:
    """Say why something was decided, and what followed.

    ID is a decision (automation/key/3.0, as every other command prints it; reviews and effects have the same ids) or
    a case, whose last decision is meant.
    """
    from interlock.ledger import explain as explain_in
    from interlock.vocabulary.ids import parse_full_id

    with opening.to_read(inv) as store:
        name = id_
        try:
            parse_full_id(id_)
        except Refused:
            name = str(opening.case_id(store, inv, id_))
        told = explain_in(store, name)
    if inv.json:
        screen.document(told.to_data())
    else:
        screen.prose(told.to_text(width=screen.width()))


@command(
    name="history",
    examples="""
        interlock history t1
        interlock history refunds/t1 --at 2026-03-01T12:00:00Z
        interlock history t1 --json
    """,
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.argument("case")
@click.option("--at", metavar="TIME", help="As of this moment: 2026-03-01T12:00:00Z, or 2h for two hours ago.")
def history(inv: Invocation, case: str, at: str | None) -> None:
    """Show everything that happened in a case.

    The state is shown as of now, or of any moment. Budget accounts are cases too: interlock.budgets/ACCOUNT.
    """
    from interlock.ledger import history as history_in

    moment = None if at is None else opening.moment_us(at, at=opening.now())
    with opening.to_read(inv) as store:
        told = history_in(store, opening.case_id(store, inv, case), at=moment)
    if inv.json:
        screen.document(told.to_data())
    else:
        screen.prose(told.to_text())


@command(
    name="report",
    examples="""
        interlock report --since 7d
        interlock report --since 2026-03-01 --until 2026-04-01 --automation refunds --json
    """,
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.option("--since", metavar="TIME", default="7d", show_default=True, help="From: 7d, 24h, or 2026-03-01.")
@click.option("--until", metavar="TIME", default="now", show_default=True, help="To, not included.")
@click.option("--automation", metavar="NAME", help="Only this automation.")
def report(inv: Invocation, since: str, until: str, automation: str | None) -> None:
    """Sum up what an automation did.

    Events, decisions and the rules behind them, what was done, what went to people and what they said, doubts, late
    events. What was learned later is kept apart from what was known then.
    """
    from interlock.ledger import report as report_in

    now = opening.now()
    start, end = opening.moment_us(since, at=now), opening.moment_us(until, at=now)
    if start >= end:
        raise click.UsageError("--since lies behind --until.")
    with opening.to_read(inv) as store:
        known = opening.known_automations(store)
        if automation is not None and automation not in known:
            raise NotFound(
                f"There is no automation {automation!r} here.", hint=f"There are: {', '.join(known) or 'none'}."
            )
        told = report_in(store, since=start, until=None if until == "now" else end, automation=automation)
    if inv.json:
        screen.document(told.to_data())
    else:
        screen.prose(told.to_text())


@command(
    name="tail",
    examples="interlock tail\ninterlock tail --follow\ninterlock tail t1 --limit 5 --json",
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.argument("case", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on until interrupted.")
@click.option(
    "--limit", "-n", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many to begin with."
)
@click.option("--automation", metavar="NAME", help="Only this automation.")
def tail(inv: Invocation, case: str | None, follow: bool, limit: int, automation: str | None) -> None:
    """Show what is happening, newest last.

    With --json, one document per line.
    """
    from interlock.ledger import advance, cursor
    from interlock.ledger import tail as tail_of

    with opening.to_read(inv) as store:
        only = opening.case_id(store, inv, case) if case else None
        place = cursor(store)
        for line in tail_of(store, limit=limit, automation=automation, case=only):
            _print_line(inv, line)
        while follow:
            time.sleep(FOLLOW_EVERY_S)
            lines = tail_of(store, after=place, limit=10_000, automation=automation, case=only)
            for line in lines:
                _print_line(inv, line)
            place = advance(place, lines)


@command(
    name="verify",
    examples="""
        interlock verify
        interlock verify --level 1 --json
        interlock verify --anchor heads.json      # write today's heads; keep them where the database is not
        interlock verify --against heads.json     # later: has the database been rolled back?
        interlock verify --against anchor.json --key anchors.pem.pub
    """,
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.option(
    "--level", type=click.IntRange(1, 3), default=2, show_default=True, help="1: chain and fold; 2: decisions too."
)
@click.option("--anchor", "anchor_file", metavar="FILE", help="Write the heads of the ledger to a new file afterwards.")
@click.option("--against", metavar="FILE", help="Compare with an anchor: the database has not been put back since.")
@click.option(
    "--key", metavar="KEY", default="", help="With --against: who must have signed it; a PEM file or env:NAME."
)
def verify(inv: Invocation, level: int, anchor_file: str | None, against: str | None, key: str) -> None:
    """Check the ledger: nothing changed, nothing missing, every decision holds.

    Level 1 checks every entry's place in the chain and that the cases are what their entries say. Level 2 also makes
    every decision again from its record, by the policy of its release. What is not checked is said, never claimed.

    Exits 1 if anything was found.
    """
    from interlock.ledger import Anchor, anchor
    from interlock.ledger import verify as verify_in

    witness = None
    if key and against is None:
        raise click.UsageError("--key says who signed the anchor that --against names.")
    if against is not None:
        from interlock.assembly.anchoring import key_text
        from interlock.ledger.anchors import verifier_of

        trusted = verifier_of(key_text(key, os.environ)) if key else None
        witness = Anchor.from_data(opening.json_value(f"@{against}", "--against"), trusted=trusted)
    with opening.to_read(inv) as store, screen.progress(quiet=inv.json) as progress:
        told = verify_in(
            store, level=level, against=witness, progress=lambda done, total: progress("verifying", done, total)
        )
        heads = anchor(store, now=opening.now()) if anchor_file is not None and told.ok else None
    if heads is not None and anchor_file is not None:
        _write_anchor(Path(anchor_file), heads.to_data())
    if inv.json:
        screen.document(told.to_data())
    else:
        screen.prose(told.to_text())
    if not told.ok:
        click.get_current_context().exit(exits.WRONG)


def _print_line(inv: Invocation, line: Line) -> None:
    if inv.json:
        entry = line.entry
        screen.record(
            {
                "at": screen.iso(entry.at),
                "case": f"{entry.automation}/{entry.key}",
                "version": entry.version,
                "kind": entry.kind,
                "slot": line.slot,
                "lsn": line.lsn,
                "text": line.text,
                "decisions": [decision.id for decision in entry.decisions],
            }
        )
    else:
        screen.prose(line.text)


def _write_anchor(path: Path, heads: object) -> None:
    from interlock.vocabulary.canonical import encode

    try:
        with path.open("xb") as file:
            file.write(encode(heads) + b"\n")
    except FileExistsError:
        raise InterlockError(
            f"{path} exists.", code="exists", hint="An anchor is never overwritten; name another."
        ) from None


@command(
    name="anchor",
    examples="""
        interlock anchor --new-key anchors.pem
        interlock anchor --to /mnt/witness --key anchors.pem
        interlock anchor --to https://witness.example.com/interlock --key env:ANCHOR_KEY
    """,
    codes=[exits.WRONG, exits.OPERATOR],
    app=False,
)
@click.option("--to", metavar="PLACE", help="Where it is to be kept: a new file, a folder, or a URL to POST it to.")
@click.option("--key", metavar="KEY", default="", help="What it is signed with: a PEM file, or env:NAME.")
@click.option("--new-key", metavar="FILE", type=click.Path(path_type=Path), help="Make a key instead, and FILE.pub.")
def anchor_(inv: Invocation, to: str | None, key: str, new_key: Path | None) -> None:
    """Keep a witness of the ledger outside the database.

    An anchor holds the heads of all chains of this moment. Against it `interlock verify --against` finds what nothing
    in the database can show: that all of it was put back to an earlier state, or retold from the beginning. Keep it
    where those cannot write who can write the database. A worker keeps one by itself, every hour, where
    INTERLOCK_ANCHOR_TO says, signed with INTERLOCK_ANCHOR_KEY.
    """
    if (to is None) == (new_key is None):
        raise click.UsageError("Say where to keep it with --to, or make a key with --new-key.")
    if new_key is not None:
        _make_key(inv, new_key)
        return
    from interlock.assembly.anchoring import keep, signer
    from interlock.ledger import anchor

    signing = signer(key, os.environ)
    with opening.to_read(inv) as store:
        kept = keep(anchor(store, now=opening.now()), to or "", signing)
    if inv.json:
        screen.document({"place": kept.place, "entries": kept.entries, "signed": kept.signed})
    else:
        how = "signed" if kept.signed else "not signed"
        screen.text(f"kept: {kept.place} (a witness of {kept.entries} entries, {how})")


def _make_key(inv: Invocation, path: Path) -> None:
    from interlock.ledger.anchors import fingerprint, new_key, verifier_of

    private, public = new_key()
    beside = path.with_name(f"{path.name}.pub")
    for file, content, mode in ((path, private, 0o600), (beside, public, 0o644)):
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            raise InterlockError(f"{file} exists.", code="exists", hint="A key is never overwritten.") from None
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
    name = fingerprint(verifier_of(public))
    if inv.json:
        screen.document({"key": str(path), "public": str(beside), "fingerprint": name})
    else:
        screen.text(f"made: {path} to sign with, {beside} to verify with ({name})")


COMMANDS = {"anchor": anchor_, "explain": explain, "history": history, "report": report, "tail": tail, "verify": verify}
