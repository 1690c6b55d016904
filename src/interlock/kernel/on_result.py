"""Results: what the outside said of an effect, and what may be done next. The table of the kinds is in
`vocabulary.action`; what becomes of a doubt is here:

    in_doubt --probe: it happened-------------------------------> done
             --probe: not found, fenced or settled (checkable)--> retrying
             --probe: not found, settled (idempotent, once)-----> failed: it is not attempted again
             --probe: cannot say--> the next probe, at a growing distance; after the last one a person
             --late reply of the same attempt-------------------> done | failed
             --a person's word----------------------------------> done | failed

INVARIANT: an unknown outcome of a `once` effect is never followed by another attempt.
INVARIANT: a checkable effect is attempted again only after its check said "not happened" and the earlier attempt
was fenced, or had
`settle_after` to show itself.
INVARIANT: a result of an earlier attempt never settles a later one's question against it; it resolves a doubt or is
kept as an observation.
INVARIANT: an effect in doubt is being probed, or a task asks a person about it.
INVARIANT: what contradicts a settlement changes nothing by itself: a task asks a person how it really was.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import structs

from interlock.kernel import budgets, decide, lost
from interlock.kernel.decide import Origin
from interlock.kernel.requests import carry_out
from interlock.kernel.work import Work
from interlock.vocabulary.action import ActionSpec, Effect, Past
from interlock.vocabulary.events import ResolveBody, ResultBody
from interlock.vocabulary.ids import effect_key
from interlock.vocabulary.limits import EFFECT_ATTEMPTS_MAX
from interlock.vocabulary.task import Task

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
        _of_earlier_attempt(work, effect, spec, body)
    elif body.phase == "perform":
        _performed(work, effect, spec, body)
    elif body.phase == "check":
        _checked(work, effect, spec, body)
    else:
        _fenced(work, effect, spec, body)


def on_resolve(work: Work, body: ResolveBody) -> None:
    """A person looked at the outside's own books and ends a doubt or a contradiction."""
    effect = work.record.effects.get(body.command)
    task = work.record.tasks.get(body.command)
    words = "happened" if body.outcome == "happened" else "did not happen"
    if effect is not None and effect.status == "in_doubt":
        said = f"{work.message.principal} says {effect.action} {words}"
        work.note(said + (f": {body.comment}" if body.comment else ""))
        if body.outcome == "happened":
            done(work, effect, body.result)
        elif effect.lost and not effect.attempt:
            not_done_yet(work, effect, said)
        else:
            failed(work, effect, said)
    elif task is not None and task.kind == "contradiction":
        said = f"{work.message.principal} says {task.action or task.about} {words}"
        work.note(said + (f": {body.comment}" if body.comment else ""))
        _correct(work, task, body.outcome)
    else:
        work.note(f"{body.command} is not in doubt; the word of {work.message.principal} is kept as an observation")


def done(work: Work, effect: Effect, result: Any) -> None:
    """The effect took place: settle it and tell the automation."""
    _settled(work, effect, "happened")
    work.remember(effect)
    budgets.charge(work, effect, result)
    reducers = work.program.reducers
    if reducers.has("done", effect.action):
        view = work.view("done", effect.action, effect.args, result=result)
        carry_out(work, reducers.reduce(work.record.state, work.record.status, view), _origin(work, effect, "done"))


def failed(work: Work, effect: Effect, reason: str) -> None:
    """The effect definitely did not take place and will not be tried again."""
    _settled(work, effect, "not_happened")
    budgets.free(work, effect.reservations)
    work.note(f"{effect.action} failed: {reason}")
    reducers = work.program.reducers
    if reducers.has("failed", effect.action):
        view = work.view("failed", effect.action, effect.args, reason=reason)
        carry_out(work, reducers.reduce(work.record.state, work.record.status, view), _origin(work, effect, "failed"))
    else:
        work.flag(f"{effect.action} ({effect.decision}) failed: {reason}")


def not_done_yet(work: Work, effect: Effect, said: str) -> None:
    """What a lost life might have done, it has not, and this one has not tried: it is still to be done."""
    if effect.id in work.record.tasks:
        work.drop_task(effect.id)
    work.note(f"{effect.action} is still to be done: {said}")
    decide.make_pending(work, structs.replace(effect, first_started_at=0, last_started_at=0, reason=said))


def doubt(work: Work, effect: Effect, reason: str, *, probing: bool = True) -> None:
    """What became of the attempts so far is unknown, and none may follow for now. The budget stays held. The outside
    is asked where it can be and asking can tell (`probing`); else a person is.
    """
    spec = work.program.actions[effect.action]
    work.note(f"{effect.action} is in doubt: {reason}")
    effect = structs.replace(effect, status="in_doubt", reason=reason)
    if probing and spec.can_check and spec.probes:
        probe(work, structs.replace(effect, phase="check", probes=0), work.now + spec.probe_first)
    else:
        ask_a_person(work, effect, spec, reason)


def _settled(work: Work, effect: Effect, how: Literal["happened", "not_happened"]) -> None:
    """The effect leaves the case. A success at the first attempt is remembered by its name alone."""
    work.drop_effect(effect, how)
    if effect.status != "started" or effect.attempt > 1 or how != "happened":
        work.keep_settled(effect)
        if effect.id in work.record.tasks:
            work.drop_task(effect.id)


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
            doubt(work, effect, body.reason)
    else:
        doubt(work, effect, body.reason)


def _checked(work: Work, effect: Effect, spec: ActionSpec, body: ResultBody) -> None:
    if body.outcome == "happened":
        work.note(f"{effect.action} was found to have happened")
        done(work, effect, body.result)
    elif body.outcome == "unknown":
        _probe_again(work, effect, spec, body.reason)
    elif lost.is_unsure(effect, spec):
        ask_a_person(work, effect, spec, f"not found under the key that is known here; {lost.WHY}")
    elif spec.fenced:
        work.note(f"{effect.action} was not found; making the earlier attempt impossible before another")
        probe(work, structs.replace(effect, phase="fence"), work.now)
    elif work.now < (settled := effect.last_started_at + spec.settle_after):
        work.note(f"{effect.action} was not found; looking again while the earlier attempt can still show itself")
        # Not found is an answer, so these looks are not the ones that end with a person; the last is when it counts.
        due = min(settled, work.now + _pause(spec, effect.probes))
        probe(work, structs.replace(effect, probes=min(effect.probes + 1, spec.probes - 1)), due)
    elif spec.kind == "checkable":
        _attempt_again(work, effect, spec)
    elif effect.lost and not effect.attempt:
        not_done_yet(work, effect, "it was not found outside")
    else:
        failed(work, effect, "it was not found outside, and the attempt can no longer show itself")


def _fenced(work: Work, effect: Effect, spec: ActionSpec, body: ResultBody) -> None:
    if body.outcome == "not_happened":
        work.note(f"the earlier attempt at {effect.action} can no longer happen")
        _attempt_again(work, effect, spec)
    elif body.outcome == "happened":
        work.note(f"{effect.action} could not be made impossible: it may have happened; checking")
        why = body.reason or "it could not be made impossible"
        _probe_again(work, structs.replace(effect, phase="check"), spec, why)
    else:
        # A fence fails where the attempt has landed since the check: asked only to fence again, nobody would ever find
        # that out. The check looks again, and the fence follows if there still is nothing.
        _probe_again(work, structs.replace(effect, phase="check"), spec, body.reason)


def _attempt_again(work: Work, effect: Effect, spec: ActionSpec) -> None:
    if any(task.about == effect.id for task in work.record.tasks.values()):
        doubt(work, effect, "an earlier attempt is said to have happened", probing=False)
        return
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


# --- probes, and the person after them


def probe(work: Work, effect: Effect, due: int) -> None:
    """Ask the outside at this moment (microseconds) what became of the effect."""
    effect = structs.replace(effect, next_at=due)
    work.put_effect(effect)
    work.put_command(decide.command_of(work, effect))


def _probe_again(work: Work, effect: Effect, spec: ActionSpec, reason: str) -> None:
    """Nobody could say: ask again later, or a person after the last probe."""
    effect = structs.replace(effect, probes=effect.probes + 1, reason=reason)
    if effect.probes >= spec.probes:
        work.note(f"nobody could say what became of {effect.action} ({reason}) in {effect.probes} checks")
        ask_a_person(work, effect, spec, f"{effect.probes} checks could not say: {reason}")
        return
    work.note(f"nobody could say what became of {effect.action} ({reason}); asking again")
    probe(work, effect, work.now + _pause(spec, effect.probes - 1))


def _pause(spec: ActionSpec, probes: int) -> int:
    """Distance to the next probe after so many: doubled each time, up to the longest."""
    return min(spec.probe_first << min(probes, 62), spec.probe_longest)


def ask_a_person(work: Work, effect: Effect, spec: ActionSpec, why: str) -> None:
    """Nothing here can find out: the effect stands in doubt until somebody says what became of it."""
    work.put_effect(structs.replace(effect, next_at=0))
    work.drop_command(effect.id)
    if effect.id in work.record.tasks:
        return
    group = _group(work, spec)
    work.note(f"{group} is asked what became of {effect.action}")
    work.put_task(_task(effect, effect.id, "doubt", group, work.now, why))


def _task(effect: Effect, name: str, kind: Literal["doubt", "contradiction"], group: str, now: int, why: str) -> Task:
    return Task(
        id=name,
        kind=kind,
        about=effect.id,
        group=group,
        opened_at=now,
        why=why,
        action=effect.action,
        args=effect.args,
        key=effect.key,
        decision=effect.decision,
    )


def _group(work: Work, spec: ActionSpec | None) -> str:
    return (spec.doubt_group if spec else "") or work.program.review_group.name


# --- replies that nobody waits for any more


def _of_earlier_attempt(work: Work, effect: Effect, spec: ActionSpec, body: ResultBody) -> None:
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
        if spec.kind == "idempotent":
            work.note(what + "; the key makes both attempts one")
            done(work, effect, body.result)
        elif effect.status == "retrying":
            # Nothing of the next attempt is outside yet, and after this word another one could be a second effect.
            doubt(work, effect, f"{what}, although another attempt had been decided", probing=False)
        else:
            work.note(what + "; kept as an observation")
            _contradicted(work, body, f"{what}, although it was made impossible or given up", effect)
    else:
        work.note(what + "; kept as an observation")


def _late(work: Work, body: ResultBody) -> None:
    """A result for an effect that is settled: an observation, and a contradiction when it says otherwise.

    Of two attempts, one that happened and one that was refused say nothing against each other; two that happened do,
    unless one key made them one.
    """
    record = work.record
    ended, known = record.closed.get(body.command, ""), record.settled.get(body.command)
    what = f"a late reply says {body.command} {body.outcome.replace('_', ' ')}"
    work.note(what + "; kept as an observation")
    work.drop_command(body.command)
    if body.phase != "perform" or not ended or body.outcome == "unknown":
        return
    other = known is not None and body.attempt != known.attempt
    if ended == "happened":
        spec = work.program.actions.get(known.action) if known else None
        twice = other and body.outcome == "happened" and (spec is None or spec.kind != "idempotent")
        against = twice or (body.outcome == "not_happened" and not other)
    else:
        against = body.outcome == "happened"
    if against:
        which, words = f"attempt {body.attempt} of it " if other else "it ", ended.replace("_", " ")
        _contradicted(
            work, body, f"a late reply says that {which}{_DID[body.outcome]}; it was settled as {words}", known, ended
        )


def _contradicted(work: Work, body: ResultBody, why: str, effect: Effect | None, ended: str = "") -> None:
    """Ask a person how it really was, once: as long as that is open, the same word again adds nothing."""
    for task in work.record.tasks.values():
        if task.kind == "contradiction" and task.about == body.command and task.said == body.outcome:
            return
    name = work.next_id()
    spec = work.program.actions.get(effect.action) if effect else None
    group = _group(work, spec)
    if effect is not None:
        task = _task(effect, name, "contradiction", group, work.now, why)
    else:
        task = Task(name, "contradiction", body.command, group, work.now, why)
    work.note(f"Contradiction: {why}. {group} is asked how it was ({work.full(name)})")
    said = "happened" if body.outcome == "happened" else "not_happened"
    work.put_task(structs.replace(task, said=said, settled=ended))


def _correct(work: Work, task: Task, outcome: Literal["happened", "not_happened"]) -> None:
    """A person has found out how it was. What the case counts by is put right; what had followed from the settlement
    stands, and is made good by decisions of its own.
    """
    work.drop_task(task.id)
    record = work.record
    ended = record.closed.get(task.about, "")
    effect = record.settled.get(task.about)
    twice = ended == task.said == outcome == "happened"
    if not twice and (ended in ("", outcome) or (ended == "withdrawn" and outcome == "not_happened")):
        work.note("what is recorded of it stands")
        return
    work.set(closed={**record.closed, task.about: outcome})
    if effect is None:
        work.note(f"{task.about} is taken to have {_WORDS[outcome]} from now on")
        return
    again = "twice " if twice else ""
    work.note(f"{effect.action} ({effect.decision}) is taken to have {_WORDS[outcome]} {again}from now on")
    if outcome == "happened":
        work.remember(effect)
        budgets.charge_after_all(work, effect)
    else:
        _forget(work, effect)


_WORDS = {"happened": "happened", "not_happened": "not happened"}
_DID = {"happened": "happened", "not_happened": "did not happen"}


def _forget(work: Work, effect: Effect) -> None:
    """It had been counted as having taken place. What it was charged stays charged: a budget never gives back."""
    was = work.record.past.get(effect.action)
    if was is None:
        return
    past = {name: one for name, one in work.record.past.items() if name != effect.action}
    if was.count > 1:
        past[effect.action] = Past(count=was.count - 1, decision=was.decision, at=was.at)
    work.set(past=past)


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
