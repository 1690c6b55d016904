"""Recovery mode: a store that was put back to an earlier state is taken into use without anything happening twice.

    begin   no effect starts from now on; what was under way in any case is in doubt; the state becomes an incarnation
            of its own
    (workers run: they take events, ask, decide and check what can be checked; what they decide is in doubt as well)
    end     an operator ends the mode, which is recorded; effects start again, those in doubt do not

What happened outside before the end of the mode may come again, and may have been handled in the lost time: decisions
from it stay in doubt (`kernel.lost`), for ever, by the mark that the mode leaves among the pauses.

INVARIANT: `begin` may die anywhere and be done again: until it is through, the store is still one that no worker joins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec import structs

from interlock.kernel import lost
from interlock.kernel.fold import diff
from interlock.kernel.outcome import Step, Turn
from interlock.ports import BeginsAs, Life, Store, Unit
from interlock.runtime import control
from interlock.runtime.draft import Draft
from interlock.vocabulary.action import Effect
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.errors import NotNow, StoreBusy
from interlock.vocabulary.events import Envelope, RecoverBody, RecoveryStep
from interlock.vocabulary.facts import RECOVERED, RECOVERING, Facts
from interlock.vocabulary.ids import RECOVERY, CaseId, slot_of

SOURCE = "interlock.recovery"
"""Source of every message made here."""

PAGE = 500
"""Cases looked through at once."""

CASES_PER_UNIT = 200
"""Cases put in doubt in one transaction."""


@dataclass(frozen=True)
class Doubt:
    """An effect that a lost life may have carried out. `checked`: its outside is being asked, and no person."""

    case: CaseId
    effect: Effect
    checked: bool


@dataclass(frozen=True)
class Standing:
    """How it stands with a store.

    estranged   why it may not be the newest state of itself; "" normally
    recovering  the mode is on; forgotten_until: what happened before (microseconds) may have been handled already
    doubts      effects that are marked and in doubt
    waiting     messages accepted and not yet consumed: some of them may still decide something
    """

    lives: Sequence[Life]
    estranged: str
    recovering: bool
    forgotten_until: int
    doubts: Sequence[Doubt]
    waiting: int


def standing(store: Store) -> Standing:
    """How it stands. Looks through all cases, but only where there was a recovery."""
    facts = _facts(store, 0)
    marked = facts.recovering or facts.forgotten_until
    return Standing(
        lives=store.lives(),
        estranged=store.estranged(),
        recovering=facts.recovering,
        forgotten_until=facts.forgotten_until,
        doubts=list(_doubts(store)) if marked else [],
        waiting=store.backlog(),
    )


def begin(store: Store, why: BeginsAs, *, principal: str, comment: str = "", now: int) -> int:
    """Take the state that this is into use, in recovery mode. Returns how many effects are in doubt by it.

    Raises NotNow while a worker is at work on the store.
    """
    nobody_works(store)
    _mark(store, [RECOVERING], but=())
    doubted = 0
    by_slot: dict[int, list[CaseId]] = {}
    for record in _cases(store):
        if record.effects or record.questions or record.reviews or record.timers or record.parked:
            by_slot.setdefault(slot_of(record.case, store.caps.n_slots), []).append(record.case)
    for slot, cases in sorted(by_slot.items()):
        for first in range(0, len(cases), CASES_PER_UNIT):
            doubted += _put_in_doubt(store, slot, cases[first : first + CASES_PER_UNIT], principal, now)
    life = store.begin_life(why, now=now)
    _record(store, life, "begun", "recovering", principal, comment, now)
    return doubted


def adopt(store: Store, *, principal: str, comment: str = "", now: int) -> Life:
    """Take a copy into use as the newest state that there is: an operator knows that nothing ran after it was made.

    Raises NotNow while a worker is at work on the store.
    """
    nobody_works(store)
    life = store.begin_life("adopted", now=now)
    _record(store, life, "nothing_lost", "ended", principal, comment, now)
    return life


def end(store: Store, *, principal: str, comment: str = "", nothing_lost: bool = False, now: int) -> None:
    """End the mode; effects start again. What is in doubt stays so until it is found out, unless nothing was lost.

    Raises NotNow when the mode is not on.
    """
    if not _facts(store, now).recovering:
        raise NotNow(
            "The store is not in recovery.", code="not_recovering", hint="`interlock recover` shows how it is."
        )
    life = store.lives()[-1]
    if nothing_lost:
        orders = [_envelope(one, "nothing_lost", life, principal, comment, now) for one in _doubtful(store)]
        for first in range(0, len(orders), PAGE):
            store.accept(orders[first : first + PAGE], now=now)
        _mark(store, [], but=(RECOVERING,))
    else:
        # Nothing that is accepted from now on happened earlier, as far as its sender says when it did. A clock that is
        # behind what the store has seen is not believed: events of the lost time would pass for new.
        until = max(now, store.condition().newest)
        _mark(store, [f"{RECOVERED}{until}"], but=(RECOVERING,))
    _record(store, life, "nothing_lost" if nothing_lost else "ended", "ended", principal, comment, now)


def nobody_works(store: Store) -> None:
    """Raises NotNow naming a worker that lives."""
    alive = store.workers()
    if alive:
        raise NotNow(f"{alive[0]} is at work on this database.", code="at_work", hint="Stop every worker first.")


# --- in the cases -----------------------------------------------------------------------------------------------------


def _put_in_doubt(store: Store, slot: int, cases: Sequence[CaseId], principal: str, now: int) -> int:
    with store.units([slot], worker=control.OPERATOR, now=now) as units:
        unit = _only(units, slot)
        draft = _draft(unit)
        life = store.lives()[-1]
        doubted = 0
        for case in cases:
            record = draft.case(case)
            if record is None:
                continue
            step = lost.restored(record, _envelope(case, "restored", life, principal, "", now), draft.facts)
            if step is None:
                continue
            draft.apply(step)
            doubted += len(step.commands_drop)
            if step.commands_drop:
                draft.retry(_envelope(case, "settle", life, principal, "", now))
        writes = draft.writes()
        if writes is not None:
            unit.commit(writes)
    return doubted


def _envelope(case: CaseId, what: RecoveryStep, life: Life, principal: str, comment: str, now: int) -> Envelope:
    body = RecoverBody(what, life.incarnation, comment)
    return Envelope(case.automation, case.key, f"{what}:{life.incarnation}", SOURCE, principal, now, now, body)


def _doubts(store: Store) -> Iterator[Doubt]:
    for record in _cases(store):
        for effect in record.effects.values():
            if effect.lost and effect.status == "in_doubt":
                yield Doubt(record.case, effect, bool(effect.next_at) and effect.id not in record.tasks)


def _doubtful(store: Store) -> list[CaseId]:
    return [record.case for record in _cases(store) if record.doubtful]


def _cases(store: Store) -> Iterator[CaseRecord]:
    page = store.cases(automation=None, status=None, after=None, limit=PAGE)
    while page:
        yield from page
        page = store.cases(automation=None, status=None, after=page[-1].case, limit=PAGE)


# --- the mode itself --------------------------------------------------------------------------------------------------


def _facts(store: Store, now: int) -> Facts:
    return Facts(now=now, paused=store.control().paused)


def _mark(store: Store, marks: Sequence[str], *, but: Sequence[str]) -> None:
    control.change(store, lambda paused: [*(one for one in paused if one not in but), *marks])


def _record(store: Store, life: Life, what: RecoveryStep, status: str, principal: str, comment: str, now: int) -> None:
    """The mode's own entry, in a case that is named by the life."""
    case = CaseId(RECOVERY, life.incarnation)
    slot = slot_of(case, store.caps.n_slots)
    with store.units([slot], worker=control.OPERATOR, now=now) as units:
        unit = _only(units, slot)
        draft = _draft(unit)
        before = draft.case(case) or CaseRecord(*case)
        after = structs.replace(
            before,
            version=before.version + 1,
            opened=True,
            status=status,
            state={"life": life.number, "began_as": life.why, "by": principal, "comment": comment},
            updated_at=unit.now,
        )
        message = _envelope(case, what, life, principal, comment, now)
        turn = Turn(message, after.version, "control", (), (), (), late=False, delta=diff(before, after))
        draft.apply(Step(case=after, turns=(turn,)))
        writes = draft.writes()
        if writes is not None:
            unit.commit(writes)


def _draft(unit: Unit) -> Draft:
    return Draft(unit, Facts(now=unit.now, control=unit.control.generation, paused=unit.control.paused))


def _only(units: Sequence[Unit], slot: int) -> Unit:
    if not units:
        raise StoreBusy(f"Slot {slot} is being worked on.", hint="Stop every worker first, and do it again.")
    return units[0]
