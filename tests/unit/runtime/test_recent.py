"""Records kept between units are used only while nobody else can have changed them."""

from __future__ import annotations

import asyncio

from interlock.runtime.recent import RECORDS_MAX, Recent
from interlock.runtime.worker import Pace
from interlock.vocabulary.action import Effect
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.ids import CaseId
from tests.unit.runtime.tiny import World, event, gives, program


def busy(key: str, version: int = 1) -> CaseRecord:
    effect = Effect("1.0", "pay", {}, "", "k", "d", "started", 0, 0)
    return CaseRecord("tiny", key, version=version, effects={"1.0": effect})


def test_a_record_is_known_under_the_epoch_its_unit_left():
    recent = Recent()
    recent.keep(3, 7, [(busy("c1"), None, 5)])
    assert recent.of(3, 8) == {CaseId("tiny", "c1"): (busy("c1"), 5)}
    assert recent.of(3, 7) == {}
    assert recent.of(3, 9) == {}
    assert recent.of(4, 8) == {}


def test_what_came_before_another_workers_unit_is_forgotten():
    recent = Recent()
    recent.keep(3, 7, [(busy("c1"), None, 5)])
    recent.keep(3, 9, [(busy("c2"), None, 6)])  # 8 was somebody else's
    assert list(recent.of(3, 10)) == [CaseId("tiny", "c2")]


def test_a_case_at_rest_is_not_kept_and_there_is_a_bound():
    recent = Recent()
    recent.keep(3, 1, [(busy("c1"), None, 5)])
    recent.keep(3, 2, [(CaseRecord("tiny", "c1", version=2), 1, 6)])
    assert recent.of(3, 3) == {}
    for n in range(3 * RECORDS_MAX):
        recent.keep(n % 16, n // 16, [(busy(f"c{n}"), None, n)])
    assert sum(len(recent.of(slot, 3 * RECORDS_MAX // 16)) for slot in range(16)) <= RECORDS_MAX + 1


def test_two_workers_that_take_turns_at_one_case_see_each_others_writes():
    world = World(program(rules={("event", "Stop"): gives()}))

    async def slow(command: object) -> Answer:
        await asyncio.sleep(1)
        return Answer("10.00", 990_000)

    world.outside.on_answer = slow
    first = world.start("w1", pace=Pace(poll=None, ttl=10**15))
    second = world.start("w2", pace=Pace(poll=None, ttl=10**15))
    (receipt,) = world.store.accept([event("c1", "e1")], now=world.clock.now())
    first.wake([receipt.slot])
    world.loop.run_until_complete(asyncio.sleep(0.2))
    for n in range(5):  # while w1 waits for its answer, w2 consumes other events of the same case
        world.store.accept([event("c1", f"s{n}", "Stop")], now=world.clock.now())
        second.wake([receipt.slot])
        world.loop.run_until_complete(asyncio.sleep(0.1))
    world.loop.run_until_complete(asyncio.sleep(2))
    case = world.case("c1")
    assert case.status == "paid"
    assert case.version == 3 + 5
    assert first.tally.conflicts == 0
