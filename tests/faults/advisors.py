"""Advisors of the fault suite's desk: they answer, or are slow, silent, wrong or out of order, as the seed says."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from interlock import Advice
from interlock.testing.simulator import Faults
from interlock.testing.simulator.faults import Dice

_state: dict[str, Any] = {"faults": Faults(), "dice": Dice(0, "advisors")}


def begin(faults: Faults, dice: Dice) -> None:
    """What this process's advisors do wrong from now on, and the dice that say when."""
    _state.update(faults=faults, dice=dice)


async def answer(name: str, question: Any) -> Any:
    faults: Faults = _state["faults"]
    dice: Dice = _state["dice"]
    await asyncio.sleep(dice.between(1.1, 1.6) if dice.chance(faults.advisor_slow) else dice.between(0.001, 0.02))
    if dice.chance(faults.advisor_hangs):
        await asyncio.Event().wait()
    if dice.chance(faults.advisor_fails):
        raise RuntimeError(f"{name} is out of order")
    if dice.chance(faults.advisor_garbage):
        return dice.one_of((None, "pay", {"amount": "many"}, Advice("pay"), Advice({"amount": -1, "advice": "pay"})))
    share, advice = "1.00", "pay"
    if dice.chance(faults.advisors_disagree):
        share = dice.one_of(("1.00", "0.50", "1.50"))
        advice = dice.weighted({"pay": 8, "credit": 2, "hold": 1})
    amount = (question.total * Decimal(share)).quantize(Decimal("0.01"))
    # What an order's advisors think of it is the same whoever asks again.
    score = int(Dice(0, question.order).between(100, 1_000)) / 1_000
    return Advice({"amount": str(amount), "advice": advice}, score=score, rationale=f"{name} thinks so")
