"""The simulated outside: advisors that may be slow, silent or wrong, and a world that keeps its own books.

A request that has left cannot be called back: it lands when it lands, whether its sender still waits, has timed out
or is dead. What has landed is in the books, and the books are what the run is judged by.

What this outside promises is what each kind of action may rely on, and no more:

    idempotent   a key is remembered for `key_valid_for`; the same key within it is the same booking
    checkable    it can be asked; a fenced key never lands; without a fence a request lands within `settle_after`
    once         nothing: every request that lands is a booking; one with a checker lands within `settle_after`
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from interlock.ports import NotDone
from interlock.testing.checker import ActionRule, Booking, Call
from interlock.testing.simulator.faults import Dice, Faults

OUTSIDE: ContextVar[Outside] = ContextVar("outside")
ADVISORS: ContextVar[SimulatedAdvisors] = ContextVar("advisors")

TRANSIT_S = 0.4
"""Longest way there and back of an ordinary request."""

LATE_S = 90.0
"""Longest a request may be on its way."""

LATE_UNFENCED_S = 20.0
"""The same where nothing but `settle_after` protects: short of it by more than clocks are wrong and workers stand
still."""

REMEMBERS_LONGER_US = 720_000_000
"""The outside remembers a key this much longer than promised: a request within the promise may land a little after
it, and the promise is kept on the interlock's clock, which runs slow after a step back."""


class Unreachable(Exception):
    """The outside did not answer, or not in a way that says what became of the request."""


class Outside:
    """Everything that actions touch, with its own books.

    now       virtual microseconds that nobody can jump
    durable   newest committed entry per slot, asked at the moment of each call
    """

    def __init__(
        self,
        faults: Faults,
        dice: Dice,
        rules: Mapping[str, ActionRule],
        *,
        now: Callable[[], int],
        durable: Callable[[], Mapping[int, int]],
        trace: Callable[[str], None],
    ) -> None:
        self.faults = faults
        self._dice = dice
        self._rules = rules
        self._now = now
        self._durable = durable
        self._trace = trace
        self.calls: list[Call] = []
        self.bookings: list[Booking] = []
        self.down: set[str] = set()
        self._refused: set[str] = set()
        self._fenced: set[str] = set()
        self._travelling: dict[str, int] = {}

    def on_the_way(self, key: str) -> bool:
        """Whether a request with this key has left and not landed."""
        return self._travelling.get(key, 0) > 0

    def has(self, key: str) -> Booking | None:
        """The booking under a key."""
        return next((booking for booking in self.bookings if booking.effect_key == key), None)

    # --- what performers, checkers and fences call

    async def perform(self, action: str, args: Any, key: str) -> str:
        plain = self._called("perform", action, args, key)
        dice, faults = self._dice, self.faults
        if dice.chance(faults.outside_fails_before) or action in self.down:
            await asyncio.sleep(dice.between(0, TRANSIT_S))
            raise Unreachable(f"{action} could not be reached")
        way = dice.between(0.001, TRANSIT_S)
        if dice.chance(faults.outside_late):
            rule = self._rules[action]
            unfenced = (rule.kind == "checkable" or rule.checked) and not rule.fenced
            way = dice.between(1, LATE_UNFENCED_S if unfenced else LATE_S)
        refuses = dice.chance(faults.outside_refuses)
        loses, hangs = dice.chance(faults.outside_loses_reply), dice.chance(faults.outside_hangs)
        landed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._travelling[key] = self._travelling.get(key, 0) + 1
        asyncio.get_running_loop().call_later(way, self._land, action, plain, key, refuses, landed)
        reply = await asyncio.shield(landed)
        if hangs:
            await asyncio.Event().wait()
        if loses:
            raise Unreachable(f"the reply to {action} was lost")
        if not reply:
            raise NotDone(f"{action} was refused")
        return reply

    async def check(self, action: str, args: Any, key: str) -> str | None:
        self._called("check", action, args, key)
        await self._may_fail(action)
        booking = self.has(key)
        return f"r{self.bookings.index(booking)}" if booking else None

    async def fence(self, action: str, args: Any, key: str) -> None:
        self._called("fence", action, args, key)
        await self._may_fail(action)
        if self.has(key) is not None:
            raise Unreachable(f"{action} has been done and cannot be made impossible")
        self._fenced.add(key)
        if self._dice.chance(self.faults.check_fails):
            raise Unreachable("the fence stands and nobody hears of it")

    # --- the world itself

    def _called(self, what: Any, action: str, args: Any, key: str) -> Any:
        plain = args.model_dump(mode="json")
        self.calls.append(Call(self._now(), what, action, key, plain, dict(self._durable())))
        self._trace(f"outside {what} {action} {key[:8]}")
        return plain

    def _land(self, action: str, args: Any, key: str, refuses: bool, landed: asyncio.Future[str]) -> None:
        self._travelling[key] -= 1
        reply = self._book(action, args, key, refuses)
        if not landed.done():
            landed.set_result(reply)

    def _book(self, action: str, args: Any, key: str, refuses: bool) -> str:
        """The reply; "" says that it was refused."""
        rule = self._rules[action]
        if key in self._fenced:
            self._trace(f"outside turns {action} {key[:8]} away: fenced")
            return ""
        known = self.has(key)
        if rule.kind == "idempotent":
            if known and self._now() < known.at + rule.key_valid_for + REMEMBERS_LONGER_US:
                return f"r{self.bookings.index(known)}"
            # What was refused under a key stays refused: the key stands for the answer, too.
            if refuses or key in self._refused:
                self._refused.add(key)
                return ""
        elif refuses:
            return ""
        self.bookings.append(Booking(self._now(), action, key, args))
        self._trace(f"outside books {action} {key[:8]}")
        return f"r{len(self.bookings) - 1}"

    async def _may_fail(self, action: str) -> None:
        await asyncio.sleep(self._dice.between(0.001, TRANSIT_S))
        if action in self.down or self._dice.chance(self.faults.check_fails):
            raise Unreachable(f"nobody can say what became of {action}")


class SimulatedAdvisors:
    """Advisors by name. What they say is drawn, not thought."""

    def __init__(self, faults: Faults, dice: Dice, trace: Callable[[str], None]) -> None:
        self.faults = faults
        self._dice = dice
        self._trace = trace

    async def answer(self, name: str, question: Any) -> Any:
        from interlock.automation import Advice

        dice, faults = self._dice, self.faults
        slow, hangs, fails = (
            dice.chance(faults.advisor_slow),
            dice.chance(faults.advisor_hangs),
            dice.chance(faults.advisor_fails),
        )
        garbage, nan = dice.chance(faults.advisor_garbage), dice.chance(faults.advisor_nan)
        score = dice.between(0, 1)
        own_mind = dice.chance(faults.advisors_disagree)
        share = dice.one_of(("1.00", "1.00", "0.50", "1.50"))
        advice = dice.weighted({"pay": 8, "credit": 1, "hold": 1})
        self._trace(f"advisor {name} asked")
        await asyncio.sleep(dice.between(5, 40) if slow else dice.between(0.01, 1.5))
        if hangs:
            await asyncio.Event().wait()
        if fails:
            raise RuntimeError(f"{name} is out of order")
        if garbage:
            return dice.one_of(
                (None, "pay", {"amount": "many"}, Advice("pay"), Advice({"amount": -1, "advice": "pay"}))
            )
        if not own_mind:
            # Agreeing advisors say what the question itself suggests.
            share, advice = "1.00", "pay"
        amount = question.total * type(question.total)(share)
        value = {"amount": str(amount.quantize(question.total.__class__("0.01"))), "advice": advice}
        return Advice(value, score=float("nan") if nan else round(score, 3), rationale=f"{name} thinks so")
