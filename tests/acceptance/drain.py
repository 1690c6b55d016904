"""Drain one budget by many workers that are killed at random moments and at every kind of statement, and recount it.

    ./dev exec python -m tests.acceptance.drain --units 1000000 --each 100 --processes 8 --kills 200 --store postgres

Each event asks for a few units of one budget, together a tenth more than there are; some of the effects are refused by
the outside, which gives their units back. Workers die by SIGKILL, half of them in the midst of a transaction: before a
write or on either side of a commit; others are stopped for a while. What is then left is asked for unit by unit. At
the end the budget is spent to the last unit, and nothing is held.

Three accounts must agree: the budget's own, the outside's books (what really went out, counted once per key as an
outside with idempotency keys does), and the ledger's entries of the account, from which its figures are added up anew
after every single message. `Observer` looks at the account all the while.

INVARIANT: this process holds no database and runs no thread: its workers are forks of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pickle
import random
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from interlock.assembly.hosting import disconnect, hosted
from interlock.assembly.running import make_worker
from interlock.assembly.succession import register
from interlock.kernel.accounts import used
from interlock.ports import Store
from interlock.releases import Release, load_release
from interlock.runtime.control import release_message
from interlock.runtime.inbox import event_envelope
from interlock.runtime.threads import Pool
from interlock.settings import Settings
from interlock.store.driver import StatementFaults
from interlock.store.postgres import open_postgres
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.errors import NotNow
from interlock.vocabulary.ids import BUDGETS, CaseId, slot_of
from tests import postgres_server

T = TypeVar("T")

PATIENCE_S = 240.0
"""Without any progress, on however busy a machine."""

LOOK_S = 0.05
SLOTS = 32
TTL_MS = 3_000
"""Of a lease: short, so that a run does not wait long for the work of the dead."""

BATCH = 500

AUTOMATION = """
from typing import Annotated, Literal

from pydantic import Field

from interlock import Action, Automation, Case, Done, Event, Flow, Name, Requests, action, propose, status

Status = Literal["open", "drunk"]
Units = Annotated[int, Field(ge=1, le=100_000)]


class Glass(Case):
    status: Status = "open"


class Thirst(Event, opens=True):
    glass: Name
    units: Units
    spilt: bool = False


@action(reversible=True, kind="idempotent", undo="nothing", once_per="case")
class Pour(Action[None]):
    glass: Name
    units: Units
    spilt: bool


FLOW: Flow[Status] = {"open": status(Pour, to=("drunk",)), "drunk": status()}
app = Automation("taps", case=Glass, key="glass", flow=FLOW)


@app.on
def thirst(case: Glass, event: Thirst) -> Requests:
    return propose(Pour(glass=event.glass, units=event.units, spilt=event.spilt), because=event)


@app.on
def poured(case: Glass, done: Done[Pour]) -> Requests:
    case.status = "drunk"
"""

EFFECTS = """
import asyncio
import os
from pathlib import Path

from automation import Pour

from interlock import NotDone

BOOK = Path(__file__).with_name("book")


@Pour.performer
async def pour(args: Pour, key: str) -> None:
    await asyncio.sleep(0.001)
    if args.spilt:
        raise NotDone("It was spilt.")
    book = os.open(BOOK, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(book, f"{key} {args.units}\\n".encode())
    finally:
        os.close(book)
    await asyncio.sleep(0.001)
"""

POLICY = """
policy: taps
rules:
  - {id: fine, when: 'true', then: allow, reason: Who is thirsty drinks.}
default: {verdict: escalate, to: owners}
"""

RELEASE = """
[effects.pour]
concurrency = 64
timeout = "60s"

[budgets.water]
for = "pour"
sum = "proposal.units"
max = UNITS
per = "ever"
on_exceeded = "deny"
"""


@dataclass(frozen=True)
class Drain:
    """One run. `url`: a path or a DSN."""

    url: str
    folder: Path
    units: int
    each: int
    processes: int
    kills: int
    seed: int


# --- processes


def forked(work: Callable[[], None]) -> int:
    """Run in a process of its own; its number. It ends with 0, or 70 after an error, which it prints."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a fork must never return into its parent's code
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)


def asked(work: Callable[[], T]) -> T:
    """What `work` returns, run in a process of its own."""
    reads, writes = os.pipe()

    def tell() -> None:
        with os.fdopen(writes, "wb") as pipe:
            pickle.dump(work(), pipe)

    child = forked(tell)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit("A process that only looked or sent has failed; its error is above.")
    return pickle.loads(said)


def opened(drain: Drain, faults: StatementFaults | None = None) -> Store:
    if drain.url.startswith("postgresql://"):
        return open_postgres(
            drain.url, n_slots=SLOTS, faults=faults, silent_ms=2 * TTL_MS, sessionless_ms=TTL_MS // 3, busy_ms=60_000
        )
    return open_sqlite(drain.url, n_slots=SLOTS, faults=faults)


def dying(after: int) -> StatementFaults:
    """Kill this process at its so many-th write or side of a commit."""
    left = after

    def strike(_: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return strike


def work(drain: Drain, release: Release, dies_after: int | None) -> None:
    """A worker until SIGTERM."""
    with closing(opened(drain, None if dies_after is None else dying(dies_after))) as store:
        asyncio.run(_work(store, release))


async def _work(store: Store, release: Release) -> None:
    spawn = Pool("store", 1)
    hosts = {release.name: hosted(release, store)}
    settings = replace(Settings(), lease_ttl_ms=TTL_MS)
    worker = make_worker(store, hosts, settings, lambda notice: None, spawn)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()
    await disconnect(hosts.values())
    spawn.close()


# --- what is sent and what is seen


def submit(drain: Drain, release: Release, wants: list[tuple[str, int, bool]]) -> None:
    now = time.time_ns() // 1_000
    with closing(opened(drain)) as store:
        register(store, release, now=now)
        for begin in range(0, len(wants), BATCH):
            batch = [
                event_envelope(
                    release.name,
                    release.loaded.wire,
                    "Thirst",
                    {"glass": glass, "units": units, "spilt": spilt},
                    id=glass,
                    source="drain",
                    principal="drain",
                    occurred_at=None,
                    now=now,
                )
                for glass, units, spilt in wants[begin : begin + BATCH]
            ]
            store.accept(batch, now=now)


@dataclass(frozen=True)
class Seen:
    """The account at a moment."""

    spent: int
    held: int
    waiting: int
    left: int
    aside: int


def account(store: Store) -> tuple[int, int]:
    """Spent and held."""
    for record in store.cases(automation=BUDGETS, status=None, after=None, limit=10):
        return used(record.state), record.state["held_sum"]
    return 0, 0


def look(drain: Drain) -> Seen:
    """The account, and whether anything is still to be done. Messages in quarantine are put back."""
    with closing(opened(drain)) as store:
        now = time.time_ns() // 1_000
        aside = store.quarantine()
        for one in aside:
            with suppress(NotNow):  # Its case is being worked on: the next look puts it back.
                release_message(store, one.id, "retry", "drain", now=now)
        condition = store.condition()
        waiting = sum(one.count for one in condition.waiting) + condition.between
        left = sum(one.count for one in condition.undone)
        return Seen(*account(store), waiting, left, len(aside))


def observe(drain: Drain, into: Path) -> None:
    """Look at the account until killed, and note how often, how much at most, and what is over."""
    looks = most = 0
    with closing(opened(drain)) as store:
        while True:
            spent, held = account(store)
            looks, most = looks + 1, max(most, spent + held)
            into.with_suffix(".new").write_text(json.dumps({"looks": looks, "most": most}))
            into.with_suffix(".new").replace(into)
            time.sleep(LOOK_S)


NOTE = re.compile(r"(granted|charged) (\d+) (?:of \d+ )?(?:to|for) (\S+)")


def recounted(drain: Drain) -> tuple[int, int, int]:
    """Most that was ever taken, and what is spent and held, from the ledger's entries of the account alone."""
    held: dict[str, int] = {}
    spent = holding = most = 0
    with closing(opened(drain)) as store:
        names = [record.key for record in store.cases(automation=BUDGETS, status=None, after=None, limit=10)]
        if len(names) != 1:
            raise SystemExit(f"One account was expected; there are {names}.")
        slot, after = slot_of(CaseId(BUDGETS, names[0]), SLOTS), 0
        while page := store.ledger(slot, after=after, limit=1_000):
            for entry, _, _ in page:
                after = entry.lsn
                if (entry.automation, entry.key) != (BUDGETS, names[0]):
                    continue
                for what, amount, reservation in (found for note in entry.notes for found in NOTE.findall(note)):
                    if what == "granted":
                        holding += 0 if reservation in held else int(amount)
                        held.setdefault(reservation, int(amount))
                    else:
                        holding -= held.pop(reservation.rstrip(";,"), 0)
                        spent += int(amount)
                most = max(most, spent + holding)
    return most, spent, holding


def booked(drain: Drain) -> int:
    """Units that went out, by the outside's own books."""
    lines = (drain.folder / "book").read_text().splitlines()
    return sum({key: int(units) for key, units in (line.split() for line in lines)}.values())


# --- the run


def run(drain: Drain, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Drain, and say what came of it. `violations` is what must be empty."""
    draw = random.Random(drain.seed)
    folder = drain.folder
    for name, text in (("automation.py", AUTOMATION), ("effects.py", EFFECTS), ("policy.yaml", POLICY)):
        (folder / name).write_text(text)
    (folder / "release.toml").write_text(RELEASE.replace("UNITS", str(drain.units)))
    release = load_release(folder)

    wants: list[tuple[str, int, bool]] = []
    wanted = 0
    while wanted < drain.units * 11 // 10:
        units, spilt = draw.randint(1, drain.each), draw.random() < 0.1
        wants.append((f"g{len(wants)}", units, spilt))
        wanted += 0 if spilt else units
    asked(lambda: submit(drain, release, wants))
    seen_by = folder / "seen.json"
    observer = forked(lambda: observe(drain, seen_by))
    fleet = _Fleet(drain, release, draw)
    try:
        fleet.until_quiet(say)
        first = asked(lambda: look(drain))
        # Who wanted more than was left was refused. The rest, unit by unit, and a few more for whom there is nothing.
        rest = drain.units - first.spent
        asked(lambda: submit(drain, release, [(f"r{n}", 1, False) for n in range(rest + 10)]))
        fleet.until_quiet(say)
    finally:
        fleet.end()
        os.kill(observer, signal.SIGKILL)
        os.waitpid(observer, 0)
    seen = asked(lambda: look(drain))
    observed = json.loads(seen_by.read_text())
    most, spent, held = asked(lambda: recounted(drain))
    out = booked(drain)
    checks = {
        "the account is spent to the last unit": seen.spent == drain.units,
        "the account holds nothing": seen.held == 0,
        "it was never over when looked at": observed["most"] <= drain.units,
        "it was never over after any message": most <= drain.units,
        "the ledger adds up to the account": (spent, held) == (seen.spent, seen.held),
        "the outside's books agree": out == drain.units,
    }
    return {
        "units": drain.units,
        "spent": seen.spent,
        "held": seen.held,
        "booked": out,
        "most": most,
        "cases": len(wants) + rest + 10,
        "looks": observed["looks"],
        "left_after_the_first_part": rest,
        "kills": fleet.kills,
        "kills_at_a_statement": fleet.struck,
        "stops": fleet.stops,
        "put_back_from_quarantine": fleet.aside,
        "violations": [words for words, holds in checks.items() if not holds],
    }


class _Fleet:
    """The workers: started, killed, stopped, started again."""

    def __init__(self, drain: Drain, release: Release, draw: random.Random) -> None:
        self._drain, self._release, self._draw = drain, release, draw
        self._at_work: dict[int, int | None] = {}
        self.kills = self.struck = self.stops = self.aside = 0
        for _ in range(drain.processes):
            self._start()

    def _start(self) -> None:
        after = None
        if self.kills + self.struck < self._drain.kills and self._draw.random() < 0.5:
            after = self._draw.randint(40, 1_500)
        self._at_work[forked(lambda: work(self._drain, self._release, after))] = after

    def until_quiet(self, say: Callable[[str], None]) -> None:
        """Until nothing is left to do, with as many deaths on the way as are due for it."""
        quiet, before, since = 0, None, time.monotonic()
        struck_at = (-1, -1)
        while quiet < 2:
            time.sleep(self._draw.uniform(0.05, 0.5))
            if before is not None and (before.waiting, before.spent) != struck_at:
                # Deaths that leave nobody the time to do anything would try nothing.
                struck_at = (before.waiting, before.spent)
                self._strike()
            self._reap()
            seen = asked(lambda: look(self._drain))
            self.aside += seen.aside
            say(f"{seen.spent:>9} spent {seen.held:>7} held {seen.waiting:>7} wait, {self.kills + self.struck} killed")
            quiet = quiet + 1 if (seen.waiting, seen.left, seen.held, seen.aside) == (0, 0, 0, 0) else 0
            if seen != before:
                before, since = seen, time.monotonic()
            elif time.monotonic() - since > PATIENCE_S:
                raise SystemExit(f"Nothing has moved for {PATIENCE_S:.0f} s: {seen}")

    def _strike(self) -> None:
        if self.kills + self.struck >= self._drain.kills or not self._at_work:
            return
        victim = self._draw.choice(sorted(self._at_work))
        if self._draw.random() < 0.2:
            os.kill(victim, signal.SIGSTOP)
            time.sleep(self._draw.uniform(0, 1.0))
            os.kill(victim, signal.SIGCONT)
            self.stops += 1
            return
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        del self._at_work[victim]
        self.kills += 1
        self._start()

    def _reap(self) -> None:
        for child in list(self._at_work):
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                code = os.waitstatus_to_exitcode(status)
                if code != -signal.SIGKILL:
                    raise SystemExit(f"A worker ended by itself ({code}); its error is above.")
                del self._at_work[child]
                self.struck += 1
                self._start()

    def end(self) -> None:
        for child in self._at_work:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        self._at_work.clear()


def main() -> int:
    told = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.drain", description=told)
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--each", type=int, default=100, help="an event asks for 1 to so many units")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="postgres")
    parser.add_argument("--db", help="an empty database to use: a path, or a DSN")
    args = parser.parse_args()
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="interlock-drain-")))
        url = str(place / "drain.db")
        if args.db:
            url = args.db
        elif args.store == "postgres":
            url = stack.enter_context(postgres_server.servers()).new("drain").create_database()
        (place / "taps").mkdir()
        drain = Drain(url, place / "taps", args.units, args.each, args.processes, args.kills, args.seed)
        found = run(drain, lambda text: print(f"\r{text}", end="", file=sys.stderr, flush=True))
    print(file=sys.stderr)
    print(json.dumps(found, indent=2))
    return 1 if found["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
