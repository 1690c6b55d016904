"""Simulated reviewers: they look at the paper itself, and now and then they are wrong.

They take a part of the queue and leave the rest to whoever runs the demonstration. What they do goes through the
ordinary review operations and counts like anybody's verdict. Whether a cheque is taken and whether a look at it goes
wrong follow from the seed and the names of cheque and decision, so an interrupted demonstration goes on with the same
people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from interlock.demo.judge import cents
from interlock.demo.world import Written
from interlock.vocabulary.review import Review

PEOPLE: Mapping[str, tuple[str, ...]] = {
    "clearing": ("amira", "ben", "chidi"),
    "treasury": ("dana", "edo", "farah"),
    "compliance": ("gita", "hugo"),
    "fraud": ("ines", "jonas"),
}
"""Who works for which group. Nobody simulates operations: an effect in doubt is for the user of the demonstration."""

TAKEN = 0.7
"""The part of the queue that they work."""

MISTAKES = 0.01
"""How often a look at a cheque goes wrong."""


@dataclass(frozen=True)
class Opinion:
    """One person's verdict. `amount` (in cents) with `edit` only."""

    principal: str
    group: str
    verdict: Literal["approve", "reject", "edit"]
    comment: str
    amount: int | None = None


def opinion(seed: int, cheque: str, review: Review, written: Written) -> Opinion | None:
    """What the next simulated person says of an open review; None when nobody takes it."""
    if _draw(seed, "taken", cheque) >= TAKEN:
        return None
    who = _next_person(review)
    if who is None:
        return None
    principal, group = who
    wrong = _draw(seed, "mistake", review.decision, principal) < MISTAKES
    if review.action != "pay":
        return Opinion(principal, group, "approve", "in order")
    if written.frozen and not wrong:
        return Opinion(principal, group, "reject", "the account is frozen")
    if written.forged and not wrong:
        return Opinion(principal, group, "reject", "two papers with one number")
    if written.blank:
        return Opinion(principal, group, "reject", "nobody can read this")
    seen = _misread(seed, review.decision, written.amount) if wrong else written.amount
    proposed = cents(str(review.args["amount"]))
    if seen == proposed:
        return Opinion(principal, group, "approve", "the paper says the same")
    return Opinion(principal, group, "edit", "the paper says otherwise", seen)


def _next_person(review: Review) -> tuple[str, str] | None:
    """Somebody of a group that still has to approve, who neither asked for it nor has approved already."""
    for group in review.groups:
        approved = {approval.principal for approval in review.approvals if approval.group == group.name}
        if len(approved) >= group.approvals:
            continue
        free = [p for p in PEOPLE.get(group.name, ()) if p not in approved and p not in review.requesters]
        return (free[0], group.name) if free else None
    return None


def _misread(seed: int, decision: str, amount: int) -> int:
    """The amount with one digit taken for another."""
    text = str(amount)
    place = int(_draw(seed, "place", decision) * len(text))
    digit = 1 + (int(text[place]) + int(_draw(seed, "digit", decision) * 8)) % 9
    return int(text[:place] + str(digit) + text[place + 1 :])


def _draw(*names: object) -> float:
    text = "|".join(str(name) for name in names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64
