"""`interlock ask`: what would be decided now, with every question really asked and nothing done."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, acting, command
from interlock.vocabulary.advice import COST, COST_SCALE, Answer, added
from interlock.vocabulary.ids import CaseId

if TYPE_CHECKING:
    from interlock.assembly.rehearsal import Asked, Rehearsal
    from interlock.ports import Store
    from interlock.releases import Release
    from interlock.vocabulary.decision import BudgetFigure, Decision
    from interlock.vocabulary.events import Envelope

SOURCE = "ask"


@command(
    name="ask",
    examples="""
        interlock ask TicketOpened --data '{"ticket": "t9", "paid": "40.00", "message": "It arrived broken."}'
        interlock ask --app refunds RefundRequested --data @event.json --json
        interlock ask t1
    """,
    codes=[exits.WRONG, exits.REFUSED, exits.OPERATOR],
)
@click.argument("what", metavar="TYPE|CASE")
@click.option("--data", metavar="JSON", help="With TYPE, the event's fields: JSON, @FILE, or - for standard input.")
@acting
def ask(inv: Invocation, what: str, data: str | None, as_: str | None) -> None:
    """Show what would be decided now, without doing it.

    With --data: what an event of this TYPE would lead to, on its case as it is now. Without: what a CASE would come to
    if what made it ask its last question came again.

    Advisors are really asked, and what they cost is spent. Nothing is written and no effect runs. Without a database
    every case is new and every budget is whole.
    """
    from interlock.assembly.rehearsal import Unwritten, asking_again, rehearse
    from interlock.runtime.vault import Showing

    release = opening.release(inv)
    with _store(inv, needed=data is None) as store:
        unwritten = Unwritten(store)
        screen.sealed_as(Showing(unwritten.seen, unsealed=inv.unseal))
        if data is not None:
            message = _event(release, unwritten.seen, what, data, opening.principal(as_))
        else:
            message = asking_again(store, _case(store, inv, release, what), id=opening.fresh_id())
        done = asyncio.run(rehearse(release, unwritten, message))
        if inv.json:
            screen.document(_data(done, release))
        else:
            _show(done, release)
        screen.sealed_as(None)


@contextmanager
def _store(inv: Invocation, *, needed: bool) -> Generator[Store]:
    """The database, to be read; without one, and where none is needed, an empty one that ends with the command."""
    if needed or opening.there(inv):
        with opening.to_read(inv) as store:
            yield store
        return
    from interlock.assembly import open_store

    with closing(open_store(":memory:")) as store:
        yield store


def _event(release: Release, store: Store, type_: str, data: str, who: str) -> Envelope:
    from interlock.assembly.hosting import kept_by
    from interlock.runtime.inbox import event_envelope

    return event_envelope(
        release.name,
        kept_by(release.loaded, store),
        type_,
        opening.json_value(data, "--data"),
        id=opening.fresh_id(),
        source=SOURCE,
        principal=who,
        occurred_at=None,
        now=opening.now(),
    )


def _case(store: Store, inv: Invocation, release: Release, name: str) -> CaseId:
    if name in release.loaded.definition.events:
        raise click.UsageError(f"{name} is an event type: give its fields with --data.")
    found = opening.case_id(store, inv, name)
    if found.automation != release.name:
        raise opening.other_automation(inv, found, release.name)
    return found


# --- as data ----------------------------------------------------------------------------------------------------------


def _data(done: Rehearsal, release: Release) -> dict[str, Any]:
    after = done.after
    return {
        "case": str(done.message.case),
        "release": release.id,
        "new": done.before is None,
        "asked": [_asked_data(one) for one in done.asked],
        "decisions": [_decision_data(one, release) for one in done.decisions()],
        "would_run": [{"action": one.action, "args": one.data} for one in done.would_run.values()],
        "notes": [note for turn in done.turns for note in turn.notes],
        "status": "" if after is None else after.status,
        "state": {} if after is None else after.state,
        "flags": _flags(done),
        "usage": _usage(done),
    }


def _asked_data(one: Asked) -> dict[str, Any]:
    base = {"question": one.command.question, "advisor": one.command.advisor, "fields": one.command.data}
    took = {"took_ms": one.took // 1_000}
    said = one.outcome
    if isinstance(said, Answer):
        return {
            **base,
            "value": said.value,
            "score": None if said.score is None else str(Decimal(said.score).scaleb(-6)),
            "scored_by": said.scored_by,
            "claimed": None if said.claimed is None else str(Decimal(said.claimed).scaleb(-6)),
            "rationale": said.rationale,
            "evidence": list(said.evidence),
            "refused": list(said.refused),
            "usage": said.usage,
            "currency": said.currency,
            **took,
        }
    if said is None:
        return {**base, "silent": "withdrawn", "detail": "its answer was no longer wanted", **took}
    return {**base, "silent": said.why, "detail": said.detail, "usage": said.usage, "currency": said.currency, **took}


def _decision_data(decision: Decision, release: Release) -> dict[str, Any]:
    proposal, autonomy = decision.proposal, decision.autonomy
    return {
        "action": proposal.action,
        "args": proposal.args,
        "source": proposal.source,
        "because": proposal.because,
        "score": None if proposal.score is None else str(Decimal(proposal.score).scaleb(-6)),
        "verdict": decision.verdict,
        "decided_by": list(decision.decided_by),
        "why": decision.why or _invalid(decision),
        "groups": [{"group": group.name, "approvals": group.approvals} for group in decision.groups],
        "fallback": decision.fallback,
        "rules": [
            {"id": one.id, "line": one.line, "then": one.then, "result": one.result, "reason": one.reason}
            for one in _rules(decision, release)
        ],
        "autonomy": None
        if autonomy is None
        else {"outcome": autonomy.outcome, "why": autonomy.why, "certificate": autonomy.certificate},
        "budgets": [
            {"budget": one.budget, "account": one.account, "state": one.state, **_amounts(one, release)}
            for one in decision.budgets
        ],
    }


def _invalid(decision: Decision) -> str:
    if not decision.schema.valid:
        return decision.schema.why
    return "" if decision.flow is None or decision.flow.valid else decision.flow.why


def _rules(decision: Decision, release: Release) -> tuple[Any, ...]:
    """Every rule's outcome; none where the judgement ended before the policy."""
    from interlock.policy import Bound

    policy = release.program.policy
    if decision.policy is None or decision.bound is None:
        return ()
    bound = policy.bound_from_data(decision.proposal.action, decision.bound)
    return policy.outcomes(decision.policy, bound) if isinstance(bound, Bound) else ()


def _amounts(figure: BudgetFigure, release: Release) -> dict[str, str]:
    scale = next((one.scale for one in release.program.budgets if one.name == figure.budget), 0)
    named = (("amount", figure.amount), ("limit", figure.limit), ("spent", figure.spent), ("held", figure.held))
    return {name: str(Decimal(value).scaleb(-scale)) for name, value in named}


def _flags(done: Rehearsal) -> list[str]:
    """Remarks that this message would leave."""
    before = set(done.before.flags) if done.before is not None else set[str]()
    return [flag for flag in (done.after.flags if done.after is not None else ()) if flag not in before]


def _usage(done: Rehearsal) -> dict[str, Any]:
    """What was spent on asking. Money by currency, as decimals."""
    counts: dict[str, int] = {}
    money: dict[str, int] = {}
    for one in done.asked:
        if one.outcome is None:
            continue
        usage = dict(one.outcome.usage)
        if paid := usage.pop(COST, 0):
            money[one.outcome.currency] = money.get(one.outcome.currency, 0) + paid
        counts = added(counts, usage)
    return {**counts, "cost": {currency: str(Decimal(one).scaleb(-COST_SCALE)) for currency, one in money.items()}}


# --- as text ----------------------------------------------------------------------------------------------------------


def _show(done: Rehearsal, release: Release) -> None:
    what = "would be opened" if done.before is None else f"is {done.before.status or '(not opened)'}"
    screen.title(f"{done.message.case}  {what}; nothing of this is done")
    for one in done.asked:
        _show_asked(one)
    decisions = done.decisions()
    for decision in decisions:
        _show_decision(decision, release)
    if not decisions:
        screen.text("Nothing is proposed.")
    for note in (note for turn in done.turns for note in turn.notes):
        screen.notice(note)
    for flag in _flags(done):
        screen.warning(flag)
    usage = _usage(done)
    if counts := {name: count for name, count in usage.items() if name != COST and count}:
        paid = [f"cost {amount} {currency}" for currency, amount in usage[COST].items()]
        told = ", ".join([*(f"{name.replace('_', ' ')} {count}" for name, count in counts.items()), *paid])
        screen.notice(f"Asking took: {told}.")


def _show_asked(one: Asked) -> None:
    said, name = one.outcome, f"{one.command.question}: {one.command.advisor}"
    if not isinstance(said, Answer):
        why = "its answer was no longer wanted" if said is None else f"{said.why}. {said.detail}".rstrip()
        screen.title(f"{name} gives no answer")
        screen.pairs([("why", why)], indent=2)
        return
    screen.title(f"{name} answers {screen.plain(said.value)}")
    score = "none; it earns nothing" if said.score is None else str(Decimal(said.score).scaleb(-6))
    screen.pairs(
        [
            ("score", score + (f", from {said.scored_by}" if said.scored_by else "")),
            (
                "claims",
                "" if said.claimed is None else f"{Decimal(said.claimed).scaleb(-6)} of itself; it does not count",
            ),
            ("rationale", said.rationale),
            ("refused", "; ".join(said.refused)),
            ("took", f"{one.took / 1_000_000:.2f} s"),
        ],
        indent=2,
    )


def _show_decision(decision: Decision, release: Release) -> None:
    from msgspec import structs

    from interlock.cli.following import decision_words

    # The review that it would open is not there to be looked at.
    screen.title(f"Decision: {decision_words(structs.replace(decision, review=''))}")
    mark = {"matched": "+", "excused": "~", "not_matched": "-", "not_for_action": " "}
    for rule in _rules(decision, release):
        screen.prose(f"  {mark[rule.result]} {rule}")
    autonomy = decision.autonomy
    rows = [("invalid", _invalid(decision))]
    if autonomy is not None:
        rows.append(("autonomy", f"{autonomy.outcome}. {autonomy.why or autonomy.certificate or ''}".rstrip()))
    for one in decision.budgets:
        amounts = _amounts(one, release)
        figures = "{amount} of at most {limit}; {spent} spent and {held} held".format(**amounts)
        rows.append((f"budget {one.budget}", f"{one.state}: {figures}"))
    screen.pairs(rows, indent=2)


COMMANDS = {"ask": ask}
