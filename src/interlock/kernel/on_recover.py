"""Recovery: what is done about effects that a lost life of the store may have carried out (`kernel.lost`).

    settle         the outside is asked where it can be; an idempotent effect is told again under its own key, as long
                   as the outside remembers it, once the mode has ended; of anything else a person finds out
    nothing_lost   an operator knows that nothing ran after the state that was restored: what was under way goes on

INVARIANT: `settle` permits no attempt under a key that a lost life may not have used.
"""

from __future__ import annotations

from msgspec import structs

from interlock.kernel import decide, on_result
from interlock.kernel.work import Work
from interlock.vocabulary.action import Effect
from interlock.vocabulary.events import RecoverBody, ResultBody


def on_recover(work: Work, body: RecoverBody) -> None:
    """Take the operator's order to every effect of the case that is marked."""
    if body.what == "nothing_lost":
        work.set(doubtful=False)
    for effect in list(work.record.effects.values()):
        if effect.lost and effect.status == "in_doubt":
            if body.what == "nothing_lost":
                _go_on(work, effect)
            elif body.what == "settle":
                _settle(work, effect)


def _settle(work: Work, effect: Effect) -> None:
    spec = work.program.actions[effect.action]
    if spec.can_check:
        work.note(f"asking the outside whether {effect.action} ({effect.decision}) has been done")
        on_result.probe(work, effect, work.now)
    elif spec.kind == "idempotent" and work.now < effect.first_started_at + spec.key_valid_for:
        work.note(f"{effect.action} ({effect.decision}) is told again under its own key once the recovery has ended")
        decide.make_pending(work, effect)
    else:
        on_result.ask_a_person(work, effect, spec, effect.reason)


def _go_on(work: Work, effect: Effect) -> None:
    """The effect as it was before it was doubted."""
    was = effect.lost
    untouched = not effect.attempt
    effect = structs.replace(
        effect,
        lost="",
        reason="",
        phase="perform",
        first_started_at=0 if untouched else effect.first_started_at,
        last_started_at=0 if untouched else effect.last_started_at,
    )
    work.note(f"{effect.action} ({effect.decision}) goes on: nothing was lost")
    if effect.id in work.record.tasks:
        work.drop_task(effect.id)
    if was == "started":
        work.put_effect(structs.replace(effect, status="started"))
        gone = "its worker was gone when the backup was taken into use"
        on_result.on_result(work, ResultBody(effect.id, effect.attempt, "perform", "unknown", reason=gone))
    elif was == "in_doubt":
        on_result.doubt(work, effect, "it was in doubt before the backup")
    else:
        decide.make_pending(work, effect)
