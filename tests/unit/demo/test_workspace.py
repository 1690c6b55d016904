"""A demonstration overwrites nothing that is not its own, and goes on where it stopped."""

import json
from pathlib import Path

import pytest

from interlock.assembly.address import address
from interlock.demo.workspace import Workspace, open_workspace
from interlock.vocabulary.errors import Refused


def opened(tmp_path: Path, **more: object) -> Workspace:
    return open_workspace(address(tmp_path / "a.db"), tmp_path / "demo", **more)  # type: ignore[arg-type]


def test_it_is_made_once_and_found_again(tmp_path: Path) -> None:
    made = opened(tmp_path, cheques=20)
    truth = made.truth.read_bytes()
    again = opened(tmp_path)
    assert (made.resumed, again.resumed, again.cheques, again.seed) == (False, True, 20, 7)
    assert again.truth.read_bytes() == truth
    assert len(again.written()) == 20
    assert (again.automation / "automation.py").exists()


def test_an_edited_automation_stays_edited(tmp_path: Path) -> None:
    policy = opened(tmp_path, cheques=3).automation / "policy.yaml"
    policy.write_text("changed")
    assert (opened(tmp_path).automation / "policy.yaml").read_text() == "changed"


def test_a_half_made_folder_is_made_again(tmp_path: Path) -> None:
    made = opened(tmp_path, cheques=5)
    (made.folder / "demo.json").unlink()
    made.truth.write_text("")
    assert len(opened(tmp_path, cheques=5).written()) == 5


@pytest.mark.parametrize(("name", "value"), [("cheques", 21), ("seed", 8)])
def test_another_demonstration_in_the_folder_is_not_mixed_with_this_one(tmp_path: Path, name: str, value: int) -> None:
    opened(tmp_path, cheques=20)
    with pytest.raises(Refused, match="--fresh"):
        opened(tmp_path, **{name: value})


def test_a_database_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    db.write_bytes(b"SQLite format 3\0 and my life's work")
    with pytest.raises(Refused, match="--fresh"):
        opened(tmp_path)
    assert db.read_bytes().endswith(b"work")
    opened(tmp_path, cheques=3, fresh=True)
    assert not db.exists()


def test_a_file_that_is_no_database_is_not_removed_even_when_asked(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("a novel")
    with pytest.raises(Refused, match="no database"):
        opened(tmp_path, fresh=True)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_of_somebody_else_is_not_touched(tmp_path: Path, fresh: bool) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("mine")
    with pytest.raises(Refused, match="no demonstration"):
        opened(tmp_path, fresh=fresh)
    assert (tmp_path / "demo" / "thesis.txt").read_text() == "mine"


def test_fresh_starts_anew(tmp_path: Path) -> None:
    old = opened(tmp_path, cheques=20)
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0")
    new = opened(tmp_path, cheques=4, seed=9, fresh=True)
    assert (new.cheques, new.seed, new.resumed) == (4, 9, False)
    assert old.db == new.db and not (tmp_path / "a.db").exists()


def test_the_database_it_belongs_to_is_remembered(tmp_path: Path) -> None:
    made = opened(tmp_path, cheques=3)
    assert made.incarnation() == ""
    made.belongs_to("abc")
    assert opened(tmp_path).incarnation() == "abc"
    assert json.loads((made.folder / "demo.json").read_text())["cheques"] == 3
