"""Work that was left behind or turned in circles until the simulation showed it, each as the shortest path there."""

from __future__ import annotations

import asyncio

import pytest

from interlock.runtime.control import release_message
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.errors import NotNow
from tests.unit.runtime.test_poison import raises
from tests.unit.runtime.tiny import World, event
from tests.unit.runtime.tiny import program as tiny_program


def one_slot() -> World:
    store = open_sqlite(":memory:", n_slots=1, durability="fsync")
    return World(tiny_program(rules={("event", "Stop"): raises}), store=store)


def test_a_deadline_behind_another_in_its_slot_is_kept_without_polling():
    world = one_slot()
    world.start()
    world.accept(event("c1", "e1", "Wait"))
    world.loop.run_until_complete(asyncio.sleep(2))
    world.accept(event("c2", "e1", "Wait"))
    world.loop.run_until_complete(asyncio.sleep(60))
    assert len(world.outside.performed) == 2


def test_what_a_dead_worker_held_of_a_blocked_case_waits_and_its_slot_goes_on():
    """The slot must not stay in solo mode, and nobody may turn in circles over a command that nobody may take."""
    world = one_slot()
    world.start()
    world.outside.on_perform = lambda command: asyncio.Event().wait()
    world.accept(event("c1", "e1", "Letter"))
    world.loop.run_until_complete(_ticks())
    world.accept(event("c1", "e2", "Stop"))
    world.loop.run_until_complete(_ticks())
    assert world.case("c1").blocked
    world.kill()
    world.outside.on_perform = None
    world.start("w2")
    cycles = world.workers["w2"][0].tally
    world.loop.run_until_complete(_ticks())
    assert cycles.cycles < 50
    with world.store.units([0], worker="test", now=world.clock.now()) as units:
        assert not units[0].solo
    name = world.store.quarantine()[0].id
    release_message(world.store, name, "discard", "operator", now=world.clock.now())
    world.workers["w2"][0].look_everywhere()
    world.settle("w2")
    world.advance(60, "w2")
    assert len(world.outside.performed) == 2
    assert world.case("c1").past["letter"].count == 1


async def _ticks() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


def test_a_discarded_answer_is_its_advisors_silence():
    world = World(tiny_program(rules={("answered", "Read"): raises}))
    world.start()
    world.accept(event("c1", "e1"))
    world.settle()
    (one,) = world.store.quarantine()
    release_message(world.store, one.id, "discard", "ann", now=world.clock.now())
    world.workers["w1"][0].look_everywhere()
    world.settle()
    assert not world.store.quarantine()
    assert not world.case("c1").questions
    assert world.case("c1").past["letter"].count == 1, "what the automation does when nobody answers"


def test_a_result_that_its_case_waits_for_cannot_be_discarded():
    world = World(tiny_program(rules={("done", "pay"): raises}))
    world.start()
    world.accept(event("c1", "e1"))
    world.settle()
    (one,) = world.store.quarantine()
    with pytest.raises(NotNow, match="waits for this very message"):
        release_message(world.store, one.id, "discard", "ann", now=world.clock.now())
    assert world.store.quarantine() and world.case("c1").blocked


def test_a_discarded_timer_is_no_longer_set():
    world = World(tiny_program(rules={("timer", "Later"): raises}))
    world.start()
    world.accept(event("c1", "e1", "Wait"))
    world.settle()
    world.advance(60)
    (one,) = world.store.quarantine()
    release_message(world.store, one.id, "discard", "ann", now=world.clock.now())
    assert not world.case("c1").timers and not world.case("c1").blocked
