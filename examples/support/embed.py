"""Run the desk inside a program of one's own: `python embed.py "Where is my card?"`, after `python train.py`."""

import asyncio
import sys
from pathlib import Path

from automation import Received, app
from messages import account_of

from interlock import Interlock


async def main(text: str) -> None:
    async with Interlock.open("sqlite:///support.db") as il:
        support = il.run(app, Path(__file__).parent)
        await support.submit(Received(message="m1", account=account_of(1), text=text), id="mail-1", source="mailbox")
        case = await support.settled("m1")
        print(await support.explain(case.last_decision))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
