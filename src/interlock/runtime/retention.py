"""Put finished cases away, a few at a time, beside the work.

A case has come to its end when its status leads nowhere, nothing is open in it and nothing waits for it. When it has
been so for the time that it is to be kept at hand, its record leaves the table of those that move. Nothing is deleted:
`case`, `history`, `explain` and `verify` find it as before, what was accepted is remembered for ever, and a late event
brings it back.

INVARIANT: a case is put away in a unit on its slot, which has read it and seen that it is finished.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from interlock.kernel.program import Program
from interlock.ports import Store, Writes
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.ids import CaseId

WORKER = "interlock.retention"

LOOKED_AT_ONCE = 200
"""Cases looked at in one call: some milliseconds of the store's time."""


def final_statuses(program: Program) -> frozenset[str]:
    """Statuses from which a case goes nowhere."""
    return frozenset(status for status, (_, to) in program.flow.items() if not set(to) - {status})


def is_finished(record: CaseRecord, final: frozenset[str]) -> bool:
    """Whether nothing is open in the case, and its status leads nowhere or its personal data is gone."""
    waits = (
        record.questions or record.effects or record.reviews or record.tasks or record.timers or record.parked
    ) or record.blocked
    return not waits and bool(record.erased or (record.opened and record.status in final))


@dataclass
class Retention:
    """How far the looking has come, per (automation, status). It begins anew when it has been through all.

    keep    microseconds for which a finished case stays at hand
    """

    store: Store
    keep: int
    places: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    def step(self, programs: Iterable[Program], *, now: int) -> int:
        """Look at some cases and put away those that are due; returns how many were."""
        put_away = 0
        for program in programs:
            final = final_statuses(program)
            for status in sorted(final):
                put_away += self._of_status(program.automation, status, final, now)
        return put_away

    def _of_status(self, automation: str, status: str, final: frozenset[str], now: int) -> int:
        where = (automation, status)
        found = self.store.finished(automation, status, after=self.places.get(where, 0), limit=LOOKED_AT_ONCE)
        self.places[where] = found[-1].place if len(found) == LOOKED_AT_ONCE else 0
        due: defaultdict[int, list[CaseId]] = defaultdict(list)
        for one in found:
            if one.updated_at <= now - self.keep:
                due[one.slot].append(one.case)
        return self._put_away(due, final, now) if due else 0

    def _put_away(self, due: Mapping[int, Iterable[CaseId]], final: frozenset[str], now: int) -> int:
        count = 0
        with self.store.units(sorted(due), worker=WORKER, now=now) as units:
            for unit in units:
                records = unit.cases(due[unit.slot])
                cases = [
                    case
                    for case, (record, _) in records.items()
                    if is_finished(record, final) and record.updated_at <= now - self.keep
                ]
                if cases:
                    unit.commit(Writes(now=unit.now, head=unit.head, lsn=unit.lsn, archived=cases))
                    count += len(cases)
        return count
