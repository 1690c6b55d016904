"""`interlock delegate`: who decides for whom while they are away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, acting, command, commented
from interlock.cli.sending import hand_in
from interlock.vocabulary.errors import NotNow

if TYPE_CHECKING:
    from interlock.vocabulary.delegation import Delegation


@command(
    name="delegate",
    examples="""
        interlock delegate                                              # who decides for whom
        interlock delegate --to bob@example.com --until 14d --as ann@example.com
        interlock delegate --to bob@example.com --from 2027-07-01T00:00:00Z --until 2027-07-15T00:00:00Z --group finance
        interlock delegate --end interlock.people/ann@example.com/1.0 --as ann@example.com
    """,
    codes=[exits.WRONG, exits.REFUSED, exits.OPERATOR],
)
@click.option("--to", "to", metavar="NAME", help="Who decides for you.")
@click.option("--from", "since", metavar="TIME", help="From when: a time, or how long from now. [default: now]")
@click.option("--until", "until", metavar="TIME", help="Until when: a time, or how long from now.")
@click.option("--group", metavar="NAME", default="", help="Only for this group. [default: for all of yours]")
@click.option("--automation", metavar="NAME", default="", help="Only in this automation. [default: in all]")
@commented()
@click.option("--end", "end", metavar="ID", help="End a delegation of yours before its time.")
@acting
@click.option("--wait", metavar="TIME", help="How long to wait for the outcome. [default: 10s if a worker runs]")
def delegate(
    inv: Invocation,
    to: str | None,
    since: str | None,
    until: str | None,
    group: str,
    automation: str,
    comment: str,
    end: str | None,
    as_: str | None,
    wait: str | None,
) -> None:
    """Have somebody decide your reviews while you are away.

    They give verdicts with --for YOU; both names are recorded. A delegation passes on what you may decide in your own
    right, never what somebody delegated to you, and nobody approves by it what either of you asked for. Without --to
    or --end, lists what is in force or to come.
    """
    if to is None and end is None:
        _list(inv)
        return
    if (to is not None) == (end is not None) or (to is not None and until is None):
        raise click.UsageError("Say who decides for you and until when: --to NAME --until TIME; or --end ID.")
    from interlock.runtime.inbox import delegate_envelope, undelegate_envelope

    who, now, id_ = opening.principal(as_), opening.now(), opening.fresh_id()
    if end is not None:
        envelope = undelegate_envelope(who, end, id=id_, now=now)
    else:
        envelope = delegate_envelope(
            who,
            to or "",
            since=now if since is None else _moment(since, "--from", now),
            until=_moment(until or "", "--until", now),
            id=id_,
            now=now,
            automation=automation,
            group=group,
            comment=comment,
        )
    with opening.store(inv, create=True) as store:
        if end is not None and end not in [one.id for one in _known(inv, now, who)]:
            raise NotNow(f"{end} is over, or none of yours.", code="not_open", hint="`interlock delegate` lists them.")
        hand_in(inv, store, envelope, wait)


def _moment(text: str, what: str, now: int) -> int:
    """Microseconds of a time, or of a length of time from now."""
    from interlock.runtime.inbox import moment

    try:
        return now + opening.span_us(text)
    except click.BadParameter:
        return moment(text, what) or now


def _known(inv: Invocation, now: int, person: str | None = None) -> list[Delegation]:
    from interlock.runtime.delegated import in_force_or_to_come

    with opening.store(inv) as store:
        return in_force_or_to_come(store, now=now, person=person)


def _list(inv: Invocation) -> None:
    now = opening.now()
    found = _known(inv, now)
    if inv.json:
        screen.document(
            {
                "delegations": [
                    {
                        "id": one.id,
                        "by": one.by,
                        "to": one.to,
                        "from": screen.iso(one.since),
                        "until": screen.iso(one.until),
                        "automation": one.automation,
                        "group": one.group,
                        "comment": one.comment,
                        "in_force": one.since <= now,
                    }
                    for one in found
                ]
            }
        )
        return
    screen.table(
        ("ID", "FOR", "DECIDES", "FROM", "UNTIL", "WHERE"),
        [
            (
                one.id,
                one.by,
                one.to,
                screen.when(one.since),
                screen.when(one.until),
                " ".join(part for part in (one.automation, one.group, one.comment) if part) or "everything",
            )
            for one in found
        ],
        empty="Nobody decides for anybody.",
    )


COMMANDS = {"delegate": delegate}
