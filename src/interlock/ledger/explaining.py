"""Explain: gather from the record why a decision was as it was.

Nothing is stored for it: the entry holds what was known, the release holds the rules, and the case's other entries
hold what came before and after. Words are made on the way, so old decisions are explained in today's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from interlock.ledger import changes, words
from interlock.ledger.explanation import Advised, Budgeted, Explanation, Happened, Trigger
from interlock.ledger.histories import moment_of
from interlock.ledger.reading import Plain, case_named, entries_of, folded, slot_in
from interlock.ledger.recorded import Recorded, Releases, input_type
from interlock.policy import Bound, RuleOutcome
from interlock.policy.contrast import Contrasts, contrast
from interlock.policy.schema import unscaled
from interlock.policy.values import words as value_words
from interlock.ports import Store
from interlock.vocabulary.advice import Answer, RecordedAnswer, Silence
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.errors import NotFound, Refused
from interlock.vocabulary.events import (
    AnswerBody,
    BudgetReplyBody,
    Envelope,
    EventBody,
    HandlingBody,
    ResolveBody,
    ResultBody,
    StartBody,
    VerdictBody,
    WakeBody,
)
from interlock.vocabulary.ids import CaseId, parse_full_id
from interlock.vocabulary.release import Certificate


@dataclass(frozen=True)
class _Told:
    """An entry with the records before and after it."""

    entry: Entry
    before: Plain
    after: Plain


@dataclass(frozen=True)
class _Place:
    """A decision and where it stands among its case's entries."""

    decision: Decision
    index: int


def explain(store: Store, id: str) -> Explanation:
    """Explain a decision by its id, or a case's last decision by the case's. Raises NotFound, Refused (bad_id)."""
    case, wanted = _named(store, id)
    told: list[_Told] = []
    before: Plain = {}
    for entry, after in folded(entries_of(store, case)):
        told.append(_Told(entry, before, after))
        before = after
    places = {d.id: _Place(d, index) for index, one in enumerate(told) for d in one.entry.decisions}
    place = places.get(wanted or before.get("last_decision", ""))
    if place is None:
        raise _nothing(case, wanted, places)
    return _explained(store, case, told, places, place)


def _named(store: Store, id: str) -> tuple[CaseId, str]:
    """The case, and the decision's id if it is one. A key may look like the end of a decision's id."""
    try:
        case, _ = parse_full_id(id)
    except Refused:
        return case_named(id), ""
    if store.newest(case):
        return case, id
    return case_named(id), ""


def _nothing(case: CaseId, wanted: str, places: dict[str, _Place]) -> NotFound:
    if not places:
        return NotFound(f"Nothing was decided in case {case}.", hint="`interlock history` shows what happened in it.")
    there = ", ".join(list(places)[-10:])
    return NotFound(f"{wanted} is no decision of case {case}.", hint=f"Its decisions are: {there}.")


def _explained(
    store: Store, case: CaseId, told: Sequence[_Told], places: dict[str, _Place], place: _Place
) -> Explanation:
    decision, here = place.decision, told[place.index]
    entry = here.entry
    read = Releases(store).get(entry.release)
    release = read if isinstance(read, Recorded) else None
    earlier = _earlier(places, decision)
    first = told[earlier[0].index] if earlier else here
    root = earlier[0].decision if earlier else decision
    chain = _chain(places, root)
    question, advice = _advice(told, first, root)
    rules, default = _rules(release, decision)
    again = moment_of(entry, here.before, here.after).line if earlier else ""
    return Explanation(
        id=decision.id,
        case=case,
        slot=slot_in(store, case),
        lsn=entry.lsn,
        version=entry.version,
        at=entry.at,
        release=entry.release,
        unreadable="" if release else getattr(read, "why", ""),
        decision=decision,
        headline=_headline(decision),
        why=_why(decision, rules, default),
        trigger=_trigger(first),
        occasion=again,
        earlier=tuple(
            Happened(told[p.index].entry.at, told[p.index].entry.lsn, words.decided(p.decision), id=p.decision.id)
            for p in earlier
        ),
        question=question,
        advised=words.proposal(root.proposal) if advice else "",
        advice=advice,
        known=_known(release, decision),
        rules=rules,
        default=default,
        contrasts=_contrasts(release, decision),
        autonomy=_autonomy(decision),
        budgets=_budgets(release, decision),
        people=_people(told, chain),
        followed=_followed(told, place, chain),
        learned=_learned(told, place),
        status_now=told[-1].after.get("status", ""),
        open_now=_open(told[-1].after, case, chain),
    )


def _earlier(places: dict[str, _Place], decision: Decision) -> list[_Place]:
    """Judgements of the same proposal before this one, oldest first."""
    found: list[_Place] = []
    while decision.again_of and decision.again_of in places and len(found) < len(places):
        place = places[decision.again_of]
        found.append(place)
        decision = place.decision
    found.reverse()
    return found


def _chain(places: dict[str, _Place], root: Decision) -> dict[str, Decision]:
    """Every judgement that goes back to one proposal, and of the fallbacks it was replaced by."""
    chain = {root.id: root}
    for place in places.values():
        one = place.decision
        replaced = any(one.proposal.because.endswith(f" of {id}") for id in chain) if one.fallback_depth else False
        if one.again_of in chain or replaced:
            chain[one.id] = one
    return chain


# --- what it was ----------------------------------------------------------------------------------------------------


def _headline(decision: Decision) -> str:
    what = words.proposal(decision.proposal)
    match decision.verdict:
        case "allow" if decision.awaiting:
            return f"{what} was permitted, provided that its budget has room."
        case "allow":
            return f"{what} was permitted."
        case "deny":
            return f"{what} was denied."
        case "escalate":
            return f"{what} went to people: {words.groups(decision.groups) or 'a person'}."
        case "fallback":
            return f"{what} was not done; the fallback {decision.fallback} took its place."


_IN_WORDS = ("schema", "flow", "rejected", "expired", "withdrawn", "stale", "fallback")
"""What decided, where the decision itself says why."""


def _why(decision: Decision, rules: Sequence[RuleOutcome], default: str) -> tuple[str, ...]:
    by_id = {rule.id: rule for rule in rules}
    lines: list[str] = []
    if decision.approvals and decision.verdict == "allow":
        lines.append(f"Approved by {words.approvers(decision)}.")
    for by in decision.decided_by:
        rule = by_id.get(by)
        if rule is not None:
            asked = "needed that approval" if decision.approvals and decision.verdict == "allow" else "says so"
            lines.append(f"Rule {rule.id} (line {rule.line}) {asked}: {rule.reason or rule.condition}")
        elif by == "autonomy" and decision.autonomy is not None:
            lines.append(f"It has not earned running without a person. {decision.autonomy.why}")
        elif by == "default":
            lines.append(default or "No rule matched.")
        elif by in _IN_WORDS or by.startswith("budget:"):
            lines.append(decision.why or by)
        elif by != "approval":
            lines.append(f"Rule {by}.")
    if decision.flow is not None and decision.flow.forbidden_by:
        lines.append(f"The earlier decision that forbids it: {decision.flow.forbidden_by}")
    return tuple(dict.fromkeys(lines))


def _trigger(first: _Told) -> Trigger | None:
    """The message that set it off: for an answer, the one that the question was asked because of."""
    cause, late = first.entry.cause, first.entry.late
    if cause is None:
        return None
    if isinstance(cause.body, AnswerBody):
        open_one: Plain = first.before.get("questions", {}).get(cause.body.question, {})
        if "cause" in open_one:
            cause, late = msgspec.convert(open_one["cause"], Envelope), False
    own = cause is first.entry.cause
    text = moment_of(first.entry, first.before, first.after).line if own else words.message(cause)
    return Trigger(text, cause.id, cause.source, cause.principal, cause.occurred_at, cause.received_at, late)


def _advice(told: Sequence[_Told], first: _Told, root: Decision) -> tuple[str, tuple[Advised, ...]]:
    """Who said what to the question that the proposal answers."""
    if root.proposal.source == "rule":
        return _silent(told, first, root)
    if root.proposal.source == "agent":
        return "", ()
    answers: dict[str, Any] = first.after.get("answers", {})
    digest = next((name for name in answers if name in root.proposal.because.split()), "")
    if not digest:
        return "", ()
    recorded = msgspec.convert(answers[digest], RecordedAnswer)
    said_at = {
        one.entry.cause.body.advisor: one.entry.at
        for one in told
        if one.entry.cause
        and isinstance(one.entry.cause.body, AnswerBody)
        and one.entry.cause.body.digest == digest
        and one.entry.version <= first.entry.version
    }
    lead = recorded.answer
    rows = [_advised(recorded.advisor, True, said_at.get(recorded.advisor, first.entry.at), lead, lead)]
    rows += [
        _advised(name, False, said_at.get(name, first.entry.at), said, lead) for name, said in recorded.others.items()
    ]
    return f"{recorded.type} ({digest})", tuple(rows)


def _silent(told: Sequence[_Told], first: _Told, root: Decision) -> tuple[str, tuple[Advised, ...]]:
    """Who was asked and said nothing, where a rule spoke because nobody answered."""
    questions: dict[str, Any] = first.before.get("questions", {})
    asked = next((name for name in questions if root.proposal.because.startswith(f"no answer to {name}:")), "")
    if not asked:
        return "", ()
    digest: str = questions[asked]["digest"]
    rows: list[Advised] = []
    for one in told:
        body = one.entry.cause.body if one.entry.cause and one.entry.version <= first.entry.version else None
        if isinstance(body, AnswerBody) and body.digest == digest and isinstance(body.outcome, Silence):
            rows.append(Advised(body.advisor, not rows, one.entry.at, silent=words.silence(body.outcome)))
    return f"{asked} ({digest})", tuple(rows)


def _advised(advisor: str, leads: bool, at: int, said: Answer | Silence, lead: Answer) -> Advised:
    if isinstance(said, Silence):
        return Advised(advisor, leads, at, silent=words.silence(said))
    return Advised(
        advisor,
        leads,
        at,
        said.value,
        said.score,
        said.rationale,
        said.evidence,
        same=said.value == lead.value,
        how=words.how(said),
    )


def _bound(release: Recorded | None, decision: Decision) -> Bound | None:
    if release is None or decision.bound is None:
        return None
    bound = release.policy.bound_from_data(decision.proposal.action, decision.bound)
    return bound if isinstance(bound, Bound) else None


def _known(release: Recorded | None, decision: Decision) -> tuple[tuple[str, str], ...]:
    rows: list[tuple[str, str]] = []
    bound = _bound(release, decision)
    for path, one in (decision.bound or {}).items():
        type_ = input_type(release.policy, decision.proposal.action, path) if release and bound else None
        text = "absent" if one is None else value_words(type_, one) if type_ is not None else words.value(one)
        rows.append((path, text))
    return tuple(rows)


def _rules(release: Recorded | None, decision: Decision) -> tuple[tuple[RuleOutcome, ...], str]:
    bound = _bound(release, decision)
    if release is None or bound is None or decision.policy is None:
        return (), ""
    default = ""
    if decision.policy.default:
        spoke = release.policy.default
        default = f"No rule matched; the default (line {spoke.line}) is {spoke.then}. {spoke.reason}".rstrip()
    return release.policy.outcomes(decision.policy, bound), default


def _contrasts(release: Recorded | None, decision: Decision) -> tuple[Contrasts, ...]:
    """What would have flipped the rules' own verdict; after an approval it was people who decided."""
    bound = _bound(release, decision)
    if release is None or bound is None or decision.policy is None or decision.policy.by_approval:
        return ()
    nearest = contrast(release.policy, bound)
    if nearest.verdict.outcome == "allow" or any(one.verdict.outcome == "allow" for one in nearest.found):
        return (nearest,)
    return nearest, contrast(release.policy, bound, target="allow")


def _autonomy(decision: Decision) -> tuple[str, ...]:
    autonomy = decision.autonomy
    if autonomy is None:
        return ()
    if autonomy.outcome != "permitted":
        answer = {"person": "No", "approved": "A person stands for it", "exempt": "Yes"}[autonomy.outcome]
        return (f"{answer}. {autonomy.why}".rstrip(),)
    terms = msgspec.convert(autonomy.terms, Certificate)
    covers: list[str] = []
    if terms.rung is not None:
        covers.append(f"scores from {words.score(terms.rung)}")
    if terms.amount is not None:
        covers.append(f"{terms.amount_path} up to {unscaled(terms.amount, terms.scale)}")
    lines = [f"Yes, under certificate {terms.id}, which covers {' and '.join(covers) or 'every such proposal'}."]
    until = words.moment(terms.until)
    if terms.kind == "vouched":
        lines.append(f'{terms.by} vouches for it until {until}: "{terms.reason}"')
        lines.append("This is a person's word; it has not been earned by evidence.")
    else:
        lines.append(f"Earned from people's verdicts; in force until {until}. {terms.reason}".rstrip())
    return tuple(lines)


def _budgets(release: Recorded | None, decision: Decision) -> tuple[Budgeted, ...]:
    scales = {budget.name: budget.scale for budget in release.program.budgets} if release else {}

    def amount(budget: str, figure: int) -> str:
        return unscaled(figure, scales.get(budget, 0))

    return tuple(
        Budgeted(
            one.budget,
            one.account,
            one.state,
            *(amount(one.budget, figure) for figure in (one.amount, one.limit, one.spent, one.held)),
        )
        for one in decision.budgets
    )


# --- what came of it ------------------------------------------------------------------------------------------------


def _open(record: Plain, case: CaseId, chain: dict[str, Decision]) -> tuple[str, ...]:
    """What of the proposal is not settled in the case's newest record."""
    lines: list[str] = []
    for name, effect in record.get("effects", {}).items():
        if any(one.effect == f"{case}/{name}" for one in chain.values()):
            lines.append(f"{effect['action']} ({name}) is still {str(effect['status']).replace('_', ' ')}.")
    effects = {one.effect.rpartition("/")[2] for one in chain.values() if one.effect}
    for name, task in record.get("tasks", {}).items():
        if task["about"] in effects:
            what = "what became of it" if task["kind"] == "doubt" else f"how it really was ({case}/{name})"
            lines.append(f"{task['group']} is asked {what}: {task['why']}")
    for name, review in record.get("reviews", {}).items():
        if review["decision"] in chain:
            lines.append(f"Review {case}/{name} waits for {', '.join(group['name'] for group in review['groups'])}.")
    return tuple(lines)


def _people(told: Sequence[_Told], chain: dict[str, Decision]) -> tuple[Happened, ...]:
    """Verdicts on the reviews of this proposal and what else people did with them, whenever it came."""
    reviews = {one.review.rpartition("/")[2]: one for one in chain.values() if one.review}
    found: list[Happened] = []
    for one in told:
        body = one.entry.cause.body if one.entry.cause else None
        if not isinstance(body, VerdictBody | HandlingBody) or body.review not in reviews:
            continue
        if isinstance(body, HandlingBody):
            found.append(_happened(one, one.entry.notes))
            continue
        args = reviews[body.review].proposal.args
        edits = tuple(
            f"{name}: {words.value(args.get(name))} -> {words.value(new)}"
            for name, new in (body.args or {}).items()
            if args.get(name) != new
        )
        found.append(_happened(one, edits or one.entry.notes))
    return tuple(found)


def _followed(told: Sequence[_Told], place: _Place, chain: dict[str, Decision]) -> tuple[Happened, ...]:
    """Everything after the decision that is about its proposal."""
    effects = {one.effect.rpartition("/")[2] for one in chain.values() if one.effect}
    reviews = {one.review.rpartition("/")[2] for one in chain.values() if one.review}
    reservations = tuple(one.effect for one in chain.values() if one.effect)
    found: list[Happened] = []
    same_turn = [d for d in told[place.index].entry.decisions if d.id in chain]
    for later in same_turn[same_turn.index(place.decision) + 1 :]:
        here = told[place.index].entry
        found.append(Happened(here.at, here.lsn, words.decided(later), id=later.id))
    for one in told[place.index + 1 :]:
        body = one.entry.cause.body if one.entry.cause else None
        about = (
            (isinstance(body, StartBody | ResultBody | ResolveBody) and body.command in effects)
            or (isinstance(body, VerdictBody | HandlingBody) and body.review in reviews)
            or (isinstance(body, WakeBody) and body.about in effects | reviews)
            or (isinstance(body, BudgetReplyBody) and body.reservation.startswith(reservations or ("\0",)))
            or any(name in effects for name in changes.settled(one.entry.delta))
            or (isinstance(body, ResolveBody) and _asked_about(one.before, body.command) in effects)
        )
        again = [d for d in one.entry.decisions if d.id in chain or d.proposal.compensates in chain]
        if about or again:
            told_of = moment_of(one.entry, one.before, one.after)
            entry = one.entry
            found.append(Happened(entry.at, entry.lsn, told_of.line, told_of.then, again[0].id if again else ""))
    return tuple(found)


def _asked_about(before: Plain, task: str) -> str:
    """The effect that a contradiction was about."""
    return before.get("tasks", {}).get(task, {}).get("about", "")


def _learned(told: Sequence[_Told], place: _Place) -> tuple[Happened, ...]:
    """Facts that were older than the decision and came after it, and replies that contradict what was settled."""
    decided_at = told[place.index].entry.at
    found: list[Happened] = []
    for one in told[place.index + 1 :]:
        cause = one.entry.cause
        if cause is None:
            continue
        if isinstance(cause.body, EventBody) and cause.occurred_at < decided_at:
            happened = f"it had happened {words.moment(cause.occurred_at)}, before the decision"
            found.append(_happened(one, (happened, f"data: {words.fields(cause.body.data)}", *_flags(one))))
        elif isinstance(cause.body, ResultBody) and any("late reply" in note for note in one.entry.notes):
            found.append(_happened(one, (*one.entry.notes, *_flags(one))))
    return tuple(found)


def _flags(one: _Told) -> tuple[str, ...]:
    known = one.before.get("flags", ())
    return tuple(f"! {flag}" for flag in one.after.get("flags", ()) if flag not in known)


def _happened(one: _Told, more: tuple[str, ...]) -> Happened:
    return Happened(one.entry.at, one.entry.lsn, moment_of(one.entry, one.before, one.after).line, more)
