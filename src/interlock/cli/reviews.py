"""`interlock reviews`, `approve`, `edit` and `reject`: a person's part.

INVARIANT: a verdict names what was seen. On a terminal the review is shown and the person asked; a script says it
with --seen, the digest that `interlock reviews ID` prints. If anything that the review shows has changed since, the
verdict does not count.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from interlock.cli import exits, following, opening, screen
from interlock.cli.options import Invocation, acting, command
from interlock.vocabulary.errors import NotFound, NotNow, Refused
from interlock.vocabulary.ids import CaseId

if TYPE_CHECKING:
    from interlock.ports import Store
    from interlock.vocabulary.decision import BudgetFigure
    from interlock.vocabulary.review import Review
    from interlock.vocabulary.verdict import Group

Verdict = Literal["approve", "edit", "reject"]


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
    more, found = len(found) > limit, found[:limit]
    if inv.json:
        screen.document({"reviews": [review_data(case, review) for case, review in found], "more": more})
        return
    screen.table(
        ("ID", "ACTION", "ASKED", "EXPIRES", "WHAT"),
        [
            (
                f"{case}/{review.id}",
                review.action,
                _asked(review),
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
        "args": review.args,
        "groups": [
            {"group": group.name, "approvals": group.approvals, "given": _given(review, group)}
            for group in review.groups
        ],
        "approvals": [
            {"principal": one.principal, "group": one.group, "at": screen.iso(one.at), "comment": one.comment}
            for one in review.approvals
        ],
        "reasons": list(review.reasons),
        "facts": review.facts,
        "changes": review.shown,
        "over_budget": list(review.over_budget),
        "requesters": list(review.requesters),
        "round": review.round,
        "opened_at": screen.iso(review.opened_at),
        "expires_at": screen.iso(review.expires_at),
        "seen": review.seen,
    }


def show(case: CaseId, review: Review, words: Words) -> None:
    """Everything that an approval would be bound to, and why a person is asked."""
    screen.title(f"{case}/{review.id}  {review.action}")
    screen.pairs([(name, screen.plain(value)) for name, value in review.args.items()], indent=2)
    for change, rows in review.shown.items():
        screen.title("The facts moved since the last look" if change == "moved" else "Edited")
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
    screen.title("Who decides")
    screen.pairs(
        [
            *((group.name, f"{_given(review, group)} of {group.approvals} approved") for group in review.groups),
            *((f"  {one.group}", f"{one.principal}, {screen.when(one.at)} {one.comment}") for one in review.approvals),
            ("asked for by", ", ".join(review.requesters)),
            ("expires", screen.when(review.expires_at)),
            ("seen", review.seen),
        ],
        indent=2,
    )


def _given(review: Review, group: Group) -> int:
    return len({one.principal for one in review.approvals if one.group == group.name})


def _asked(review: Review) -> str:
    return "+".join(
        group.name if group.approvals == 1 else f"{group.name} {_given(review, group)}/{group.approvals}"
        for group in review.groups
    )


# --- verdicts ---------------------------------------------------------------------------------------------------------


def _verdict_options(*, comment: str) -> Any:
    options = [
        click.argument("id_", metavar="ID"),
        acting,
        click.option("--group", metavar="NAME", help="For which group you decide. [default: the only one asked]"),
        click.option("--comment", metavar="TEXT", default="", help=comment),
        click.option(
            "--seen", metavar="DIGEST", help="What you saw, as `interlock reviews ID` prints it. For scripts."
        ),
        click.option(
            "--wait", metavar="TIME", help="How long to wait for the outcome. [default: 10s if a worker runs]"
        ),
    ]

    def put(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return put


CODES = [exits.WRONG, exits.REFUSED, exits.OPERATOR]


@command(
    name="approve",
    examples="""
        interlock approve refunds/t2/3.0 --as ann@example.com
        interlock approve refunds/t2/3.0 --as ann@example.com --seen 5f0c2a917b3e4d68 --comment "Called them."
    """,
    codes=CODES,
)
@_verdict_options(comment="Why; it is recorded.")
def approve(inv: Invocation, id_: str, **given: Any) -> None:
    """Approve what a review shows.

    The proposal is judged again at that moment. It holds if nothing that the rules read has changed and no other
    group is asked; else the review returns with the difference. A hard rule cannot be approved away, and nobody
    approves what they asked for themselves.
    """
    _give(inv, id_, "approve", None, **given)


@command(
    name="edit",
    examples="""
        interlock edit refunds/t2/3.0 --as ann@example.com --args '{"amount": "120.00"}'
    """,
    codes=CODES,
)
@_verdict_options(comment="Why; it is recorded.")
@click.option("--args", "args", metavar="JSON", required=True, help="What to change: JSON, @FILE, or - for stdin.")
@click.option("--replace", is_flag=True, help="--args are all arguments, not only the changed ones.")
def edit(inv: Invocation, id_: str, args: str, replace: bool, **given: Any) -> None:
    """Change the arguments and approve them.

    It becomes your proposal: every rule judges it anew, the approvals so far are void, and where four eyes are
    required somebody else approves it.
    """
    changed: object = opening.json_value(args, "--args")
    if not isinstance(changed, dict):
        raise click.UsageError("--args is a JSON object of arguments.")
    _give(inv, id_, "edit", cast("dict[str, Any]", changed), replace=replace, **given)


@command(
    name="reject",
    examples="""
        interlock reject refunds/t2/3.0 --as ann@example.com --comment "Paid by the carrier already."
    """,
    codes=CODES,
)
@_verdict_options(comment="Why; it is recorded, and reviewers of the automation read it.")
def reject(inv: Invocation, id_: str, **given: Any) -> None:
    """Reject what a review shows.

    It does not happen, and the automation goes on without it.
    """
    _give(inv, id_, "reject", None, **given)


def _give(
    inv: Invocation,
    name: str,
    verdict: Verdict,
    args: dict[str, Any] | None,
    *,
    as_: str | None,
    group: str | None,
    comment: str,
    seen: str | None,
    wait: str | None,
    replace: bool = False,
) -> None:
    from interlock.cli.sending import accept, outcome
    from interlock.runtime.inbox import outcome_of, verdict_envelope

    who = opening.principal(as_)
    with opening.store(inv) as store:
        case, review = open_review(store, inv, name)
        group = _group(review, group, who)
        if args is not None:
            args = _fitting(inv, store, case, review, args if replace else {**review.args, **args})
        if seen is None:
            seen = _look(inv, store, case, review, verdict, args, who)
        if seen != review.seen:
            raise NotNow(
                f"{case}/{review.id} shows something else than what was seen.",
                code="stale_review",
                hint="Look again: interlock reviews " + f"{case}/{review.id}",
            )
        envelope = verdict_envelope(
            case.automation,
            case.key,
            review.id,
            verdict,
            group=group,
            seen=seen,
            args=args,
            comment=comment,
            id=f"{review.id}@{review.round}:{verdict}:{group}:{len(review.approvals)}:{who}"[:200],
            principal=who,
            now=opening.now(),
        )
        after = store.newest(case)
        receipt = accept(store, [envelope])[0]
        if outcome(receipt) == "duplicate":
            after = 0
        outcome_of(envelope, receipt)
        following.follow(inv, store, envelope, after=after, wait=wait)


def _group(review: Review, given: str | None, who: str) -> str:
    """The group for which this person decides."""
    names = [group.name for group in review.groups]
    if given is not None:
        if given not in names:
            raise NotNow(f"Group {given} is not asked.", code="not_asked", hint=f"Asked: {', '.join(names)}.")
        return given
    open_ = [group.name for group in review.groups if _given(review, group) < group.approvals]
    if len(open_) == 1:
        return open_[0]
    raise click.UsageError(f"Say for which group you decide: --group {' or '.join(open_ or names)}.")


def _fitting(inv: Invocation, store: Store, case: CaseId, review: Review, args: dict[str, Any]) -> dict[str, Any]:
    """Edited arguments, checked against the action's type where the automation is at hand. The kernel checks them in
    any case; but only here can what is personal in them be sealed.
    """
    loaded = opening.automation(inv) if opening.has_automation(inv) else None
    if loaded is None or loaded.name != case.automation:
        if store.seals(case):
            raise Refused(
                f"{case} holds personal data, and its automation is not at hand to seal what you give.",
                code="no_automation",
                hint="Name its folder with --app or INTERLOCK_APP.",
            )
        return args
    from interlock.kernel.program import Rejected

    try:
        wire = opening.wire(inv, loaded)
        with wire.opened(case.key):
            return wire.call_args(review.action, args)
    except Rejected as error:
        raise Refused(str(error), code="bad_call") from None


def _look(
    inv: Invocation,
    store: Store,
    case: CaseId,
    review: Review,
    verdict: Verdict,
    args: dict[str, Any] | None,
    who: str,
) -> str:
    """Show the review and ask. Returns what was seen."""
    if inv.json or not sys.stdin.isatty() or not sys.stdout.isatty():
        raise click.UsageError(
            f"Say what you saw: --seen DIGEST, as `interlock reviews {case}/{review.id}` prints it. "
            "On a terminal the review is shown and you are asked."
        )
    show(case, review, in_words(store, case, review))
    if args is not None:
        screen.title("With your change")
        screen.pairs([(key, screen.plain(value)) for key, value in args.items()], indent=2)
    click.confirm(f"\n{verdict} this as {who}?", abort=True)
    return review.seen


COMMANDS = {"reviews": reviews, "approve": approve, "edit": edit, "reject": reject}
