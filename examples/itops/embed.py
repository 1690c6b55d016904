"""Run the automation inside a program of one's own."""

import asyncio
from pathlib import Path

from automation import Alert, RestartService, app

from interlock import Interlock


async def main() -> None:
    async with Interlock.open("sqlite:///itops.db") as il:
        ops = il.run(app, str(Path(__file__).parent))
        await ops.submit(Alert(incident="i1", service="api", severity=2), id="a1", source="pager")
        restart = RestartService(host="h1", service="api")
        await ops.call(restart, key="i1", id="t1", principal="agent:sre")
        print((await ops.settled("i1")).state.restarts)


if __name__ == "__main__":
    asyncio.run(main())
