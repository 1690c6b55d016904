"""Run the automation inside a program of one's own."""

import asyncio
from decimal import Decimal
from pathlib import Path

from automation import Order, Refund, RefundRequested, app

from interlock import Interlock


async def main() -> None:
    async with Interlock.open("sqlite:///refunds.db") as il:
        refunds = il.run(app, str(Path(__file__).parent))
        order = Order(id="o1", total=Decimal(50))
        await refunds.submit(RefundRequested(ticket="t1", order=order, message="broken"), id="e1", source="helpdesk")
        refund = Refund(amount=Decimal(5), reason="late")
        await refunds.call(refund, key="t1", id="c1", principal="ann@example.com")  # a person's own action
        print((await refunds.settled("t1")).state.refunded)


if __name__ == "__main__":
    asyncio.run(main())
