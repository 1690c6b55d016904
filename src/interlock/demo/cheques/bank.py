"""A bank that loses replies, and its books.

The bank is the outside world of this automation: it books every order it gets and does not ask whether it has seen
the reference before. That no cheque is paid twice is therefore the interlock's merit or its fault, and the books say
which. They are an append-only file of JSON lines; a line is in it, durably, before anybody hears of what it says.
Several processes may use one bank; the lock is on the file, so a process that dies releases it.

What an order may meet, drawn from the seed, the cheque and the count of its tries, so that a repeated run meets the
same:

    fails     the line breaks before the bank has heard anything
    refuses   the bank says no, definitely
    loses     the money moves, the reply is lost: the caller gets an error
    hangs     the money moves, the reply never comes
    slow      the order is put aside and booked a minute later; the caller gets an error long before

`void` ends a reference for ever: what was put aside under it is cancelled, and a call that comes later, however long it
was on its way, is refused. It fails when the money has already moved.

INVARIANT: after `void(reference)` has returned, no order under that reference can move money.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

Line = dict[str, Any]
Fate = Literal["", "fails", "refuses", "loses", "hangs", "slow"]


class Refusal(Exception):
    """The bank said no: this order moves no money, now or later."""


@dataclass(frozen=True)
class Manners:
    """How the bank behaves: shares of orders that meet each fate, and how long a reply takes."""

    seed: int = 7
    fails: float = 0.02
    refuses: float = 0.006
    loses: float = 0.03
    hangs: float = 0.004
    slow: float = 0.006
    letters_lose: float = 0.15
    reply_ms: float = 4.0
    slow_ms: float = 60_000.0


class Bank:
    """Books and manners of one bank, in one folder."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "bank.json").is_file():
            raise FileNotFoundError(
                f"{folder} holds no bank. `interlock demo` makes one beside the automation's folder."
            )
        self.manners = Manners(**json.loads((folder / "bank.json").read_text()))
        self._file = os.open(folder / "books.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._mutex = threading.Lock()
        self._read = 0
        self._orders = 0
        self._tries: Counter[str] = Counter()
        self._void_references: set[str] = set()
        self._booked: dict[str, str] = {}
        self._aside: dict[int, Line] = {}
        self._marks: set[tuple[str, str]] = set()

    # --- what callers use ---------------------------------------------------------------------------------------------

    async def transfer(self, reference: str, cheque: str, amount: Decimal) -> str:
        """Order a transfer.

        Returns its id; raises Refusal when it is certain that none happens, ConnectionError when nothing is certain.
        """
        transfer, fate = await asyncio.to_thread(self._order, reference, cheque, amount)
        return await self._reply(fate, transfer)

    async def find(self, reference: str) -> str | None:
        """The transfer that was booked under a reference."""
        return await asyncio.to_thread(self._find, reference)

    async def void(self, reference: str) -> None:
        """Make everything ordered so far under a reference impossible.

        Raises ConnectionError when the money has already moved.
        """
        await asyncio.to_thread(self._void, reference)

    async def mark(self, reference: str, cheque: str, what: Literal["held", "released", "returned"], why: str) -> None:
        """Note something about a cheque, once per reference."""
        await self._reply(await asyncio.to_thread(self._mark, reference, cheque, what, why))

    async def letter(self, reference: str, cheque: str, why: str) -> None:
        """Send a letter: every call sends one."""
        await self._reply(await asyncio.to_thread(self._letter, reference, cheque, why))

    # --- what the bank does -------------------------------------------------------------------------------------------

    def _order(self, reference: str, cheque: str, amount: Decimal) -> tuple[str, Fate]:
        with self._open():
            if reference in self._void_references:
                raise Refusal("This reference was voided.")
            fate = self._fate(cheque)
            order = self._orders + 1
            said: Line = {"order": order, "ref": reference, "cheque": cheque, "amount": str(amount)}
            if fate == "fails":
                self._note("broken", {"ref": reference, "cheque": cheque})
                raise ConnectionError("The line to the bank broke.")
            if fate == "refuses":
                self._note("refused", {"ref": reference, "cheque": cheque})
                raise Refusal("The receiving bank does not take this transfer.")
            if fate == "slow":
                self._note("aside", {**said, "due": _now() + int(self.manners.slow_ms * 1_000)})
                raise ConnectionError("The bank did not answer in time.")
            self._note("booked", {**said, "reply": "lost" if fate else "sent"})
            return f"t{order}", fate

    def _find(self, reference: str) -> str | None:
        with self._open():
            return self._booked.get(reference)

    def _void(self, reference: str) -> None:
        with self._open():
            if reference in self._booked:
                raise ConnectionError("The money has already moved.")
            self._note("voided", {"ref": reference})

    def _mark(self, reference: str, cheque: str, what: str, why: str) -> Fate:
        with self._open():
            fate = self._fate(cheque)
            if fate == "fails":
                self._note("broken", {"ref": reference, "cheque": cheque})
                raise ConnectionError("The line to the bank broke.")
            if (reference, what) not in self._marks:
                self._note(what, {"ref": reference, "cheque": cheque, "why": why})
            return fate if fate in ("loses", "hangs") else ""

    def _letter(self, reference: str, cheque: str, why: str) -> Fate:
        with self._open():
            lost = self._draw("letter", cheque) < self.manners.letters_lose
            self._note("letter", {"ref": reference, "cheque": cheque, "why": why, "reply": "lost" if lost else "sent"})
            return "loses" if lost else ""

    async def _reply(self, fate: Fate, result: str = "") -> str:
        await asyncio.sleep(self.manners.reply_ms / 1_000)
        if fate == "hangs":
            await asyncio.sleep(3_600)
        if fate:
            raise ConnectionError("The reply of the bank was lost.")
        return result

    def _fate(self, cheque: str) -> Fate:
        drawn, manners = self._draw("order", cheque), self.manners
        fates: tuple[tuple[Fate, float], ...] = (
            ("fails", manners.fails),
            ("loses", manners.loses),
            ("hangs", manners.hangs),
            ("slow", manners.slow),
        )
        if self._draw("refuse", cheque, counted=False) < manners.refuses:
            return "refuses"
        for fate, share in fates:
            if drawn < share:
                return fate
            drawn -= share
        return ""

    def _draw(self, what: str, cheque: str, *, counted: bool = True) -> float:
        text = f"{self.manners.seed}|{what}|{cheque}|{self._tries[cheque] if counted else ''}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64

    # --- the books ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _open(self) -> Generator[None]:
        """The books in one hand: up to date, and what was put aside and is due by now is booked."""
        with self._mutex:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                self._catch_up()
                self._mend()
                for order in [order for order, line in self._aside.items() if line["due"] <= _now()]:
                    line = self._aside[order]
                    self._note(
                        "booked",
                        {name: line[name] for name in ("order", "ref", "cheque", "amount")} | {"reply": "lost"},
                    )
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _note(self, what: str, said: Line) -> None:
        line: Line = {"at": _now(), "what": what, **said}
        body = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        if os.write(self._file, body) != len(body):
            raise OSError("The bank's disk is full.")
        os.fsync(self._file)
        self._read += len(body)
        self._apply(line)

    def _catch_up(self) -> None:
        """Read what was appended since, by whomever; a line without its end was never finished and says nothing."""
        fresh = os.pread(self._file, os.fstat(self._file).st_size - self._read, self._read)
        whole = fresh[: fresh.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self._apply(json.loads(line))
        self._read += len(whole)

    def _mend(self) -> None:
        """Cut off what a writer left behind who died in the middle of a line.

        Only under the lock: nobody else is writing.
        """
        if os.fstat(self._file).st_size > self._read:
            os.ftruncate(self._file, self._read)

    def _apply(self, line: Line) -> None:
        reference = line["ref"]
        self._tries[line.get("cheque", "")] += 1
        match line["what"]:
            case "booked":
                self._orders = max(self._orders, line["order"])
                self._aside.pop(line["order"], None)
                self._booked.setdefault(reference, f"t{line['order']}")
            case "aside":
                self._orders = max(self._orders, line["order"])
                self._aside[line["order"]] = line
            case "voided":
                self._void_references.add(reference)
                for order in [order for order, kept in self._aside.items() if kept["ref"] == reference]:
                    del self._aside[order]
            case "held" | "released" | "returned":
                self._marks.add((reference, line["what"]))
            case _:
                pass


def _now() -> int:
    return time.time_ns() // 1_000


@cache
def bank() -> Bank:
    """The bank that keeps its books in `bank`, beside this automation's folder."""
    return Bank(Path(__file__).resolve().parent.parent / "bank")
