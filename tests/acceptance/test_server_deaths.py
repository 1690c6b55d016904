"""A PostgreSQL server dies under real workers, or comes back worth less than it was.

The outside's books are the judge: what they hold once was done once. Nobody does anything for the workers: they come
back by themselves.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from interlock.assembly import open_store
from interlock.ledger import verify
from interlock.ports import Store
from interlock.releases import load_folder
from interlock.runtime.inbox import event_envelope
from interlock.store.postgres import open_postgres
from interlock.vocabulary.errors import StoreBusy, StoreError
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.ids import CaseId, slot_of
from tests.acceptance.cli_session import environment
from tests.acceptance.parcel_office import book, office, parcels
from tests.postgres_server import Server, Servers

pytestmark = pytest.mark.xdist_group("server-deaths")

SLOTS = 8
PATIENCE_S = 240.0
COMPLETE = (["charge", "label", "letter"], ["charge", "label", "no letter"])


def until(done: Callable[[], bool], what: str) -> None:
    """Wait for a condition, however long a loaded machine takes."""
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end, f"it never came that {what}"
        time.sleep(0.1)


@contextmanager
def workers(folder: Path, url: str, count: int, env: dict[str, str]) -> Iterator[list[subprocess.Popen[Any]]]:
    """Processes that live as long as this block, and are at work all the time."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.cells_worker", url, str(folder)],
            cwd=Path(__file__).parents[2],
            env=environment(**env),
            stderr=(folder / f"worker{number}.err").open("w"),
        )
        for number in range(count)
    ]
    try:
        yield running
        for number, one in enumerate(running):
            assert one.poll() is None, (folder / f"worker{number}.err").read_text()
    finally:
        for one in running:
            one.terminate()
        for one in running:
            try:
                one.wait(60)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


PRICE = 1_000
"""Of a parcel, in cents."""

BUDGET = """
[budgets.charges]
for = "charge"
sum = "proposal.amount"
max = 100000.00
per = "ever"
"""
"""One account for all cases, in one slot: each charge is asked for and granted by messages between slots."""


class Office:
    """An automation's folder, and the door to its store."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = office(folder)
        with (self.folder / "release.toml").open("a") as release:
            release.write(BUDGET)
        self.url = url
        self.loaded = load_folder(self.folder)

    def envelope(self, parcel: str) -> Envelope:
        return event_envelope(
            self.loaded.name,
            self.loaded.wire,
            "Ordered",
            {"parcel": parcel, "price": "10.00"},
            id=f"o-{parcel}",
            source="shop",
            principal="shop",
            occurred_at=None,
            now=time.time_ns() // 1_000,
        )

    def case(self, parcel: str) -> CaseId:
        return CaseId(self.loaded.name, parcel)

    def order(self, store: Store, *names: str) -> None:
        """Accepted when this returns."""
        waiting = [self.envelope(name) for name in names]

        def accepted() -> bool:
            try:
                store.accept(waiting, now=time.time_ns() // 1_000)
            except StoreBusy:
                return False
            return True

        until(accepted, "a store accepts messages")

    def ended(self, store: Store, *names: str) -> bool:
        """Whether each is done, or its letter in doubt, which a person ends."""
        for name in names:
            try:
                record = store.case(self.case(name))
            except StoreBusy:
                return False
            if record is None:
                return False
            doubts = [effect for effect in record.effects.values() if effect.status == "in_doubt"]
            if sorted(record.state.get("done", [])) not in COMPLETE and not doubts:
                return False
        return True

    def spent(self, store: Store) -> tuple[int, int]:
        """Cents that the accounts have paid out, and that they hold."""
        accounts = store.cases(automation="interlock.budgets", status=None, after=None, limit=100)
        spent = sum(int(amount) for one in accounts for amount in one.state.get("spent", {}).values())
        return spent, sum(int(amount) for one in accounts for amount, _ in one.state.get("held", {}).values())

    def judge(self, store: Store, names: list[str]) -> None:
        """Nothing lost and nothing twice."""
        begun = Counter((line["what"], line["parcel"]) for line in book(self.folder, "begun"))
        assert [one for one in begun if one[0] == "letter" and begun[one] > 1] == [], "a letter was begun twice"
        for name in ("labels", "charges", "letters"):
            found = Counter(parcels(self.folder, name))
            assert [one for one, count in found.items() if count > 1] == [], f"{name} twice"
        assert parcels(self.folder, "charges") == sorted(names)
        assert self.spent(store) == (PRICE * len(names), 0)
        report = verify(store)
        assert report.ok, report


def slots_of_parcels(made: Office, slots: range, count: int, prefix: str) -> list[str]:
    """Names of parcels that lie in these slots."""
    found = (f"{prefix}{number}" for number in range(10_000))
    return [name for name in found if slot_of(made.case(name), SLOTS) in slots][:count]


def test_one_cell_dies_and_comes_back_while_the_other_goes_on(
    postgres_servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = postgres_servers.new("one"), postgres_servers.new("two")
    cells = tmp_path / "cells.toml"
    cells.write_text(
        f'slots = {SLOTS}\n[[cell]]\nname = "one"\nslots = "0-3"\ndsn_env = "CELL_ONE"\n'
        '[[cell]]\nname = "two"\nslots = "4-7"\ndsn_env = "CELL_TWO"\n'
    )
    env = {"CELL_ONE": one.create_database(), "CELL_TWO": two.create_database(), "PARCELS_PACE_S": "0.02"}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    url = f"cells:{cells}"
    made = Office(tmp_path, url)
    store: Any = open_store(url)
    early = slots_of_parcels(made, range(SLOTS), 30, "early")
    with workers(made.folder, url, 2, env):
        until(lambda: len(store.workers()) == 2, "both workers have begun")
        made.order(store, *early)
        until(lambda: len(book(made.folder, "charges")) >= 4, "the workers are in the middle of it")
        # Not the cell with the account of the budget, which every charge of every case has to ask.
        (account,) = store.cases(automation="interlock.budgets", status=None, after=None, limit=2)
        home = slot_of(account.case, SLOTS) // 4
        dying = (two, one)[home]
        living, dead = (range(4), range(4, 8)) if home == 0 else (range(4, 8), range(4))
        meanwhile = slots_of_parcels(made, living, 12, "meanwhile")
        there = slots_of_parcels(made, dead, 6, "there")
        dying.kill9()
        made.order(store, *meanwhile)
        until(lambda: made.ended(store, *meanwhile), "the living cell's cases go on")
        assert dying.pid is None
        with pytest.raises(StoreBusy):
            store.accept([made.envelope(name) for name in there], now=time.time_ns() // 1_000)
        dying.start()
        made.order(store, *there)
        every = [*early, *meanwhile, *there]
        until(lambda: made.ended(store, *every), "all cases end")
        until(lambda: made.spent(store) == (PRICE * len(every), 0), "every charge is settled")
        assert store.condition().between == 0
    made.judge(store, every)
    assert store.accept([made.envelope(early[0])], now=1)[0].slot == slot_of(made.case(early[0]), SLOTS)
    store.close()


def test_a_store_that_may_forget_takes_no_irreversible_action(postgres_servers: Servers, tmp_path: Path) -> None:
    server = postgres_servers.new("forgetful", fsync="off")
    cells = tmp_path / "cells.toml"
    cells.write_text(f'slots = {SLOTS}\n[[cell]]\nname = "all"\nslots = "0-7"\ndsn_env = "CELL_ALL"\n')
    env = {"CELL_ALL": server.create_database()}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.cells_worker", f"cells:{cells}", "examples/refunds"],
        cwd=Path(__file__).parents[2],
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode != 0
    assert "may forget what it was told, and refund cannot be taken back" in ended.stderr

    # Nor does a worker go on that was let begin, when its server comes back so.
    server.stop()
    _set(server, "fsync", "on")
    server.start()
    store: Any = open_postgres(env["CELL_ALL"], slots=range(SLOTS))
    assert store.caps.durability == "fsync"
    store.join("w", now=1)
    _set(server, "fsync", "off")
    server.restart()
    with pytest.raises(StoreError, match="runs without fsync, and did not before"):
        until(lambda: _beats(store), "the store is reached again")
    store.close()


def _set(server: Server, name: str, value: str) -> None:
    with (server.data / "postgresql.conf").open("a") as conf:
        conf.write(f"{name} = {value}\n")


def _beats(store: Store) -> bool:
    try:
        store.beat("w", now=2)
    except StoreBusy:
        return False
    return True
