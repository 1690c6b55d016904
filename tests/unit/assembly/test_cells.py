"""The file that names the cells: every mistake is said before a database is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.assembly.cells import read_cells
from interlock.vocabulary.errors import Refused

ENVIRONMENT = {"A": "postgresql://me:secret@one/db", "B": "postgresql://two/db?schema=s"}
HEAD = 'slots = 8\n[[cell]]\nname = "one"\nslots = "0-3"\ndsn_env = "A"\n'
LAST = '[[cell]]\nname = "two"\nslots = "4, 6-7,5"\ndsn_env = "B"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "cells.toml"
    path.write_text(text)
    return path


def test_slots_and_references_are_read(tmp_path: Path) -> None:
    (tmp_path / "two.dsn").write_text("postgresql://two/db\n")
    path = written(tmp_path, HEAD + LAST.replace('dsn_env = "B"', 'dsn_file = "two.dsn"'))
    found = read_cells(path, ENVIRONMENT)
    assert found.n_slots == 8
    assert [(one.name, sorted(one.slots), one.dsn) for one in found.cells] == [
        ("one", [0, 1, 2, 3], ENVIRONMENT["A"]),
        ("two", [4, 5, 6, 7], "postgresql://two/db"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slots = ", "cannot be read"),
        (LAST, "does not say how many slots"),
        ("slots = true\n" + LAST, "does not say how many slots"),
        ("slots = 8\n", "names no cell"),
        ("slots = 8\ncell = [1]\n", "cell 1 is no table"),
        (HEAD, "no cell keeps 4-7"),
        (HEAD + LAST.replace("4,", "3-4,"), "one and two both keep 3"),
        (HEAD + LAST.replace("6-7", "6-8"), "8 is none of them"),
        (HEAD + LAST.replace("6-7", "7-6"), "no range of slots"),
        (HEAD + LAST.replace('"4, 6-7,5"', "4"), "does not say which slots"),
        (HEAD + LAST.replace('"two"', '"one"'), "'one' twice"),
        (HEAD + LAST.replace('name = "two"', ""), "cell 2 has no name"),
        (HEAD + LAST.replace("dsn_env", "dns_env"), "'dns_env', which means nothing"),
        (HEAD + "x = 1\n" + LAST, "'x', which means nothing"),
        (HEAD + LAST.replace('"B"', '"C"'), "not in the environment"),
        (HEAD + LAST + 'dsn = "postgresql://x/y"\n', "must say once where it is"),
        (HEAD + LAST.replace('dsn_env = "B"', 'dsn_file = "none"'), "cannot be read"),
        (HEAD + LAST.replace('dsn_env = "B"', 'dsn = "postgresql://me:secret@x/y"'), "password in the file"),
        (HEAD + LAST.replace('dsn_env = "B"', 'dsn = "postgresql://x/y?password=secret"'), "password in the file"),
        (HEAD + LAST.replace('dsn_env = "B"', 'dsn = "sqlite:///two.db"'), "no database on PostgreSQL"),
        (HEAD + LAST.replace('dsn_env = "B"', 'dsn = "postgresql://x/y?mode=ro"'), "read only"),
    ],
)
def test_a_mistake_is_said_and_what_to_write_instead(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Refused, match=said) as caught:
        read_cells(written(tmp_path, text), ENVIRONMENT)
    assert caught.value.code == "bad_cells"
    assert caught.value.hint
    assert "secret" not in str(caught.value)


def test_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="There is no file"):
        read_cells(tmp_path / "cells.toml", {})
