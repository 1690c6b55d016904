"""CTRLRun: the payment is a protected action under its policy, everything before it is not its business.

As its documents recommend: `@protect` with an effect key and a `reconcile` hook, a policy in YAML, its SQLite store
or its PostgreSQL store. Its interface is blocking and refuses asynchronous functions, so protected calls run on a
pool of threads, of as many as brought the most (1, 2, 4, 8, 16 and 32 were tried). Its SQLite store sets synchronous
to NORMAL, with which a committed transaction may be lost when the power fails; here it is set to FULL as for
everybody else, by the one method that opens its connections.

What it does not do at all: it accepts no event, keeps no case, asks no advisor and records no answer; there is only the
call. An event is acknowledged here when all is over, and whoever sent it must send it again after a kill. It runs
nothing again by itself: an effect that a kill has left reserved is refused until its lease is over, is then ambiguous,
and the next call asks the hook. So what it does promise, that a call is not made twice, is what it is judged by. Of the
peers it is the only one with a decision, approvals, budgets and a chained record as well. No batching.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import ctrlrun
from ctrlrun import Control, DuplicateEffect, Policy, SQLiteStateStore

from benchmarks.peers.line import Accepted, serve
from benchmarks.peers.outside import LIMIT_CENTS, SURE_PER_MILLE, Event, World, number_of, world

THREADS_SQLITE, THREADS_POSTGRES = 4, 32
LEASE = timedelta(seconds=3)
LOOK_S = 0.2
POLICY = f"""
schema: ctrlrun.policy/v2
actions:
  provider.pay:
    effect: "payout:{{case}}"
    rules:
      - when: {{amount_cents_gte: 1, amount_cents_lte: {LIMIT_CENTS}, score_per_mille_gte: {SURE_PER_MILLE}}}
        decision: allow
      - decision: deny
"""


class FullStore(SQLiteStateStore):
    """Its SQLite store, as durable as everybody else's."""

    def _connection(self) -> Any:
        connection = super()._connection()
        connection.execute("PRAGMA synchronous = FULL")
        return connection


class CtrlRun:
    def __init__(self, database: str, world: World) -> None:
        self._world = world
        if database.startswith("postgres"):
            from ctrlrun.postgres import PostgresStateStore

            self._store: Any = PostgresStateStore(database)
            threads = THREADS_POSTGRES
        else:
            self._store = FullStore(Path(database))
            threads = THREADS_SQLITE
        control = Control(Policy.from_yaml(POLICY), self._store)
        self._threads = ThreadPoolExecutor(threads, "protected")

        @ctrlrun.protect("provider.pay", effect="payout:{case}", control=control, lease=LEASE, reconcile=what_became_of)
        def pay(case: str, amount_cents: int, score_per_mille: int) -> str:
            return self._world.pay_now(case, amount_cents, case)

        self._pay = pay

    async def start(self) -> None: ...

    async def case(self, event: Event, accepted: Accepted) -> None:
        advice = await self._world.advise(event.case, event.customer)
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._protected, event.case, advice.amount_cents, advice.score_per_mille
                )
            except DuplicateEffect as known:
                if known.state != "committed":
                    await asyncio.sleep(LOOK_S)
                    continue
            break
        accepted(event)

    def _protected(self, case: str, amount_cents: int, score_per_mille: int) -> None:
        with ctrlrun.context(agent="payouts"):
            self._pay(case=case, amount_cents=amount_cents, score_per_mille=score_per_mille)

    async def left(self) -> Sequence[int]:
        effects = await asyncio.get_running_loop().run_in_executor(self._threads, self._store.list_effects)
        return [number_of(one.effect_key.partition(":")[2]) for one in effects if one.state != "committed"]

    async def go_on(self, numbers: Sequence[int]) -> None:
        """It runs nothing again by itself: nothing was accepted before it was over, so its sender sends it again."""

    async def stop(self) -> None:
        self._threads.shutdown()
        self._store.close()


def what_became_of(effect_key: str) -> str:
    """The look into the provider's books."""
    return "committed" if world().was_paid(effect_key.partition(":")[2]) else "not_executed"


if __name__ == "__main__":
    serve(CtrlRun)
