"""`interlock reviews`: what waits for people, and everything that a verdict would be bound to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, command
from interlock.vocabulary.errors import NotFound, NotNow, Refused
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.review import acting_for, claimed_by

if TYPE_CHECKING:
    from interlock.ports import Store
    from interlock.vocabulary.decision import BudgetFigure
    from interlock.vocabulary.review import Approval, Claim, Exchange, Review
    from interlock.vocabulary.verdict import Group


@command(
    name="reviews",
    examples="""
        interlock reviews
        interlock reviews --group finance
        interlock reviews refunds/t2/3.0
    """,
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--group", metavar="NAME", help="Only what this group is asked.")
@click.option("--automation", metavar="NAME", help="Only this automation.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many.")
def reviews(inv: Invocation, id_: str | None, group: str | None, automation: str | None, limit: int) -> None:
    """List what waits for a person, or show one review.

    The list begins with what expires first. ID is a review, or a case that has one.
    """
    with opening.to_read(inv) as store:
        if id_ is not None:
            case, review = open_review(store, inv, id_)
            words = in_words(store, case, review)
            if inv.json:
                screen.document({**review_data(case, review), "why": list(words.why), "facts": words.facts})
            else:
                show(case, review, words)
            return
        found = store.open_reviews(automation=automation, group=group, limit=limit + 1)
    more, found, now = len(found) > limit, found[:limit], opening.now()
    if inv.json:
        screen.document({"reviews": [review_data(case, review) for case, review in found], "more": more})
        return
    screen.table(
        ("ID", "ACTION", "ASKED", "HELD", "EXPIRES", "WHAT"),
        [
            (
                f"{case}/{review.id}",
                review.about,
                asked_words(review),
                _held(review, now),
                screen.when(review.expires_at),
                screen.args_words(review.args) + (f"; {'; '.join(review.reasons)}" if review.reasons else ""),
            )
            for case, review in found
        ],
        empty="Nothing waits for a person.",
    )
    if more:
        screen.notice(f"There are more than {limit}; see --limit.")


def open_review(store: Store, inv: Invocation, name: str) -> tuple[CaseId, Review]:
    """The open review of this id, or the only one of this case."""
    from interlock.vocabulary.ids import parse_full_id

    try:
        case, local = parse_full_id(name)
    except Refused:
        case, local = opening.case_id(store, inv, name), ""
    record = store.case(case)
    if record is None:
        raise NotFound(f"There is no case {case}.", hint="`interlock reviews` lists what is open.")
    if local:
        review = record.reviews.get(local)
        if review is None:
            raise NotNow(
                f"Review {name} is not open.", code="not_open", hint=f"What became of it: interlock explain {name}"
            )
        return case, review
    if len(record.reviews) != 1:
        listed = ", ".join(f"{case}/{local}" for local in record.reviews)
        raise NotNow(
            f"{case} has {len(record.reviews) or 'no'} open reviews{': ' + listed if listed else ''}.",
            code="not_open",
            hint="`interlock reviews` lists what is open." if not listed else "Name one of them.",
        )
    return case, next(iter(record.reviews.values()))


@dataclass(frozen=True)
class Words:
    """What only the record and the release under which it was made can say: why a person is asked, and the facts with
    their units.
    """

    why: tuple[str, ...]
    facts: dict[str, str]


def in_words(store: Store, case: CaseId, review: Review) -> Words:
    """A review's reasons and facts as its release puts them."""
    from interlock.ledger.reading import backwards
    from interlock.ledger.recorded import Recorded, Releases, input_type
    from interlock.policy.values import words

    for entry in backwards(store, case):
        decision = next((one for one in entry.decisions if one.id == review.decision), None)
        if decision is not None:
            break
    else:
        raise NotFound(
            f"The decision {review.decision} of this review is not in the ledger.", hint="Run `interlock verify`."
        )
    release = Releases(store).get(entry.release)
    said = {f"budget:{figure.budget}": _figure(figure, release) for figure in decision.budgets}
    if decision.autonomy is not None:
        said["autonomy"] = decision.autonomy.why
    facts = {path: screen.plain(value) for path, value in review.facts.items()}
    if isinstance(release, Recorded):
        said |= {rule.id: rule.reason for rule in release.policy.rules}
        said["default"] = release.policy.default.reason or "No rule of the policy allows it."
        types = {path: input_type(release.policy, review.action, path) for path in review.facts}
        facts |= {
            path: "absent" if value is None else words(type_, value)
            for path, value in review.facts.items()
            if (type_ := types[path]) is not None
        }
    why = tuple(f"{name}: {said[name]}" if said.get(name) else name for name in review.reasons)
    return Words(why or (decision.why,), facts)


def _figure(figure: BudgetFigure, release: object) -> str:
    from interlock.ledger.recorded import Recorded

    scale = 0
    if isinstance(release, Recorded):
        scale = next((one.scale for one in release.program.budgets if one.name == figure.budget), 0)
    amount, spent, held, limit = (
        screen.units(value, scale) for value in (figure.amount, figure.spent, figure.held, figure.limit)
    )
    return f"{amount} asked, {spent} spent and {held} held of {limit}."


def review_data(case: CaseId, review: Review) -> dict[str, Any]:
    """A review as `--json` prints it."""
    return {
        "id": f"{case}/{review.id}",
        "case": str(case),
        "decision": review.decision,
        "action": review.action,
        **({"question": review.question} if review.question else {}),
        "args": review.args,
        "groups": [
            {
                "group": group.name,
                "approvals": group.approvals,
                "given": given(review, group),
                "asked": list(acting_for(review, group.name)),
            }
            for group in review.groups
        ],
        "approvals": [
            {
                "principal": one.principal,
                "group": one.group,
                "at": screen.iso(one.at),
                "comment": one.comment,
                **({"of": one.acting} if one.acting else {}),
                **({"for": one.behalf} if one.behalf else {}),
            }
            for one in review.approvals
        ],
        "reasons": list(review.reasons),
        "facts": review.facts,
        "changes": review.shown,
        "over_budget": list(review.over_budget),
        "requesters": list(review.requesters),
        "claim": None if review.claim is None else _claim_data(review.claim),
        "exchanges": [_exchange_data(one) for one in review.exchanges],
        "waits": review.waits_for is not None,
        "reminders": review.reminders,
        "deadlines": [
            {"at": screen.iso(one.at), "act": one.act, "group": one.group, **({"to": one.to} if one.to else {})}
            for one in review.deadlines
        ],
        "round": review.round,
        "opened_at": screen.iso(review.opened_at),
        "expires_at": screen.iso(review.expires_at),
        "seen": review.seen,
    }


def _claim_data(claim: Claim) -> dict[str, Any]:
    given_by = {"given_by": claim.given_by} if claim.given_by else {}
    return {
        "by": claim.by,
        "group": claim.group,
        "at": screen.iso(claim.at),
        "until": screen.iso(claim.until),
    } | given_by


def _exchange_data(one: Exchange) -> dict[str, Any]:
    asked = {"by": one.by, "text": one.text, "at": screen.iso(one.at), "until": screen.iso(one.until)}
    if not one.answered_by:
        return asked
    told = {"answered_by": one.answered_by, "answer": one.answer, "answered_at": screen.iso(one.answered_at)}
    return asked | told


def show(case: CaseId, review: Review, words: Words) -> None:
    """Everything that an approval would be bound to, and why a person is asked."""
    screen.title(f"{case}/{review.id}  {review.about}")
    screen.pairs([(name, screen.plain(value)) for name, value in review.args.items()], indent=2)
    for change, rows in review.shown.items():
        screen.title(_CHANGES[change])
        screen.table(("WHAT", "WAS", "IS"), [(name, *map(screen.plain, pair)) for name, pair in rows.items()], indent=2)
    screen.title("Why a person is asked")
    screen.bullets(words.why)
    screen.bullets(
        f"Above budget {budget}: approving it takes from what people may grant." for budget in review.over_budget
    )
    proposal = review.proposal
    if proposal is not None:
        screen.title("Because of")
        score = "" if proposal.score is None else f"{proposal.score / 1_000_000:g}"
        screen.pairs(
            [
                ("source", proposal.source),
                ("because", proposal.because),
                ("words", proposal.text),
                ("advisor", proposal.advisor),
                ("score", f"{score} (its own claim)" if score else ""),
                ("agreed", f"{proposal.agreed} of {proposal.asked} advisors" if proposal.asked else ""),
                ("rationale", proposal.rationale),
                ("evidence", ", ".join(proposal.evidence)),
            ],
            indent=2,
        )
    if words.facts:
        screen.title("Facts the rules read; an approval holds only while they stay so")
        screen.pairs(words.facts.items(), indent=2)
    if review.exchanges:
        screen.title("Asked back")
        screen.pairs([(one.by, _exchange_words(one)) for one in review.exchanges], indent=2)
    screen.title("Who decides")
    claim = claimed_by(review, opening.now())
    screen.pairs(
        [
            *((group.name, _group_words(review, group)) for group in review.groups),
            *((f"  {one.acting or one.group}", _approval_words(one)) for one in review.approvals),
            ("in hand of", f"{claim.by} until {screen.when(claim.until)}" if claim else ""),
            ("asked for by", ", ".join(review.requesters)),
            ("reminders", review.reminders or ""),
            ("next", _next_words(review)),
            ("expires", screen.when(review.expires_at)),
            ("seen", review.seen),
        ],
        indent=2,
    )


_CHANGES = {
    "moved": "The facts moved since the last look",
    "edited": "Edited",
    "withdrawn": "An approval was taken back",
}


def _exchange_words(one: Exchange) -> str:
    if not one.answered_by:
        return f"{one.text} (waits for an answer until {screen.when(one.until)})"
    answer = f": {one.answer}" if one.answer else ""
    return f"{one.text} (answered by {one.answered_by}, {screen.when(one.answered_at)}{answer})"


def _group_words(review: Review, group: Group) -> str:
    acting = acting_for(review, group.name)
    asked = "" if acting == (group.name,) else f", asked: {' and '.join(acting)}"
    return f"{given(review, group)} of {group.approvals} approved{asked}"


def _approval_words(one: Approval) -> str:
    behalf = f" for {one.behalf}" if one.behalf else ""
    return f"{one.principal}{behalf}, {screen.when(one.at)} {one.comment}"


def _next_words(review: Review) -> str:
    """What happens by itself if nobody decides. Nothing does while it waits for an answer."""
    if review.waits_for is not None or not review.deadlines:
        return ""
    due = review.deadlines[0]
    what = {"remind": "a reminder", "reassign": f"{due.to} is asked instead", "escalate": f"{due.to} is asked as well"}
    return f"{screen.when(due.at)}: {what[due.act]}"


def given(review: Review, group: Group) -> int:
    """How many people have approved for a group."""
    return len({one.principal for one in review.approvals if one.group == group.name})


def asked_words(review: Review) -> str:
    """Who is asked, and how many of them are still needed."""
    return "+".join(
        "/".join(acting_for(review, group.name))
        + ("" if group.approvals == 1 else f" {given(review, group)}/{group.approvals}")
        for group in review.groups
    )


def _held(review: Review, now: int) -> str:
    """Who has it in hand, or whom it waits for."""
    if review.waits_for is not None:
        return "waits for an answer"
    claim = claimed_by(review, now)
    return claim.by if claim is not None else ""


COMMANDS = {"reviews": reviews}
