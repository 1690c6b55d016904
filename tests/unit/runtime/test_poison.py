"""Poison in its three forms: a reducer that raises, one that loops, one that kills its process."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.kernel.program import Propose
from interlock.runtime.control import release_message
from interlock.runtime.watchdog import EXIT_STEP_KILLED, StepTooLong, Watchdog
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.errors import NotFound
from tests.unit.runtime.tiny import START, World, event, gives
from tests.unit.runtime.tiny import program as tiny_program

ROOT = Path(__file__).parents[3]


def raises(state, status, message):
    raise ValueError("no reducer likes this")


def exits(state, status, message):
    sys.exit(3)


def loops(state, status, message):
    while True:
        pass


def swallows(state, status, message):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                pass
        except Exception:  # noqa: BLE001 - the point: not even this keeps a loop alive
            pass
    return gives()(state, status, message)


@pytest.mark.parametrize("reducer", [raises, exits])
def test_a_reducer_that_raises_sets_its_message_aside_and_blocks_its_case_only(reducer):
    world = World(tiny_program(rules={("event", "Stop"): reducer}))
    world.start()
    world.accept(event("c1", "e1", "Stop"), event("c1", "e2", "Letter"), event("c2", "e1", "Letter"))
    world.settle()
    (one,) = world.store.quarantine()
    assert one.envelope.id == "e1"
    assert one.id == "tiny/c1#test:e1"
    assert world.case("c1").blocked
    assert world.case("c1").version == 1
    assert world.case("c2").past["letter"].count == 1
    assert world.store.backlog() == 1
    assert not world.workers["w1"][0].moving()


def test_a_released_message_is_tried_again_before_what_waits():
    tries: list[str] = []

    def once(state, status, message):
        tries.append(message.id)
        if len(tries) == 1:
            raise ValueError("not yet")
        return gives()(state, status, message)

    world = World(tiny_program(rules={("event", "Stop"): once}))
    world.start()
    world.accept(event("c1", "e1", "Stop"), event("c1", "e2", "Stop"))
    world.settle()
    assert tries == ["e1"]
    release_message(world.store, world.store.quarantine()[0].id, "retry", "operator", now=world.clock.now())
    world.workers["w1"][0].look_everywhere()
    world.settle()
    assert tries == ["e1", "e1", "e2"]
    assert not world.case("c1").blocked
    assert not world.store.quarantine()


def test_a_discarded_message_lets_its_case_go_on():
    world = World(tiny_program(rules={("event", "Stop"): raises}))
    world.start()
    world.accept(event("c1", "e1", "Stop"), event("c1", "e2", "Letter"))
    world.settle()
    release_message(world.store, "tiny/c1#test:e1", "discard", "operator", now=world.clock.now())
    world.workers["w1"][0].look_everywhere()
    world.settle()
    assert world.case("c1").past["letter"].count == 1
    with pytest.raises(NotFound):
        release_message(world.store, "tiny/c1#test:e1", "discard", "operator", now=world.clock.now())


def test_an_answer_that_kills_its_reducer_waits_in_quarantine_and_later_results_in_the_inbox():
    world = World(tiny_program(rules={("answered", "Read"): raises}))
    world.start()
    world.accept(event("c1", "e1"))
    world.settle()
    (one,) = world.store.quarantine()
    assert one.envelope.source == "interlock.dispatch"
    assert world.case("c1").blocked


def test_a_timer_of_a_blocked_case_waits_for_its_release():
    world = World(tiny_program(rules={("event", "Stop"): raises}))
    world.start()
    world.accept(event("c1", "e1", "Wait"), event("c1", "e2", "Stop"))
    world.settle()
    world.advance(60)
    assert not world.outside.performed
    release_message(world.store, "tiny/c1#test:e2", "discard", "operator", now=world.clock.now())
    world.workers["w1"][0].look_everywhere()
    world.settle()
    assert [one.action for one in world.outside.performed] == ["letter"]


@pytest.mark.parametrize("reducer", [loops, swallows])
def test_a_reducer_that_loops_is_ended_and_its_message_set_aside(reducer):
    world = World(tiny_program(rules={("event", "Stop"): reducer}), guard=Watchdog(step_max=0.5, kill_after=120))
    world.start()
    world.accept(event("c1", "e1", "Stop"), event("c2", "e1", "Letter"))
    world.settle()
    (one,) = world.store.quarantine()
    assert "time limit" in one.why
    assert world.case("c2").past["letter"].count == 1


@pytest.mark.parametrize("reducer", [raises, exits, loops])
def test_a_parked_event_that_is_poison_leaves_the_event_alone_that_opened_its_case(reducer):
    watchdog = Watchdog(step_max=0.5, kill_after=120)
    tiny = tiny_program(rules={("event", "Stop"): reducer, ("event", "Wait"): gives()})
    world = World(replace(tiny, opening=frozenset({"Letter"})), guard=watchdog)
    world.start()
    world.accept(event("c1", "e1", "Wait"), event("c1", "e2", "Stop"), event("c1", "e3", "Letter"))
    world.settle()
    (one,) = world.store.quarantine()
    assert one.envelope.id == "e2", "the parked one, not the one that opened the case"
    record = world.case("c1")
    assert record.opened
    assert record.blocked == one.id.partition("#")[2]
    assert [effect.action for effect in record.effects.values()] == ["letter"]
    watchdog.close()


def test_a_reducer_that_swallows_one_interruption_meets_the_next():
    met: list[int] = []

    def deaf() -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                while time.monotonic() < end:
                    pass
            except StepTooLong:
                met.append(1)
                if len(met) == 3:
                    return

    watchdog = Watchdog(step_max=0.05, kill_after=120)
    watchdog.run(deaf)
    watchdog.close()
    assert len(met) == 3


def test_the_watchdog_interrupts_nothing_but_the_step():
    watchdog = Watchdog(step_max=0.02, kill_after=120)
    late = 0
    for n in range(60):
        end = time.monotonic() + (0.0, 0.0199, 0.0201)[n % 3]
        try:
            watchdog.run(lambda end=end: [None for _ in iter(lambda: time.monotonic() < end, False)])
        except StepTooLong:
            late += 1
        sum(range(20_000))  # an exception sent too late would arrive here and fail the test
    assert late < 60
    watchdog.close()


def test_the_process_ends_when_a_step_cannot_be_interrupted():
    code = """
        import time
        from interlock.runtime.watchdog import Watchdog
        Watchdog(step_max=0.05, kill_after=0.3).run(lambda: time.sleep(600))
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, timeout=120)
    assert ended.returncode == EXIT_STEP_KILLED


def test_a_process_that_stood_still_in_a_step_has_not_made_it_too_long():
    code = """
        import time
        from interlock.runtime.watchdog import Watchdog

        def step():
            print("in", flush=True)
            until = time.thread_time() + 0.02
            while time.thread_time() < until:
                time.sleep(0.001)

        Watchdog(step_max=2, kill_after=3).run(step)
        print("out", flush=True)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(3.5)
        process.send_signal(signal.SIGCONT)
        assert process.stdout.read() == "out\n"
    assert process.returncode == 0


DEADLY = """
    import asyncio, os, sys
    from tests.unit.runtime.tiny import World, gives
    from tests.unit.runtime.tiny import program as tiny_program
    from interlock.store.sqlite import open_sqlite

    def dies(state, status, message):
        os._exit(99)

    world = World(tiny_program(rules={("event", "Stop"): dies}), store=open_sqlite(sys.argv[1]))
    world.start()
    world.settle()
"""


def test_a_message_that_kills_its_process_is_set_aside_at_the_third_death_and_takes_no_neighbour_with_it(tmp_path):
    from interlock.store.sqlite import open_sqlite

    path = tmp_path / "deadly.db"
    store = open_sqlite(path, n_slots=2)
    neighbours = [event(f"n{n}", "e1", "Letter") for n in range(6)]
    store.accept([event("c1", "e1", "Stop"), event("c1", "e2", "Letter"), *neighbours], now=0)
    store.close()
    codes: list[int] = []
    for _ in range(6):
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(DEADLY), str(path)], cwd=ROOT, check=False, timeout=120
        )
        codes.append(ended.returncode)
        if ended.returncode == 0:
            break
    assert codes == [99, 99, 99, 0]
    store = open_sqlite(path)
    (one,) = store.quarantine()
    assert one.envelope.id == "e1"
    assert "died" in one.why
    assert store.backlog() == 1
    done = store.cases(automation="tiny", status=None, after=None, limit=100)
    assert sum(1 for record in done if "letter" in record.past) == 6
    store.close()


def test_what_was_proposed_by_a_poisoned_turn_is_not_kept():
    def half(state, status, message):
        return gives(Propose("letter", {}), to="nowhere")(state, status, message)

    world = World(tiny_program(rules={("event", "Stop"): half}))
    world.start()
    world.accept(event("c1", "e1", "Stop"))
    world.settle()
    assert not world.outside.performed
    assert "nowhere" in world.store.quarantine()[0].why


def test_events_parked_behind_a_discarded_one_are_applied_without_waiting_for_another():
    letters: list[str] = []

    def letter(state, status, message):
        letters.append(message.id)
        return gives()(state, status, message)

    rules = {("event", "Stop"): raises, ("event", "Letter"): letter}
    world = World(replace(tiny_program(rules=rules), opening=frozenset({"In"})))
    world.start()
    world.accept(event("c1", "e1", "Stop", at=START + 1), event("c1", "e2", "Letter", at=START + 2), event("c1", "e3"))
    world.settle()
    assert world.case("c1").blocked and [one.id for one in world.case("c1").parked] == ["e2"]
    release_message(world.store, "tiny/c1#test:e1", "discard", "operator", now=world.clock.now())
    world.workers["w1"][0].look_everywhere()
    world.settle()
    assert letters == ["e2"]
    assert not world.case("c1").parked


def test_after_a_death_another_automations_messages_do_not_stand_in_the_way():
    world = World(store=open_sqlite(":memory:", durability="fsync", n_slots=1))
    world.accept(event("x", "e1", automation="elsewhere"), event("c1", "e1", "Letter"))
    world.store.join("w0", now=world.clock.now())
    world.store.declare_dead("w0", now=world.clock.now())
    world.start()
    world.workers["w1"][0].look_everywhere()
    world.advance(5)
    assert world.case("c1").past["letter"].count == 1
    assert world.store.backlog() == 1


def test_the_process_ends_when_a_step_never_lets_another_thread_run():
    code = """
        import threading
        from interlock.runtime.watchdog import Watchdog
        dog = Watchdog(step_max=0.05, kill_after=0.5)
        work = threading.Thread(target=lambda: dog.run(lambda: sum(range(10**12))))
        work.start()
        work.join()
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, timeout=120)
    assert ended.returncode == -signal.SIGVTALRM


def test_the_system_ends_no_process_for_what_comes_after_a_step():
    code = """
        import time
        from interlock.runtime.watchdog import Watchdog
        dog = Watchdog(step_max=0.05, kill_after=0.2)
        assert dog.run(lambda: 5) == 5
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, timeout=120).returncode == 0
