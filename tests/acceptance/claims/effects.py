"""The outside. What it was really told stands in its own books, outside of the database."""

from __future__ import annotations

from automation import Letter, Pay, Receipt

from interlock import NotDone

PAID: dict[str, str] = {}


@Pay.performer
async def pay(args: Pay, key: str) -> Receipt:
    PAID[key] = args.iban
    return Receipt(id="r1", holder=f"holder of {args.iban}"[:80])


@Pay.checker
async def was_paid(args: Pay, key: str) -> Receipt | None:
    return Receipt(id="r1", holder=PAID[key]) if key in PAID else None


@Pay.fence
async def never_pay(args: Pay, key: str) -> None:
    PAID.setdefault(key, "")


@Letter.performer
async def letter(args: Letter, key: str) -> None:
    raise NotDone(f"no address of {args.to}")
