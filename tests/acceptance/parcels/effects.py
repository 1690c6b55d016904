"""The outside, with its own books: one file per kind of effect, a line per thing that really happened.

The books are the judge in the tests. A call begins (a line in `begun.jsonl`), takes a moment, happens (a line in its
own file), takes another moment and replies; a death or a lost reply can come between any two of these.

`labels` deduplicates on the key, as an outside with idempotency keys does. `charges` books whatever it is told and can
be asked, and refuses a key that was voided. `letters` sends whatever it is told.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from automation import Charge, Label, Letter, Receipt

from interlock import NotDone

BOOKS = Path(__file__).parent / "books"
PACE_S = float(os.environ.get("PARCELS_PACE_S", "0.001"))


@contextmanager
def books() -> Iterator[None]:
    """One at a time, over all processes; released by the death of the process."""
    BOOKS.mkdir(exist_ok=True)
    with (BOOKS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read(name: str) -> list[dict[str, Any]]:
    path = BOOKS / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write(name: str, **line: Any) -> None:
    with (BOOKS / f"{name}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


async def begin(what: str, parcel: str, key: str, effect: str) -> None:
    with books():
        write("begun", what=what, parcel=parcel, key=key)
    await asyncio.sleep(PACE_S)
    if effect == "refuse":
        raise NotDone("The outside does not want to.")
    if effect == "die" and what == "letter":
        os._exit(99)
    if effect == "hang":
        await asyncio.sleep(3_600)


async def reply(effect: str, key: str) -> None:
    await asyncio.sleep(PACE_S)
    if effect == "mute":
        await asyncio.sleep(3_600)
    if effect == "exit":
        sys.exit(0)
    if effect == "lose" or (effect == "some" and zlib.crc32(key.encode()) % 4 == 0):
        raise ConnectionError("The line was cut before the reply.")


def receipt(effect: str, key: str) -> Receipt:
    match effect:
        case "unwritable":
            return Receipt(id="r", words="\ud800")
        case "huge":
            return Receipt(id="r", words="x" * 3_000_000)
        case "odd":
            return cast("Receipt", {"identity": 7})
        case _:
            return Receipt(id=f"r-{key[:12]}")


@Label.performer
async def label(args: Label, key: str) -> None:
    await begin("label", args.parcel, key, args.effect)
    with books():
        if not any(line["key"] == key for line in read("labels")):
            write("labels", parcel=args.parcel, key=key)
    await asyncio.sleep(PACE_S)


@Charge.performer
async def charge(args: Charge, key: str) -> Receipt:
    await begin("charge", args.parcel, key, args.effect)
    with books():
        if any(line["key"] == key for line in read("voided")):
            raise NotDone("This key was voided.")
        write("charges", parcel=args.parcel, key=key, amount=str(args.amount))
    await reply(args.effect, key)
    return receipt(args.effect, key)


@Charge.checker
async def was_charged(args: Charge, key: str) -> Receipt | None:
    with books():
        found = any(line["key"] == key for line in read("charges"))
    return receipt(args.effect, key) if found else None


@Charge.fence
async def never_charge(args: Charge, key: str) -> None:
    with books():
        if any(line["key"] == key for line in read("charges")):
            raise RuntimeError("It was charged already.")
        write("voided", key=key)


@Letter.performer
async def letter(args: Letter, key: str) -> None:
    await begin("letter", args.parcel, key, args.effect)
    with books():
        write("letters", parcel=args.parcel, key=key)
    await reply(args.effect, key)
