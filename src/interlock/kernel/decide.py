"""Turn a proposal into a decision.

`judge` is the only place where a proposal can become a permission to act, and the only constructor of an effect.
The order of
judgement is fixed: schema, then flow (either failing denies and ends it: later stages read "not evaluated"); then
policy, autonomy and
budgets, all evaluated and recorded, and the strictest wins. What nothing permits goes to a person.

A proposal with budgets is first decided `awaiting budget`: the effect exists but has no command, so it cannot run;
the budget's answer
brings it back here and it is judged again on the state of that moment.

INVARIANT: an effect's command is put only under a decision with verdict allow whose policy allows (or whose every
required group has
approved), whose autonomy is permitted, approved or exempt, and all of whose reservations are granted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, structs

from interlock.autonomy import certificates
from interlock.kernel import budgets, deadlines, lifecycle, lost
from interlock.kernel.program import Program, Propose, Rejected
from interlock.kernel.work import Work
from interlock.policy import BindFailure, Bound, Policy
from interlock.vocabulary.action import ActionSpec, Command, Effect
from interlock.vocabulary.canonical import short
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.decision import Autonomy, BudgetFigure, Decision, Validity
from interlock.vocabulary.errors import InterlockBug
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import effect_key
from interlock.vocabulary.limits import REVIEW_EXPIRES_MS
from interlock.vocabulary.proposal import Because, Proposal
from interlock.vocabulary.review import Approval, Review
from interlock.vocabulary.task import Task
from interlock.vocabulary.verdict import Group, Outcome, Verdict

_STRICTEST: dict[Outcome, int] = {"allow": 0, "fallback": 1, "escalate": 2, "deny": 3}


class Origin(Struct, frozen=True, gc=False):
    """What a proposal is because of, as the message tells it. A reducer cannot set any of this.

    `decision`: the one whose effect has ended, when that is what the reducer was told.
    """

    source: Because
    because: str
    requesters: tuple[str, ...] = ()
    score: int | None = None
    advisor: str = ""
    rank: int = 0
    agreed: int = 0
    asked: int = 0
    rationale: str = ""
    evidence: tuple[str, ...] = ()
    decision: str = ""


class Again(Struct, frozen=True, gc=False):
    """A judgement repeated: of which decision, with what learned since.

    approvals   of the review that led here, and the groups they discharge
    figures     budgets answered so far
    effect      the effect that waits for this judgement, None when there is none yet
    """

    of: str
    approvals: tuple[Approval, ...] = ()
    discharged: tuple[Group, ...] = ()
    figures: tuple[BudgetFigure, ...] = ()
    effect: Effect | None = None
    review: str = ""


NEW = Again(of="")


def again_of(effect: Effect, figures: tuple[BudgetFigure, ...]) -> Again:
    """Judge a waiting effect's proposal again, with the approvals it already has."""
    return Again(
        of=effect.decision,
        approvals=effect.approvals,
        discharged=effect.discharged,
        figures=figures,
        effect=effect,
        review=effect.review or "",
    )


def propose(work: Work, request: Propose, origin: Origin, *, depth: int = 0) -> Decision:
    """Judge what a reducer, a call or a fallback proposes."""
    compensates, nothing = "", lifecycle.VALID
    if request.compensates or request.action in work.program.undone_by:
        compensates, nothing = _made_good(work, request)
    proposal = Proposal(
        action=request.action,
        args=request.args,
        args_digest=short(request.args),
        source=origin.source,
        because=origin.because,
        text=request.text,
        score=origin.score,
        advisor=origin.advisor,
        rank=origin.rank,
        agreed=origin.agreed,
        asked=origin.asked,
        rationale=origin.rationale,
        evidence=origin.evidence,
        requesters=origin.requesters,
        compensates=compensates,
    )
    return judge(work, proposal, NEW, invalid=request.invalid, fits=request.fits, depth=depth, flow=nothing)


def _made_good(work: Work, request: Propose) -> tuple[str, Validity]:
    """The decision whose effect the proposal makes good: the newest of the action that it names, or that it undoes.
    A reducer that names one says that it has happened or may have; where that is not so, there is nothing to make good.
    """
    record = work.record
    newest: tuple[int, str] = (-1, "")
    for action in (request.compensates,) if request.compensates else work.program.undone_by[request.action]:
        if past := record.past.get(action):
            newest = max(newest, (past.at, past.decision))
        for effect in record.effects.values():
            if effect.action == action and effect.status in lifecycle.UNDER_WAY:
                newest = max(newest, (effect.last_started_at, effect.decision))
    if request.compensates and not newest[1]:
        why = f"{request.compensates} has not taken effect in this case, so there is nothing to compensate."
        return "", Validity(False, why)
    return newest[1], lifecycle.VALID


def judge(
    work: Work,
    proposal: Proposal,
    again: Again,
    *,
    invalid: str = "",
    fits: bool = False,
    depth: int = 0,
    flow: Validity = lifecycle.VALID,
) -> Decision:
    """Judge a proposal on the case as it is now, record the decision and do what it says: effect, review, fallback
    or nothing. `flow`: why the state is known to forbid it.
    """
    program = work.program
    name = work.next_id()
    spec = program.actions.get(proposal.action)
    if spec is None:
        known = ", ".join(sorted(program.actions))
        return _refuse(
            work, again, _invalid(name, proposal, again, f"No action {proposal.action!r}; there are: {known}.")
        )
    if invalid:
        return _refuse(work, again, _invalid(name, proposal, again, invalid))
    try:
        args = proposal.args if fits else program.reducers.action_args(proposal.action, proposal.args)
    except Rejected as rejected:
        return _refuse(work, again, _invalid(name, proposal, again, str(rejected)))
    if args != proposal.args:
        proposal = structs.replace(proposal, args=args, args_digest=short(args))
        if again.of:
            again = _nobody_agreed_to_these(work, again)
    own = again.effect.id if again.effect else ""
    if flow.valid:
        flow = lifecycle.valid_now(program, work.record, spec, ignoring=own)
    if flow.valid and work.record.effects:
        flow = _not_in_doubt(work, proposal, own)
    if flow.valid and not again.of:
        flow = _not_under_review(work, proposal)
    if not flow.valid:
        decision = Decision(
            id=work.full(name),
            proposal=proposal,
            verdict="deny",
            decided_by=("flow",),
            why=flow.why,
            schema=lifecycle.VALID,
            flow=flow,
            approvals=again.approvals,
            fallback_depth=depth,
            again_of=again.of,
        )
        return _refuse(work, again, decision)
    decision = evaluate(work.full(name), program, work.record, work.facts, spec, proposal, again, depth=depth)
    return _follow(work, spec, decision, again, name)


def evaluate(
    name: str,
    program: Program,
    record: CaseRecord,
    facts: Facts,
    spec: ActionSpec,
    proposal: Proposal,
    again: Again,
    *,
    depth: int = 0,
) -> Decision:
    """The three stages that are always all evaluated, and the strictest of them. Pure; the decision holds what it
    was judged on.
    """
    policy = program.policy
    raw = policy_input(program, record, facts, spec, proposal)
    bound = policy.bind(spec.name, raw)
    figures = again.figures or budgets.needed(program, raw, spec, facts.now, approved=bool(again.discharged))
    if isinstance(bound, BindFailure):
        verdict, data, failure = None, None, f"{bound.path}: {bound.why}"
    else:
        verdict = judge_policy(policy, bound, again.approvals)
        data, failure = bound.to_data(), ""
    autonomy = autonomy_of(program, spec, proposal, again, facts.now)
    outcome, decided_by, groups, why = combine(
        verdict, failure, autonomy, figures, program.review_group, again.discharged, depth
    )
    return Decision(
        id=name,
        proposal=proposal,
        verdict=outcome,
        decided_by=decided_by,
        why=why,
        schema=lifecycle.VALID,
        flow=lifecycle.VALID,
        policy=verdict,
        policy_hash=policy.hash,
        bound=data,
        bind_failure=failure,
        autonomy=autonomy,
        budgets=figures,
        groups=groups,
        approvals=again.approvals,
        fallback=(verdict.fallback or "") if verdict and outcome == "fallback" else "",
        fallback_depth=depth,
        again_of=again.of,
    )


def judge_policy(policy: Policy, bound: Bound, approvals: Sequence[Approval]) -> Verdict:
    """The policy's verdict with people's approvals counted.

    A group is discharged when as many different people have approved for it as the policy asks for now, which may be
    more than it asked for when they did. Pure; `verify` calls it with what a record holds.
    """
    verdict = policy.judge(bound)
    if not approvals:
        return verdict
    people: dict[str, set[str]] = {}
    for approval in approvals:
        people.setdefault(approval.group, set()).add(approval.principal)
    asked = {group.name: group.approvals for group in verdict.groups}
    enough = [group for group, who in people.items() if len(who) >= asked.get(group, 1)]
    return policy.judge_with(bound, enough) if enough else verdict


def combine(
    verdict: Verdict | None,
    bind_failure: str,
    autonomy: Autonomy,
    figures: tuple[BudgetFigure, ...],
    review_group: Group,
    discharged: tuple[Group, ...],
    depth: int = 0,
) -> tuple[Outcome, tuple[str, ...], tuple[Group, ...], str]:
    """Strictest of policy, autonomy and budgets: outcome, what determined it, the groups required, and why in words.

    Pure and total: `verify` calls it with what a record holds.
    """
    if verdict is None:
        return "deny", ("schema",), (), f"The policy's input is outside its declared range: {bind_failure}."
    votes: list[tuple[Outcome, str, tuple[Group, ...], str]] = []
    if verdict.by_approval and not verdict.rules:
        who: tuple[str, ...] = ("approval",)
    else:
        who = ("default",) if verdict.default else verdict.rules
    votes.extend((verdict.outcome, rule, verdict.groups, "") for rule in who or ("default",))
    if autonomy.outcome == "person":
        # Autonomy asks for some person; whom a rule names is one.
        asked = () if verdict.outcome == "escalate" and verdict.groups else (review_group,)
        votes.append(("escalate", "autonomy", asked, autonomy.why))
    for figure in figures:
        if figure.state in ("exhausted", "unanswered"):
            group = Group(figure.group) if figure.group else review_group
            # With people's approval the limit was the hard one already, and nobody goes above it.
            above_hard = bool(discharged) and figure.state == "exhausted"
            to: Outcome = "deny" if above_hard or figure.on_exceeded == "deny" else "escalate"
            said = "did not answer in time" if figure.state == "unanswered" else "is exhausted"
            sum_ = f"{figure.spent} spent + {figure.held} held + {figure.amount} > {figure.limit}"
            why = f"Budget {figure.budget} {said}: {sum_}."
            votes.append((to, f"budget:{figure.budget}", () if to == "deny" else (group,), why))
    worst: Outcome = max((vote[0] for vote in votes), key=lambda outcome: _STRICTEST[outcome])
    if worst == "fallback" and depth:
        return (
            "escalate",
            ("fallback",),
            (review_group,),
            "The proposal is itself a fallback; a second one goes to a person.",
        )
    winners = [vote for vote in votes if vote[0] == worst]
    groups: dict[str, int] = {}
    if worst == "escalate":
        for _, _, wanted, _ in winners:
            for group in wanted:
                groups[group.name] = max(groups.get(group.name, 0), group.approvals)
    by = tuple(dict.fromkeys(vote[1] for vote in winners))
    why = " ".join(dict.fromkeys(vote[3] for vote in winners if vote[3]))
    return worst, by, tuple(Group(n, k) for n, k in sorted(groups.items())), why


def policy_input(
    program: Program, record: CaseRecord, facts: Facts, spec: ActionSpec, proposal: Proposal
) -> dict[str, Any]:
    """Everything that a policy may read, as nested plain data; `Policy.bind` takes what its rules name."""
    proposed: dict[str, Any] = {
        **proposal.args,
        "action": proposal.action,
        "source": proposal.source,
        "irreversible": not spec.reversible,
    }
    if proposal.score is not None:
        proposed["score"] = _decimal_micro(proposal.score)
    effects = record.effects.values()
    count = program.uncounted
    if record.past:
        count = {**count, **{action: past.count for action, past in record.past.items()}}
    case: dict[str, Any] = {
        **program.reducers.facts(record.state),
        "status": record.status,
        "in_doubt": sum(1 for effect in effects if effect.status == "in_doubt"),
        "count": count,
        "first_event_at": record.first_event_at,
        "release": record.release,
    }
    return {
        "proposal": proposed,
        "case": case,
        "advice": {"agreed": proposal.agreed, "rank": proposal.rank, "asked": proposal.asked},
        "breaker": {name: facts.breaker.get(dependency, "closed") for name, dependency in program.breakers.items()},
        "now": facts.now,
    }


def bound_facts(program: Program, decision: Decision) -> dict[str, Any]:
    """The policy inputs that a review of this decision is bound to: without now, health and budget figures."""
    if decision.bound is None:
        return {}
    bound = program.policy.bound_from_data(decision.proposal.action, decision.bound)
    if isinstance(bound, BindFailure):
        raise InterlockBug(f"the bound input of {decision.id} does not read back: {bound.path}: {bound.why}")
    return dict(program.policy.bound_facts(bound))


def _decimal_micro(score: int) -> str:
    return f"{score // 1_000_000}.{score % 1_000_000:06d}"


def proposal_of(effect: Effect) -> Proposal:
    """The proposal that the effect carries out."""
    if effect.proposal is None:
        raise InterlockBug(f"effect {effect.id} has lost its proposal")
    return effect.proposal


def autonomy_of(program: Program, spec: ActionSpec, proposal: Proposal, again: Again, now: int) -> Autonomy:
    """Whether the proposal may run without a person. Pure: `verify` asks again with what a record holds."""
    if again.discharged:
        people = ", ".join(dict.fromkeys(approval.principal for approval in again.approvals))
        return Autonomy("approved", f"Approved by {people}.")
    if proposal.source == "person":
        return Autonomy("approved", f"Asked for by {', '.join(proposal.requesters) or 'a person'}.")
    if spec.consequence == "final":
        return Autonomy("person", f"{spec.name} is of class final: it always takes a person.")
    if spec.reversible and (spec.name in program.autonomy_off or spec.name not in program.cells):
        return Autonomy("exempt", "Reversible, and governed by rules alone.")
    return certificates.judge(program.certificates.get(spec.name, ()), proposal, now)


def _nobody_agreed_to_these(work: Work, again: Again) -> Again:
    """The action's type has changed since, and its arguments with it: what was approved and reserved was for others."""
    if again.effect:
        withdraw(work, again.effect)
    work.note(f"the arguments of {again.of} have another form under release {work.program.release}; judged anew")
    return Again(of=again.of)


def in_doubt(record: CaseRecord, action: str, args_digest: str, *, ignoring: str = "") -> Effect | None:
    """The effect of this very action and these arguments that is in doubt, if there is one."""
    for effect in record.effects.values():
        if (
            effect.status == "in_doubt"
            and effect.action == action
            and effect.args_digest == args_digest
            and effect.id != ignoring
        ):
            return effect
    return None


def _not_in_doubt(work: Work, proposal: Proposal, own: str) -> Validity:
    """An unknown outcome is not repeated blindly, whatever the repetition is called."""
    same = in_doubt(work.record, proposal.action, proposal.args_digest, ignoring=own)
    if same is None:
        return lifecycle.VALID
    why = f"The same {proposal.action} is in doubt; another could be a second one. First find out what became of it."
    return Validity(False, why, same.decision)


def _not_under_review(work: Work, proposal: Proposal) -> Validity:
    for review in work.record.reviews.values():
        if review.action == proposal.action and review.args_digest == proposal.args_digest:
            return Validity(False, f"The same {proposal.action} is already waiting for a person.", review.decision)
    return lifecycle.VALID


def _invalid(name: str, proposal: Proposal, again: Again, why: str) -> Decision:
    return Decision(
        id=name,
        proposal=proposal,
        verdict="deny",
        decided_by=("schema",),
        why=why,
        schema=Validity(False, why),
        again_of=again.of,
    )


def _refuse(work: Work, again: Again, decision: Decision) -> Decision:
    """Record a denial and withdraw what waited for this judgement."""
    if "/" not in decision.id:
        decision = structs.replace(decision, id=work.full(decision.id))
    if again.effect:
        withdraw(work, again.effect)
    return record_decision(work, decision)


def record_decision(work: Work, decision: Decision) -> Decision:
    work.decisions.append(decision)
    work.set(last_decision=decision.id)
    return decision


def withdraw(work: Work, effect: Effect) -> None:
    """Take back an effect that has not started: its command goes, its reservations are free again."""
    work.drop_effect(effect, "withdrawn")
    work.drop_timer("budget", effect.id)
    budgets.free(work, [one for one in effect.reservations if one.granted or effect.status == "awaiting_budget"])


def _follow(work: Work, spec: ActionSpec, decision: Decision, again: Again, local: str) -> Decision:
    if decision.verdict == "allow":
        return _permit(work, spec, decision, again, local)
    if again.effect:
        withdraw(work, again.effect)
    if decision.verdict == "escalate":
        decision = structs.replace(decision, review=work.full(local))
        record_decision(work, decision)
        open_review(work, decision, local, again)
        return decision
    record_decision(work, decision)
    if decision.verdict == "fallback":
        _fall_back(work, decision)
    return decision


def _permit(work: Work, spec: ActionSpec, decision: Decision, again: Again, local: str) -> Decision:
    waiting = [figure for figure in decision.budgets if figure.state == "needed"]
    effect = again.effect
    if effect is None:
        effect = Effect(
            id=local,
            action=spec.name,
            args=decision.proposal.args,
            args_digest=decision.proposal.args_digest,
            key=effect_key(work.case, spec.name, decision.proposal.args_digest, local),
            decision=decision.id,
            status="awaiting_budget",
            decided_at=work.now,
            start_before=work.now + spec.start_before,
            review=again.review or None,
            approvals=again.approvals,
            discharged=again.discharged,
            proposal=decision.proposal,
        )
    certificate = decision.autonomy.certificate if decision.autonomy else None
    effect = structs.replace(
        effect,
        decision=decision.id,
        certificate=certificate,
        decided_at=work.now,
        start_before=work.now + spec.start_before,
    )
    decision = structs.replace(decision, effect=work.full(effect.id))
    if waiting:
        if effect.status != "awaiting_budget":
            # Decided before the budget covered it: its command must not start while the reservation is asked for.
            work.drop_command(effect.id)
        effect = budgets.reserve(work, effect, decision.budgets)
        work.put_effect(effect)
        return record_decision(work, structs.replace(decision, awaiting="budget"))
    if again.effect:  # It may have waited for its budget.
        work.drop_timer("budget", effect.id)
    pending = make_pending(work, effect)
    if work.may_start(pending):
        begin(work, pending)
    return record_decision(work, decision)


def begin(work: Work, effect: Effect) -> None:
    """The effect starts with this turn: its commit permits the I/O. The caller has checked that it may."""
    work.change_effect(
        effect,
        status="started",
        attempt=effect.attempt + 1,
        first_started_at=effect.first_started_at or work.now,
        last_started_at=work.now,
    )
    work.started = work.full(effect.id)


def make_pending(work: Work, effect: Effect, *, due: int = 0) -> Effect:
    """The effect may run: put its command. Its start is a turn of its own.

    In a case that goes back to a lost life of the store it is in doubt instead, until that is known of it.
    """
    if work.record.doubtful and not effect.attempt and not effect.lost:
        return _doubt_anew(work, effect)
    effect = structs.replace(
        effect, status="pending" if effect.attempt == 0 else "retrying", phase="perform", next_at=due or work.now
    )
    work.put_effect(effect)
    work.put_command(command_of(work, effect))
    return effect


def _doubt_anew(work: Work, effect: Effect) -> Effect:
    effect = structs.replace(lost.doubted(effect, "decided", work.now), next_at=work.now)
    work.note(f"{effect.action} does not start: {lost.WHY}")
    work.put_effect(effect)
    spec = work.program.actions[effect.action]
    if spec.can_check:
        work.put_command(command_of(work, effect))
    else:
        group = spec.doubt_group or work.program.review_group.name
        work.note(f"{group} is asked what became of {effect.action}")
        work.put_task(
            Task(
                id=effect.id,
                kind="doubt",
                about=effect.id,
                group=group,
                opened_at=work.now,
                why=lost.WHY,
                action=effect.action,
                args=effect.args,
                key=effect.key,
                decision=effect.decision,
            )
        )
    return effect


def command_of(work: Work, effect: Effect) -> Command:
    """The command for the effect's phase. A perform's attempt is the one it will be; a check or fence looks at the
    one that was.
    """
    return Command(
        id=work.full(effect.id),
        automation=work.case.automation,
        key=work.case.key,
        what=effect.phase,
        dependency=work.program.dependencies.get(effect.action, f"action:{effect.action}"),
        due=effect.next_at,
        attempt=effect.attempt + 1 if effect.phase == "perform" else effect.attempt,
        action=effect.action,
        effect_key=effect.key,
        data=effect.args,
        release=work.program.release,
    )


def open_review(work: Work, decision: Decision, local: str, again: Again) -> Review:
    """A person's task for an escalated decision, bound to its arguments and to the facts that its rules read.

    Approvals that led here stand: a further group that is required now is asked beside those that have agreed, or two
    groups that are never required in the same judgement would be asked in turns for ever.
    """
    proposal = decision.proposal
    facts = bound_facts(work.program, decision)
    specs = [work.program.reviews[group.name] for group in decision.groups if group.name in work.program.reviews]
    expires = min((spec.expires for spec in specs), default=REVIEW_EXPIRES_MS * 1_000)
    over = tuple(figure.budget for figure in decision.budgets if figure.state in ("exhausted", "unanswered"))
    groups = _all_groups(decision.groups, again.discharged)
    _supersede(work, decision)
    review = Review(
        id=local,
        decision=decision.id,
        action=proposal.action,
        args=proposal.args,
        args_digest=proposal.args_digest,
        groups=groups,
        facts=facts,
        seen=short([proposal.action, proposal.args, facts]),
        opened_at=work.now,
        expires_at=work.now + expires,
        requesters=proposal.requesters,
        approvals=again.approvals,
        reasons=decision.decided_by,
        proposal=proposal,
        over_budget=over,
        deadlines=deadlines.schedule(work.program, groups, work.now),
    )
    work.put_review(review)
    return review


def _all_groups(required: tuple[Group, ...], discharged: tuple[Group, ...]) -> tuple[Group, ...]:
    named = {group.name for group in required}
    return tuple(sorted((*required, *(group for group in discharged if group.name not in named))))


def _supersede(work: Work, decision: Decision) -> None:
    """A newer proposal of a once-per-case action takes the place of the open review of an older one."""
    action = decision.proposal.action
    if not work.program.actions[action].once_per_case:
        return
    for review in list(work.record.reviews.values()):
        if review.action == action:
            work.drop_review(review)
            work.note(
                f"Review {work.full(review.id)} is superseded by {decision.id}: the same action with other arguments."
            )


def _fall_back(work: Work, decision: Decision) -> None:
    """The declared fallback's proposal is judged like any other, once: `combine` sends a fallback of a fallback to
    a person.
    """
    program, proposal = work.program, decision.proposal
    request = program.reducers.fallback(
        decision.fallback, work.record.state, work.record.status, proposal.action, proposal.args
    )
    origin = Origin(
        source="rule",
        because=f"fallback {decision.fallback} of {decision.id}",
        requesters=proposal.requesters,
        rank=proposal.rank,
        agreed=proposal.agreed,
        asked=proposal.asked,
    )
    propose(work, request, origin, depth=1)
