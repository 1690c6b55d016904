"""What `release create` leaves, and what the next release is told because of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from interlock.automation.modules import forget
from interlock.releases import load_release
from interlock.releases.golden import GOLDEN, LOCK, create, released_problems
from interlock.vocabulary.errors import DefinitionErrors
from tests.unit.automation.written import write
from tests.unit.releases.test_succession import FIELD, UPCAST


def change(folder: Path, *pairs: tuple[str, str], more: str = "") -> None:
    text = (folder / "automation.py").read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (folder / "automation.py").write_text(text + more)
    forget(folder)


TEXT_TOTAL = (
    (FIELD, "    total: Name | None = None"),
    ("case.total = event.total", "case.total = str(event.total)"),
    ("ask(Amount(total=case.total))", "ask(Amount(total=Money.__origin__(case.total)))"),
)


def told(folder: Path) -> list[str]:
    return [str(one) for one in released_problems(folder, load_release(folder))]


def test_a_folder_without_a_lock_has_nothing_to_be_checked_against(tmp_path: Path) -> None:
    assert told(write(tmp_path / "tickets")) == []


def test_created_again_it_is_the_same(tmp_path: Path) -> None:
    folder = write(tmp_path / "tickets")
    made = create(folder)
    assert (made.states, made.added) == (made.states, made.states)
    assert made.states >= 2, "one per status"
    kept = {name: (folder / name).read_bytes() for name in (LOCK, GOLDEN)}
    assert json.loads(kept[LOCK])["automation"] == load_release(folder).name
    assert (create(folder).states, create(folder).added) == (made.states, 0)
    assert {name: (folder / name).read_bytes() for name in (LOCK, GOLDEN)} == kept
    assert told(folder) == []


def test_a_state_that_changed_without_an_upcaster_is_named_and_cannot_be_created(tmp_path: Path) -> None:
    folder = write(tmp_path / "tickets")
    create(folder)
    change(folder, *TEXT_TOTAL)
    assert "changed its type since the last release, without upcaster" in told(folder)[0]
    before = (folder / LOCK).read_bytes()
    with pytest.raises(DefinitionErrors, match="without upcaster"):
        create(folder)
    assert (folder / LOCK).read_bytes() == before


def test_golden_states_of_all_releases_are_read_and_an_upcaster_may_not_change(tmp_path: Path) -> None:
    folder = write(tmp_path / "tickets")
    first = create(folder)
    change(folder, *TEXT_TOTAL, more=UPCAST)
    assert told(folder) == []
    second = create(folder)
    assert second.states == first.states + second.added > first.states
    golden = [json.loads(line) for line in (folder / GOLDEN).read_text().splitlines()]
    assert all(len(one["reads"]) == 2 for one in golden[: first.states])
    change(folder, ("total=str(old.total)", "total='lost'"))
    assert any("when it was released it read as" in one for one in told(folder))
    change(folder, ("total='lost'", "total=old.missing"))
    assert any("can no longer be read: AttributeError" in one for one in told(folder))


@pytest.mark.parametrize(("name", "content"), [(LOCK, "{}"), (LOCK, "no"), (GOLDEN, "[]\n"), (GOLDEN, "{}\n")])
def test_a_file_that_is_not_what_was_written_is_named(tmp_path: Path, name: str, content: str) -> None:
    folder = write(tmp_path / "tickets")
    create(folder)
    (folder / name).write_text(content)
    assert told(folder)[0].startswith(f"{name}:1: ")
