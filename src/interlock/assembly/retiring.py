"""The background work of a worker's process: putting finished cases away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from interlock.ports import Spawn, Store
from interlock.runtime.hosted import Hosted
from interlock.runtime.retention import Retention
from interlock.settings import Settings
from interlock.vocabulary.errors import StoreBusy, StoreConflict, StoreFull

DAY_US = 86_400_000_000
LOOK_EVERY_S = 60.0
"""When there was nothing to put away."""

GO_ON_AFTER_S = 0.5
"""When there was: a backlog of a million cases is gone within hours, and the work beside it hardly notices."""


async def retire(
    store: Store, hosts: Callable[[], Iterable[Hosted]], settings: Settings, spawn: Spawn, now: Callable[[], int]
) -> None:
    """Put finished cases of what is hosted away, until cancelled."""
    retention = Retention(store, settings.retain_days * DAY_US)
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        while True:
            programs = [host.program for host in hosts()]
            try:
                count = await spawn.blocking(partial(retention.step, programs, now=now()))
            except (StoreBusy, StoreConflict, StoreFull):
                count = 0  # Whoever was in the way goes first; this can wait for the next round.
            if not count:
                break
            await asyncio.sleep(GO_ON_AFTER_S)
