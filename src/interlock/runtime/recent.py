"""Case records that this worker has written and will need again in a moment.

A case comes back to its unit when its advisor has answered and when its effect has ended, mostly within milliseconds.
Reading and decoding its record each time costs more than anything else a unit reads. A slot's epoch grows by one with
every unit that commits on it, by whichever worker, so records kept under the epoch that a unit left are exactly what
a reader under that epoch would find.

INVARIANT: a record is used only under the epoch it was kept for; the store still compares its version when it is
written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.ids import CaseId

RECORDS_MAX = 4_096
"""Records kept in all: those of the calls in flight, at a few kilobytes each. Beyond, all are forgotten and read
again."""

Records = dict[CaseId, tuple[CaseRecord, int]]

NONE: Mapping[CaseId, tuple[CaseRecord, int]] = {}


class Recent:
    """Records with the number of each one's newest entry, by slot and epoch."""

    __slots__ = ("_count", "_slots")

    def __init__(self) -> None:
        self._slots: dict[int, tuple[int, Records]] = {}
        self._count = 0

    def of(self, slot: int, epoch: int) -> Mapping[CaseId, tuple[CaseRecord, int]]:
        """What is known of this slot under this epoch."""
        found = self._slots.get(slot)
        return found[1] if found is not None and found[0] == epoch else NONE

    def keep(self, slot: int, epoch: int, cases: Iterable[tuple[CaseRecord, int | None, int]]) -> None:
        """A unit that began under `epoch` has committed these writes. Cases with nothing under way are not kept."""
        if self._count > RECORDS_MAX:
            self._slots.clear()
            self._count = 0
        found = self._slots.get(slot)
        records: Records = found[1] if found is not None and found[0] == epoch else {}
        before = 0 if found is None else len(found[1])
        for record, _, newest in cases:
            if record.questions or record.effects:
                records[record.case] = (record, newest)
            else:
                records.pop(record.case, None)
        self._slots[slot] = (epoch + 1, records)
        self._count += len(records) - before
