"""An effect that starts with its answer's turn is in somebody's hands, wherever the answer came from."""

from __future__ import annotations

import pytest

from interlock.runtime.dispatch import answer_envelope
from interlock.runtime.draft import Draft
from interlock.runtime.turns import Cycle, Taken, take_turns
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.events import Envelope
from tests.unit.runtime.tiny import START, World, event


class OneSlot:
    """Two cases in one slot, both asked; one answer in the inbox, where solo mode and blocked cases leave them."""

    def __init__(self, room: int = 100) -> None:
        self.world = World(store=open_sqlite(":memory:", n_slots=1, durability="fsync"))
        self.room = 100
        self.world.store.accept([event("c1", "e1"), event("c2", "e2")], now=START)
        asked = [lease.command for lease in self.unit(()).launch]
        self.answers = [answer_envelope(command, Answer("10.00", 990_000), START) for command in asked]
        with self.world.store.units([0], worker="w1", now=START) as (unit,):
            draft = Draft(unit, self.cycle().facts(unit))
            draft.requeue(self.answers[0])
            writes = draft.writes()
            assert writes is not None
            unit.commit(writes)
        self.room = room

    def cycle(self) -> Cycle:
        return Cycle(self.world.hosted(), lambda now: now + 15_000_000, lambda _: self.room, lambda _: False)

    def unit(self, outcomes: tuple[Envelope, ...]) -> Taken:
        with self.world.store.units([0], worker="w1", now=START) as (unit,):
            taken = take_turns(unit, self.cycle(), outcomes, limit=10, look=False)
            if taken.writes is not None:
                unit.commit(taken.writes)
        return taken

    def notes(self) -> list[str]:
        return [note for entry, _, _ in self.world.store.ledger(0, after=0, limit=100) for note in entry.notes]


def test_an_answer_from_the_inbox_beside_one_from_memory_has_its_effect_taken_in_hand():
    slot = OneSlot()
    taken = slot.unit((slot.answers[1],))
    assert {lease.command.key for lease in taken.launch if lease.command.what == "perform"} == {"c1", "c2"}
    for key in ("c1", "c2"):
        assert [effect.status for effect in slot.world.case(key).effects.values()] == ["started"]
    assert slot.notes() == []  # before: "2.0 is no longer to be started", and nobody's for ever


@pytest.mark.parametrize("room", [0, 1, 2])
def test_what_starts_with_answers_never_exceeds_the_room(room: int):
    slot = OneSlot(room)
    taken = slot.unit((slot.answers[1],))
    performs = [lease for lease in taken.launch if lease.command.what == "perform"]
    started = [key for key in ("c1", "c2") if slot.world.case(key).effects["2.0"].status == "started"]
    assert len(performs) == len(started) == room
