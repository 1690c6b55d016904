"""Personal data as its owner would look for it: in every byte of the database and in everything that is printed.

The texts that are personal hold the word MARKED; no file and no output may hold it, before an erasure or after.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from interlock import Interlock
from interlock.assembly import open_store
from interlock.assembly.embedding import Handle
from interlock.assembly.hosting import kept_by
from interlock.cli.root import run
from interlock.kernel.program import Rejected
from interlock.ledger import verify
from interlock.ports import Accepted, Clash, Duplicate
from interlock.releases import Release, load_release
from interlock.runtime.erasure import erase_subject
from interlock.runtime.inbox import event_envelope
from interlock.vocabulary.errors import Erased, NotFound, Refused
from interlock.vocabulary.ids import CaseId

FOLDER = Path(__file__).parent / "claims"
NOW = 1_800_000_000_000_000


@pytest.fixture
def claims() -> Iterator[tuple[Release, Any]]:
    release = load_release(FOLDER)
    module: ModuleType = release.loaded.definition.modules[0]
    yield release, module
    for name in ("automation", "effects", "advisors"):
        sys.modules.pop(name, None)


def filed(types: Any, claim: str, *, amount: int = 100, story: str = "MARKEDSTORY of rain") -> Any:
    return types.Filed(
        claim=claim,
        customer="customer-17",
        person=types.Person(name="MARKEDNAME", town="Bonn"),
        iban="MARKEDIBAN",
        amount=Decimal(amount),
        story=story,
    )


async def whole_story(db: Path, release: Release, types: Any) -> None:
    """c1 is paid, remarked on and written to; c2 waits for a person after an advisor failed; c3 holds poison."""
    async with Interlock.open(db) as il:
        il.host(release)
        handle: Handle[Any] = Handle(il, release)
        await handle.submit(filed(types, "c1"), id="e1", source="t")
        assert (await handle.settled("c1")).state.iban == "MARKEDIBAN"
        await handle.submit(types.Remarked(claim="c1", remark="MARKEDREMARK"), id="e2", source="t")
        state = (await handle.settled("c1")).state
        assert "MARKEDREMARK" in state.notes, state.notes
        assert "no address of MARKEDNAME" in state.notes, "what a performer says is opened for its reducer"
        assert "It says: MARKEDSTORY of rain" in state.notes, "so is a rationale"
        await handle.call(types.Letter(to="MARKEDCALL"), key="c1", id="k1", principal="ann")
        await handle.settled("c1")
        await handle.submit(filed(types, "c2", amount=700), id="e1", source="t")
        await handle.settled("c2")
        ((review, _),) = await handle.reviews()
        await handle.edit(
            review, types.Pay(iban="MARKEDEDIT", amount=Decimal(600)), group="office", principal="bob", comment="less"
        )
        await handle.submit(filed(types, "c3", story="explode MARKEDSTORY"), id="e1", source="t")
        await handle.settled("c3")
        await handle.submit(types.Remarked(claim="c3", remark="poison MARKEDPOISON"), id="e2", source="t")
        await il.moved()
        await handle.settled("c3")
        await handle.submit(types.Remarked(claim="early", remark="MARKEDEARLY"), id="e1", source="t")
        while not il.store.quarantine() or il.store.case(CaseId("claims", "early")) is None:
            await il.moved()
        assert not any(b"MARKED" in body for body in files_of(db)), "in the files while they are written to"


def files_of(db: Path) -> list[bytes]:
    return [path.read_bytes() for path in db.parent.glob(f"{db.name}*") if path.is_file()]


def printed(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    run([*arguments])
    out, err = capfd.readouterr()
    return out + err


def everything_printed(capfd: pytest.CaptureFixture[str], db: Path, *more: str) -> str:
    """What the reading commands say, in words and as JSON."""
    told = ""
    commands = [
        ("cases",), ("tail",), ("report", "--since", "365d"), ("reviews",), ("quarantine", "list"), ("verify",),
        *[(what, case) for what in ("case", "history", "explain") for case in ("claims/c1", "claims/c2", "claims/c3")],
        ("quarantine", "show", "claims/c3"),
    ]  # fmt: skip
    for one in commands:
        told += printed(capfd, *one, "--db", str(db), "--app", str(FOLDER), *more)
        told += printed(capfd, *one, "--json", "--db", str(db), "--app", str(FOLDER), *more)
    assert "claims/c1" in told or "c1" in told
    assert "Traceback" not in told
    return told


def test_personal_data_is_nowhere_in_the_clear_and_gone_after_an_erasure(
    tmp_path: Path, claims: tuple[Release, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    release, types = claims
    db = tmp_path / "claims.db"
    asyncio.run(whole_story(db, release, types))
    assert not any(b"MARKED" in body for body in files_of(db))
    told = everything_printed(capfd, db)
    assert "MARKED" not in told
    assert "(sealed)" in told
    opened = everything_printed(capfd, db, "--unseal")
    for word in ("MARKEDSTORY", "MARKEDNAME", "MARKEDIBAN", "MARKEDREMARK", "MARKEDPOISON"):
        assert word in opened, word
    assert "(sealed" not in opened

    with closing(open_store(db)) as store:
        secrets = [seal.secret for name in ("c1", "c2", "c3") for seal in store.seals(CaseId("claims", name))]
    assert all(any(secret in body for body in files_of(db)) for secret in secrets), "so the search below can fail"
    said = json.loads(printed(capfd, "erase", "customer-17", "--db", str(db), "--yes", "--json", "--as", "dpo"))
    assert said == {"erased": ["claims/c1", "claims/c2", "claims/c3"], "waiting": [], "wiped": True}
    assert not any(secret in body for secret in secrets for body in files_of(db))
    told = everything_printed(capfd, db, "--unseal")
    assert "MARKED" not in told
    assert "(erased)" in told
    verified = json.loads(printed(capfd, "verify", "--db", str(db), "--json"))
    assert verified["ok"], verified
    assert verified["erased"]["cases"] == 3
    assert verified["reevaluated"] == verified["decisions"] > 3, "policies never saw what is gone"

    # The early one was about nobody yet; its case's key is its own.
    assert "MARKEDEARLY" in printed(capfd, "history", "claims/early", "--db", str(db), "--json", "--unseal")


def test_an_erased_case_takes_nothing_and_decides_nothing(tmp_path: Path, claims: tuple[Release, Any]) -> None:
    release, types = claims

    async def story() -> None:
        async with Interlock.open(tmp_path / "claims.db") as il:
            il.host(release)
            handle: Handle[Any] = Handle(il, release)
            await handle.submit(filed(types, "c1", amount=700), id="e1", source="t")
            await handle.settled("c1")
            ((review, _),) = await handle.reviews()
            done = await il.erase("customer-17", principal="dpo", reason="request 7")
            assert [str(case) for case in done.erased] == ["claims/c1"]
            assert await handle.reviews() == [], "what waited is withdrawn"
            record = il.store.case(CaseId("claims", "c1"))
            assert record is not None
            assert record.erased
            assert not (record.questions or record.timers or record.effects or record.reviews)
            with pytest.raises(Erased, match="erased"):
                await handle.case("c1")
            with pytest.raises(Erased):
                await handle.submit(types.Remarked(claim="c1", remark="again"), id="e2", source="t")
            with pytest.raises(Refused):
                await handle.approve(review, group="office", principal="bob")
            with pytest.raises(NotFound):
                await il.erase("customer-17", principal="dpo")
            assert (await il.erase("claims/c1", principal="dpo")).erased, "by its key it is found again, and done"
            assert il.store.case(CaseId("claims", "c1")) == record, "and nothing more is recorded"

    asyncio.run(story())


def test_what_was_accepted_before_an_erasure_goes_to_quarantine(tmp_path: Path, claims: tuple[Release, Any]) -> None:
    release, types = claims
    db = tmp_path / "claims.db"

    async def before() -> None:
        async with Interlock.open(db) as il:
            il.host(release)
            handle: Handle[Any] = Handle(il, release)
            await handle.submit(filed(types, "c1"), id="e1", source="t")
            await handle.settled("c1")

    async def after() -> None:
        async with Interlock.open(db) as il:
            il.host(release)
            while not il.store.quarantine():
                await il.moved()
            (one,) = il.store.quarantine()
            assert "erased" in one.why
            assert not one.blocks
            assert verify(il.store).ok

    asyncio.run(before())
    with closing(open_store(db)) as store:
        wire = kept_by(release.loaded, store)
        waiting = event_envelope(
            "claims", wire, "Remarked", {"claim": "c1", "remark": "MARKEDLATE"},
            id="e2", source="t", principal="t", occurred_at=None, now=NOW,
        )  # fmt: skip
        store.accept([waiting], now=NOW)
        erase_subject(store, "customer-17", principal="dpo", now=NOW, id="1")
    asyncio.run(after())


def test_nothing_is_erased_while_an_effect_may_have_touched_the_outside(
    tmp_path: Path, claims: tuple[Release, Any]
) -> None:
    release, types = claims

    async def story() -> None:
        async with Interlock.open(tmp_path / "claims.db") as il:
            begun, go_on = asyncio.Event(), asyncio.Event()

            async def slow(args: Any, key: str) -> Any:
                begun.set()
                await go_on.wait()
                return types.Receipt(id="r", holder="MARKEDHOLDER")

            performers = cast("dict[str, Any]", release.effects.performers)
            performers["pay"] = replace(release.effects.performers["pay"], run=slow)
            il.host(release)
            handle: Handle[Any] = Handle(il, release)
            await handle.submit(filed(types, "c1"), id="e1", source="t")
            await begun.wait()
            done = await il.erase("customer-17", principal="dpo")
            assert done.erased == ()
            assert done.waiting[0].waits_for == ("pay (started)",)
            go_on.set()
            assert "MARKEDHOLDER" in (await handle.settled("c1")).state.notes, "nothing was lost"
            assert (await il.erase("customer-17", principal="dpo")).erased

    asyncio.run(story())


def test_the_same_event_again_is_a_duplicate_although_it_is_sealed(tmp_path: Path, claims: tuple[Release, Any]) -> None:
    release, _ = claims
    with closing(open_store(tmp_path / "claims.db")) as store:
        wire = kept_by(release.loaded, store)

        def sent(amount: str) -> object:
            person = {"name": "MARKEDNAME"}
            raw = {"claim": "c1", "customer": "k", "person": person, "iban": "MARKEDIBAN", "amount": amount}
            one = event_envelope(
                "claims", wire, "Filed", raw, id="e1", source="t", principal="t", occurred_at=1, now=NOW
            )
            return store.accept([one], now=NOW)[0]

        assert isinstance(sent("1"), Accepted)
        assert isinstance(sent("1"), Duplicate)
        assert isinstance(sent("2"), Clash)


def test_a_sender_cannot_pass_sealed_data_off_as_its_own(tmp_path: Path, claims: tuple[Release, Any]) -> None:
    release, types = claims
    with closing(open_store(tmp_path / "claims.db")) as store:
        wire = kept_by(release.loaded, store)
        _, data, _ = wire.event_plain(types.Remarked(claim="c1", remark="MARKEDREMARK"))
        with pytest.raises(Rejected, match="marks sealed data"):
            wire.event_data("Remarked", data)
        with pytest.raises(Rejected, match="marks sealed data"):
            wire.event_data("Remarked", {**data, "claim": "c2"})


def test_without_a_vault_nothing_personal_is_dumped(claims: tuple[Release, Any]) -> None:
    release, types = claims
    with pytest.raises(Rejected, match="NotSealed"):
        release.loaded.wire.event_plain(types.Remarked(claim="c1", remark="MARKEDREMARK"))


def test_a_key_that_is_found_again_fails_verification(tmp_path: Path, claims: tuple[Release, Any]) -> None:
    release, types = claims
    db = tmp_path / "claims.db"

    async def story() -> None:
        async with Interlock.open(db) as il:
            il.host(release)
            handle: Handle[Any] = Handle(il, release)
            await handle.submit(filed(types, "c1"), id="e1", source="t")
            await handle.settled("c1")
            await il.erase("customer-17", principal="dpo")

    asyncio.run(story())
    with closing(sqlite3.connect(db)) as raw, raw:
        raw.execute("UPDATE seals SET secret = randomblob(64)")
    with closing(open_store(db)) as store:
        (finding,) = verify(store).findings
        assert finding.code == "erasure"
