"""A release that could not read the states of the one before it is noticed before it meets the first of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.automation.modules import forget
from interlock.releases import load_release
from interlock.releases.succession import succession_problems
from tests.unit.automation.written import line_of, write

FIELD = "    total: Money | None = None"
HEAD = "from decimal import Decimal\nfrom typing import Annotated\nfrom pydantic import Field\n"
UPCAST = """
class TicketV1(Case):
    status: Status = "open"
    total: Money | None = None


@app.upcast
def up(old: TicketV1) -> Ticket:
    return Ticket(status=old.status, total=str(old.total))
"""


def problems(tmp_path: Path, field: str) -> tuple[Path, list[str]]:
    folder = write(tmp_path / "tickets")
    before = load_release(folder)
    text = (folder / "automation.py").read_text()
    (folder / "automation.py").write_text(HEAD + text.replace(FIELD, field))
    forget(folder)
    after = load_release(folder)
    return folder, [str(problem) for problem in succession_problems(after.loaded.definition, before.manifest)]


@pytest.mark.parametrize(
    "field",
    [
        FIELD,
        FIELD + "\n    note: Name = ''",
        "    total: Annotated[Decimal, Field(ge=0, decimal_places=3)] | None = None",
    ],
)
def test_taken_over(tmp_path: Path, field: str) -> None:
    assert problems(tmp_path, field)[1] == []


def test_a_changed_type_needs_an_upcaster(tmp_path: Path) -> None:
    folder, found = problems(tmp_path, "    total: Name | None = None")
    line = line_of(folder, "automation.py", "total: Name")
    assert found[0].startswith(f"automation.py:{line}: Ticket.total changed its type since the last release")
    assert "@app.upcast" in found[0]


def test_with_an_upcaster_the_old_state_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "tickets")
    before = load_release(folder)
    text = (folder / "automation.py").read_text().replace(FIELD, "    total: Name | None = None")
    text = text.replace("case.total = event.total", "case.total = str(event.total)")
    text = text.replace("ask(Amount(total=case.total))", "ask(Amount(total=Money.__origin__(case.total)))")
    (folder / "automation.py").write_text(text + UPCAST)
    forget(folder)
    after = load_release(folder)
    assert succession_problems(after.loaded.definition, before.manifest) == []
    _, _, stored = before.program.reducers.initial()
    state, schema = after.program.reducers.current({"status": "open", "total": "5.00"}, stored)
    assert state == {"status": "open", "total": "5.00"}
    assert schema == after.loaded.definition.schemas["Ticket"] != stored
