"""What would be decided now, without doing it: `interlock ask`.

The same `step` that decides in production is given the case as it is stored and the message as it would come; its
questions are really asked, by the same dispatcher, and what comes back is stepped again until nothing moves. Budgets
are asked of copies of their accounts.

INVARIANT: nothing is written, and nothing but questions leaves: a command to perform is what would run, and ends here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from typing import cast

from msgspec import structs

from interlock.assembly.hosting import disconnect, hosted
from interlock.kernel.outcome import Turn
from interlock.kernel.poison import describe
from interlock.kernel.step import OWN_STEPS, step
from interlock.ports import Lease, Store
from interlock.releases import Release
from interlock.runtime.clock import SystemClock
from interlock.runtime.dispatch import Dispatcher
from interlock.runtime.hosted import Hosted
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import Answer, Silence
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.errors import Erased, NotFound, NotNow, Refused
from interlock.vocabulary.events import AnswerBody, Envelope
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import CaseId, slot_of
from interlock.vocabulary.sealed import Seal

MESSAGES_MAX = 1_000
"""Messages of one rehearsal: more than any case comes to; questions that lead to one another end here."""


@dataclass
class Asked:
    """An advisor that was asked: its command, what it said, and how long it took (microseconds)."""

    command: Command
    at: int
    outcome: Answer | Silence | None = None
    took: int = 0


@dataclass
class Rehearsal:
    """What a message would lead to.

    before, after   the case's record; before is None for a case nobody has heard of
    would_run       commands that would be started, in order
    """

    message: Envelope
    before: CaseRecord | None
    after: CaseRecord | None
    turns: list[Turn] = field(default_factory=list[Turn])
    asked: list[Asked] = field(default_factory=list[Asked])
    would_run: dict[str, Command] = field(default_factory=dict[str, Command])

    def decisions(self) -> list[Decision]:
        """The last judgement of each proposal, in order."""
        found = [decision for turn in self.turns for decision in turn.decisions]
        again = {decision.again_of for decision in found}
        return [decision for decision in found if decision.id not in again]


class Unwritten:
    """What a rehearsal sees of a store: enough to read, and keys of personal data that are kept nowhere else.

    INVARIANT: it has no method that writes.
    """

    def __init__(self, store: Store) -> None:
        self.caps = store.caps
        self.case = store.case
        self.control = store.control
        self.entry = store.entry
        self.newest = store.newest
        self.payload = store.payload
        self._store = store
        self._made: dict[CaseId, Seal] = {}

    def seals(self, case: CaseId) -> list[Seal]:
        made = self._made.get(case)
        return self._store.seals(case) or ([] if made is None else [made])

    def seal(self, id: str) -> Seal | None:
        return next((one for one in self._made.values() if one.id == id), None) or self._store.seal(id)

    def put_seal(self, seal: Seal, subjects: Sequence[str]) -> Seal:
        """The case's key: the one that the store has, or this one, for as long as the rehearsal lasts."""
        live = next((one for one in self._store.seals(seal.case) if one.secret), None)
        return live or self._made.setdefault(seal.case, seal)

    @property
    def seen(self) -> Store:
        """As those see it who are given a store to read. What they were to write would raise AttributeError."""
        return cast("Store", self)


async def rehearse(release: Release, unwritten: Unwritten, message: Envelope, *, threads_max: int = 8) -> Rehearsal:
    """Let this message come to its case as it is stored, ask what it asks, and decide.

    Raises Refused where a reducer fails on it, NotNow for a case that waits for an operator.
    """
    store = unwritten.seen
    host = hosted(release, store, threads_max=threads_max)
    try:
        return await _Rehearsing(host, store, message).run()
    finally:
        await disconnect([host])


def asking_again(store: Store, case: CaseId, *, id: str) -> Envelope:
    """The newest message of a case that made it ask something, under another id.

    Raises NotFound for a case that has asked nothing.
    """
    slot = slot_of(case, store.caps.n_slots)
    lsn = store.newest(case)
    while lsn:
        entry = store.entry(slot, lsn)
        if entry is None:
            break
        if entry.asked and entry.cause is not None and not isinstance(entry.cause.body, AnswerBody):
            return structs.replace(entry.cause, id=id)
        lsn = entry.prev
    raise NotFound(f"{case} has asked nothing.", hint="Name an event type with --data to try an event on it.")


class _Rehearsing:
    """The state of one rehearsal: records in place of a store, a queue in place of an inbox."""

    def __init__(self, host: Hosted, store: Store, message: Envelope) -> None:
        self._host = host
        self._store = store
        self._clock = SystemClock()
        self._moved = asyncio.Event()
        before = store.case(message.case)
        if before is not None and before.blocked:
            raise NotNow(f"{message.case} is blocked by a message in quarantine.", hint="See `interlock quarantine`.")
        self._done = Rehearsal(message, before, before)
        # Answers of earlier days are not what would be said now.
        self._record = None if before is None else structs.replace(before, questions={}, answers={})
        self._accounts: dict[CaseId, CaseRecord | None] = {}
        self._asked: dict[str, Asked] = {}
        self._queue: deque[Envelope] = deque([message])

    async def run(self) -> Rehearsal:
        dispatcher = Dispatcher(
            {self._host.program.automation: self._host}, now=self._clock.now, arrived=self._moved.set
        )
        with closing(dispatcher):
            for _ in range(MESSAGES_MAX):
                while not self._queue:
                    if not len(dispatcher) and not dispatcher.pending:
                        return self._done
                    self._moved.clear()
                    if not dispatcher.pending:
                        await self._moved.wait()
                    self._queue.extend(envelope for _, envelope in dispatcher.take())
                self._take(self._queue.popleft(), dispatcher)
        raise Refused(f"{MESSAGES_MAX} messages and no end: the automation asks in circles.", code="asks_in_circles")

    def _take(self, message: Envelope, dispatcher: Dispatcher) -> None:
        control = self._store.control()
        facts = Facts(now=self._clock.now(), control=control.generation, paused=control.paused)
        own = OWN_STEPS.get(message.automation)
        if own is not None:
            done = own(self._account(message.case), message, facts)
            self._accounts[message.case] = done.case
            self._queue.extend(done.sends)
            return
        if message.case != self._done.message.case:
            return
        self._note(message)
        keeper = self._host.keeper
        try:
            with nullcontext() if keeper is None else keeper.open(message.case):
                done = step(self._record, message, facts, self._host.program)
        except Erased:
            raise
        except Exception as poison:  # noqa: BLE001 - whatever a reducer raises is what the author has to know
            raise Refused(f"This message would be set aside: {describe(poison)}", code="poison") from None
        self._record = self._done.after = done.case
        self._done.turns.extend(done.turns)
        for name in done.commands_drop:
            self._done.would_run.pop(name, None)
        dispatcher.withdraw(done.commands_drop)
        self._queue.extend(done.sends)
        for command in done.commands_put:
            if command.what == "ask":
                asked = self._asked[command.id] = Asked(command, facts.now)
                self._done.asked.append(asked)
                dispatcher.launch([Lease(command, 0)])
            elif command.what == "perform":
                self._done.would_run[command.id] = command

    def _note(self, message: Envelope) -> None:
        body = message.body
        if isinstance(body, AnswerBody):
            asked = self._asked[message.id.rpartition("#")[0]]
            asked.outcome, asked.took = body.outcome, self._clock.now() - asked.at

    def _account(self, account: CaseId) -> CaseRecord | None:
        if account not in self._accounts:
            self._accounts[account] = self._store.case(account)
        return self._accounts[account]
