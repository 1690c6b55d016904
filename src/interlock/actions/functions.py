"""Performers, checkers and fences that are a user's functions.

The table rebuilds the action that a command carries, calls the function with it and the idempotency key, and turns
the result into plain data. A performer that returned something other than the action's result has run all the same:
that is an unknown outcome, not a failure, and so it is raised like one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from interlock.ports import NotDone
from interlock.vocabulary.action import Command

Run = Callable[[Any, str], Awaitable[Any]]
"""The user's function as something to await: action and idempotency key."""


class NotPerformable(Exception):
    """The action has no such function in this process."""


@dataclass(frozen=True)
class ActionFunctions:
    """What serves one action.

    load      name and plain arguments -> the action
    result    name and what the performer returned -> plain result; raises if it is not one
    outcome   name and what the checker returned -> (happened, plain result)
    """

    load: Callable[[str, dict[str, Any]], Any]
    result: Callable[[str, object], Any]
    outcome: Callable[[str, object], tuple[bool, Any]]
    performer: Run | None = None
    checker: Run | None = None
    fence: Run | None = None


@dataclass(frozen=True)
class PerformerTable:
    """The port `Performers`, by action name."""

    actions: Mapping[str, ActionFunctions]

    async def perform(self, command: Command) -> Any:
        try:
            functions = self._functions(command)
            run = _required(functions.performer, command, "performer")
            action = functions.load(command.action, command.data)
        except Exception as error:
            # Nothing has been called yet, so nothing can have happened.
            raise NotDone(f"{type(error).__name__}: {error}") from error
        return functions.result(command.action, await run(action, command.effect_key))

    async def check(self, command: Command) -> tuple[bool, Any]:
        functions = self._functions(command)
        run = _required(functions.checker, command, "checker")
        return functions.outcome(
            command.action, await run(functions.load(command.action, command.data), command.effect_key)
        )

    async def fence(self, command: Command) -> None:
        functions = self._functions(command)
        run = _required(functions.fence, command, "fence")
        await run(functions.load(command.action, command.data), command.effect_key)

    def _functions(self, command: Command) -> ActionFunctions:
        found = self.actions.get(command.action)
        if found is None:
            raise NotPerformable(f"Nothing in this process serves {command.action}.")
        return found


def _required(run: Run | None, command: Command, what: str) -> Run:
    if run is None:
        raise NotPerformable(f"{command.action} has no {what} in this process.")
    return run
