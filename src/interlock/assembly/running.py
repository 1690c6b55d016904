"""A worker as a process of its own: what `interlock run` starts, and its supervisor starts again.

The process is told to end by SIGTERM or SIGINT: it takes nothing more in hand, waits for what is in flight, and
leaves. A second signal ends it at once; whatever it had in hand is then recovered by the next worker, as after any
death.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import uuid_utils

from interlock.assembly.anchoring import on_schedule, signer
from interlock.assembly.hosting import disconnect, hosted
from interlock.assembly.opening import open_store
from interlock.assembly.retiring import retire
from interlock.assembly.succession import register
from interlock.ports import Lease, Store
from interlock.releases import Release, load_release
from interlock.runtime.clock import clock_of
from interlock.runtime.hosted import Hosted
from interlock.runtime.inbox import Admitted
from interlock.runtime.threads import Pool
from interlock.runtime.watchdog import Watchdog
from interlock.runtime.worker import Notice, Pace, Tally, Worker, watch_lag
from interlock.settings import Settings
from interlock.vocabulary.ids import CaseId

SUPERVISOR_LOOK_S = 0.5
"""How often a worker looks whether its supervisor lives."""

IDLE_LOOK_S = 0.05

IDLE_HORIZON = 600_000_000
"""An effect that is to be retried or checked within this time (microseconds) is work left to do; a later one is a
matter for another day.
"""


@dataclass(frozen=True)
class Ended:
    """How a worker's life ended. `killed`: a second signal did not let it drain."""

    tally: Tally
    killed: bool = False


def worker_name() -> str:
    """A name no other worker has, that says where it runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{str(uuid_utils.uuid7())[-6:]}"


def make_worker(
    store: Store, hosts: dict[str, Hosted], settings: Settings, report: Callable[[Notice], None], spawn: Pool
) -> Worker:
    """A worker on the store's clock and threads of its own. Call on its event loop."""
    watchdog = Watchdog(step_max=settings.step_ms_max / 1_000, kill_after=settings.step_kill_ms / 1_000)
    return Worker(
        store,
        hosts,
        name=worker_name(),
        clock=clock_of(store),
        spawn=spawn,
        pace=Pace(settings.poll_ms * 1_000, settings.lease_ttl_ms * 1_000, settings.drain_ms * 1_000),
        guard=watchdog,
        report=report,
        breaker_failures=settings.breaker_failures,
        breaker_open=settings.breaker_open_ms * 1_000,
        jump_max=settings.clock_jump_ms_max * 1_000,
    )


def settle_collector() -> None:
    """For a process that is a worker and nothing else: keep the garbage collector from walking what never dies.

    Types, schemas and compiled rules live as long as the process; frozen, they are not looked at again. A turn makes
    thousands of small values and drops them by reference count, so a look at every few hundred new ones finds nothing
    and costs a tenth of the CPU (`./dev bench governed`); cycles are still found, later. A program that embeds the
    interlock may call this once it has loaded everything, or leave its collector as it is.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def admitted(settings: Settings) -> Admitted:
    """How much may wait before the door refuses."""
    return Admitted(settings.inbox_max, settings.inbox_automation_max, settings.disk_free_min_mb * 1_000_000)


def run_worker(
    url: str | Path,
    folders: Sequence[str | Path],
    *,
    settings: Settings | None = None,
    until_idle: bool = False,
    supervisor: int | None = None,
    on_notice: Callable[[Notice], None] = lambda notice: None,
    on_tally: Callable[[Tally], None] | None = None,
) -> Ended:
    """Work on the automations in `folders` until told to end, or, with `until_idle`, until nothing is left to do.

    `supervisor` is the process that would start the next worker: when it is gone, this one drains and ends, so that
    nobody who killed `interlock run` finds a worker still at work.

    Installs handlers for SIGTERM and SIGINT; call it in the main thread. Raises DefinitionErrors, StoreError.
    """
    settings = settings or Settings()
    releases = [load_release(folder) for folder in folders]
    settle_collector()
    with closing(open_store(url, slots=settings.slots)) as store:
        return asyncio.run(_run(store, releases, settings, until_idle, supervisor, on_notice, on_tally))


async def _run(
    store: Store,
    releases: Sequence[Release],
    settings: Settings,
    until_idle: bool,
    supervisor: int | None,
    on_notice: Callable[[Notice], None],
    on_tally: Callable[[Tally], None] | None,
) -> Ended:
    spawn = Pool("interlock-store", 1)
    hosts = {release.name: hosted(release, store, threads_max=settings.threads_max) for release in releases}
    now = clock_of(store).now()
    for release in releases:
        register(store, release, now=now)
    key = signer(settings.anchor_key, os.environ)
    worker = make_worker(store, hosts, settings, on_notice, spawn)
    running = asyncio.ensure_future(worker.run())
    told: list[int] = []

    def end(number: int) -> None:
        told.append(number)
        if len(told) > 1:
            running.cancel()
        worker.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    beside = [
        asyncio.ensure_future(watch_lag(worker.dispatcher, on_notice)),
        asyncio.ensure_future(retire(store, hosts.values, settings, spawn, clock_of(store).now)),
    ]
    if on_tally is not None:
        beside.append(asyncio.ensure_future(_tell(worker, on_tally)))
    if settings.anchor_to:
        beside.append(
            asyncio.ensure_future(
                on_schedule(
                    store,
                    spawn,
                    settings.anchor_to,
                    key,
                    every_s=settings.anchor_every_ms / 1_000,
                    now=worker.clock.now,
                    report=on_notice,
                )
            )
        )
    if supervisor is not None:
        beside.append(asyncio.ensure_future(_stop_without(supervisor, worker)))
    if until_idle:
        beside.append(asyncio.ensure_future(_stop_when_idle(worker, store, spawn)))
    killed = False
    try:
        await running
    except asyncio.CancelledError:
        killed = True
    finally:
        for task in beside:
            task.cancel()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        await disconnect(hosts.values())
        spawn.close()
    for task in beside:
        with suppress(asyncio.CancelledError):
            await task
    return Ended(worker.tally, killed)


async def _tell(worker: Worker, on_tally: Callable[[Tally], None]) -> None:
    while True:
        await asyncio.sleep(1.0)
        on_tally(worker.tally)


async def _stop_without(supervisor: int, worker: Worker) -> None:
    """Drain the worker when its supervisor has died; a child of a dead parent has another one."""
    while os.getppid() == supervisor:  # noqa: ASYNC110  # nothing tells a child that its parent has died
        await asyncio.sleep(SUPERVISOR_LOOK_S)
    worker.stop()


async def _stop_when_idle(worker: Worker, store: Store, spawn: Pool) -> None:
    """End the worker when nothing moves, nothing is due, and no effect is to be looked at again soon."""
    quiet = 0
    while quiet < 2:
        await asyncio.sleep(IDLE_LOOK_S)
        if worker.moving():
            quiet = 0
            continue
        left = await spawn.blocking(lambda: work_left(store, worker))
        quiet = 0 if left else quiet + 1
    worker.stop()


def work_left(store: Store, worker: Worker) -> bool:
    """Whether this worker would still find something to do soon.

    What waits for a person or an operator is not counted.
    """
    now = worker.clock.now()
    if store.ready(now=now).slots - worker.stalled():
        return True
    return any(lease.command.due <= now + IDLE_HORIZON and not _waits(store, lease) for lease in store.open_commands())


def _waits(store: Store, lease: Lease) -> bool:
    """Whether a command goes on only when a person has decided something: its case is blocked, or a pause holds it."""
    command = lease.command
    record = store.case(CaseId(command.automation, command.key))
    if record is None or record.blocked:
        return True
    effect = record.effects.get(command.id.rpartition("/")[2])
    return effect is not None and effect.status == "held"
