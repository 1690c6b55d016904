"""A release that could not read what cases in the database hold is refused before it meets one of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from interlock.assembly import Interlock, open_store
from interlock.assembly.embedding import Handle
from interlock.assembly.succession import unreadable
from interlock.automation.modules import forget
from interlock.cli.root import run
from interlock.releases import Release, load_release
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.errors import DefinitionErrors, Refused
from interlock.vocabulary.ids import CaseId
from tests.unit.automation.written import FILES, write

RENAMED = {"automation.py": (("case.total", "case.sum"), ("    total: Money | None", "    sum: Money | None"))}
RETYPED = {
    "automation.py": (
        ("    total: Money | None", "    total: Name | None"),
        ("case.total = event.total", "case.total = str(event.total)"),
        ("Amount(total=case.total)", "Amount(total=Money.__origin__(case.total))"),
    )
}
EUROS = {
    "automation.py": (("    amount: Money", "    euros: Money"), ("Pay(amount=", "Pay(euros=")),
    "policy.yaml": (("proposal.amount", "proposal.euros"),),
}
UPCAST = """

class PayV1(BaseModel):
    amount: Money


@app.upcast
def pay_v1(old: PayV1) -> Pay:
    return Pay(euros=old.amount)
"""
READS = {
    **EUROS,
    "automation.py": (*EUROS["automation.py"], ("from datetime", "from pydantic import BaseModel\nfrom datetime")),
}

Changes = Mapping[str, tuple[tuple[str, str], ...]]


def loaded(folder: Path, changes: Changes = {}, more: str = "") -> Release:  # noqa: B006 - never changed
    for name, text in FILES.items():
        for old, new in changes.get(name, ()):
            assert old in text
            text = text.replace(old, new)  # noqa: PLW2901
        (folder / name).write_text(text + more * (name == "automation.py"))
    forget(folder)
    return load_release(folder)


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "tickets"), tmp_path / "tickets.db"


def work(db: Path | str, release: Release, then: str = "") -> CaseRecord:
    """A worker takes an event in, lets a person decide if it is to, and is gone again."""

    async def once() -> CaseRecord:
        async with Interlock.open(db) as il:
            il.host(release)
            handle = Handle(il, release)
            opened: Any = release.loaded.definition.events["Opened"].type
            await handle.submit(opened(ticket="t1", total="500"), id="e1", source="test")
            record = (await handle.settled("t1")).record
            if then:
                (name, _), *_ = await handle.reviews()
                await handle.approve(name, group="desk", principal=then)
                record = (await handle.settled("t1")).record
            return record

    return asyncio.run(once())


def problems(db: Path, release: Release) -> list[str]:
    with closing(open_store(db, create=False)) as store:
        return [problem.message for problem in unreadable(store, release)]


def test_a_state_that_cannot_be_read_is_refused_with_the_case_that_holds_it(place: tuple[Path, Path]) -> None:
    folder, db = place
    work(db, loaded(folder))
    (found,) = problems(db, loaded(folder, RENAMED))
    assert found == (
        "Ticket lost the field `total` since the last release, without upcaster. Case tickets/t1 holds such a state."
    )
    with pytest.raises(DefinitionErrors, match="lost the field"):
        work(db, loaded(folder, RENAMED))
    with closing(open_store(db)) as store:
        assert len(store.releases()) == 1  # and is not registered


def test_a_change_that_no_case_has_seen_needs_no_upcaster(place: tuple[Path, Path]) -> None:
    folder, db = place
    first = loaded(folder)
    with closing(open_store(db)) as store:
        store.put_release(first.id, first.name, first.manifest.to_bytes(), now=1)
    assert problems(db, loaded(folder, RENAMED)) == []


def test_an_open_review_of_changed_arguments_needs_an_upcaster_and_is_then_judged_anew(
    place: tuple[Path, Path],
) -> None:
    folder, db = place
    record = work(db, loaded(folder))
    assert [review.args for review in record.reviews.values()] == [{"amount": "500"}]
    found = problems(db, loaded(folder, EUROS))
    assert any("Pay lost the field `amount`" in one and "tickets/t1 holds such an action" in one for one in found)
    upcast = loaded(folder, READS, UPCAST)
    assert problems(db, upcast) == []
    record = work(db, upcast, then="ann")
    (review,) = record.reviews.values()
    assert review.args == {"euros": "500"} and not review.approvals and not record.effects
    assert work(db, upcast, then="ann").past["pay"].count == 1


def test_a_type_that_is_gone_is_missed_only_while_a_case_holds_one(place: tuple[Path, Path]) -> None:
    folder, db = place
    work(db, loaded(folder))
    gone = {"automation.py": (("Nudge", "Remind"),)}
    assert problems(db, loaded(folder, gone)) == []  # no case has that timer set


def test_check_tells_beforehand(place: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder, db = place
    work(db, loaded(folder))
    loaded(folder, RETYPED)
    assert run(["check", str(folder)]) == 0
    capsys.readouterr()
    forget(folder)
    assert run(["check", str(folder), "--db", str(db), "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["automations"][0]["problems"]
    assert problem["file"] == "automation.py" and problem["line"] > 1 and "changed its type" in problem["message"]
    forget(folder)
    assert run(["run", str(folder), "--db", str(db), "--until-idle", "--no-supervisor"]) == 1


def test_the_state_of_a_case_is_never_touched_by_a_refusal(place: tuple[Path, Path]) -> None:
    folder, db = place
    before = work(db, loaded(folder))
    with pytest.raises(DefinitionErrors):
        work(db, loaded(folder, RENAMED))
    with closing(open_store(db)) as store:
        assert store.case(CaseId("tickets", "t1")) == before


def test_irreversible_actions_are_refused_where_nothing_lasts(place: tuple[Path, Path]) -> None:
    with pytest.raises(Refused, match="pay cannot be taken back"):
        work(":memory:", loaded(place[0]))
