"""Results: what the outside said of an effect, and what may be done next. The table of the kinds is in
`vocabulary.action`.

INVARIANT: an unknown outcome of a `once` effect is never followed by another attempt.
INVARIANT: a checkable effect is attempted again only after its check said "not happened" and the earlier attempt
was fenced, or had
`settle_after` to show itself.
INVARIANT: a result of an earlier attempt never settles a later one's question against it; it resolves a doubt or is
kept as an observation.
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from interlock.kernel import budgets, decide
from interlock.kernel.decide import Origin
from interlock.kernel.requests import carry_out
from interlock.kernel.work import Work
from interlock.vocabulary.action import ActionSpec, Effect
from interlock.vocabulary.events import ResolveBody, ResultBody
from interlock.vocabulary.ids import effect_key
from interlock.vocabulary.limits import EFFECT_ATTEMPTS_MAX, PROBE_FIRST_MS, PROBE_MAX_MS, PROBES_MAX

_RETRY_FIRST_US = 500_000
_RETRY_MAX_US = 300_000_000


def on_result(work: Work, body: ResultBody) -> None:
    """Take one attempt's outcome into its effect."""
    effect = work.record.effects.get(body.command)
    if effect is None:
        _late(work, body)
        return
    spec = work.program.actions[effect.action]
    expected = "started" if effect.phase == "perform" else "in_doubt"
    if body.phase != effect.phase or body.attempt != effect.attempt or effect.status != expected:
        _of_earlier_attempt(work, effect, body)
    elif body.phase == "perform":
        _performed(work, effect, spec, body)
    elif body.phase == "check":
        _checked(work, effect, spec, body)
    else:
        _fenced(work, effect, spec, body)


def on_resolve(work: Work, body: ResolveBody) -> None:
    """A person looked at the outside's own books and ends a doubt."""
    effect = work.record.effects.get(body.command)
    if effect is None or effect.status != "in_doubt":
        work.note(f"{body.command} is not in doubt; the word of {work.message.principal} is kept as an observation")
        return
    words = "happened" if body.outcome == "happened" else "did not happen"
    said = f"{work.message.principal} says {effect.action} {words}"
    work.note(said + (f": {body.comment}" if body.comment else ""))
    if body.outcome == "happened":
        done(work, effect, body.result)
    else:
        failed(work, effect, said)


def done(work: Work, effect: Effect, result: Any) -> None:
    """The effect took place: settle it and tell the automation."""
    work.drop_effect(effect, "happened")
    work.remember(effect)
    budgets.charge(work, effect, result)
    reducers = work.program.reducers
    if reducers.has("done", effect.action):
        view = work.view("done", effect.action, effect.args, result=result)
        carry_out(work, reducers.reduce(work.record.state, work.record.status, view), _origin(work, effect, "done"))


def failed(work: Work, effect: Effect, reason: str) -> None:
    """The effect definitely did not take place and will not be tried again."""
    work.drop_effect(effect, "not_happened")
    budgets.free(work, effect.reservations)
    work.note(f"{effect.action} failed: {reason}")
    reducers = work.program.reducers
    if reducers.has("failed", effect.action):
        view = work.view("failed", effect.action, effect.args, reason=reason)
        carry_out(work, reducers.reduce(work.record.state, work.record.status, view), _origin(work, effect, "failed"))
    else:
        work.flag(f"{effect.action} ({effect.decision}) failed: {reason}")


def _performed(work: Work, effect: Effect, spec: ActionSpec, body: ResultBody) -> None:
    if body.outcome == "happened":
        done(work, effect, body.result)
    elif body.outcome == "not_happened":
        failed(work, effect, body.reason)
    elif spec.kind == "idempotent":
        valid_until = effect.first_started_at + spec.key_valid_for
        due = work.now + _backoff(effect)
        if effect.attempt < EFFECT_ATTEMPTS_MAX and due < valid_until:
            work.note(f"outcome of {effect.action} unknown ({body.reason}); trying again with the same key")
            _retry(work, effect, due, body.reason)
        else:
            _doubt(work, effect, body.reason)
            work.drop_command(effect.id)
    elif spec.kind == "checkable":
        changed = _doubt(work, effect, body.reason)
        _probe(work, structs.replace(changed, phase="check", probes=0), work.now + PROBE_FIRST_MS * 1000)
    else:
        _doubt(work, effect, body.reason)
        work.drop_command(effect.id)


def _checked(work: Work, effect: Effect, spec: ActionSpec, body: ResultBody) -> None:
    if body.outcome == "happened":
        work.note(f"{effect.action} was found to have happened")
        done(work, effect, body.result)
    elif body.outcome == "unknown":
        _probe_again(work, effect, body.reason)
    elif spec.fenced:
        work.note(f"{effect.action} was not found; making the earlier attempt impossible before another")
        _probe(work, structs.replace(effect, phase="fence"), work.now)
    else:
        settled = effect.last_started_at + spec.settle_after
        if work.now < settled:
            work.note(
                f"{effect.action} was not found; looking again when the earlier attempt can no longer show itself"
            )
            _probe(work, effect, settled)
        else:
            _attempt_again(work, effect, spec)


def _fenced(work: Work, effect: Effect, spec: ActionSpec, body: ResultBody) -> None:
    if body.outcome == "not_happened":
        work.note(f"the earlier attempt at {effect.action} can no longer happen")
        _attempt_again(work, effect, spec)
    elif body.outcome == "happened":
        work.note(f"{effect.action} could not be made impossible: it may have happened; checking")
        _probe_again(work, structs.replace(effect, phase="check"), body.reason or "it could not be made impossible")
    else:
        # A fence fails where the attempt has landed since the check: asked only to fence again, nobody would ever find
        # that out. The check looks again, and the fence follows if there still is nothing.
        _probe_again(work, structs.replace(effect, phase="check"), body.reason)


def _attempt_again(work: Work, effect: Effect, spec: ActionSpec) -> None:
    if effect.attempt >= EFFECT_ATTEMPTS_MAX:
        failed(work, effect, f"did not happen in {effect.attempt} attempts")
        return
    if spec.fenced:
        # A fenced key is dead outside, so the next attempt has a key of its own, derived like the first.
        key = effect_key(work.case, effect.action, effect.args_digest, f"{effect.id}#{effect.attempt + 1}")
        effect = structs.replace(effect, key=key)
    _retry(work, effect, work.now + _backoff(effect), effect.reason)


def _retry(work: Work, effect: Effect, due: int, reason: str) -> None:
    decide.make_pending(work, structs.replace(effect, reason=reason), due=due)


def _doubt(work: Work, effect: Effect, reason: str) -> Effect:
    work.note(f"{effect.action} is in doubt: {reason}")
    return work.change_effect(effect, status="in_doubt", reason=reason)


def _probe(work: Work, effect: Effect, due: int) -> None:
    effect = structs.replace(effect, next_at=due)
    work.put_effect(effect)
    work.put_command(decide.command_of(work, effect))


def _probe_again(work: Work, effect: Effect, reason: str) -> None:
    if effect.probes + 1 >= PROBES_MAX:
        work.flag(f"{effect.action} ({effect.decision}) stays in doubt after {PROBES_MAX} checks ({reason}).")
        work.change_effect(effect, probes=effect.probes + 1, reason=reason)
        work.drop_command(effect.id)
        return
    pause = min(PROBE_FIRST_MS * 1000 << effect.probes, PROBE_MAX_MS * 1000)
    work.note(f"nobody could say what became of {effect.action} ({reason}); asking again")
    _probe(work, structs.replace(effect, probes=effect.probes + 1, reason=reason), work.now + pause)


def _of_earlier_attempt(work: Work, effect: Effect, body: ResultBody) -> None:
    """A reply that came after its lease was given up. It may resolve the doubt it left; it never contradicts a
    newer attempt silently.
    """
    what = f"a late reply says attempt {body.attempt} at {effect.action} {body.outcome.replace('_', ' ')}"
    same_attempt = body.attempt == effect.attempt and body.phase == "perform"
    if same_attempt and effect.status == "in_doubt" and body.outcome == "happened":
        work.note(what + ", which ends the doubt")
        done(work, effect, body.result)
    elif same_attempt and effect.status == "in_doubt" and body.outcome == "not_happened":
        work.note(what + ", which ends the doubt")
        failed(work, effect, body.reason)
    elif body.phase == "perform" and body.outcome == "happened":
        spec = work.program.actions[effect.action]
        if spec.kind == "idempotent":
            work.note(what + "; the key makes both attempts one")
            done(work, effect, body.result)
        elif effect.status == "retrying":
            # Nothing of the next attempt is outside yet, and after this word another one could be a second effect.
            work.flag(f"Contradiction: {what}, although it was not found or made impossible. A person must look.")
            _doubt(work, effect, f"{what}, although another attempt had been decided")
            work.drop_command(effect.id)
        else:
            work.flag(f"Contradiction: {what}, although it was made impossible or given up. A person must look.")
            work.note(what + "; kept as an observation")
    else:
        work.note(what + "; kept as an observation")


def _late(work: Work, body: ResultBody) -> None:
    """A result for an effect that is settled: an observation, and a contradiction when it says the opposite."""
    ended = work.record.closed.get(body.command, "")
    what = f"a late reply says {body.command} {body.outcome.replace('_', ' ')}"
    if body.phase == "perform" and body.outcome == "happened" and ended in ("not_happened", "withdrawn"):
        work.flag(f"Contradiction: {what}, but it was settled as {ended.replace('_', ' ')}. A person must look.")
    elif body.phase == "perform" and body.outcome == "not_happened" and ended == "happened":
        work.flag(f"Contradiction: {what}, but it was settled as happened. A person must look.")
    work.note(what + "; kept as an observation")
    work.drop_command(body.command)


def _backoff(effect: Effect) -> int:
    """Exponential with jitter in [0.5, 1.5), from the effect's key: the same in every replay, different between
    effects.
    """
    pause = min(_RETRY_FIRST_US << max(0, effect.attempt - 1), _RETRY_MAX_US)
    jitter = int(effect.key[:8], 16) + effect.attempt * 0x9E3779B9 & 0xFFFFFFFF
    return pause // 2 + pause * jitter // 0xFFFFFFFF


def _origin(work: Work, effect: Effect, how: str) -> Origin:
    requesters = effect.proposal.requesters if effect.proposal else ()
    return Origin("rule", f"{effect.action} {how} ({effect.decision})", requesters, decision=effect.decision)
