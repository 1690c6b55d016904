"""DBOS Transact: the case is a workflow, the advisor and the payment are its steps.

As its documents recommend: asynchronous workflow and steps, `start_workflow_async` under the event's id (it returns
when the workflow is durable, and the same id again is the same workflow), recovery by `launch`. The decision is plain
code between the steps; it can be repeated from what the steps recorded, so it costs no write of its own. Settings are
the defaults, but for two on SQLite that make it faster: the write-ahead mode (synchronous FULL, SQLite's default),
where DBOS leaves a file as it finds it, and a pool of two connections in place of twenty that wait for each other (1,
2, 4 and 20 were tried). Its documents recommend PostgreSQL for production.

What it does not do at all: it has no decision. No policy, no verdict with its reasons, no person's approval bound to
arguments, no budget, no release of what influences behaviour, no hash-chained record. A step runs at least once:
after a kill between the call and its record the payment is made again, and only a provider that knows idempotency
keys, or a look-up that the user writes into the step, keeps that from being a second payment. It does not batch: each
step of each workflow is a transaction.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID

from benchmarks.peers.line import Accepted, serve
from benchmarks.peers.outside import AVAILABLE_CENTS, Event, World, may_pay, number_of, world

LOOK_S = 0.1
SQLITE_POOL = 2
UNENDED = ["PENDING", "ENQUEUED", "DELAYED"]


@DBOS.step()
async def advise(case: str, customer: str) -> dict[str, Any]:
    return (await world().advise(case, customer)).data()


@DBOS.step()
async def pay(case: str, amount_cents: int) -> str:
    return await world().pay(case, amount_cents, case)


@DBOS.workflow()
async def payout(case: str, customer: str, available_cents: int) -> dict[str, Any]:
    advice = await advise(case, customer)
    if not may_pay(available_cents, advice["amount_cents"], advice["score_per_mille"]):
        return {"verdict": "refused"}
    return {"verdict": "paid", "transfer": await pay(case, advice["amount_cents"])}


class Dbos:
    def __init__(self, database: str, world: World) -> None:
        url = database
        if not database.startswith("postgres"):
            with closing(sqlite3.connect(database)) as db:
                db.execute("PRAGMA journal_mode = WAL")
            url = f"sqlite:///{database}"
        config: DBOSConfig = {
            "name": "payout",
            "system_database_url": url,
            "application_version": "1",
            "executor_id": "local",
            "log_level": "ERROR",
        }
        if not database.startswith("postgres"):
            config["sys_db_pool_size"] = SQLITE_POOL
        DBOS(config=config)

    async def start(self) -> None:
        await asyncio.to_thread(DBOS.launch)

    async def case(self, event: Event, accepted: Accepted) -> None:
        with SetWorkflowID(event.case):
            handle = await DBOS.start_workflow_async(payout, event.case, event.customer, AVAILABLE_CENTS)
        accepted(event)
        await handle.get_result()

    async def left(self) -> Sequence[int]:
        found = await DBOS.list_workflows_async(status=UNENDED, load_input=False, load_output=False)
        return [number_of(workflow.workflow_id) for workflow in found]

    async def go_on(self, numbers: Sequence[int]) -> None:
        """`launch` has begun it."""
        while set(numbers) & set(await self.left()):  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(LOOK_S)

    async def stop(self) -> None:
        await asyncio.to_thread(DBOS.destroy)


if __name__ == "__main__":
    serve(Dbos)
