"""Judge recorded decisions and effects again, with the kernel's own functions and nothing but the record (level 2).

A decision holds the policy input it was bound to, the certificate's terms and the budget figures; its release holds
policy, certificates and budgets as data. So every stage is repeated: the policy on the bound input, autonomy on the
proposal, and the strictest of all of them. What a reducer did before a proposal existed is not repeated here: that is
level 3.

INVARIANT: nothing here decides differently from `kernel.decide`, because it calls it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock.kernel import fold
from interlock.kernel.budgets import needed
from interlock.kernel.decide import Again, autonomy_of, combine, judge_policy
from interlock.kernel.escalated import BY as STALE
from interlock.kernel.step import OWN_STEPS
from interlock.ledger.reading import Plain
from interlock.ledger.recorded import Recorded, input_type
from interlock.policy import BindFailure, Policy
from interlock.policy.values import Unfit, canonical
from interlock.vocabulary.canonical import encode, short
from interlock.vocabulary.decision import BudgetFigure, Decision
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.events import AnswerBody, BudgetReplyBody, StartBody, VerdictBody
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import BUDGETS
from interlock.vocabulary.proposal import Proposal
from interlock.vocabulary.review import Approval
from interlock.vocabulary.verdict import Group, Outcome

Wrong = Iterator[tuple[str, str]]
"""Code and text of each thing that does not hold."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What later entries of the case must agree with: a decision that was recorded before them."""

    verdict: Outcome
    final: bool
    action: str
    args_digest: str
    groups: tuple[Group, ...]
    approvals: tuple[Approval, ...]


@dataclass(slots=True)
class Past:
    """What a walk over a case's entries has seen: its decisions, and who gave which verdict when."""

    decisions: dict[str, Seen] = field(default_factory=dict[str, Seen])
    verdicts: set[tuple[str, str, str, int]] = field(default_factory=set[tuple[str, str, str, int]])

    def take(self, entry: Entry) -> None:
        """Remember what this entry's message said; its decisions are remembered one by one, as they are judged."""
        body = entry.cause.body if entry.cause else None
        if isinstance(body, VerdictBody) and body.verdict != "reject" and entry.cause:
            behalf = body.delegation.by if body.delegation else ""
            self.verdicts.add((entry.cause.principal, body.group, behalf, entry.at))

    def remember(self, decision: Decision) -> None:
        proposal = decision.proposal
        self.decisions[decision.id] = Seen(
            decision.verdict,
            not decision.awaiting,
            proposal.action,
            proposal.args_digest,
            decision.groups,
            decision.approvals,
        )


# --- decisions -------------------------------------------------------------------------------------------------------


def decision_again(decision: Decision, entry: Entry, facts: Facts, release: Recorded, past: Past) -> Wrong:
    """Everything about one decision that its record does not bear out."""
    yield from _formed(decision, entry)
    yield from _approved(decision, past, release)
    if decision.autonomy is not None:
        yield from _judged(decision, facts, release)
        yield from _budgeted(decision, entry, facts, release)
    elif decision.policy is not None:
        yield "stages", "The policy judged it, but autonomy is not recorded: no judgement ends there."
    else:
        yield from _refused(decision)


def _formed(decision: Decision, entry: Entry) -> Wrong:
    case, _, local = decision.id.rpartition("/")
    version = local.partition(".")[0]
    if case != f"{entry.automation}/{entry.key}":
        yield "decision_id", "Its id names another case than its entry."
    elif version != str(entry.version):
        yield "decision_id", f"Its id names version {version} of the case, its entry is version {entry.version}."
    if short(decision.proposal.args) != decision.proposal.args_digest:
        yield "arguments", "The digest of its arguments is not that of the arguments recorded."


def _refused(decision: Decision) -> Wrong:
    """A judgement that ended before the policy, or a review that ended without one: each is a denial that says so. A
    question put to people has nothing to be judged yet.
    """
    by = decision.decided_by
    if by == (STALE,):
        if decision.verdict != "escalate" or not decision.groups or decision.proposal.action:
            yield (
                "stages",
                "A question without an answer goes to people and permits nothing; this does not.",
            )
    elif decision.verdict != "deny":
        yield "stages", f"It says {decision.verdict}, but the policy was not asked."
    elif by == ("schema",):
        if decision.schema.valid:
            yield "stages", "It was denied for its schema, and the schema is recorded as valid."
    elif by == ("flow",):
        if decision.flow is None or decision.flow.valid:
            yield "stages", "It was denied by the flow, and the flow is recorded as valid."
    elif by not in (("rejected",), ("expired",), ("withdrawn",)):
        yield "stages", f"It was denied by {', '.join(by)}, but the policy was not asked."


def _judged(decision: Decision, facts: Facts, release: Recorded) -> Wrong:
    policy, program, proposal = release.policy, release.program, decision.proposal
    discharged = discharged_by(decision)
    again = Again(of=decision.again_of, approvals=decision.approvals, discharged=discharged)
    spec = program.actions.get(proposal.action)
    if spec is None or decision.autonomy is None:
        yield "release", f"Release {release.id} has no action {proposal.action}."
        return
    verdict = None
    if decision.policy_hash != policy.hash:
        yield "policy_hash", f"It cites policy {decision.policy_hash[:12]}, its release holds {policy.hash[:12]}."
    if decision.bound is None:
        if not decision.bind_failure:
            yield "bound", "Neither the policy's input nor why it could not be bound is recorded."
    else:
        bound = policy.bound_from_data(proposal.action, decision.bound)
        if isinstance(bound, BindFailure):
            yield "bound", f"The recorded input is none that the policy can have judged: {bound}."
            return
        yield from _bound_to_proposal(policy, proposal, decision.bound, facts.now)
        verdict = judge_policy(policy, bound, decision.approvals)
    if verdict != decision.policy:
        said = decision.policy.outcome if decision.policy else "nothing"
        got = f"{verdict.outcome} by {', '.join(verdict.rules) or 'default'}" if verdict else "nothing"
        yield "verdict", f"The policy says {got} on the recorded input; recorded is {said}."
    autonomy = autonomy_of(program, spec, proposal, again, facts.now)
    if autonomy != decision.autonomy:
        recorded = decision.autonomy
        again_says = f"Judged again, autonomy is {autonomy.outcome} ({autonomy.why or autonomy.certificate})"
        yield "autonomy", f"{again_says}; recorded is {recorded.outcome} ({recorded.why or recorded.certificate})."
    outcome, by, groups, why = combine(
        verdict,
        decision.bind_failure,
        autonomy,
        decision.budgets,
        program.review_group,
        discharged,
        decision.fallback_depth,
    )
    if (outcome, by, groups, why) != (decision.verdict, decision.decided_by, decision.groups, decision.why):
        again_says = f"The strictest stage gives {outcome} by {', '.join(by)}"
        yield "combined", f"{again_says}; recorded is {decision.verdict} by {', '.join(decision.decided_by)}."


def discharged_by(decision: Decision) -> tuple[Group, ...]:
    """The groups that a decision's approvals discharge: a review is judged again only when all of them approved."""
    return tuple(Group(name) for name in dict.fromkeys(approval.group for approval in decision.approvals))


def _bound_to_proposal(policy: Policy, proposal: Proposal, bound: Mapping[str, Any], now: int) -> Wrong:
    """What was judged is what was proposed, at the recorded time."""
    raw: dict[str, Any] = {**proposal.args, "action": proposal.action, "source": proposal.source}
    if proposal.score is not None:
        raw["score"] = f"{proposal.score // 1_000_000}.{proposal.score % 1_000_000:06d}"
    figures = {"agreed": proposal.agreed, "rank": proposal.rank, "asked": proposal.asked}
    for path, value in bound.items():
        root, _, rest = path.partition(".")
        if path == "now" and value != now:
            yield "bound", f"It was judged at {value}, its unit's time is {now}."
        elif root == "advice" and value != figures.get(rest, value):
            yield "bound", f"{path} is {value} in the policy's input and {figures[rest]} in the proposal."
        elif root == "proposal" and rest != "irreversible":
            expected = _raw_at(raw, rest)
            type_ = input_type(policy, proposal.action, path)
            if expected is None or type_ is None:
                differs = type_ is not None and value is not None
            else:
                try:
                    fits = canonical(type_, expected)
                except Unfit:
                    differs = True
                else:
                    differs = encode(fits) != encode(value)
            if differs:
                yield "bound", f"{path} is {value} in the policy's input and {expected} in the proposal."


def _raw_at(raw: Mapping[str, Any], path: str) -> Any:
    here: Any = raw
    for part in path.split("."):
        here = here.get(part) if isinstance(here, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return here  # pyright: ignore[reportUnknownVariableType]


# --- people ----------------------------------------------------------------------------------------------------------


def _approved(decision: Decision, past: Past, release: Recorded) -> Wrong:
    """Approvals were really given, by enough different people, none of whom had asked for it."""
    approvals = decision.approvals
    if not approvals:
        return
    for one in approvals:
        if (one.principal, one.acting or one.group, one.behalf, one.at) not in past.verdicts:
            yield "approval", f"{one.principal} of {one.group} is said to have approved; no such verdict is recorded."
        specs = [release.program.reviews.get(name) for name in (one.group, one.acting) if name]
        if any(spec is None or spec.four_eyes for spec in specs):
            for person in {one.principal, one.behalf} & set(decision.proposal.requesters):
                yield "four_eyes", f"{person} asked for it, and {one.principal} approved it for {one.group}."
    if decision.autonomy is None:
        return
    before = past.decisions.get(decision.again_of)
    if before is None:
        yield (
            "approval",
            f"It is said to judge {decision.again_of or 'nothing'} again, which is not recorded before it.",
        )
    elif before.args_digest != decision.proposal.args_digest or before.action != decision.proposal.action:
        yield "approval", f"What was approved in {decision.again_of} had other arguments."
    elif before.verdict == "escalate":
        for group in before.groups:
            people = {one.principal for one in approvals if one.group == group.name}
            if len(people) < group.approvals:
                yield "approval", f"{group.name} needed {group.approvals} approvals and gave {len(people)}."
    elif before.approvals != approvals:
        yield "approval", f"Its approvals are not those of {decision.again_of}."


# --- budgets ---------------------------------------------------------------------------------------------------------


def _budgeted(decision: Decision, entry: Entry, facts: Facts, release: Recorded) -> Wrong:
    """Every budget that covers the action was asked, for what the proposal takes, and said what its home said."""
    program, proposal = release.program, decision.proposal
    covering = {budget.name: budget for budget in program.budgets if proposal.action in budget.actions}
    figures = {figure.budget: figure for figure in decision.budgets}
    for name in covering.keys() - figures.keys():
        yield "budget", f"Budget {name} covers {proposal.action} and was not asked."
    spec = program.actions[proposal.action]
    raw = {"proposal": {**proposal.args, "action": proposal.action, "source": proposal.source}}
    approved = bool(decision.approvals)
    for expected in needed(program, raw, spec, facts.now, approved=approved):
        figure, budget = figures.get(expected.budget), covering.get(expected.budget)
        if figure is None or budget is None:
            continue
        if figure.state == "needed" and figure.limit != expected.limit:
            yield "budget", f"Budget {figure.budget} was asked up to {figure.limit}; its limit is {expected.limit}."
        counted = not budget.sum or budget.sum.startswith("proposal.")
        if counted and figure.amount != expected.amount:
            takes = f"the proposal takes {expected.amount}"
            yield "budget", f"Budget {figure.budget} was asked for {figure.amount}; {takes}."
    reply = entry.cause.body if entry.cause else None
    if isinstance(reply, BudgetReplyBody):
        yield from _as_replied(decision.budgets, reply)


def _as_replied(figures: tuple[BudgetFigure, ...], reply: BudgetReplyBody) -> Wrong:
    for figure in figures:
        if figure.account == reply.account and figure.state in ("granted", "exhausted") and reply.limit == figure.limit:
            said = "granted" if reply.granted else "exhausted"
            if figure.state != said:
                yield "budget", f"Budget {figure.budget} is recorded as {figure.state}; its home said {said}."


def own_again(before: Plain, entry: Entry, facts: Facts) -> Wrong:
    """A turn of a budget account or of a person's record, re-executed: it needs no code of a user."""
    if entry.cause is None or entry.kind != "turn":
        return
    known = fold.record(before) if before.get("version") else None
    turn = OWN_STEPS[entry.automation](known, entry.cause, facts).turns[0]
    if encode(turn.delta) != encode(entry.delta) or turn.notes != entry.notes:
        what = "The account's arithmetic" if entry.automation == BUDGETS else "What was recorded of the person"
        yield "account", f"{what}, done again, gives another result."


# --- effects ---------------------------------------------------------------------------------------------------------


def effects_again(before: Plain, after: Plain, entry: Entry, past: Past, release: Recorded | None) -> Wrong:
    """No effect without a decision before it, no start but by a start, no second attempt of a `once`."""
    was: Mapping[str, Plain] = before.get("effects", {})
    now: Mapping[str, Plain] = after.get("effects", {})
    started = entry.cause.body if entry.cause and isinstance(entry.cause.body, StartBody) else None
    for name, effect in now.items():
        old = was.get(name)
        if old is effect or old == effect:
            continue
        if effect.get("lost") and not (old or {}).get("lost") and not after.get("doubtful"):
            yield "start", f"{effect['action']} ({name}) is said to go back to a lost life; its case does not."
        attempts = effect.get("attempt", 0) - (old or {}).get("attempt", 0)
        if attempts == 0 or "decision" not in effect:
            # Without its decision it is the rest of an effect whose first entry could not be read: that is reported.
            continue
        begun = started.command == name if started is not None else _at_once(entry, effect)
        if not begun or attempts != 1 or effect["status"] != "started":
            yield "start", f"{effect['action']} ({name}) counts an attempt that no start precedes."
        yield from _permitted(effect, past)
        spec = release.program.actions.get(effect["action"]) if release else None
        if spec is not None and spec.kind == "once" and effect.get("attempt", 0) > 1:
            yield "once", f"{effect['action']} ({name}) is to run once and was started again."
    ended: Mapping[str, str] = after.get("closed", {})
    for name, effect in was.items():
        if name not in now and ended.get(name) == "happened" and not (effect.get("attempt") or effect.get("lost")):
            yield "start", f"{effect['action']} ({name}) is said to have taken effect and was never started."


def _at_once(entry: Entry, effect: Plain) -> bool:
    """Whether the turn that consumed an answer itself permitted the effect, and so might start it."""
    answered = entry.cause is not None and isinstance(entry.cause.body, AnswerBody)
    return answered and any(decision.id == effect["decision"] for decision in entry.decisions)


def _permitted(effect: Plain, past: Past) -> Wrong:
    decision = past.decisions.get(effect["decision"])
    name = f"{effect['action']} ({effect['id']})"
    if decision is None:
        yield "undecided", f"{name} was started under {effect['decision']}, which is not recorded before it."
    elif decision.verdict != "allow" or not decision.final:
        yield "undecided", f"{name} was started under {effect['decision']}, which did not permit it."
    elif (decision.action, decision.args_digest) != (effect["action"], effect["args_digest"]):
        yield "undecided", f"{name} was started under {effect['decision']}, which permitted something else."
    elif short(effect["args"]) != effect["args_digest"]:
        yield "undecided", f"{name} was started with other arguments than those decided."
