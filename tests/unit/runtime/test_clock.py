from __future__ import annotations

from interlock.runtime.clock import ClockGuard, SystemClock
from interlock.testing.time import START, ManualClock

HOUR = 3_600_000_000
SECOND = 1_000_000


def test_time_is_the_walls_while_the_wall_is_believed():
    clock = ManualClock()
    guard = ClockGuard(clock)
    clock.advance(5 * SECOND)
    clock.jump(2 * SECOND)
    assert guard.now() == START + 7 * SECOND
    assert not guard.frozen


def test_a_jump_ahead_freezes_until_it_is_accepted_and_time_goes_on_at_the_monotonic_rate():
    clock = ManualClock()
    guard = ClockGuard(clock)
    clock.jump(HOUR)
    assert guard.now() == START
    assert guard.frozen
    clock.advance(SECOND)
    assert guard.now() == START + SECOND
    guard.accept()
    assert not guard.frozen
    assert guard.now() == START + HOUR + SECOND


def test_a_jump_ahead_that_is_taken_back_thaws_by_itself():
    clock = ManualClock()
    guard = ClockGuard(clock)
    clock.jump(HOUR)
    guard.now()
    clock.jump(-HOUR)
    clock.advance(SECOND)
    assert guard.now() == START + SECOND
    assert not guard.frozen


def test_a_jump_back_never_takes_time_back_and_deadlines_still_come():
    clock = ManualClock()
    guard = ClockGuard(clock)
    clock.jump(-10 * SECOND)
    seen = [guard.now()]
    for _ in range(40):
        clock.advance(SECOND)
        seen.append(guard.now())
    assert seen == sorted(seen)
    assert seen[4] > seen[0]
    assert seen[-1] == clock.now()  # caught up


def test_a_long_sleep_of_the_process_is_no_jump():
    clock = ManualClock()
    guard = ClockGuard(clock)
    clock.advance(48 * HOUR)
    assert guard.now() == START + 48 * HOUR
    assert not guard.frozen


def test_the_systems_clocks_count_microseconds():
    clock = SystemClock()
    assert clock.now() > 1_700_000_000_000_000
    before = clock.monotonic()
    assert clock.monotonic() >= before
