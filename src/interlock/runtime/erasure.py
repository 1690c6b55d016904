"""Erase a person: destroy the keys of every case that is about them, and close those cases.

Each case is one unit on its own slot: the entry that records the erasure, the closing of the case and the end of its
key commit together or not at all. A case with an effect under way is left as it is and named; nothing else waits for
it. Afterwards what the store may still hold of the keys outside of its tables (its log, pages that were freed) is
removed and looked for.

INVARIANT: what is reported as erased can be read by nobody who has this database and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from interlock.kernel.erasure import erase, under_way
from interlock.ports import Store
from interlock.runtime.control import OPERATOR
from interlock.runtime.draft import Draft
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.errors import NotFound, NotNow
from interlock.vocabulary.events import Envelope, EraseBody
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import OWN, CaseId, slot_of

SOURCE = "interlock.operator"


@dataclass(frozen=True)
class ErasedCase:
    """One case of the person. `waits_for`: actions that are under way in it, so that it could not be erased yet."""

    case: CaseId
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class Erasure:
    """What an erasure did.

    cases    every case of the person that had something to erase
    wiped    whether nothing of the destroyed keys is left where the store writes; False while another process holds
             the log
    """

    cases: tuple[ErasedCase, ...]
    wiped: bool

    @property
    def erased(self) -> tuple[CaseId, ...]:
        return tuple(one.case for one in self.cases if not one.waits_for)

    @property
    def waiting(self) -> tuple[ErasedCase, ...]:
        return tuple(one for one in self.cases if one.waits_for)

    def to_data(self) -> dict[str, Any]:
        return {
            "erased": [str(case) for case in self.erased],
            "waiting": [{"case": str(one.case), "for": list(one.waits_for)} for one in self.waiting],
            "wiped": self.wiped,
        }


def cases_of(store: Store, subject: str) -> list[CaseId]:
    """The cases that are about this person: an event named them, or the case is called so (KEY or AUTOMATION/KEY).

    Never the interlock's own: a closed account would lose what others have spent of it.
    """
    found = dict.fromkeys(store.cases_about(subject))
    automations = {name for _, name, _ in store.releases()}
    named = [CaseId(automation, subject) for automation in sorted(automations)]
    prefix, _, key = subject.partition("/")
    if prefix in automations and key:
        named.append(CaseId(prefix, key))
    found.update(dict.fromkeys(case for case in named if store.seals(case)))
    return sorted(case for case in found if case.automation not in OWN)


def erase_subject(store: Store, subject: str, *, principal: str, reason: str = "", now: int, id: str) -> Erasure:
    """Erase a person. Doing it again finishes what could not be done before.

    Raises NotFound where nothing is known of the person, NotNow where a slot is in other hands.
    """
    cases = cases_of(store, subject)
    if not cases:
        raise NotFound(
            "No case with personal data is about this subject.",
            hint="Give what events name as their Subject, or a case's key.",
        )
    done: list[ErasedCase] = []
    secrets: list[bytes] = []
    for case in cases:
        live = [seal.secret for seal in store.seals(case) if seal.secret]
        one = _erase_case(store, case, principal=principal, reason=reason, now=now, id=id)
        done.append(one)
        if not one.waits_for:
            secrets += live
    return Erasure(tuple(done), store.wipe(secrets))


def _erase_case(store: Store, case: CaseId, *, principal: str, reason: str, now: int, id: str) -> ErasedCase:
    slot = slot_of(case, store.caps.n_slots)
    with store.units([slot], worker=OPERATOR, now=now) as units:
        if not units:
            raise NotNow(f"{case} is being worked on; try again.")
        unit = units[0]
        facts = Facts(now=unit.now, control=unit.control.generation, paused=unit.control.paused)
        draft = Draft(unit, facts)
        record = draft.case(case)
        before = record or CaseRecord(case.automation, case.key)
        if busy := under_way(before):
            return ErasedCase(case, tuple(busy))
        if before.erased and not any(seal.secret for seal in store.seals(case)):
            return ErasedCase(case)
        envelope = Envelope(
            case.automation, case.key, f"erase:{id}", SOURCE, principal, unit.now, unit.now, EraseBody(reason)
        )
        draft.apply(erase(before, envelope, facts))
        for one in store.quarantine():
            if one.case == case:
                draft.unquarantine(one)
        draft.erase(case)
        writes = draft.writes()
        if writes is not None:
            unit.commit(writes)
    return ErasedCase(case)
