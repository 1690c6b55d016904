"""The line protocol: a peer's process is told what to do, and tells what came of it, in lines of JSON.

    -> the first line: {"database", "books", "first"}       <- {"ready": true}
    -> {"do": "load", "seconds"|"cases", "in_flight",
        "advisor_s", "provider_s"}                          <- {"cases", "wall_s", "cpu_s", "p50_ms", "p99_ms"}
    -> {"do": "cases", "numbers", "in_flight", ...delays}   <- {"accepted": n} as they happen, then {"ended": true};
                                                               beside them it goes on with what it finds unended
    -> {"do": "left"}                                       <- {"left": [n, ...]}: accepted, but not at their end
    -> {"do": "stop"}                                       <- {"stopped": true}, and the process ends

CPU is the process's own, all threads, over exactly the loop: `time.process_time`. Nobody writes to the standard output
but this module; what a library prints goes to the standard error.

INVARIANT: {"accepted": n} is written after the peer has made event n durable.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from benchmarks.peers.outside import Event, World

Accepted = Callable[[Event], None]


class Peer(Protocol):
    """What an adapter brings. Everything is called on one event loop."""

    async def start(self) -> None:
        """Open the database, make its tables where there are none, be ready to work."""
        ...

    async def case(self, event: Event, accepted: Accepted) -> None:
        """Take one event to its end: call `accepted` when it is durable, return when the result is."""
        ...

    async def left(self) -> Sequence[int]:
        """The numbers of accepted events that have not come to their end, by the peer's own records."""
        ...

    async def go_on(self, numbers: Sequence[int]) -> None:
        """Bring these, which an earlier process left, to their end, as far as the peer does that.

        Where the peer does so by itself, wait for it. Called once, before `case`, and runs beside it; an event of these
        may be sent again meanwhile, and must not be worked on twice.
        """
        ...

    async def stop(self) -> None:
        """Close the database, so that everything lies in its files."""
        ...


def serve(make: Callable[[str, World], Peer]) -> None:
    """Speak the protocol until told to stop, or until the driver is gone."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    asyncio.run(_serve(make, lambda **said: print(json.dumps(said), file=out, flush=True)))


async def _serve(make: Callable[[str, World], Peer], say: Callable[..., None]) -> None:
    told = await _hear()
    world = World(Path(told["books"]))
    world.open()
    peer = make(told["database"], world)
    await peer.start()
    numbers = _from(told["first"])
    # For everybody alike, as `interlock run` does it: what was loaded for good is not looked at again by the collector,
    # and it looks less often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    say(ready=True)
    while True:
        told = await _hear()
        world.advisor_s = told.get("advisor_s", world.advisor_s)
        world.provider_s = told.get("provider_s", world.provider_s)
        match told["do"]:
            case "load":
                say(**await _load(peer, numbers, told))
            case "cases":
                await _cases(peer, told, say)
                say(ended=True)
            case "left":
                say(left=sorted(await peer.left()))
            case "stop":
                await peer.stop()
                say(stopped=True)
                return
            case other:
                raise SystemExit(f"{other!r} is no order.")


async def _hear() -> dict[str, Any]:
    line = await asyncio.to_thread(sys.stdin.readline)
    return json.loads(line) if line else {"do": "stop"}


def _from(first: int) -> Iterator[int]:
    while True:
        yield first
        first += 1


async def _load(peer: Peer, numbers: Iterator[int], told: dict[str, Any]) -> dict[str, Any]:
    """A closed loop: each client takes a new case when its last one has ended, for a time or a number of cases."""
    taken: list[float] = []
    begun = 0
    cpu, wall = time.process_time(), time.perf_counter()
    until = wall + told["seconds"] if "seconds" in told else float("inf")
    cases = told.get("cases", float("inf"))

    async def client() -> None:
        nonlocal begun
        while begun < cases and time.perf_counter() < until:
            begun += 1
            start = time.perf_counter()
            await peer.case(Event(next(numbers)), lambda event: None)
            taken.append(time.perf_counter() - start)

    async with asyncio.TaskGroup() as clients:
        for _ in range(told["in_flight"]):
            clients.create_task(client())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    taken.sort()
    return {
        "cases": len(taken),
        "wall_s": wall,
        "cpu_s": cpu,
        "p50_ms": taken[len(taken) // 2] * 1000,
        "p99_ms": taken[len(taken) * 99 // 100] * 1000,
    }


async def _cases(peer: Peer, told: dict[str, Any], say: Callable[..., None]) -> None:
    waiting = iter(told["numbers"])

    async def client() -> None:
        for number in waiting:
            await peer.case(Event(number), lambda event: say(accepted=event.number))

    left = await peer.left()  # Before anything is begun here, which would be found as well.
    async with asyncio.TaskGroup() as clients:
        clients.create_task(peer.go_on(left))
        for _ in range(told["in_flight"]):
            clients.create_task(client())
