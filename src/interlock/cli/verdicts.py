"""`interlock approve`, `edit`, `reject` and `propose`: what people decide.

INVARIANT: a verdict names what was seen. On a terminal the review is shown and the person asked; a script says it
with --seen, the digest that `interlock reviews ID` prints. If anything that the review shows has changed since, the
verdict does not count.
INVARIANT: several verdicts at once are several messages. Each is judged and recorded by itself, so that one that does
not count takes none of the others with it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from interlock.cli import exits, following, opening, screen
from interlock.cli.options import Invocation, acting, command, commented
from interlock.cli.reviews import given, in_words, open_review, show
from interlock.cli.sending import accept, hand_in, outcome
from interlock.vocabulary.errors import InterlockError, NotNow, Refused
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.limits import BATCH_VERDICTS_MAX
from interlock.vocabulary.review import acting_for, asked_groups

if TYPE_CHECKING:
    from interlock.ports import Store
    from interlock.vocabulary.delegation import Delegation
    from interlock.vocabulary.events import Envelope
    from interlock.vocabulary.review import Review

Verdict = Literal["approve", "edit", "reject", "propose"]

CODES = [exits.WRONG, exits.REFUSED, exits.OPERATOR]


def deciding(function: Any) -> Any:
    """Give a command the options of everything that a person does for a group."""
    options = [
        acting,
        click.option("--group", metavar="NAME", help="For which group you act. [default: the only one asked]"),
        click.option("--for", "behalf", metavar="PERSON", help="For whom, who is away and has delegated it to you."),
        click.option("--id", "message", metavar="ID", help="Your id of this message: makes sending it again harmless."),
        click.option(
            "--wait", metavar="TIME", help="How long to wait for the outcome. [default: 10s if a worker runs]"
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


_SEEN = "What you saw, as `interlock reviews ID` prints it. For scripts."


def _several(function: Any) -> Any:
    """Options of a verdict that may be given on many reviews at once."""
    options = [
        click.argument("ids", metavar="ID...", nargs=-1),
        commented(),
        click.option("--seen", "seen", metavar="DIGEST", multiple=True, help=f"{_SEEN} Once per ID, in their order."),
        click.option(
            "--file",
            "file",
            metavar="FILE",
            help='Many: {"review": ID, "seen": DIGEST} per line, also "group" and "comment" if you like. - is stdin.',
        ),
        deciding,
    ]
    for option in reversed(options):
        function = option(function)
    return function


@command(
    name="approve",
    examples="""
        interlock approve refunds/t2/3.0 --as ann@example.com
        interlock approve refunds/t2/3.0 --as ann@example.com --seen 5f0c2a917b3e4d68 --comment "Called them."
        interlock approve refunds/t2/3.0 refunds/t5/3.0 --as ann@example.com
        interlock approve --file approved.jsonl --as ann@example.com
    """,
    codes=CODES,
)
@_several
def approve(inv: Invocation, **given: Any) -> None:
    """Approve what a review shows, or what several show.

    The proposal is judged again at that moment. It holds if nothing that the rules read has changed and no other
    group is asked; else the review returns with the difference. A hard rule cannot be approved away, and nobody
    approves what they asked for themselves, for themselves or for somebody else.

    Each of several is judged and recorded by itself. Exits 3 if any did not count or was denied. Until the action
    starts, `interlock withdraw` takes an approval back.
    """
    _give_all(inv, "approve", **given)


@command(
    name="reject",
    examples="""
        interlock reject refunds/t2/3.0 --as ann@example.com --comment "Paid by the carrier already."
        interlock reject --file rejected.jsonl --as ann@example.com
    """,
    codes=CODES,
)
@_several
def reject(inv: Invocation, **given: Any) -> None:
    """Reject what a review shows, or what several show.

    It does not happen, and the automation goes on without it. A rejection counts whoever has the review in hand and
    whatever it waits for.
    """
    _give_all(inv, "reject", **given)


@command(
    name="edit",
    examples="""
        interlock edit refunds/t2/3.0 --as ann@example.com --args '{"amount": "120.00"}'
    """,
    codes=CODES,
)
@click.argument("id_", metavar="ID")
@click.option("--args", "args", metavar="JSON", required=True, help="What to change: JSON, @FILE, or - for stdin.")
@click.option("--replace", is_flag=True, help="--args are all arguments, not only the changed ones.")
@commented()
@click.option("--seen", metavar="DIGEST", help=_SEEN)
@deciding
def edit(inv: Invocation, id_: str, args: str, replace: bool, **given: Any) -> None:
    """Change the arguments and approve them.

    It becomes your proposal: every rule judges it anew, the approvals so far are void, and where four eyes are
    required somebody else approves it.
    """
    _give_one(inv, id_, "edit", _object(args), replace=replace, action="", **given)


@command(
    name="propose",
    examples="""
        interlock propose refunds/t2/9.0 refund --args '{"amount": "40.00", "reason": "late"}' --as ann@example.com
    """,
    codes=CODES,
)
@click.argument("id_", metavar="ID")
@click.argument("action")
@click.option("--args", "args", metavar="JSON", default="{}", help="Its arguments: JSON, @FILE, or - for stdin.")
@commented()
@click.option("--seen", metavar="DIGEST", help=_SEEN)
@deciding
def propose(inv: Invocation, id_: str, action: str, args: str, **given: Any) -> None:
    """Propose an action where a question could not be answered in time.

    The action must be valid in the case now (`interlock actions`). It becomes your proposal and is judged like any:
    one that is denied leaves the review open. `interlock reject` says that there is nothing to propose.
    """
    _give_one(inv, id_, "propose", _object(args), replace=True, action=action, **given)


def _object(text: str) -> dict[str, Any]:
    found: object = opening.json_value(text, "--args")
    if not isinstance(found, dict):
        raise click.UsageError("--args is a JSON object of arguments.")
    return cast("dict[str, Any]", found)


# --- one


def _give_one(
    inv: Invocation,
    name: str,
    verdict: Verdict,
    args: dict[str, Any],
    *,
    as_: str | None,
    group: str | None,
    behalf: str | None,
    message: str | None,
    comment: str,
    seen: str | None,
    wait: str | None,
    replace: bool,
    action: str,
) -> None:
    who = opening.principal(as_)
    with opening.store(inv) as store:
        case, review = open_review(store, inv, name)
        whole = args if replace else {**review.args, **args}
        whole = _fitting(inv, store, case, action or review.action, whole)
        made = _Wanted(name, seen, group, comment)
        shown = {"args": whole, **({"action": action} if action else {})}
        envelope = _envelope(inv, store, made, verdict, who, behalf, message, whole, action, shown)
        if envelope is None:
            raise click.Abort
        hand_in(inv, store, envelope, wait)


@dataclass(frozen=True)
class _Wanted:
    """A verdict as it was asked for: on which review, having seen what."""

    review: str
    seen: str | None
    group: str | None
    comment: str


def _envelope(
    inv: Invocation,
    store: Store,
    wanted: _Wanted,
    verdict: Verdict,
    who: str,
    behalf: str | None,
    message: str | None,
    args: dict[str, Any] | None = None,
    action: str = "",
    change: dict[str, Any] | None = None,
) -> Envelope | None:
    """The message of one verdict; None when the person, having looked, does not want to give it."""
    from interlock.runtime.inbox import verdict_envelope

    case, review = open_review(store, inv, wanted.review)
    group = group_of(review, wanted.group)
    seen = wanted.seen
    if seen is None:
        seen = _look(inv, store, case, review, verdict, change, who)
    if seen is None:
        return None
    if seen != review.seen:
        raise NotNow(
            f"{case}/{review.id} shows something else than what was seen.",
            code="stale_review",
            hint=f"Look again: interlock reviews {case}/{review.id}",
        )
    return verdict_envelope(
        case.automation,
        case.key,
        review.id,
        verdict,
        group=group,
        seen=seen,
        args=args,
        comment=wanted.comment,
        id=message or opening.fresh_id(),
        principal=who,
        now=opening.now(),
        action=action,
        delegation=under(store, case, group, who, behalf),
    )


def under(store: Store, case: CaseId, group: str, who: str, behalf: str | None) -> Delegation | None:
    """The delegation under which somebody acts for a person who is away. Raises NotNow where there is none."""
    if behalf is None:
        return None
    from interlock.runtime.delegated import delegation

    return delegation(store, by=behalf, to=who, automation=case.automation, group=group, now=opening.now())


def group_of(review: Review, wanted: str | None) -> str:
    """The group for which this person acts: one that is asked, of the review's own or instead of it."""
    asked = asked_groups(review)
    if wanted is not None:
        if wanted not in asked:
            raise NotNow(f"Group {wanted} is not asked.", code="not_asked", hint=f"Asked: {', '.join(asked)}.")
        return wanted
    missing = [group.name for group in review.groups if given(review, group) < group.approvals]
    open_ = list(dict.fromkeys(acting for name in missing for acting in acting_for(review, name)))
    if len(open_) == 1:
        return open_[0]
    raise click.UsageError(f"Say for which group you act: --group {' or '.join(open_ or asked)}.")


def _fitting(inv: Invocation, store: Store, case: CaseId, action: str, args: dict[str, Any]) -> dict[str, Any]:
    """Arguments checked against the action's type where the automation is at hand. The kernel checks them in any
    case; but only here can what is personal in them be sealed.
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
            return wire.call_args(wire.action_name(action), args)
    except Rejected as error:
        raise Refused(str(error), code="bad_call") from None


def _look(
    inv: Invocation,
    store: Store,
    case: CaseId,
    review: Review,
    verdict: Verdict,
    change: dict[str, Any] | None,
    who: str,
) -> str | None:
    """Show the review and ask. Returns what was seen; None when the person would rather not."""
    if inv.json or not sys.stdin.isatty() or not sys.stdout.isatty():
        raise click.UsageError(
            f"Say what you saw: --seen DIGEST, as `interlock reviews {case}/{review.id}` prints it. "
            "On a terminal the review is shown and you are asked."
        )
    show(case, review, in_words(store, case, review))
    if change is not None:
        screen.title(change.get("action") or "With your change")
        screen.pairs([(key, screen.plain(value)) for key, value in change["args"].items()], indent=2)
    return review.seen if click.confirm(f"\n{verdict} this as {who}?") else None


# --- many


def _give_all(
    inv: Invocation,
    verdict: Verdict,
    *,
    ids: tuple[str, ...],
    seen: tuple[str, ...],
    file: str | None,
    as_: str | None,
    group: str | None,
    behalf: str | None,
    message: str | None,
    comment: str,
    wait: str | None,
) -> None:
    if bool(ids) == (file is not None):
        raise click.UsageError("Name the reviews, or give a --file of them.")
    if seen and len(seen) != len(ids):
        raise click.UsageError(f"{len(ids)} reviews and {len(seen)} times --seen: give one for each, in their order.")
    if file is not None:
        wanted = _of_file(file, group, comment)
    else:
        saw: Sequence[str | None] = seen or [None] * len(ids)
        wanted = [_Wanted(name, one, group, comment) for name, one in zip(ids, saw, strict=True)]
    if message is not None and len(wanted) > 1:
        raise click.UsageError("--id names one message; several verdicts are several.")
    if len(wanted) > BATCH_VERDICTS_MAX:
        raise click.UsageError(f"{len(wanted)} reviews; at most {BATCH_VERDICTS_MAX} are decided at once.")
    who = opening.principal(as_)
    with opening.store(inv) as store:
        if len(wanted) == 1 and file is None:
            envelope = _envelope(inv, store, wanted[0], verdict, who, behalf, message)
            if envelope is None:
                raise click.Abort
            hand_in(inv, store, envelope, wait)
            return
        rows = _send_all(inv, store, wanted, verdict, who, behalf, wait)
    _tell_all(inv, verdict, rows)


def _of_file(file: str, group: str | None, comment: str) -> list[_Wanted]:
    """One verdict per line. Raises Refused naming the line; then nothing has been given."""
    found: list[_Wanted] = []
    with click.open_file(file, "r", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                found.append(_of_line(line, number, group, comment))
    if not found:
        raise Refused(f"{file} names no review.", code="bad_verdict")
    return found


_KEYS = frozenset({"review", "seen", "group", "comment"})


def _of_line(line: str, number: int, group: str | None, comment: str) -> _Wanted:
    try:
        one: object = json.loads(line)
    except ValueError as error:
        raise Refused(f"Line {number}: not JSON: {error}.", code="bad_verdict") from None
    known = cast("dict[str, Any]", one) if isinstance(one, dict) else {}
    odd = sorted(known.keys() - _KEYS) or [name for name, value in known.items() if not isinstance(value, str)]
    if not known or odd or "review" not in known or "seen" not in known:
        what = f"{', '.join(odd)} is not taken" if odd else "`review` and `seen` are needed"
        raise Refused(
            f"Line {number}: {what}.", code="bad_verdict", hint='Write {"review": "refunds/t2/3.0", "seen": "5f0c..."}.'
        )
    return _Wanted(known["review"], known["seen"], known.get("group", group), known.get("comment", comment))


def _send_all(
    inv: Invocation,
    store: Store,
    wanted: Sequence[_Wanted],
    verdict: Verdict,
    who: str,
    behalf: str | None,
    wait: str | None,
) -> list[dict[str, Any]]:
    """Each as a message of its own; what became of each."""
    rows: list[dict[str, Any]] = []
    sent: list[tuple[dict[str, Any], Envelope, int]] = []
    for one in wanted:
        row: dict[str, Any] = {"review": one.review}
        rows.append(row)
        try:
            envelope = _envelope(inv, store, one, verdict, who, behalf, None)
        except (InterlockError, click.UsageError) as error:
            row.update(outcome="refused", notes=[error.message], code=exits.REFUSED)
            continue
        if envelope is None:
            row.update(outcome="skipped", notes=[], code=exits.OK)
            continue
        sent.append((row, envelope, store.newest(envelope.case)))
    for (row, _, _), receipt in zip(sent, accept(store, [one for _, one, _ in sent]), strict=True):
        row.update(outcome=outcome(receipt), notes=[], code=exits.OK)
    patience = following.patience_us(store, wait)
    for row, envelope, after in sent:
        came = following.came_of(store, envelope, after, patience)
        if came is not None:
            row.update(came.data(envelope), code=came.code)
        elif row["outcome"] == "accepted":
            row.update(outcome="waiting")
    return rows


def _tell_all(inv: Invocation, verdict: Verdict, rows: list[dict[str, Any]]) -> None:
    codes = [row.pop("code") for row in rows]
    refused = sum(1 for code in codes if code != exits.OK)
    if inv.json:
        screen.document({"verdict": verdict, "reviews": rows, "refused": refused})
    else:
        screen.table(
            ("REVIEW", "OUTCOME", "DECISION", "WHY"),
            [
                (
                    row["review"],
                    row["outcome"],
                    ", ".join(f"{one['verdict']} {one['id']}" for one in row.get("decisions", ())),
                    "; ".join([*(one["why"] for one in row.get("decisions", ()) if one["why"]), *row["notes"]]),
                )
                for row in rows
            ],
        )
        if refused:
            screen.notice(f"{refused} of {len(rows)} did not go through.")
    if refused:
        click.get_current_context().exit(exits.REFUSED)


COMMANDS = {"approve": approve, "edit": edit, "reject": reject, "propose": propose}
