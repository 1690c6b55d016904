"""An automation inside one's own program, on a real file, with real threads and the real clock."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from interlock import Interlock
from interlock.assembly import open_store
from interlock.assembly.embedding import Unsettled
from interlock.releases import load_release
from interlock.settings import Settings, from_environment
from interlock.vocabulary.errors import Conflict, NotFound, Refused
from tests.unit.testing.small import write

EFFECTS = """
from automation import Pay, Remind

paid = {}

@Pay.performer
def pay(args: Pay, key: str) -> str:
    paid[key] = args.amount
    return "t-" + key[:8]

@Pay.checker
async def was_paid(args: Pay, key: str) -> str | None:
    return "t-" + key[:8] if key in paid else None

@Pay.fence
async def void(args: Pay, key: str) -> None: ...

@Remind.performer
async def remind(args: Remind, key: str) -> None: ...
"""


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "bills"
    made.mkdir()
    write(made)
    (made / "effects.py").write_text(EFFECTS)
    return made


def parts(folder) -> Any:
    return load_release(folder).loaded.definition.modules[0]


def test_people_do_with_a_review_what_people_do(folder, tmp_path):
    m = parts(folder)

    async def go() -> None:
        async with Interlock.open(f"sqlite:///{tmp_path / 'b.db'}") as il:
            bills = il.run(m.app, folder)
            await bills.submit(m.Received(bill="b1", text="twelve chars"), id="e1", source="test")
            await bills.settled("b1", 120)
            ((review, _),) = await bills.reviews("owners")
            await bills.handle(review, "claim", group="owners", principal="ann")
            await bills.settled("b1", 120)
            ((_, held),) = await bills.reviews("owners")
            assert held.claim is not None and held.claim.by == "ann"
            await bills.approve(review, group="owners", principal="bob")  # not while ann has it in hand
            await bills.propose(review, m.Pay(amount=Decimal(1)), group="owners", principal="ann")  # nor beside it
            await bills.settled("b1", 120)
            assert [name for name, _ in await bills.reviews("owners")] == [review]
            await bills.handle(review, "release", group="owners", principal="ann")
            await bills.approve(review, group="owners", principal="bob")
            assert (await bills.settled("b1", 120)).status == "paid"

    asyncio.run(go())


def test_an_event_goes_all_the_way_and_the_result_is_typed(folder, tmp_path):
    m = parts(folder)

    async def go() -> None:
        async with Interlock.open(f"sqlite:///{tmp_path / 'b.db'}") as il:
            bills = il.run(m.app, folder)
            assert await bills.submit(m.Received(bill="b1", text="twelve chars"), id="e1", source="test") == "b1"
            case = await bills.settled("b1", 120)
            assert isinstance(case.state, m.Bill)
            assert case.status == "open"
            ((review, found),) = await bills.reviews("owners")  # nothing has been vouched for: a person decides
            assert found.args == {"amount": "12"}
            await bills.edit(review, m.Pay(amount=Decimal(11)), group="owners", principal="ann")
            case = await bills.settled("b1", 120)
            for review, _ in await bills.reviews("owners"):
                await bills.approve(review, group="owners", principal="bob")
            case = await bills.settled("b1", 120)
            assert case.status == case.state.status == "paid"
            assert [row.action for row in await bills.actions("b1") if row.valid] == ["remind"]
            assert "pay" in await bills.explain(case.last_decision)
            with pytest.raises(Conflict):
                await bills.submit(m.Received(bill="b1", text="other"), id="e1", source="test")
            with pytest.raises(NotFound):
                await bills.settled("nobody", 0.3)
            with pytest.raises(NotFound):
                await bills.approve(review, group="owners", principal="bob")

    asyncio.run(go())


def test_what_one_process_left_the_next_one_finishes(folder, tmp_path):
    m = parts(folder)
    url = tmp_path / "b.db"

    async def begin() -> None:
        async with Interlock.open(url) as il:
            bills = il.run(m.app, folder)
            await bills.submit(m.Received(bill="b1", text="abc"), id="e1", source="test")

    async def finish() -> None:
        async with Interlock.open(url) as il:
            bills = il.run(m.app, folder)
            assert (await bills.settled("b1", 120)).record.reviews

    asyncio.run(begin())
    asyncio.run(finish())


def test_an_advisor_that_hangs_in_its_thread_does_not_keep_the_program_from_ending(folder, tmp_path):
    text = (folder / "advisors.py").read_text().replace("    return Advice", "    time.sleep(600)\n    return Advice")
    (folder / "advisors.py").write_text("import time\n" + text)
    release = folder / "release.toml"
    release.write_text(release.read_text().replace('timeout = "60s"', 'timeout = "2s"'))
    m = parts(folder)

    async def go() -> None:
        async with Interlock.open(tmp_path / "b.db") as il:
            bills = il.run(m.app, folder)
            await bills.submit(m.Received(bill="b1", text="abc"), id="e1", source="test")
            with pytest.raises(Unsettled):
                await bills.settled("b1", 0.05)
            assert (await bills.settled("b1", 120)).record.questions == {}  # timed out after two seconds

    asyncio.run(go())


def test_a_pause_holds_effects_and_a_resume_lets_them_go(folder, tmp_path):
    m = parts(folder)

    async def go() -> None:
        async with Interlock.open(tmp_path / "b.db") as il:
            bills = il.run(m.app, folder)
            await bills.submit(m.Received(bill="b1", text="abc"), id="e1", source="test")
            await bills.settled("b1", 120)
            paused = await il.pause("bills/pay")
            assert paused.control.paused == ("action:bills/pay",)
            assert paused.started == ()
            ((review, _),) = await bills.reviews()
            await bills.approve(review, group="owners", principal="ann")
            assert [e.status for e in (await bills.settled("b1", 120)).record.effects.values()] == ["held"]
            await il.resume("bills/pay")
            for _ in range(2_000):
                case = await bills.settled("b1", 120)
                if case.status == "paid":
                    break
                await asyncio.sleep(0.05)
            assert case.status == "paid"

    asyncio.run(go())


def test_pictures_are_stored_once_and_read_back(tmp_path):
    async def go() -> None:
        async with Interlock.open(":memory:") as il:
            first, second = il.picture(b"pixels"), il.picture(b"pixels")
            assert first == second
            assert il.read(first) == b"pixels"
            assert il.read(il.document(b"text", "text/plain")) == b"text"

    asyncio.run(go())


def test_an_interlock_that_is_not_open_says_so():
    with pytest.raises(Refused, match="async with"):
        Interlock.open(":memory:").picture(b"")


@pytest.mark.parametrize("url", ["mysql:///x", "sqlite:///", "", "redis://x"])
def test_a_store_that_does_not_exist_is_refused(url):
    with pytest.raises(Refused):
        open_store(url)


def test_a_missing_database_is_made_only_when_that_is_wanted(tmp_path):
    with pytest.raises(NotFound):
        open_store(tmp_path / "no.db", create=False)
    with pytest.raises(Refused, match="no folder"):
        open_store(tmp_path / "no" / "such.db")
    open_store(f"sqlite:///{tmp_path / 'yes.db'}", slots=16).close()
    store = open_store(tmp_path / "yes.db", create=False)
    assert store.caps.n_slots == 16
    store.close()


def test_settings_come_from_the_environment():
    assert from_environment({"INTERLOCK_POLL_MS": "7", "OTHER": "x"}) == Settings(poll_ms=7)
    with pytest.raises(Refused, match="INTERLOCK_POLL_MS"):
        from_environment({"INTERLOCK_POLL_MS": "soon"})
    with pytest.raises(Refused, match="drain_ms"):
        Settings(drain_ms=0)
