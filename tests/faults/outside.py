"""The provider: a process of its own, with its own books, that loses, delays and repeats replies.

Whoever performs an effect sends it one request over a socket. A request that has arrived cannot be called back: it
lands when it lands, whether its sender still waits, has timed out or is dead. What has landed is in `books.jsonl`,
what was asked in `calls.jsonl`; the run is judged by these two.

With each request it notes what the database had committed at that moment, by SQL of its own. A call whose start was
not yet durable is thereby found out. While the database cannot be read, a request is turned away before anything is
done or noted: to its sender that is a provider that cannot be reached.

What it promises is what each kind of action may rely on:

    idempotent   the same key is the same booking, for ever
    checkable    it can be asked, and a fenced key never lands
    once         nothing: every request that lands is a booking
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from interlock import NotDone
from interlock.testing.simulator import Faults
from interlock.testing.simulator.faults import Dice
from tests.faults.clock import true_now

SOCKET = "FAULTS_OUTSIDE"
"""Environment variable that names the socket."""

LATE_S = 2.5
"""Longest a request may be on its way."""

SILENT_S = 3.0
"""How long it says nothing before it cuts the line, where it says nothing at all: longer than most wait for it."""

IDEMPOTENT = ("credit", "mark")

LINE_MAX = 1 << 20

Heads = Callable[[], Mapping[int, int]]
"""Newest committed entry of each slot. Raises anything while nobody can say."""


class Unreachable(Exception):
    """The outside did not answer, or not in a way that says what became of the request."""


# --- from the side of whoever asks ------------------------------------------------------------------------------------


async def ask(what: str, **said: Any) -> dict[str, Any]:
    """One request and its reply. Raises Unreachable when the line was cut before it."""
    reader, writer = await asyncio.open_unix_connection(os.environ[SOCKET], limit=LINE_MAX)
    try:
        writer.write(json.dumps({"what": what, **said}).encode() + b"\n")
        await writer.drain()
        line = await reader.readline()
    except ConnectionError as error:
        raise Unreachable(f"the line to the outside was cut: {error}") from None
    finally:
        writer.close()
    if not line.endswith(b"\n"):
        raise Unreachable(f"no reply to {what}")
    return json.loads(line)


async def perform(action: str, args: Any, key: str) -> str:
    said = await ask("perform", action=action, args=args.model_dump(mode="json"), key=key)
    if "refused" in said:
        raise NotDone(f"{action} was refused: {said['refused']}")
    return said["id"]


async def check(action: str, args: Any, key: str) -> str | None:
    return (await ask("check", action=action, args=args.model_dump(mode="json"), key=key))["id"]


async def fence(action: str, args: Any, key: str) -> None:
    said = await ask("fence", action=action, args=args.model_dump(mode="json"), key=key)
    if "refused" in said:
        raise Unreachable(said["refused"])


# --- the provider itself ----------------------------------------------------------------------------------------------


class Provider:
    """Everything that actions touch. One process, one event loop."""

    def __init__(self, folder: Path, faults: Faults, dice: Dice, heads: Heads) -> None:
        self._faults = faults
        self._dice = dice
        self._heads = heads
        self._calls = (folder / "calls.jsonl").open("a", buffering=1)
        self._books = (folder / "books.jsonl").open("a", buffering=1)
        self._booked: list[dict[str, Any]] = []
        self._by_key: dict[str, int] = {}
        self._refused: set[str] = set()
        self._fenced: set[str] = set()
        self._travelling: dict[str, int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        # A test that needs one order of things says itself when a request lands, and whether it is refused.
        self._holding = False
        self._held: dict[str, asyncio.Future[bool]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if line.endswith(b"\n"):
                reply = await self._reply(json.loads(line))
                if reply is not None:
                    writer.write(json.dumps(reply).encode() + b"\n")
                    await writer.drain()
        except ConnectionError:
            # Whoever asked is gone; what was asked goes its way.
            return
        finally:
            writer.close()

    async def _reply(self, said: dict[str, Any]) -> dict[str, Any] | None:
        """What is answered; None: the line is cut without a word."""
        match said.pop("what"):
            case "perform":
                return await self._perform(**said)
            case "check":
                return await self._check(**said)
            case "fence":
                return await self._fence(**said)
            case "book":
                return self._looked_up(**said)
            case "idle":
                return {"idle": not any(self._travelling.values())}
            case "hold":
                self._holding = True
                return {"holding": True}
            case "land":
                self._held.pop(said["key"]).set_result(said["refuses"])
                return {"landed": True}
            case "heal":
                self._faults = Faults()
                self._holding = False
                for held in self._held.values():
                    held.set_result(False)
                self._held.clear()
                return {"healed": True}
            case other:
                return {"unknown": other}

    async def _called(self, what: str, action: str, args: Any, key: str) -> bool:
        """Note the call and what is durable. False: the database does not say, so the call is turned away."""
        try:
            durable = await asyncio.wait_for(asyncio.to_thread(self._heads), 5)
        except Exception:  # noqa: BLE001 - whatever is wrong with the database, it cannot be read now
            return False
        call = {"at": true_now(), "what": what, "action": action, "key": key, "args": args, "durable": durable}
        self._calls.write(json.dumps(call) + "\n")
        return True

    async def _perform(self, action: str, args: Any, key: str) -> dict[str, Any] | None:
        if not await self._called("perform", action, args, key):
            return None
        dice, faults = self._dice, self._faults
        if dice.chance(faults.outside_fails_before):
            return None
        way = dice.between(0.2, LATE_S) if dice.chance(faults.outside_late) else dice.between(0, 0.02)
        refuses = dice.chance(faults.outside_refuses)
        loses, hangs = dice.chance(faults.outside_loses_reply), dice.chance(faults.outside_hangs)
        self._travelling[key] = self._travelling.get(key, 0) + 1
        landing = asyncio.ensure_future(self._land(way, action, args, key, refuses))
        self._tasks.add(landing)
        landing.add_done_callback(self._tasks.discard)
        reply = await asyncio.shield(landing)
        if hangs:
            await asyncio.sleep(SILENT_S)
        return None if loses or hangs else reply

    async def _land(self, way: float, action: str, args: Any, key: str, refuses: bool) -> dict[str, Any]:
        if self._holding:
            refuses = await self._held.setdefault(key, asyncio.get_running_loop().create_future())
        else:
            await asyncio.sleep(way)
        self._travelling[key] -= 1
        return self._book(action, args, key, refuses)

    def _book(self, action: str, args: Any, key: str, refuses: bool) -> dict[str, Any]:
        if key in self._fenced:
            return {"refused": "this key was fenced"}
        if action in IDEMPOTENT:
            if key in self._by_key:
                return {"id": f"r{self._by_key[key]}"}
            if refuses or key in self._refused:
                self._refused.add(key)
                return {"refused": "it does not want to"}
        elif refuses:
            return {"refused": "it does not want to"}
        self._by_key.setdefault(key, len(self._booked))
        booking = {"at": true_now(), "action": action, "key": key, "args": args}
        self._booked.append(booking)
        self._books.write(json.dumps(booking) + "\n")
        return {"id": f"r{len(self._booked) - 1}"}

    async def _check(self, action: str, args: Any, key: str) -> dict[str, Any] | None:
        if not await self._called("check", action, args, key) or self._dice.chance(self._faults.check_fails):
            return None
        return {"id": f"r{self._by_key[key]}" if key in self._by_key else None}

    async def _fence(self, action: str, args: Any, key: str) -> dict[str, Any] | None:
        if not await self._called("fence", action, args, key) or self._dice.chance(self._faults.check_fails):
            return None
        if key in self._by_key:
            return {"refused": "it has been done and cannot be made impossible"}
        self._fenced.add(key)
        # Half the faults of a fence leave it standing and nobody hears of it.
        return None if self._dice.chance(self._faults.check_fails) else {"fenced": True}

    def _looked_up(self, action: str, args: Any, key: str) -> dict[str, Any]:
        """What an operator is told: by key, and by what it was, whatever its key and however much was paid."""
        order = args.get("order")
        same = [one["args"] for one in self._booked if one["action"] == action and one["args"]["order"] == order]
        alike = bool(same) if action == "pay" else args in same
        return {"booked": key in self._by_key, "alike": alike, "travelling": self._travelling.get(key, 0) > 0}


def run(folder: Path, socket: str, faults: Faults, dice: Dice, heads: Heads) -> None:
    """Be the provider until the process is killed."""

    async def forever() -> None:
        provider = Provider(folder, faults, dice, heads)
        server = await asyncio.start_unix_server(provider.serve, socket, limit=LINE_MAX)
        async with server:
            await server.serve_forever()

    asyncio.run(forever())
