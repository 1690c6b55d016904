"""Start: the linearization point of an effect.

A worker with room says so; this turn re-checks everything that may have changed since the decision, and only its
commit permits the I/O.
A start that finds the decision too old, or its certificate no longer in force, has the proposal judged again on the
state of this moment.

INVARIANT: nothing starts while a pause covers it, while the clock is in question, after its cancellation, under a
certificate that ended,
later than `start_before` or beside a doubt about the very same thing without a new judgement.
"""

from __future__ import annotations

from interlock.kernel import budgets, decide, on_result
from interlock.kernel.work import Work
from interlock.vocabulary.action import Effect
from interlock.vocabulary.events import StartBody


def on_start(work: Work, body: StartBody) -> None:
    effect = work.record.effects.get(body.command)
    if effect is None or effect.phase != "perform" or body.attempt != effect.attempt + 1:
        work.note(f"{body.command} is no longer to be started")
        if effect is None:
            work.drop_command(body.command)
        return
    if effect.status not in ("pending", "held", "retrying"):
        work.note(f"{body.command} is {effect.status}; not started")
        return
    if work.facts.is_paused(work.case.automation, effect.action) or work.facts.frozen_clock:
        _hold(work, effect)
        return
    spec = work.program.actions[effect.action]
    begun = effect.first_started_at
    if begun and spec.kind == "idempotent" and work.now >= begun + spec.key_valid_for:
        on_result.doubt(work, effect, "its key may be forgotten outside, so another attempt could be a second effect")
        return
    why = _outdated(work, effect) or (len(work.record.effects) > 1 and _doubled(work, effect))
    if not why:
        decide.begin(work, effect)
        return
    work.note(f"{effect.action}: {why}; judged again")
    if effect.attempt:
        _judge_retry_again(work, effect)
        return
    again = decide.again_of(effect, budgets.answered(effect, {}, work.program))
    decision = decide.judge(work, decide.proposal_of(effect), again)
    permitted = work.record.effects.get(effect.id)
    if decision.verdict == "allow" and permitted is not None and permitted.status == "pending":
        decide.begin(work, permitted)


def _hold(work: Work, effect: Effect) -> None:
    if effect.status != "held" and effect.attempt == 0:
        work.change_effect(effect, status="held")
    why = "the clock is in question" if work.facts.frozen_clock else "a pause is in force"
    if work.facts.recovering:
        why = "the store is in recovery"
    work.note(f"{effect.action} is held: {why}")
    work.held.append(work.full(effect.id))


def _outdated(work: Work, effect: Effect) -> str:
    if work.now > effect.start_before:
        return "not started in time after its decision"
    if effect.certificate is not None:
        certificates = work.program.certificates.get(effect.action, ())
        held = next((c for c in certificates if c.id == effect.certificate), None)
        if held is None:
            return f"certificate {effect.certificate} is not in force any more"
        if work.now >= held.until:
            return f"certificate {effect.certificate} has expired"
    return ""


def _doubled(work: Work, effect: Effect) -> str:
    """Decided at the same time, the same thing may have come into doubt before this one could start."""
    same = decide.in_doubt(work.record, effect.action, effect.args_digest, ignoring=effect.id)
    return f"the same {effect.action} ({same.decision}) is in doubt" if same and not effect.attempt else ""


def _judge_retry_again(work: Work, effect: Effect) -> None:
    """An earlier attempt touched the outside. A new judgement may still stop the next one.

    Of a checkable effect the earlier attempt was proved harmless, so it has failed for good. Of an idempotent one
    nobody knows what became of it: only a repetition would have told, and that is what is refused.
    """
    program, proposal = work.program, decide.proposal_of(effect)
    spec = program.actions[effect.action]
    name = work.full(work.next_id())
    again = decide.again_of(effect, budgets.answered(effect, {}, program))
    decision = decide.evaluate(name, program, work.record, work.facts, spec, proposal, again)
    decide.record_decision(work, decision)
    if decision.verdict == "allow":
        decide.begin(work, effect)
        return
    why = f"not attempted again: {decision.verdict} by {', '.join(decision.decided_by)}"
    if spec.kind == "idempotent":
        on_result.doubt(work, effect, why)
    else:
        on_result.failed(work, effect, why)
