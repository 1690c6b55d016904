"""Work through messages with the release in this folder: `python desk.py MESSAGES.csv DATABASE RESULT.json`.

Everything goes through the door as it would in production; the bank's books say what was done, open reviews say what
people were asked. Runs where the release lies (see `report.py`, which lays one out), in a process of its own.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from automation import Received, app
from bank import bank
from messages import account_of, read_messages

from interlock import Interlock

AT_ONCE = 64
"""Messages handed in together; the door writes them in one commit."""

PATIENCE_S = 120


async def work(messages: list[str], database: Path) -> dict[str, Any]:
    """Hand in every message, wait until nothing moves, and say what came of each, by message number."""
    async with Interlock.open(database) as il:
        support = il.run(app, Path(__file__).parent)
        for start in range(0, len(messages), AT_ONCE):
            await asyncio.gather(
                *(
                    support.submit(
                        Received(message=f"m{number:05d}", account=account_of(number), text=messages[number]),
                        id=f"mail-{number}",
                        source="mailbox",
                        principal="service:mailbox",
                    )
                    for number in range(start, min(start + AT_ONCE, len(messages)))
                )
            )
        for number in range(len(messages)):
            await support.settled(f"m{number:05d}", PATIENCE_S)
        reviews = await support.reviews(limit=len(messages) + 1)
    return {
        "release": support.release.id,
        "done": [
            {"message": int(arguments["account"].removeprefix("a")), "what": what, "arguments": arguments}
            for what, arguments in bank.books.values()
        ],
        "asked": [
            {
                "message": int(str(review.args["account"]).removeprefix("a")),
                "what": review.action,
                "groups": [group.name for group in review.groups],
                "because": list(review.reasons),
            }
            for _, review in reviews
        ],
    }


def main() -> int:
    file, database, result = (Path(argument) for argument in sys.argv[1:4])
    messages = [text for text, _ in read_messages(file)]
    Path(result).write_text(json.dumps(asyncio.run(work(messages, database))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
