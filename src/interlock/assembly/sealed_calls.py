"""Calls to advisors and performers of an automation with personal data: each within the vault of its case.

What they are given is opened for them, what they return is sealed before anybody else has it, and what their
exceptions say is sealed as well: a refusal from outside likes to repeat what it refused.

INVARIANT: a performer whose arguments cannot be opened has not been called, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from interlock.advisors.functions import Closing
from interlock.automation.reducing import SAID_BYTES_MAX
from interlock.automation.sealing import opened_data, sealed_text
from interlock.kernel.poison import said
from interlock.ports import (
    Advisors,
    Declined,
    Garbled,
    NoAdvice,
    NotDone,
    OutOfTime,
    Performers,
    Unavailable,
)
from interlock.runtime.vault import StoreKeeper
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import Answer
from interlock.vocabulary.errors import Erased
from interlock.vocabulary.ids import CaseId

DIGEST = re.compile(r"[0-9a-f]{64}")


class CallFailed(Exception):
    """What an advisor or performer over personal data raised, with its text sealed."""


@dataclass(frozen=True)
class SealedAdvisors:
    """`ports.Advisors` around another."""

    advisors: Advisors
    keeper: StoreKeeper

    async def answer(self, command: Command) -> Answer:
        with self.keeper.open(CaseId(command.automation, command.key)), _discreet():
            # Models are given the fields as data, so they are opened here and not only where a type is made of them.
            answer = await self.advisors.answer(structs.replace(command, data=opened_data(command.data)))
            # What is said about personal data may repeat it. A digest names a picture, which nobody sealed.
            evidence = tuple(
                one if DIGEST.fullmatch(one) else sealed_text("Advice.evidence", one) for one in answer.evidence
            )
            return structs.replace(
                answer,
                rationale=sealed_text("Advice.rationale", answer.rationale),
                evidence=evidence,
                refused=tuple(sealed_text("Advice.refused", one) for one in answer.refused),
            )

    async def close(self) -> None:
        if isinstance(self.advisors, Closing):
            await self.advisors.close()


@dataclass(frozen=True)
class SealedPerformers:
    """`ports.Performers` around another."""

    performers: Performers
    keeper: StoreKeeper

    async def perform(self, command: Command) -> Any:
        called = False
        try:
            with self.keeper.open(CaseId(command.automation, command.key)), _discreet(NotDone):
                called = True
                return await self.performers.perform(command)
        except Erased as error:
            if called:
                raise
            raise NotDone(str(error)) from error

    async def check(self, command: Command) -> tuple[bool, Any]:
        with self.keeper.open(CaseId(command.automation, command.key)), _discreet():
            return await self.performers.check(command)

    async def fence(self, command: Command) -> None:
        with self.keeper.open(CaseId(command.automation, command.key)), _discreet():
            await self.performers.fence(command)


@contextmanager
def _discreet(*own: type[Exception]) -> Generator[None]:
    """Seal what an exception says. Those of the port keep their class, which says what happened."""
    try:
        yield
    except (Unavailable, Erased):
        raise
    except NoAdvice as error:
        raise type_of(error)(_sealed(error), usage=error.usage, currency=error.currency) from None
    except own as error:
        raise type(error)(_sealed(error)) from None
    except Exception as error:  # noqa: BLE001 - passed on, without the text that may be personal
        raise CallFailed(f"{type(error).__name__}: {_sealed(error)}") from None


def type_of(error: NoAdvice) -> type[NoAdvice]:
    """The port's own class of it, which says what became of the call; an adapter's finer ones may be made otherwise."""
    return next((one for one in (Garbled, OutOfTime, Declined) if isinstance(error, one)), NoAdvice)


def _sealed(error: Exception) -> str:
    """What an exception says, sealed. Call within the vault."""
    return sealed_text("exception", said(error).encode()[:SAID_BYTES_MAX].decode("utf-8", "ignore"))
