"""The judge: what really happened, by the bank's own books, against what is really on the paper.

The judge reads the truth and the books and knows nothing of decisions, rules or reviews. What an order of the bank is
worth is one function (`fault`), applied alike to what was paid and to what would have been paid by executing the
readers' answers directly, so that the comparison cannot favour anybody.

A payment is wrong by its whole amount if nothing was to be paid, and by the difference if the amount was misread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from interlock.demo.workspace import lines
from interlock.demo.world import Written

Cause = Literal["twice", "stopped", "frozen", "too_old", "not_covered", "misread"]

CAUSES: Mapping[Cause, str] = {
    "twice": "paid twice",
    "stopped": "stopped by the drawer beforehand",
    "frozen": "account frozen",
    "too_old": "cheque too old",
    "not_covered": "account did not cover it",
    "misread": "amount misread",
}


@dataclass(frozen=True)
class Transfer:
    """Money that the bank moved, or will move because nobody cancelled the order (`waiting`). Amount in cents."""

    order: int
    cheque: str
    amount: int
    reply_lost: bool
    waiting: bool = False


@dataclass(frozen=True)
class Fault:
    """One wrong payment: why, and how much money that is."""

    cheque: str
    cause: Cause
    cents: int


@dataclass(frozen=True)
class Payments:
    """Payments of one way of working, and what was wrong with them. Amounts in cents."""

    count: int
    cents: int
    faults: tuple[Fault, ...]

    @property
    def wrong_cents(self) -> int:
        return sum(fault.cents for fault in self.faults)


@dataclass(frozen=True)
class Books:
    """What the bank's books say. Letters by cheque: every one that was sent."""

    transfers: tuple[Transfer, ...]
    letters: tuple[str, ...]
    returned: tuple[str, ...]


def read_books(path: Path) -> Books:
    """Read the books to their end; an order put aside and never cancelled counts as money that moves."""
    booked: dict[int, Transfer] = {}
    aside: dict[int, tuple[str, Transfer]] = {}
    letters: list[str] = []
    returned: list[str] = []
    for line in lines(path):
        match line["what"]:
            case "booked":
                aside.pop(line["order"], None)
                booked[line["order"]] = Transfer(
                    line["order"], line["cheque"], cents(line["amount"]), line["reply"] == "lost"
                )
            case "aside":
                order = Transfer(line["order"], line["cheque"], cents(line["amount"]), reply_lost=True, waiting=True)
                aside[line["order"]] = (line["ref"], order)
            case "voided":
                aside = {number: kept for number, kept in aside.items() if kept[0] != line["ref"]}
            case "letter":
                letters.append(line["cheque"])
            case "returned":
                returned.append(line["cheque"])
            case _:
                pass
    transfers = [*booked.values(), *(order for _, order in aside.values())]
    return Books(tuple(sorted(transfers, key=lambda t: t.order)), tuple(letters), tuple(returned))


def judge(written: Mapping[str, Written], payments: Iterable[tuple[str, int]]) -> Payments:
    """Judge payments (cheque, cents) in the order in which they were made."""
    paid: set[str] = set()
    faults: list[Fault] = []
    count = total = 0
    for cheque, amount in payments:
        count, total = count + 1, total + amount
        found = fault(written[cheque], amount, again=cheque in paid)
        if found is not None:
            faults.append(found)
        paid.add(cheque)
    return Payments(count, total, tuple(faults))


def fault(written: Written, amount: int, *, again: bool) -> Fault | None:
    """What is wrong with paying this amount on this cheque.

    A stop that came later than the payment began is not the payer's fault.
    """
    reasons: tuple[tuple[Cause, bool], ...] = (
        ("twice", again),
        ("stopped", written.stop == "before"),
        ("frozen", written.frozen),
        ("too_old", written.stale),
        ("not_covered", amount > written.covered),
    )
    for cause, holds in reasons:
        if holds:
            return Fault(written.cheque, cause, amount)
    if amount != written.amount:
        return Fault(written.cheque, "misread", abs(amount - written.amount))
    return None


def cents(euros: str) -> int:
    """Cents of an amount as text, exactly."""
    whole, _, part = euros.partition(".")
    return int(whole) * 100 + int((part + "00")[:2])
