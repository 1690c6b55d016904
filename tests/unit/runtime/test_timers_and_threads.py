from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest

from interlock.runtime.threads import Pool
from interlock.runtime.timers import Deadlines
from interlock.testing.time import ManualClock, Restless, VirtualLoop


def test_deadlines_fire_in_their_order_and_cancelled_ones_do_not():
    loop = VirtualLoop(ManualClock())
    fired: list[tuple[str, float]] = []

    async def go() -> None:
        deadlines = Deadlines()
        deadlines.after(3, lambda: fired.append(("c", loop.time())))
        first = deadlines.after(1, lambda: fired.append(("a", loop.time())))
        deadlines.after(2, lambda: fired.append(("b", loop.time())))
        first.cancel()
        await asyncio.sleep(5)
        deadlines.after(1, lambda: fired.append(("d", loop.time())))
        await asyncio.sleep(2)

    loop.run_until_complete(go())
    assert [name for name, _ in fired] == ["b", "c", "d"]
    assert [moment for _, moment in fired] == pytest.approx([2, 3, 6], abs=0.001)
    loop.close()


def test_a_virtual_loop_takes_no_real_time_and_notices_when_time_does_not_pass(monkeypatch):
    loop = VirtualLoop()
    started = time.monotonic()
    loop.run_until_complete(asyncio.sleep(86_400))
    assert time.monotonic() - started < 3_600
    assert loop.time() >= 86_400
    monkeypatch.setattr("interlock.testing.time.STILL_MAX", 1_000)

    async def spins() -> None:
        while True:  # noqa: ASYNC110 - spinning is the point
            await asyncio.sleep(0)

    task = loop.create_task(spins())
    with pytest.raises(Restless):
        loop.run_until_complete(task)
    task.cancel()
    monkeypatch.setattr("interlock.testing.time.STILL_MAX", 1_000_000)
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()


def test_a_pool_runs_work_in_a_few_threads_with_the_callers_context():
    said: contextvars.ContextVar[str] = contextvars.ContextVar("said")
    names: set[str] = set()

    def work(n: int) -> str:
        names.add(threading.current_thread().name)
        time.sleep(0.005)
        return f"{said.get()}{n}"

    async def go() -> list[str]:
        said.set("n")
        pool = Pool("few", 3)
        done = await asyncio.gather(*[pool.run(lambda n=n: work(n)) for n in range(12)])
        pool.close()
        return done

    assert asyncio.run(go()) == [f"n{n}" for n in range(12)]
    assert 1 <= len(names) <= 3


def test_an_error_in_a_thread_is_the_callers():
    async def go() -> None:
        pool = Pool("one", 1)
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda: 1 // 0)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await pool.run(lambda: next(iter(())))
        assert await pool.blocking(lambda: 7) == 7
        pool.close()

    asyncio.run(go())


def test_work_whose_caller_has_gone_is_not_begun():
    begun: list[int] = []

    async def go() -> None:
        pool = Pool("one", 1)
        gate = threading.Event()
        first = pool.run(gate.wait)
        second = pool.run(lambda: begun.append(2))
        second.cancel()
        gate.set()
        await first
        await pool.run(lambda: begun.append(3))
        pool.close()

    asyncio.run(go())
    assert begun == [3]
