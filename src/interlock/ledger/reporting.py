"""Report: what an automation did in a stretch of time, counted from the ledger.

Each slot is read once, from the first entry of the stretch (found by bisection: within a slot time never goes back)
to its last. What was known then and what was learned later are counted apart: a decision whose facts changed
afterwards was not wrong when it was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import msgspec

from interlock.kernel import fold
from interlock.ledger import changes
from interlock.ledger.account import ActionAccount, Correction, Report
from interlock.ledger.reading import Plain
from interlock.ledger.recorded import Recorded, Releases
from interlock.policy import DecimalType
from interlock.ports import Store
from interlock.vocabulary.action import Effect
from interlock.vocabulary.advice import Silence
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.events import (
    AnswerBody,
    CallBody,
    EventBody,
    ReserveBody,
    SettleBody,
    TimerBody,
    VerdictBody,
)
from interlock.vocabulary.ids import BUDGETS, PEOPLE, CaseId

READ_AT_ONCE = 512
EXAMPLES_MAX = 20
"""Cases named for each kind of thing that somebody may want to look at; the rest is counted."""

REVIEWS_MAX = 2**31
"""All of them."""


@dataclass
class _Tally:
    """The counts so far, and per slot what later entries refer to."""

    store: Store
    releases: Releases
    report: Report
    effects: dict[tuple[CaseId, str], Plain] = field(default_factory=dict[tuple[CaseId, str], Plain])
    decided: dict[CaseId, tuple[str, int]] = field(default_factory=dict[CaseId, tuple[str, int]])
    doubtful: set[tuple[CaseId, str]] = field(default_factory=set[tuple[CaseId, str]])
    charged: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])


def report(store: Store, *, since: int, until: int | None = None, automation: str | None = None) -> Report:
    """What happened from `since` up to but not including `until` (microseconds; None: up to now)."""
    result = Report(since, until, automation)
    tally = _Tally(store, Releases(store), result)
    for slot, (head, _) in sorted(store.heads().items()):
        for entry in entries_since(store, slot, head, since, until):
            if entry.automation == PEOPLE:
                continue
            if entry.automation == BUDGETS:
                if automation is None or entry.key.startswith(f"{automation}|"):
                    _account(tally, entry)
            elif automation is None or entry.automation == automation:
                _entry(tally, entry)
        result.doubts_open += len(tally.doubtful)
        tally.effects.clear()
        tally.decided.clear()
        tally.doubtful.clear()
    _budgets(tally)
    if until is None:
        result.reviews_waiting = len(store.open_reviews(automation=automation, group=None, limit=REVIEWS_MAX))
    return result


def entries_since(store: Store, slot: int, head: int, since: int, until: int | None) -> Iterator[Entry]:
    """The entries of a slot from `since` up to but not including `until`, in its order."""
    place = _first(store, slot, head, since) - 1
    while batch := store.ledger(slot, after=place, limit=READ_AT_ONCE):
        for entry, _, _ in batch:
            if until is not None and entry.at >= until:
                return
            yield entry
        place = batch[-1][0].lsn


def _first(store: Store, slot: int, head: int, since: int) -> int:
    """The first lsn of a slot at or after a time; one beyond its head if there is none."""
    low, high = 1, head + 1
    while low < high:
        middle = (low + high) // 2
        entry = store.entry(slot, middle)
        if entry is None or entry.at >= since:
            high = middle
        else:
            low = middle + 1
    return low


# --- one entry ------------------------------------------------------------------------------------------------------


def _entry(tally: _Tally, entry: Entry) -> None:
    result, case = tally.report, CaseId(entry.automation, entry.key)
    result.entries += 1
    result.releases[entry.release] += 1
    if entry.facts is not None:
        for scope in entry.facts.paused:
            first, _ = result.pauses.get(scope, (entry.at, entry.at))
            result.pauses[scope] = (first, entry.at)
    if entry.kind != "turn":
        _quarantine(result, entry, case)
        return
    _message(tally, entry, case)
    for decision in entry.decisions:
        _decision(tally, entry, case, decision)
    _effects(tally, entry, case)
    if changes.value_of(entry.delta, "opened"):
        result.cases_opened += 1
    if status := changes.value_of(entry.delta, "status"):
        result.reached[status] += 1
        release = tally.releases.get(entry.release)
        if isinstance(release, Recorded) and status in release.program.flow and not release.program.flow[status][1]:
            result.cases_finished += 1
    if flags := changes.value_of(entry.delta, "flags"):
        result.flags += 1
        if len(result.flagged) < EXAMPLES_MAX:
            result.flagged.append((str(case), str(flags[-1])))


def _quarantine(result: Report, entry: Entry, case: CaseId) -> None:
    if entry.kind == "quarantined":
        result.quarantined += 1
        if len(result.set_aside) < EXAMPLES_MAX:
            result.set_aside.append((str(case), "; ".join(entry.notes)))
    else:
        result.released += 1


def _message(tally: _Tally, entry: Entry, case: CaseId) -> None:
    result = tally.report
    cause = entry.cause
    body = cause.body if cause else None
    match body:
        case EventBody() if cause:
            result.events[body.type] += 1
            if entry.late:
                result.late += 1
            known = tally.decided.get(case)
            if known and cause.occurred_at < known[1]:
                result.corrected += 1
                if len(result.corrections) < EXAMPLES_MAX:
                    result.corrections.append(
                        Correction(known[0], f"{body.type} {cause.id}", cause.occurred_at, known[1], entry.at)
                    )
        case CallBody():
            result.calls[body.action] += 1
        case TimerBody():
            result.timers[body.name] += 1
        case AnswerBody():
            if isinstance(body.outcome, Silence):
                result.silences[f"{body.advisor}: {body.outcome.why}"] += 1
            else:
                result.answers[body.advisor] += 1
            if body.question in entry.asked:
                result.stale += 1
        case VerdictBody() if cause:
            if any("does not count" in note for note in entry.notes):
                result.verdicts_void += 1
            else:
                result.verdicts[body.verdict] += 1
                result.reviewers[cause.principal] += 1
        case _:
            pass


def _decision(tally: _Tally, entry: Entry, case: CaseId, decision: Decision) -> None:
    result = tally.report
    if decision.awaiting:
        return
    result.decisions += 1
    about = decision.proposal.action or "(a question)"
    result.verdicts_by_action[f"{about}: {decision.verdict}"] += 1
    for by in decision.decided_by:
        result.decided_by[f"{decision.verdict} by {by}"] += 1
    if decision.verdict == "escalate":
        for by in decision.decided_by:
            result.escalations[_reason(tally, entry, by)] += 1
    if decision.verdict == "deny" and decision.decided_by == ("expired",):
        result.reviews_expired += 1
    if decision.verdict == "allow":
        tally.decided[case] = (decision.id, entry.at)


def _reason(tally: _Tally, entry: Entry, by: str) -> str:
    release = tally.releases.get(entry.release)
    if isinstance(release, Recorded):
        for rule in release.policy.rules:
            if rule.id == by:
                return f"{by}: {rule.reason}" if rule.reason else by
    if by.startswith("budget:"):
        return f"{by}: it had no room, or did not answer"
    return {
        "autonomy": "autonomy: not earned, no certificate covers it",
        "default": "default: no rule matched",
        "stale": "stale: the case changed faster than its question was answered",
        "fallback": "fallback: a fallback of a fallback",
    }.get(by, by)


# --- effects --------------------------------------------------------------------------------------------------------


def _effects(tally: _Tally, entry: Entry, case: CaseId) -> None:
    result = tally.report
    for name, patch in changes.effects(entry.delta).items():
        known = tally.effects.get((case, name))
        if known is None:
            known = {} if "action" in patch.get("+", {}) else _effect_before(tally.store, entry, name)
        plain = tally.effects[case, name] = fold.apply(known, patch)
        status = changes.value_of(patch, "status")
        if status == "in_doubt":
            tally.doubtful.add((case, name))
            _of(result, plain["action"]).doubts += 1
        elif status is not None:
            tally.doubtful.discard((case, name))
        if status == "held":
            _of(result, plain["action"]).held += 1
    for name, how in changes.settled(entry.delta).items():
        tally.doubtful.discard((case, name))
        settled = tally.effects.pop((case, name), None) or _effect_before(tally.store, entry, name)
        if not settled:
            continue
        effect = msgspec.convert(settled, Effect)
        account = _of(result, effect.action)
        if how == "happened":
            way = _way(effect)
            account.done[way] += 1
            for argument, amount in _amounts(tally, entry, effect):
                account.amounts[argument, way] = account.amounts.get((argument, way), Decimal(0)) + amount
        elif how == "not_happened":
            account.failed += 1
        else:
            account.withdrawn += 1


def _of(result: Report, action: str) -> ActionAccount:
    return result.actions.setdefault(action, ActionAccount())


def _way(effect: Effect) -> Literal["people", "certificate", "rules"]:
    """Who let it run: people, a certificate, or rules alone."""
    if effect.approvals or (effect.proposal is not None and effect.proposal.source == "person"):
        return "people"
    return "certificate" if effect.certificate else "rules"


def _effect_before(store: Store, entry: Entry, name: str) -> Plain:
    """An effect as it was before an entry, where its making lies before the stretch; empty for one that is new."""
    patches: list[changes.Delta] = []
    lsn = entry.prev
    while lsn:
        earlier = store.entry(entry.slot, lsn)
        if earlier is None:
            break
        if name in changes.settled(earlier.delta):
            break
        patch = changes.effects(earlier.delta).get(name)
        if patch is not None:
            patches.append(patch)
            if "action" in patch.get("+", {}):
                break
        lsn = earlier.prev
    plain: Plain = {}
    for patch in reversed(patches):
        plain = fold.apply(plain, patch)
    return plain


def _amounts(tally: _Tally, entry: Entry, effect: Effect) -> Iterator[tuple[str, Decimal]]:
    """The effect's decimal arguments, by its release's own schema."""
    release = tally.releases.get(entry.release)
    if not isinstance(release, Recorded) or effect.action not in release.policy.schema.actions:
        return
    for name, one in release.policy.schema.actions[effect.action].args.fields.items():
        if isinstance(one.type, DecimalType) and effect.args.get(name) is not None:
            yield name, Decimal(effect.args[name])


# --- budgets --------------------------------------------------------------------------------------------------------


def _account(tally: _Tally, entry: Entry) -> None:
    body = entry.cause.body if entry.cause else None
    if isinstance(body, SettleBody):
        tally.charged[entry.key] += body.charged
    elif isinstance(body, ReserveBody):
        held = entry.delta.get("~", {}).get("state", {}).get("~", {}).get("held", {}).get("+", {})
        state: Plain = changes.value_of(entry.delta, "state") or {}
        put = changes.put_in(entry.delta, "state").get("held", {})
        if body.reservation not in {*held, *state.get("held", {}), *put}:
            tally.refused[entry.key] += 1


def _budgets(tally: _Tally) -> None:
    scales: dict[tuple[str, str], int] = {}
    for id in tally.report.releases:
        release = tally.releases.get(id)
        if isinstance(release, Recorded):
            scales.update({(release.automation, b.name): b.scale for b in release.program.budgets})
    for account in sorted(tally.charged.keys() | tally.refused.keys()):
        automation, _, rest = account.partition("|")
        scale = scales.get((automation, rest.partition("|")[0]), 0)
        charged = Decimal(tally.charged[account]).scaleb(-scale)
        tally.report.budgets[account] = (charged, tally.refused[account])
