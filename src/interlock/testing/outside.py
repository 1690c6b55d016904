"""The outside world of a test: advisors that say what the test wants, and effects that keep books of their own.

No performer of the automation is ever called: an effect is booked here, under its idempotency key, and its result is
the simplest value of the action's result type unless the test says otherwise. The books are what really happened,
whatever the control layer believes; a checker looks into them, and a fence closes them for its key.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from interlock.automation.payloads import Reader, reading
from interlock.kernel.program import Rejected
from interlock.ports import Garbled, NotDone, Unavailable
from interlock.releases import Release
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import Answer, score_micro
from interlock.vocabulary.ids import CaseId


@dataclass(frozen=True)
class Booking:
    """An effect that took place outside."""

    case: CaseId
    effect: str
    action: str
    args: dict[str, Any]
    key: str
    attempt: int
    result: Any


@dataclass(frozen=True)
class Conduct:
    """How an action's outside behaves.

    happens: it takes effect; refuses: NotDone; loses_reply: it takes effect and nobody hears of it; fails: nobody
    hears of it and it does not; hangs: nothing comes back for now.
    mute: whoever asks what became of an effect gets no answer.
    """

    mode: Literal["happens", "refuses", "loses_reply", "fails", "hangs"] = "happens"
    result: Any = None
    reason: str = ""
    mute: bool = False


@dataclass(frozen=True)
class Quiet:
    """An advisor that does not answer."""

    why: str = "silent in this test"


class Lost(ConnectionError):
    """The reply to an effect did not come."""


@dataclass
class Outside:
    """Advisors and performers of one automation under test.

    answers    per (question, advisor), what it says; one that is not named speaks for itself if it is code, else it
               says nothing until `say` or its timeout
    spent_once those of them who think again after they have said it once
    conduct    per action; default: it happens
    booked     called after a booking, before the reply leaves: the moment at which a crash hurts most
    """

    release: Release
    read: Reader
    answers: dict[tuple[str, str], Answer | Quiet] = field(default_factory=dict[tuple[str, str], Answer | Quiet])
    spent_once: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    conduct: dict[str, Conduct] = field(default_factory=dict[str, Conduct])
    books: list[Booking] = field(default_factory=list[Booking])
    fenced: set[str] = field(default_factory=set[str])
    called: list[Command] = field(default_factory=list[Command])
    asked: list[Command] = field(default_factory=list[Command])
    thinking: list[tuple[Command, asyncio.Future[None]]] = field(
        default_factory=list[tuple[Command, "asyncio.Future[None]"]]
    )
    booked: Callable[[Booking], bool] = lambda booking: False

    async def answer(self, command: Command) -> Answer:
        self.asked.append(command)
        name = (command.question, command.advisor)
        said = self.answers.get(name)
        if name in self.spent_once:
            self.spent_once.discard(name)
            del self.answers[name]
        if isinstance(said, Answer):
            return said
        if isinstance(said, Quiet):
            raise Unavailable(said.why)
        return await self._own_answer(command)

    async def _own_answer(self, command: Command) -> Answer:
        """The automation's own advisor, where it is code or a stub; chat models are not called from a test."""
        wire, spec = self.release.loaded.wire, self.release.loaded.spec.advisors.get(command.advisor)
        if spec is not None and spec.kind == "stub":
            value = wire.answer_value(command.question, spec.options.get("value"))
            return Answer(value, score_micro(spec.options.get("score")))
        marker = self.release.effects.advisors.get((command.question, command.advisor))
        if marker is None:
            return await self._silence(command)
        with reading(self.read):
            returned: Any = marker.run(wire.question(command.question, command.data))
            if inspect.isawaitable(returned):
                returned = await returned
        try:
            return wire.advice_answer(command.question, returned)
        except Rejected as error:
            raise Garbled(str(error)) from None

    async def _silence(self, command: Command) -> Answer:
        """A model that is not called from a test: it thinks until the test says what it says, or its time is over."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.thinking.append((command, waiting))
        try:
            await waiting
        finally:
            self.thinking.remove((command, waiting))
        return await self.answer(command)

    def say(self, question: str, advisor: str, said: Answer | Quiet) -> None:
        """What an advisor says from now on, and now, if it has been thinking about it."""
        self.answers[question, advisor] = said
        for command, waiting in self.thinking:
            if (command.question, command.advisor) == (question, advisor) and not waiting.done():
                waiting.set_result(None)

    def say_once(self, question: str, advisor: str, said: Answer | Quiet) -> None:
        """What an advisor says to one question, now or next; to those after it, it thinks again."""
        self.spent_once.add((question, advisor))
        self.say(question, advisor, said)

    async def perform(self, command: Command) -> Any:
        conduct = self.conduct.get(command.action, Conduct())
        self.called.append(command)
        if conduct.mode == "hangs":
            await asyncio.get_running_loop().create_future()
        if conduct.mode == "refuses":
            raise NotDone(conduct.reason or "refused in this test")
        if conduct.mode == "fails":
            raise Lost(conduct.reason or "failed in this test")
        if command.effect_key in self.fenced:
            raise NotDone("this key was made impossible")
        action = self.release.loaded.definition.actions[command.action]
        known = next((one for one in self.books if one.key == command.effect_key), None)
        if known is None or action.spec.kind != "idempotent":
            known = self.book(command)
            if self.booked(known):
                raise Lost("the worker died")
        if conduct.mode == "loses_reply":
            raise Lost(conduct.reason or "the reply was lost in this test")
        return known.result

    def book(self, command: Command) -> Booking:
        """It takes effect, whether or not anybody waits for it."""
        booking = Booking(
            CaseId(command.automation, command.key),
            command.id,
            command.action,
            command.data,
            command.effect_key,
            command.attempt,
            self._result(command.action, self.conduct.get(command.action, Conduct())),
        )
        self.books.append(booking)
        return booking

    def _result(self, action: str, conduct: Conduct) -> Any:
        wire = self.release.loaded.wire
        value = conduct.result
        if value is None:
            value = wire.sample(self.release.loaded.definition.actions[action].result_type)
        return wire.result_plain(action, value)

    async def check(self, command: Command) -> tuple[bool, Any]:
        if self.conduct.get(command.action, Conduct()).mute:
            raise Lost("nobody could say, in this test")
        found = next((one for one in self.books if one.key == command.effect_key), None)
        return (False, None) if found is None else (True, found.result)

    async def fence(self, command: Command) -> None:
        self.fenced.add(command.effect_key)
