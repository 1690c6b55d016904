"""Cases through the whole path, on the real kernel and store and a virtual clock."""

from __future__ import annotations

import asyncio

import pytest

from interlock.kernel.program import Propose
from interlock.ports import NotDone, Writes
from interlock.runtime.control import pause, resume
from interlock.runtime.turns import STARTS_PER_UNIT_MAX
from interlock.runtime.worker import Pace
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.entry import GENESIS, chain
from interlock.vocabulary.errors import StoreBusy, StoreReadOnly
from interlock.vocabulary.ids import CaseId, slot_of
from interlock.vocabulary.release import BudgetSpec
from tests.unit.runtime.tiny import FAR, START, Outside, World, event, gives, program


def test_an_event_is_asked_decided_performed_and_settled():
    world = World()
    world.start()
    world.accept(event("c1", "e1"))
    world.settle()
    case = world.case("c1")
    assert case.status == "paid"
    assert case.past["pay"].count == 1
    assert [one.action for one in world.outside.performed] == ["pay"]
    assert not case.effects
    assert not case.questions
    assert not world.store.open_commands()


def test_the_ledger_is_one_chain_per_slot_and_cites_the_facts_once_per_unit():
    world = World()
    world.start()
    world.accept(*[event(f"c{n}", "e1") for n in range(40)])
    world.settle()
    seen = 0
    for slot, (newest, head) in world.store.heads().items():
        after, at = GENESIS, 0
        facts_at: set[int] = set()
        for entry, body, hash_ in world.store.ledger(slot, after=0, limit=10_000):
            at += 1
            after = chain(after, body)
            assert (entry.lsn, hash_) == (at, after)
            if entry.facts is not None:
                facts_at.add(entry.lsn)
            else:
                assert entry.facts_at in facts_at
            seen += 1
        assert (at, after) == (newest, head) or newest == 0
    # Event, answer, result; and a start of its own where the answer's turn could not be sure of room.
    assert seen == sum(world.case(f"c{n}").version for n in range(40))
    assert 40 * 3 <= seen < 40 * 4


def test_a_thousand_advisors_of_two_seconds_take_two_seconds():
    world = World()
    world.concurrency = {"advisor:reader": 2_000, "action:pay": 2_000}

    async def slow(command: object) -> Answer:
        await asyncio.sleep(2)
        return Answer("10.00", 990_000)

    world.outside.on_answer = slow
    world.start()
    world.accept(*[event(f"c{n}", "e1") for n in range(1_000)])
    world.settle()
    assert len(world.outside.performed) == 1_000
    assert 2.0 <= world.loop.time() < 2.2


def test_a_dependency_is_never_given_more_calls_than_it_takes():
    world = World()
    world.concurrency = {"advisor:reader": 3}
    running: list[int] = [0, 0]

    async def slow(command: object) -> Answer:
        running[0] += 1
        running[1] = max(running)
        await asyncio.sleep(1)
        running[0] -= 1
        return Answer("10.00", 990_000)

    world.outside.on_answer = slow
    world.start()
    world.accept(*[event(f"c{n}", "e1") for n in range(30)])
    world.settle()
    assert running[1] == 3
    assert len(world.outside.performed) == 30
    assert 10.0 <= world.loop.time() < 10.5


def test_a_slow_dependency_does_not_hold_up_another():
    world = World()

    async def hangs(command: object) -> Answer:
        await asyncio.sleep(1_000_000)
        raise AssertionError

    world.outside.on_answer = hangs
    world.concurrency = {"advisor:reader": 2}
    world.start()
    world.accept(*[event(f"c{n}", "e1") for n in range(20)])
    world.accept(event("other", "e1", "Letter"))
    world.loop.run_until_complete(asyncio.sleep(0.1))
    assert [one.action for one in world.outside.performed] == ["letter"]


@pytest.mark.parametrize("most", [1, 5, 64])
def test_cases_that_wait_for_room_are_all_served_without_polling(most):
    world = World()
    world.concurrency = {"advisor:reader": 1_000, "action:pay": most}

    async def slow(command: object) -> Answer:
        await asyncio.sleep(2)
        return Answer("10.00", 990_000)

    world.outside.on_answer = slow
    world.start()
    world.accept(*[event(f"c{n}", "e1") for n in range(400)])
    world.settle()
    assert len(world.outside.performed) == 400
    assert world.loop.time() < 2.5


def test_many_cases_share_few_transactions():
    world = World()
    world.start()
    world.accept(*[event(f"c{n}", "e1") for n in range(64)])
    world.settle()
    worker, _ = world.workers["w1"]
    assert len(world.outside.performed) == 64
    assert worker.tally.cycles <= 10
    assert worker.tally.turns == sum(world.case(f"c{n}").version for n in range(64))


def test_several_messages_of_one_case_in_one_unit_see_each_other():
    world = World()
    world.accept(event("c1", "e1", "Stop"), event("c1", "e2", "Wait"), event("c1", "e3", "Letter"))
    world.start()
    world.settle()
    assert world.case("c1").version == 5  # three events, a start, a result
    assert "Later" in world.case("c1").timers


def test_a_timer_fires_at_its_moment_and_not_before():
    world = World()
    world.start()
    world.accept(event("c1", "e1", "Wait"))
    world.settle()
    world.advance(4.9)
    assert not world.outside.performed
    world.advance(0.2)
    assert [one.action for one in world.outside.performed] == ["letter"]
    assert not world.case("c1").timers


# --- uncertainty


def test_a_lost_reply_of_a_checkable_effect_is_checked_and_not_repeated():
    world = World()

    async def loses(command: object) -> None:
        raise ConnectionError("reply lost")

    world.outside.on_perform = loses
    world.start()
    world.accept(event("c1", "e1"))
    world.settle()
    assert world.case("c1").effects
    world.advance(60)
    assert world.case("c1").past["pay"].count == 1
    assert len(world.outside.performed) == 1
    assert len(world.outside.checked) == 1


def test_a_refusal_is_a_failure_and_not_a_doubt():
    world = World()

    async def refuses(command: object) -> None:
        raise NotDone("account closed")

    world.outside.on_perform = refuses
    world.start()
    world.accept(event("c1", "e1"))
    world.settle()
    assert not world.case("c1").effects
    assert any("account closed" in flag for flag in world.case("c1").flags)


def test_a_timeout_of_a_performer_leaves_its_outcome_unknown():
    world = World(program(kind="once"))

    async def hangs(command: object) -> None:
        await asyncio.sleep(1_000_000)

    world.outside.on_perform = hangs
    world.start()
    world.accept(event("c1", "e1"))
    world.settle()
    assert [effect.status for effect in world.case("c1").effects.values()] == ["in_doubt"]
    assert world.loop.time() == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize(("kind", "performed"), [("checkable", 1), ("idempotent", 2), ("once", 1)])
def test_a_worker_that_dies_with_an_effect_in_hand(kind, performed):
    world = World(program(kind=kind))
    killed: list[str] = []

    async def dies(command: object) -> object:
        if not killed:
            killed.append("w1")
            world.loop.stop()
            await asyncio.sleep(1_000_000)
        return {"id": "x"}

    world.outside.on_perform = dies
    worker = world.start("w1")
    world.accept(event("c1", "e1"))
    world.loop.run_while(worker.moving)
    assert killed
    world.kill("w1")
    world.start("w2")
    world.settle("w2")
    world.advance(60, "w2")
    assert len(world.outside.performed) == performed
    statuses = [effect.status for effect in world.case("c1").effects.values()]
    assert statuses == (["in_doubt"] if kind == "once" else [])


def test_an_ask_of_a_dead_worker_is_asked_again_and_given_up_after_three_deaths():
    world = World()

    async def hangs(command: object) -> Answer:
        await asyncio.sleep(1_000_000)
        raise AssertionError

    world.outside.on_answer = hangs
    world.accept(event("c1", "e1"))
    for n in range(1, 4):
        world.start(f"w{n}")
        world.loop.run_until_complete(asyncio.sleep(0.5))
        assert len(world.outside.asked) == n
        world.kill(f"w{n}")
    world.start("w4")
    world.settle("w4")
    assert len(world.outside.asked) == 3
    assert [one.action for one in world.outside.performed] == ["letter"]  # what an unanswered question leads to


def test_a_long_call_keeps_its_lease_while_its_worker_lives():
    world = World(program(timeout=3_600_000_000))

    async def slow(command: object) -> Answer:
        await asyncio.sleep(100)
        return Answer("10.00", 990_000)

    world.outside.on_answer = slow
    pace = Pace(poll=None, ttl=15_000_000)
    world.start("w1", pace=pace)
    world.accept(event("c1", "e1"))
    world.loop.run_until_complete(asyncio.sleep(50))
    world.start("w2", pace=Pace(poll=1_000_000, ttl=15_000_000))
    world.loop.run_until_complete(asyncio.sleep(60))
    assert len(world.outside.asked) == 1
    assert world.case("c1").status == "paid"


# --- breaker


def test_an_open_breaker_answers_asks_at_once_and_lets_one_try_later():
    world = World(breaker_failures=3, breaker_open=10_000_000)
    working: list[bool] = []

    async def fails(command: object) -> Answer:
        if not working:
            raise ConnectionError("down")
        return Answer("10.00", 990_000)

    world.outside.on_answer = fails
    world.start()
    for n in range(6):
        world.accept(event(f"c{n}", "e1"))
        world.settle()
    assert len(world.outside.asked) == 3
    assert world.case("c5").past["letter"].count == 1
    working.append(True)
    world.advance(11)
    world.accept(event("c9", "e1"))
    world.settle()
    assert world.case("c9").status == "paid"


def test_a_perform_waits_for_its_breaker_and_then_runs():
    world = World(program(kind="idempotent"), breaker_failures=2, breaker_open=20_000_000)
    working: list[bool] = []

    async def fails(command: object) -> object:
        if not working:
            raise ConnectionError("down")
        return {"id": "x"}

    world.outside.on_perform = fails
    world.start()
    world.accept(event("c1", "e1"))
    world.advance(5)
    failed = len(world.outside.performed)
    assert failed >= 2
    working.append(True)
    world.accept(event("c2", "e1"))
    world.settle()
    assert len(world.outside.performed) == failed  # nothing is sent while the breaker is open
    world.advance(60)
    assert world.case("c1").status == "paid"
    assert world.case("c2").status == "paid"


# --- control


def test_a_pause_holds_what_is_decided_and_a_resume_lets_it_go():
    world = World()
    world.start()
    pause(world.store, ["action:tiny/pay"])
    world.accept(event("c1", "e1"), event("c2", "e1", "Letter"))
    world.settle()
    assert [one.action for one in world.outside.performed] == ["letter"]
    assert [effect.status for effect in world.case("c1").effects.values()] == ["held"]
    resume(world.store, [])
    world.workers["w1"][0].look_everywhere()
    world.settle()
    assert world.case("c1").status == "paid"


def test_a_pause_lists_what_had_started():
    world = World()

    async def slow(command: object) -> object:
        await asyncio.sleep(10)
        return {"id": "x"}

    world.outside.on_perform = slow
    world.start()
    world.accept(event("c1", "e1"))
    world.loop.run_until_complete(asyncio.sleep(1))
    paused = pause(world.store, ["all"])
    assert [(one.case, one.action, one.status) for one in paused.started] == [(CaseId("tiny", "c1"), "pay", "started")]
    world.settle()
    assert world.case("c1").status == "paid"  # a pause does not take back what has started


def test_a_stop_takes_nothing_more_and_waits_for_what_is_in_flight():
    world = World()

    async def slow(command: object) -> object:
        await asyncio.sleep(3)
        return {"id": "x"}

    world.outside.on_perform = slow
    worker = world.start()
    world.accept(event("c1", "e1"))
    world.loop.run_until_complete(asyncio.sleep(1))
    worker.stop()
    world.accept(event("c2", "e1"))
    _, task = world.workers["w1"]
    world.loop.run_until_complete(task)
    assert world.case("c1").status == "paid"
    assert world.store.case(CaseId("tiny", "c2")) is None
    assert world.loop.time() == pytest.approx(3, abs=0.1)


def test_a_drain_that_takes_too_long_leaves_a_doubt_to_the_next_worker():
    world = World()

    async def hangs(command: object) -> None:
        await asyncio.sleep(1_000_000)

    world.outside.on_perform = hangs
    worker = world.start(pace=Pace(poll=None, ttl=FAR, drain=5_000_000))
    world.accept(event("c1", "e1"))
    world.loop.run_until_complete(asyncio.sleep(1))
    worker.stop()
    world.loop.run_until_complete(world.workers.pop("w1")[1])
    assert world.loop.time() == pytest.approx(6, abs=0.1)
    world.start("w2")
    world.settle("w2")
    assert [effect.status for effect in world.case("c1").effects.values()] == ["in_doubt"]


def test_a_wall_clock_that_jumps_ahead_stops_starts_until_it_is_accepted():
    world = World()
    worker = world.start()
    world.accept(event("c1", "e1", "Wait"))
    world.settle()
    world.clock.jump(86_400_000_000)
    world.accept(event("c2", "e1"))
    world.settle()
    world.advance(6)
    assert not world.outside.performed
    assert "clock_jump" in [notice.what for notice in world.notices]
    worker.accept_clock()
    world.settle()
    assert sorted(one.action for one in world.outside.performed) == ["letter", "pay"]


# --- the store


def test_a_full_disk_loses_nothing(tmp_path):
    world = World(store=open_sqlite(tmp_path / "full.db"))
    world.start()
    world.accept(*[event(f"c{n}", "e1") for n in range(20)])
    pages = world.store.sizes()
    world.store.bound(1 + sum(pages.values()) // 4096)
    world.loop.run_until_complete(asyncio.sleep(5))
    assert "store_full" in [notice.what for notice in world.notices]
    world.store.bound(0)
    world.advance(10)
    assert "recovered" in [notice.what for notice in world.notices]
    assert len(world.outside.performed) == 20
    assert all(world.case(f"c{n}").status == "paid" for n in range(20))


def test_a_busy_store_is_waited_for(monkeypatch):
    world = World()
    worker = world.start()
    real, calls = world.store.units, [0]

    def busy(*args, **options):
        calls[0] += 1
        if calls[0] < 4:
            raise StoreBusy("Another process holds the database.")
        return real(*args, **options)

    monkeypatch.setattr(world.store, "units", busy)
    world.accept(event("c1", "e1"))
    world.settle()
    assert world.case("c1").status == "paid"
    assert worker.tally.retries == 3


def test_a_store_that_cannot_be_written_ends_the_worker(monkeypatch):
    world = World()
    world.start()

    def readonly(*args, **options):
        raise StoreReadOnly("The database cannot be written.")

    monkeypatch.setattr(world.store, "units", readonly)
    world.accept(event("c1", "e1"))
    _, task = world.workers["w1"]
    with pytest.raises(StoreReadOnly):
        world.loop.run_until_complete(task)


def test_another_automations_messages_are_left_alone_and_hold_nothing_up():
    world = World(store=open_sqlite(":memory:", n_slots=1, durability="fsync"))
    world.start()
    world.accept(*[event(f"f{n}", "e1", automation="foreign") for n in range(50)])
    world.accept(event("c1", "e1"))
    world.settle()
    assert world.case("c1").status == "paid"
    assert world.store.backlog() == 50
    assert not world.store.quarantine()
    assert world.workers["w1"][0].tally.cycles < 50


def test_another_automations_commands_do_not_hide_ours():
    """More of them than a unit looks at, all due before the only one that this worker can carry out."""
    world = World(store=open_sqlite(":memory:", n_slots=1, durability="fsync"))
    pause(world.store, ["all"])
    worker = world.start()
    world.accept(event("c1", "e1"))
    world.settle()
    assert world.case("c1").effects
    others = [CaseId("foreign", f"f{n}") for n in range(STARTS_PER_UNIT_MAX + 50)]
    waiting = [Command(f"{one}/1.0", one.automation, one.key, "perform", "action:pay", 0) for one in others]
    with world.store.units([0], worker="other", now=START) as (unit,):
        unit.commit(Writes(now=START, head=unit.head, lsn=unit.lsn, commands_put=waiting))
    resume(world.store, [])
    worker.look_everywhere()
    world.settle()
    assert world.case("c1").status == "paid"
    assert len(world.store.open_commands()) == len(others)
    assert worker.tally.cycles < 50


def test_budgets_of_many_cases_are_exact():
    budget = BudgetSpec("day", ("pay",), auto=5_000, hard=5_000, scale=2, sum="proposal.amount", on_exceeded="deny")
    world = World(program(budgets=(budget,)))
    world.start()
    world.accept(*[event(f"c{n}", "e1") for n in range(20)])
    world.settle()
    assert len(world.outside.performed) == 5  # of 10.00 each, out of 50.00
    assert slot_of(CaseId("tiny", "c1"), 256) >= 0


def test_two_workers_on_one_store_do_everything_once():
    world = World()
    world.start("w1", pace=Pace(poll=10_000, ttl=FAR))
    world.start("w2", pace=Pace(poll=10_000, ttl=FAR))
    world.accept(*[event(f"c{n}", "e1") for n in range(50)])
    world.loop.run_until_complete(asyncio.sleep(2))
    assert len(world.outside.performed) == 50
    assert all(world.case(f"c{n}").past["pay"].count == 1 for n in range(50))


def test_what_a_rule_proposes_needs_no_advice():
    world = World(program(rules={("event", "In"): gives(Propose("letter", {}))}))
    world.start()
    world.accept(event("c1", "e1", at=START))
    world.settle()
    assert isinstance(world.outside, Outside)
    assert not world.outside.asked
    assert world.case("c1").past["letter"].count == 1


def test_a_drain_lets_calls_in_flight_end_although_other_work_is_due():
    """What it does not take any more stays due; waiting for that would be a loop that nobody else gets a turn in."""
    world = World()
    seen: list[int] = []

    async def slow(command):
        await asyncio.sleep(1)
        return {"id": command.effect_key}

    world.outside.on_perform = slow
    world.start(pace=Pace(poll=100_000, ttl=FAR, drain=60_000_000))
    world.accept(event("c1", "e1", "Letter"), event("c2", "e1", "Wait"))
    worker, task = world.workers["w1"]
    world.loop.run_until_complete(asyncio.sleep(0.2))
    assert len(world.outside.performed) == 1
    worker.stop()
    before = world.clock.now()
    world.loop.call_later(5, seen.append, 1)
    world.loop.run_until_complete(asyncio.wait_for(asyncio.shield(task), 30))
    assert world.clock.now() - before < 2_000_000
    assert world.case("c1").past["letter"].count == 1
