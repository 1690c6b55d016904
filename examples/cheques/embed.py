"""Run the automation inside a program of one's own: `python embed.py box.npy`.

The file holds the box of digits as a numpy array with one row of 64 pixels per digit.
"""

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

from automation import FundsReported, Presented, app

from interlock import Interlock


async def main(pixels: bytes) -> None:
    async with Interlock.open("sqlite:///cheques.db") as il:
        cheques = il.run(app, str(Path(__file__).parent))  # release from the folder; worker in this process
        box = il.picture(pixels)
        await cheques.submit(Presented(cheque="c1", box=box), id="e1", source="branch")
        await cheques.submit(FundsReported(cheque="c1", available=Decimal(500)), id="e2", source="core")
        case = await cheques.settled("c1")
        print(case.state.status, await il.explain(case.last_decision))  # case.state is a Cheque


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_bytes()))
