"""A small automation for runtime tests, written against the kernel's protocol, and a worker around it on a real store.

Event `In` asks `Read`; an answer proposes `pay`; `paid` ends. Every rule can be replaced: by one that raises, or loops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from interlock.kernel.program import Ask, MessageView, Program, Propose, Reduction, Request, SetTimer
from interlock.policy import load
from interlock.runtime.hosted import Hosted
from interlock.runtime.threads import Inline
from interlock.runtime.worker import Notice, Pace, Worker
from interlock.store.sqlite import SqliteStore, open_sqlite
from interlock.testing.time import ManualClock, VirtualLoop
from interlock.vocabulary.action import ActionSpec, Command, Kind
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.canonical import short
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import Body, Envelope, EventBody
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.release import BudgetSpec, Certificate, QuestionSpec

POLICY = """
policy: tiny
schema:
  now: timestamp
  proposal:
    action: enum pay | letter
    source: enum advice | rule | person | agent
    irreversible: bool
    score?: decimal(6) 0..1
    amount?: decimal(2) 0..100000
  case: {status: enum open | paid, in_doubt: int 0..1000}
rules:
  - {id: large, when: proposal.amount.orValue(0) > 1000, then: escalate, to: clearing, reason: Large.}
  - {id: fine, when: 'true', then: allow, reason: Fine.}
default: {verdict: escalate, to: clearing}
"""

FAR = 4_000_000_000_000_000
START = 1_700_000_000_000_000

Reducer = Callable[[dict[str, Any], str, MessageView], Reduction]


def gives(*requests: Request, to: str = "") -> Reducer:
    return lambda state, status, message: Reduction(state, to or status, requests)


def asks(state: dict[str, Any], status: str, message: MessageView) -> Reduction:
    fields = {"text": message.id}
    return Reduction(state, status, (Ask("Read", fields, short(["Read", fields])),))


def pays(state: dict[str, Any], status: str, message: MessageView) -> Reduction:
    assert message.answer is not None
    return Reduction(state, status, (Propose("pay", {"amount": message.answer.value}),))


RULES: dict[tuple[str, str], Reducer] = {
    ("event", "In"): asks,
    ("event", "Stop"): gives(),
    ("event", "Wait"): gives(SetTimer("Later", delay=5_000_000)),
    ("event", "Letter"): gives(Propose("letter", {})),
    ("timer", "Later"): gives(Propose("letter", {})),
    ("answered", "Read"): pays,
    ("unanswered", "Read"): gives(Propose("letter", {})),
    ("done", "pay"): gives(to="paid"),
}


class TinyReducers:
    def __init__(self, rules: dict[tuple[str, str], Reducer]) -> None:
        self.rules = rules

    def initial(self) -> tuple[dict[str, Any], str, str]:
        return {"status": "open"}, "open", "s1"

    def current(self, state: dict[str, Any], schema: str) -> tuple[dict[str, Any], str]:
        return state, schema

    def has(self, kind: str, type: str) -> bool:
        return (kind, type) in self.rules

    def reduce(self, state: dict[str, Any], status: str, message: MessageView) -> Reduction:
        return self.rules[message.kind, message.type](dict(state), status, message)

    def action_args(self, action: str, args: dict[str, Any]) -> dict[str, Any]:
        return args

    def fallback(self, name: str, state: dict[str, Any], status: str, action: str, args: dict[str, Any]) -> Propose:
        raise KeyError(name)

    def facts(self, state: dict[str, Any]) -> dict[str, Any]:
        return {}


def program(
    *,
    name: str = "tiny",
    rules: dict[tuple[str, str], Reducer] | None = None,
    kind: Kind = "checkable",
    chain: tuple[str, ...] = ("reader",),
    retries: int = 0,
    timeout: int = 20_000_000,
    budgets: tuple[BudgetSpec, ...] = (),
) -> Program:
    vouched = Certificate("v1", "pay", "vouched", "owner", "tests", FAR, rung=0)
    return Program(
        automation=name,
        release="r1",
        flow={
            "open": (frozenset({"pay", "letter"}), frozenset({"paid"})),
            "paid": (frozenset({"letter"}), frozenset()),
        },
        opening=frozenset({"In", "Wait", "Letter", "Stop"}),
        events=frozenset({"In", "Wait", "Letter", "Stop"}),
        actions={
            "pay": ActionSpec("pay", reversible=False, kind=kind, consequence="money", fenced=True),
            "letter": ActionSpec("letter", reversible=True, kind="idempotent", undo="nothing"),
        },
        questions={"Read": QuestionSpec("Read", chain, timeout=timeout, retries=retries, component="c")},
        policy=load(POLICY),
        reducers=TinyReducers({**RULES, **(rules or {})}),
        budgets=budgets,
        certificates={"pay": (vouched,)},
    )


class Outside:
    """Advisors and performers by plain functions, with books of what was performed."""

    def __init__(self) -> None:
        self.asked: list[Command] = []
        self.performed: list[Command] = []
        self.checked: list[Command] = []
        self.fenced: list[Command] = []
        self.on_answer: Callable[[Command], Awaitable[Any]] | None = None
        self.on_perform: Callable[[Command], Awaitable[Any]] | None = None

    async def answer(self, command: Command) -> Any:
        self.asked.append(command)
        if self.on_answer is not None:
            return await self.on_answer(command)
        return Answer("10.00", 990_000)

    async def perform(self, command: Command) -> Any:
        self.performed.append(command)
        if self.on_perform is not None:
            return await self.on_perform(command)
        return {"id": command.effect_key}

    async def check(self, command: Command) -> tuple[bool, Any]:
        self.checked.append(command)
        return any(one.effect_key == command.effect_key for one in self.performed), {"id": command.effect_key}

    async def fence(self, command: Command) -> None:
        self.fenced.append(command)


def event(key: str, id: str, type: str = "In", *, automation: str = "tiny", at: int = START) -> Envelope:
    body: Body = EventBody(type, {})
    return Envelope(automation, key, id, "test", "tester", at, at, body)


OPEN: list[World] = []
"""Worlds of the test that runs; a fixture closes them."""


class World:
    """A store, an outside and workers on one virtual loop."""

    def __init__(self, made: Program | None = None, *, store: SqliteStore | None = None, **options: Any) -> None:
        self.clock = ManualClock(START)
        self.loop = VirtualLoop(self.clock)
        self.store: SqliteStore = store or open_sqlite(":memory:", durability="fsync")
        self.outside = Outside()
        self.program = made or program()
        self.concurrency: dict[str, int] = {}
        self.notices: list[Notice] = []
        self.options = options
        self.workers: dict[str, tuple[Worker, asyncio.Task[None]]] = {}
        OPEN.append(self)

    def close(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()
        self.store.close()

    def hosted(self) -> dict[str, Hosted]:
        return {self.program.automation: Hosted(self.program, self.outside, self.outside, self.concurrency)}

    def start(self, name: str = "w1", **options: Any) -> Worker:
        async def begin() -> Worker:
            worker = Worker(
                self.store,
                self.hosted(),
                name=name,
                clock=self.clock,
                spawn=Inline(),
                pace=options.pop("pace", Pace(poll=None, ttl=FAR)),
                report=self.notices.append,
                **{**self.options, **options},
            )
            self.workers[name] = (worker, asyncio.ensure_future(worker.run()))
            await asyncio.sleep(0)
            return worker

        return self.loop.run_until_complete(begin())

    def kill(self, name: str = "w1") -> None:
        """As kill -9 would: nothing is said to anybody."""
        _, task = self.workers.pop(name)
        task.cancel()
        self.loop.run_until_complete(asyncio.wait([task]))
        self.store.declare_dead(name, now=self.clock.now())

    def accept(self, *envelopes: Envelope) -> None:
        receipts = self.store.accept(envelopes, now=self.clock.now())
        for worker, _ in self.workers.values():
            worker.wake([receipt.slot for receipt in receipts])

    def settle(self, name: str = "w1") -> None:
        """Until nothing moves and nothing is due. Time passes as far as somebody waits for it."""
        worker, task = self.workers[name]
        while worker.moving() and not task.done():
            self.loop.run_while(worker.moving)
        if task.done():
            task.result()

    def advance(self, seconds: float, name: str = "w1") -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))
        self.settle(name)

    def case(self, key: str) -> CaseRecord:
        found = self.store.case(CaseId(self.program.automation, key))
        assert found is not None
        return found
