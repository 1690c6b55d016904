"""`interlock claim`, `unclaim`, `reassign`, `respond`, `withdraw`: what people do with a review beside deciding it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from interlock.cli import exits, opening
from interlock.cli.options import Invocation, command, commented
from interlock.cli.reviews import open_review
from interlock.cli.sending import hand_in
from interlock.cli.verdicts import deciding, group_of, under
from interlock.vocabulary.errors import NotNow, Refused

if TYPE_CHECKING:
    from interlock.ports import Store
    from interlock.vocabulary.events import HandlingAct
    from interlock.vocabulary.ids import CaseId

CODES = [exits.WRONG, exits.REFUSED, exits.OPERATOR]


@command(
    name="claim",
    examples="""
        interlock claim refunds/t2/3.0 --as ann@example.com
    """,
    codes=CODES,
)
@click.argument("id_", metavar="ID")
@deciding
def claim(inv: Invocation, id_: str, **given: Any) -> None:
    """Take a review in hand, so that nobody else works on it meanwhile.

    Until the claim runs out (`claim` in the release's [reviews.GROUP]) only you can approve or edit it. Anybody of the
    group can still reject it. Claim it again to hold it longer.
    """
    _handle(inv, id_, "claim", **given)


@command(
    name="unclaim",
    examples="""
        interlock unclaim refunds/t2/3.0 --as ann@example.com
    """,
    codes=CODES,
)
@click.argument("id_", metavar="ID")
@deciding
def unclaim(inv: Invocation, id_: str, **given: Any) -> None:
    """Give a claimed review back before the claim runs out."""
    _handle(inv, id_, "release", **given)


@command(
    name="reassign",
    examples="""
        interlock reassign refunds/t2/3.0 --to seniors --as ann@example.com --comment "Above my head."
        interlock reassign refunds/t2/3.0 --person bob@example.com --as ann@example.com
    """,
    codes=CODES,
)
@click.argument("id_", metavar="ID")
@click.option("--to", "to", metavar="GROUP", default="", help="The group that is to handle it instead.")
@click.option("--person", metavar="NAME", default="", help="Who is to have it in hand, as if they had claimed it.")
@commented()
@deciding
def reassign(inv: Invocation, id_: str, to: str, person: str, comment: str, **given: Any) -> None:
    """Hand a review to another group, or put it into somebody's hands.

    A group hands its reviews only to those that its release names (`reassign_to` in [reviews.GROUP]). They act for the
    group that the rules require; approvals that were given stand.
    """
    if bool(to) == bool(person):
        raise click.UsageError("Say to whom: --to GROUP or --person NAME.")
    _handle(inv, id_, "reassign" if to else "assign", to=to or person, text=comment, **given)


@command(
    name="respond",
    examples="""
        interlock respond refunds/t2/3.0 --ask "Which of the two parcels was it?" --as ann@example.com
        interlock respond refunds/t2/3.0 --answer "The second; he called." --as bob@example.com
    """,
    codes=CODES,
)
@click.argument("id_", metavar="ID")
@click.option("--ask", metavar="TEXT", default="", help="A question that the case is to answer.")
@click.option("--answer", metavar="TEXT", default="", help="Your own answer to what was asked.")
@deciding
def respond(inv: Invocation, id_: str, ask: str, answer: str, **given: Any) -> None:
    """Answer a review with a question, or answer the question.

    The question becomes an event of the case, where the release names one (`ask` in [reviews.GROUP]), and an event of
    the case answers it. Meanwhile the review waits: it cannot be approved, and its deadlines stand still. What moved by
    then is shown as a difference.
    """
    if bool(ask) == bool(answer):
        raise click.UsageError("Say what: --ask TEXT or --answer TEXT.")
    _handle(inv, id_, "ask" if ask else "answer", text=ask or answer, **given)


@command(
    name="withdraw",
    examples="""
        interlock withdraw refunds/t2/3.0 --as ann@example.com --comment "Wrong customer."
    """,
    codes=CODES,
)
@click.argument("id_", metavar="ID")
@commented()
@deciding
def withdraw(inv: Invocation, id_: str, comment: str, **given: Any) -> None:
    """Take your approval of a review back, until its action has started.

    ID is the review that you approved, whether it is still open or not. If the action was decided already, it is taken
    back and people look at it anew; nothing that somebody stopped goes on by itself. Exits 3 if it has started.
    """
    _handle(inv, id_, "withdraw", text=comment, **given)


def _handle(
    inv: Invocation,
    name: str,
    act: HandlingAct,
    *,
    as_: str | None,
    group: str | None,
    behalf: str | None,
    message: str | None,
    wait: str | None,
    to: str = "",
    text: str = "",
) -> None:
    from interlock.runtime.inbox import handling_envelope

    who = opening.principal(as_)
    with opening.store(inv) as store:
        if act == "withdraw":
            case, local = _approved(store, name)
            acting = group or ""
        else:
            case, review = open_review(store, inv, name)
            local, acting = review.id, group_of(review, group)
        envelope = handling_envelope(
            case.automation,
            case.key,
            local,
            act,
            group=acting,
            id=message or opening.fresh_id(),
            principal=who,
            now=opening.now(),
            to=to,
            text=text,
            delegation=under(store, case, acting, who, behalf),
        )
        hand_in(inv, store, envelope, wait)


def _approved(store: Store, name: str) -> tuple[CaseId, str]:
    """The review whose approval is to be taken back: open, or behind an effect that has not been settled."""
    from interlock.vocabulary.ids import parse_full_id

    try:
        case, local = parse_full_id(name)
    except Refused as error:
        raise Refused(error.message, code=error.code, hint="Name the review that you approved.") from None
    record = store.case(case)
    known = record is not None and (local in record.reviews or any(e.review == name for e in record.effects.values()))
    if not known:
        raise NotNow(
            f"{name} is not open, and nothing that it permitted waits for its start.",
            code="not_open",
            hint=f"What became of it: interlock explain {name}",
        )
    return case, local


COMMANDS = {"claim": claim, "unclaim": unclaim, "reassign": reassign, "respond": respond, "withdraw": withdraw}
