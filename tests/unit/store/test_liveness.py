"""A lock on a file says that a worker lives, and nothing but its end says that it died."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from interlock.store.liveness import FileLiveness, MemoryLiveness
from interlock.vocabulary.errors import NotNow


def test_alive_until_released(tmp_path: Path) -> None:
    one, other = FileLiveness(tmp_path / "workers"), FileLiveness(tmp_path / "workers")
    assert other.is_dead("w")
    one.hold("w")
    assert (one.is_dead("w"), other.is_dead("w")) == (False, False)
    assert (one.holds("w"), other.holds("w")) == (True, False)
    one.release("w")
    assert other.is_dead("w")
    assert list((tmp_path / "workers").iterdir()) == []


def test_dead_with_the_end_of_its_process_and_the_file_is_cleared_by_who_finds_it(tmp_path: Path) -> None:
    one, other = FileLiveness(tmp_path), FileLiveness(tmp_path)
    one.hold("w")
    one.close()
    assert [file.name for file in tmp_path.iterdir()] == ["w.lock"]
    assert other.is_dead("w")
    other.clear("w")
    assert list(tmp_path.iterdir()) == []


def test_clearing_does_not_take_a_name_from_the_living(tmp_path: Path) -> None:
    one, other = FileLiveness(tmp_path), FileLiveness(tmp_path)
    one.hold("w")
    other.clear("w")
    with pytest.raises(NotNow):
        other.hold("w")


def test_a_name_can_be_held_again_after_its_file_was_taken_away(tmp_path: Path) -> None:
    one, other = FileLiveness(tmp_path), FileLiveness(tmp_path)
    one.hold("w")
    one.release("w")
    other.hold("w")
    assert one.is_dead("w") is False


@pytest.mark.parametrize("name", ["a/b", "../up", ".", "host:1 é", "x" * 80])
def test_any_name_is_a_file_of_its_own(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "workers"
    one, other = FileLiveness(folder), FileLiveness(folder)
    one.hold(name)
    assert not other.is_dead(name)
    assert [file.parent for file in folder.iterdir()] == [folder]
    assert os.listdir(tmp_path) == ["workers"]  # noqa: PTH208 - nothing beside the folder


def test_in_memory_a_list_does_the_same() -> None:
    living = MemoryLiveness()
    living.hold("w")
    assert (living.holds("w"), living.is_dead("w"), living.is_dead("v")) == (True, False, True)
    living.release("w")
    assert living.is_dead("w")
