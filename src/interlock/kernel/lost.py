"""What may have been done in a life of the store that was lost.

A store that was put back to an earlier state (a restored backup, a lossy failover) does not know what happened after
that state: an effect that it holds as undone may have been carried out, an event that comes again may have been
handled. What goes back to the lost time is therefore in doubt, whatever its kind, and does not start by itself:

    decided before the state that was restored   its key is known, so the outside can be asked, or told again, under it
    decided from what goes back to before the    a life in which the case took another course used another key: only a
    end of the recovery mode                     find is an answer, not finding is none, and a person ends the doubt

A case goes back to the lost time (`CaseRecord.doubtful`) while anything in it does: the message that a turn consumes,
or what was open in it then and has not come to rest since.

INVARIANT: in a doubtful case no effect becomes pending but one whose doubt has been ended.
"""

from __future__ import annotations

from msgspec import structs

from interlock.kernel.fold import diff
from interlock.kernel.outcome import Step, Turn
from interlock.vocabulary.action import ActionSpec, Effect, LostAs
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.facts import Facts

WHY = "it may have been done in a life of this database that was lost"


def goes_back(message: Envelope, facts: Facts) -> bool:
    """Whether what this message leads to may have happened once already."""
    return facts.recovering or message.occurred_at < facts.forgotten_until


def is_doubtful(record: CaseRecord, message: Envelope, facts: Facts) -> bool:
    """Whether the case goes back to the lost time, with this message."""
    return goes_back(message, facts) or (record.doubtful and not _at_rest(record))


def _at_rest(record: CaseRecord) -> bool:
    return not (record.effects or record.questions or record.reviews or record.timers or record.parked)


def doubted(effect: Effect, was: LostAs, now: int) -> Effect:
    """The effect in doubt. The attempt that a lost life may have made is none of this one's, and is not counted."""
    return structs.replace(
        effect,
        status="in_doubt",
        phase="check",
        probes=0,
        lost=was,
        reason=WHY,
        first_started_at=effect.first_started_at or effect.decided_at,
        last_started_at=now,
    )


def is_unsure(effect: Effect, spec: ActionSpec) -> bool:
    """Whether not finding the effect outside proves nothing: a lost life may have used a key that nobody knows here.

    That of an effect decided anew follows from the course of its case; a fenced one had another key with each attempt.
    """
    return effect.lost == "decided" or (effect.lost != "" and spec.fenced)


def restored(record: CaseRecord, message: Envelope, facts: Facts) -> Step | None:
    """The turn that puts everything under way in a case in doubt; None where there is nothing. Needs no user code.

    An effect that waits for its budget stays: the decision that follows the reply is a new one.
    """
    effects: dict[str, Effect] = {}
    for name, effect in record.effects.items():
        status = effect.status
        if effect.lost or status == "awaiting_budget":
            effects[name] = effect
        else:
            effects[name] = doubted(effect, status, facts.now)
    changed = [effect for name, effect in effects.items() if effect is not record.effects[name]]
    doubtful = not _at_rest(record)
    if not changed and doubtful == record.doubtful:
        return None
    after = structs.replace(
        record, version=record.version + 1, updated_at=facts.now, effects=effects, doubtful=doubtful
    )
    notes = tuple(f"{effect.action} ({effect.decision}) is in doubt: {WHY}" for effect in changed)
    turn = Turn(message, after.version, "control", (), notes, (), late=False, delta=diff(record, after))
    drops = tuple(f"{record.automation}/{record.key}/{effect.id}" for effect in changed)
    return Step(case=after, turns=(turn,), commands_drop=drops)
