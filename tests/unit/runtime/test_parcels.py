"""Messages that a worker takes along in its own transactions: fewer commits, the same promises."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import structs

from interlock.ports import Accepted, Duplicate
from interlock.runtime.inbox import Admitted, Door
from interlock.runtime.threads import Inline
from interlock.runtime.worker import Worker
from interlock.vocabulary.errors import Conflict, NotNow, StoreBusy, StoreFull, StoreReadOnly
from interlock.vocabulary.events import EventBody
from tests.unit.runtime.tiny import World, event


def door_of(world: World, worker: Worker, **options: Any) -> Door:
    return Door(
        world.store,
        clock=world.clock,
        spawn=Inline(),
        accepted=worker.wake,
        carrier=worker.take_along,
        **options,
    )


def counting(world: World, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages each transaction of the worker took along; -1 for each that the door wrote itself."""
    transactions: list[int] = []
    units, accept = world.store.units, world.store.accept

    def counted_units(*args: Any, **options: Any) -> Any:
        transactions.append(len(options.get("accept", ())))
        return units(*args, **options)

    def counted_accept(*args: Any, **options: Any) -> Any:
        transactions.append(-1)
        return accept(*args, **options)

    monkeypatch.setattr(world.store, "units", counted_units)
    monkeypatch.setattr(world.store, "accept", counted_accept)
    return transactions


def test_a_worker_takes_messages_along_and_their_turns_come_with_the_next_transaction(monkeypatch):
    world = World()
    worker = world.start()
    door = door_of(world, worker)
    transactions = counting(world, monkeypatch)

    async def go() -> None:
        assert isinstance(await door.submit(event("c1", "e1")), Accepted)
        assert worker.moving(), "whoever asks whether the case is at rest must hear that it is not"
        assert world.store.case(event("c1", "e1").case) is None
        assert world.store.backlog() == 1
        assert isinstance(await door.submit(event("c1", "e1")), Duplicate)

    world.loop.run_until_complete(go())
    world.settle()
    assert world.case("c1").status == "paid"
    assert len(world.outside.performed) == 1
    assert -1 not in transactions
    assert sum(transactions) == 2


def test_under_load_a_case_takes_a_fraction_of_a_transaction(monkeypatch):
    world = World()
    worker = world.start()
    door = door_of(world, worker)
    transactions = counting(world, monkeypatch)
    cases, in_flight = 320, 32

    async def client(first: int) -> None:
        for n in range(first, cases, in_flight):
            await door.submit(event(f"c{n}", "e1"))
            while n not in done:
                await worker.changed()
                done.update(k for k in range(cases) if k not in done and f"c{k}" in paid())

    def paid() -> set[str]:
        return {one.key for one in world.outside.performed}

    done: set[int] = set()

    async def go() -> None:
        await asyncio.gather(*[client(n) for n in range(in_flight)])

    world.loop.run_until_complete(go())
    world.settle()
    assert len(world.outside.performed) == cases
    assert len(transactions) <= 0.2 * cases
    assert -1 not in transactions


def test_a_known_id_with_other_content_is_a_conflict_of_its_sender_alone():
    world = World()
    worker = world.start()
    door = door_of(world, worker)

    async def go() -> list[Any]:
        await door.submit(event("c1", "e1"))
        other = structs.replace(event("c1", "e1"), body=EventBody("In", {"x": 1}))
        both = [door.submit(other), door.submit(event("c2", "e1"))]
        return await asyncio.gather(*both, return_exceptions=True)

    clash, taken = world.loop.run_until_complete(go())
    assert isinstance(clash, Conflict)
    assert isinstance(taken, Accepted)


def test_what_the_door_refuses_is_not_taken_along():
    world = World()
    worker = world.start()
    door = door_of(world, worker, admitted=Admitted(inbox_max=0))

    async def go() -> None:
        with pytest.raises(NotNow, match="messages wait"):
            await door.submit(event("c1", "e1"))

    world.loop.run_until_complete(go())
    assert world.store.backlog() == 0


@pytest.mark.parametrize("error", [StoreBusy("Another process writes."), StoreFull("The disk is full.")])
def test_a_worker_that_cannot_write_gives_them_back_and_the_sender_hears_why(monkeypatch, error):
    world = World()
    worker = world.start()
    door = door_of(world, worker)
    healthy = {name: getattr(world.store, name) for name in ("units", "accept")}

    def failing(*args: Any, **options: Any) -> Any:
        raise error

    for name in healthy:
        monkeypatch.setattr(world.store, name, failing)

    async def go() -> None:
        with pytest.raises(type(error), match=str(error)):
            await door.submit(event("c1", "e1"))
        for name, method in healthy.items():
            monkeypatch.setattr(world.store, name, method)
        assert isinstance(await door.submit(event("c1", "e1")), Accepted)

    world.loop.run_until_complete(go())
    world.settle()
    assert world.case("c1").status == "paid"
    assert len(world.outside.performed) == 1


def test_a_worker_that_ends_leaves_the_door_able_to_write(monkeypatch):
    world = World()
    worker = world.start()
    door = door_of(world, worker)

    def readonly(*args: Any, **options: Any) -> Any:
        raise StoreReadOnly("The database cannot be written.")

    monkeypatch.setattr(world.store, "units", readonly)

    async def go() -> None:
        assert isinstance(await door.submit(event("c1", "e1")), Accepted)
        _, task = world.workers["w1"]
        with pytest.raises(StoreReadOnly):
            await task
        assert isinstance(await door.submit(event("c2", "e1")), Accepted)

    world.loop.run_until_complete(go())
    assert world.store.backlog() == 2
