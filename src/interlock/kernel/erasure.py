"""A case whose personal data is erased: it is closed, and what comes for it is set aside.

Nobody can read what its rules would need, so nothing may be decided in it again. What waited in it (questions,
reviews, timers, effects that have not started, parked events) is withdrawn in the same turn that records the erasure;
what is booked elsewhere, its reservations, is given back. An effect that may have touched the outside is not forgotten:
while one is under way there is no erasure.

INVARIANT: an erased case has nothing open, so nothing of it is ever asked, decided or carried out again.
INVARIANT: the turn records that and when it happened and by whom, and nothing of the person.
"""

from __future__ import annotations

from msgspec import structs

from interlock.kernel.fold import diff
from interlock.kernel.lifecycle import UNDER_WAY
from interlock.kernel.outcome import Step, Turn
from interlock.kernel.poison import quarantine
from interlock.vocabulary.action import Reservation
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import CallBody, Envelope, EventBody, SettleBody
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import BUDGETS, CaseId, full_id
from interlock.vocabulary.question import Asked

WHY = "The personal data of the case was erased; its rules cannot run any more."


def under_way(record: CaseRecord) -> list[str]:
    """What stands in the way of an erasure, in words: effects that may have touched the outside, and contradictions."""
    effects = [effect for effect in record.effects.values() if effect.status in UNDER_WAY]
    busy = [f"{effect.action} ({effect.status})" for effect in effects]
    known = {effect.id for effect in effects}
    return busy + [
        f"{task.action or task.about} ({task.kind})" for task in record.tasks.values() if task.id not in known
    ]


def erase(record: CaseRecord, message: Envelope, facts: Facts) -> Step:
    """Close the case. The caller has seen that nothing is `under_way`, and destroys the key with this step's commit."""
    case = record.case
    commands = [effect.id for effect in record.effects.values()]
    asked = _still_asked(record)
    commands += [one.command for one in asked]
    timers = [("timer", name) for name in record.timers]
    timers += [("review", name) for name in record.reviews]
    timers += [("budget", effect.id) for effect in record.effects.values()]
    timers += [("budget", one.command) for one in asked if one.reservations]
    if record.parked:
        timers.append(("orphans", "parked"))
    after = structs.replace(
        record,
        version=record.version + 1,
        updated_at=facts.now,
        parked=(),
        questions={},
        effects={},
        reviews={},
        timers={},
        closed={**record.closed, **dict.fromkeys(record.effects, "withdrawn")},
        blocked="",
        erased=facts.now,
    )
    dropped = [
        f"{what} withdrawn"
        for what, several in (
            ("questions", record.questions),
            ("reviews", record.reviews),
            ("effects that had not started", record.effects),
            ("timers", record.timers),
            ("parked events", record.parked),
        )
        if several
    ]
    notes = ("the personal data of the case was erased", *dropped)
    turn = Turn(message, after.version, "erased", (), notes, (), late=False, delta=diff(record, after))
    return Step(
        case=after,
        turns=(turn,),
        commands_drop=tuple(full_id(case, name) for name in commands),
        timers_drop=tuple((case, kind, name) for kind, name in timers),
        reviews_drop=tuple((case, name) for name in record.reviews),
        sends=tuple(_released(case, record, facts)),
    )


def _still_asked(record: CaseRecord) -> list[Asked]:
    return [
        asked
        for question in record.questions.values()
        for asked in question.asked.values()
        if asked.command and asked.outcome is None
    ]


def _released(case: CaseId, record: CaseRecord, facts: Facts) -> list[Envelope]:
    """What is withdrawn tells its budgets: an effect that has not started used nothing, an advisor that is being asked
    may have used all that was reserved for it.
    """
    used: list[tuple[Reservation, int]] = []
    for effect in record.effects.values():
        used += [(one, 0) for one in effect.reservations if one.granted or effect.status == "awaiting_budget"]
    for asked in _still_asked(record):
        begun = all(one.granted for one in asked.reservations)
        used += [(one, one.amount if begun else 0) for one in asked.reservations]
    return [
        Envelope(
            BUDGETS,
            one.account,
            f"settle:{one.id}",
            f"interlock.case:{case}",
            "interlock",
            facts.now,
            facts.now,
            SettleBody(one.id, charged, one.scale),
        )
        for one, charged in used
    ]


def after_erasure(record: CaseRecord, message: Envelope, facts: Facts) -> Step:
    """What comes for an erased case. Facts and wishes from outside are set aside for a person to see; what the
    interlock itself still had on its way (answers, results, timers) is noted and goes.
    """
    if isinstance(message.body, EventBody | CallBody):
        step = quarantine(record, message, facts, WHY, blocks=False)
        return structs.replace(step, quarantined=((message, WHY, False),))
    after = structs.replace(record, version=record.version + 1, updated_at=facts.now)
    notes = (f"ignored: {WHY[0].lower()}{WHY[1:]}",)
    turn = Turn(message, after.version, "turn", (), notes, (), late=False, delta=diff(record, after))
    return Step(case=after, turns=(turn,))
