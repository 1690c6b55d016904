"""Advisors that are functions: a user's own code, a stub, or a stand-in that says why there is none.

The table rebuilds the question that a command carries, calls the function, and turns what it returned into an Answer.
What is not an answer to this very question is Garbled; whatever else the function raises is the advisor's failure and
passes through.

INVARIANT: nothing an advisor returns reaches a case but as a validated Answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from interlock.ports import Garbled, Unavailable
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import Answer

Ask = Callable[[Any], Awaitable[Any]]
"""The user's function as something to await: an async one as it is, a plain one in a thread."""


@dataclass(frozen=True)
class FunctionAdvisor:
    """One advisor of one question.

    load   plain fields of the question -> what the function is given; raises what says that they do not fit
    dump   what the function returned -> Answer; raises ValueError, or any of `wrong`, for what is no answer
    """

    load: Callable[[str, dict[str, Any]], Any]
    ask: Ask
    dump: Callable[[str, object], Answer]
    wrong: tuple[type[Exception], ...] = (ValueError,)

    async def answer(self, command: Command) -> Answer:
        question = self.load(command.question, command.data)
        returned = await self.ask(question)
        try:
            return self.dump(command.question, returned)
        except self.wrong as error:
            raise Garbled(str(error)) from None


@dataclass(frozen=True)
class StubAdvisor:
    """Always the same answer, from configuration: for trials, benchmarks and the first day of an automation.

    delay   microseconds that it takes
    """

    value: Answer
    delay: int = 0

    async def answer(self, command: Command) -> Answer:
        if self.delay:
            await asyncio.sleep(self.delay / 1_000_000)
        return self.value


@dataclass(frozen=True)
class AbsentAdvisor:
    """An advisor that the release names and this process cannot reach; `why` is recorded with the silence."""

    why: str

    async def answer(self, command: Command) -> Answer:
        raise Unavailable(self.why)


class Advisor(Protocol):
    """Answers one type of question under a name. May raise what the port `Advisors` may."""

    async def answer(self, command: Command) -> Answer: ...


@runtime_checkable
class Closing(Protocol):
    """An advisor that holds connections."""

    async def close(self) -> None: ...


@dataclass(frozen=True)
class AdvisorTable:
    """The port `Advisors`, by (question, advisor)."""

    advisors: Mapping[tuple[str, str], Advisor]

    def answer(self, command: Command) -> Awaitable[Answer]:
        found = self.advisors.get((command.question, command.advisor))
        if found is None:
            found = AbsentAdvisor(f"No advisor {command.advisor!r} for {command.question} in this process.")
        return found.answer(command)

    async def close(self) -> None:
        """End every advisor's connections. Whoever asks again opens them again."""
        for advisor in self.advisors.values():
            if isinstance(advisor, Closing):
                await advisor.close()
