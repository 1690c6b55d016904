"""LangGraph: the case is a thread of a graph, advisor and payment are nodes, the rule is a conditional edge.

As its documents recommend: an asynchronous graph, `AsyncSqliteSaver` or `AsyncPostgresSaver` (the latter on a pool of
connections with the options that its documents give), and `durability="sync"`, since with the default a node may begin
before the checkpoint ahead of it is written. After a kill a thread goes on with `ainvoke(None)`. Its SQLite
checkpointer sets the write-ahead mode itself; synchronous is FULL, SQLite's default. Its authors call that checkpointer
one for small things and not for production.

What it does not do at all: it accepts nothing. The first checkpoint is an event's only trace; it is written here
before the graph runs (`aupdate_state` as the start), which costs what any other way of waiting for it costs. An event
that comes twice would start the graph anew, so the adapter looks first whether the thread is there. It does not find
unfinished threads after a restart: the adapter reads the list of all checkpoints. It knows no decision, policy,
budget or release, and keeps states, not reasons. A node runs at least once: after a kill between the payment and its
checkpoint the payment is made again. It does not batch.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph

from benchmarks.peers.line import Accepted, serve
from benchmarks.peers.outside import AVAILABLE_CENTS, Event, World, may_pay, number_of, world

POOL = 20


class Payout(TypedDict):
    case: str
    customer: str
    available_cents: int
    advice: dict[str, Any]
    transfer: str


async def advise(state: Payout) -> dict[str, Any]:
    advice = await world().advise(state["case"], state["customer"])
    return {"advice": advice.data()}


def decide(state: Payout) -> Literal["pay", "__end__"]:
    advice = state["advice"]
    return "pay" if may_pay(state["available_cents"], advice["amount_cents"], advice["score_per_mille"]) else END


async def pay(state: Payout) -> dict[str, Any]:
    return {"transfer": await world().pay(state["case"], state["advice"]["amount_cents"], state["case"])}


def drawn() -> StateGraph:
    graph = StateGraph(Payout)
    graph.add_node("advise", advise)
    graph.add_node("pay", pay)
    graph.add_edge(START, "advise")
    graph.add_conditional_edges("advise", decide)
    graph.add_edge("pay", END)
    return graph


def thread(case: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": case}}


class LangGraph:
    def __init__(self, database: str, world: World) -> None:
        self._database = database
        self._open = AsyncExitStack()
        self._graph: Any = None
        self._saver: Any = None
        self._going_on: frozenset[int] = frozenset()

    async def start(self) -> None:
        if self._database.startswith("postgres"):
            from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
            from psycopg.rows import dict_row
            from psycopg_pool import AsyncConnectionPool

            options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
            pool = AsyncConnectionPool(self._database, max_size=POOL, open=False, kwargs=options)
            self._saver = AsyncPostgresSaver(await self._open.enter_async_context(pool))
        else:
            from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

            self._saver = await self._open.enter_async_context(AsyncSqliteSaver.from_conn_string(self._database))
        await self._saver.setup()
        self._graph = drawn().compile(checkpointer=self._saver)

    async def case(self, event: Event, accepted: Accepted) -> None:
        if event.number in self._going_on:
            accepted(event)
            return
        config = thread(event.case)
        state = {"case": event.case, "customer": event.customer, "available_cents": AVAILABLE_CENTS}
        if await self._saver.aget_tuple(config) is None:
            await self._graph.aupdate_state(config, state, as_node=START)
        accepted(event)
        await self._graph.ainvoke(None, config, durability="sync")

    async def left(self) -> Sequence[int]:
        """By their tasks. `next` leaves out a task that has run, though its checkpoint may be missing."""
        threads = {one.config["configurable"]["thread_id"] async for one in self._saver.alist(None)}
        return [number_of(name) for name in threads if (await self._graph.aget_state(thread(name))).tasks]

    async def go_on(self, numbers: Sequence[int]) -> None:
        self._going_on = frozenset(numbers)
        for number in numbers:
            await self._graph.ainvoke(None, thread(f"c{number}"), durability="sync")

    async def stop(self) -> None:
        await self._open.aclose()


if __name__ == "__main__":
    serve(LangGraph)
