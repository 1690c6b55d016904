"""Explaining, verifying and reporting read the record alone: they load no effect and no advisor, and write nothing."""

import sqlite3
from pathlib import Path

import pytest

from tests.acceptance.cli_session import interlock
from tests.acceptance.parcel_office import book, office, ordered, submit, work

TRAP = """
from pathlib import Path

Path(__file__).with_name("sprung").touch()
raise SystemExit("an effect's code was loaded")
"""


def content(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "interlock.db")
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def trapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A handled case, one with an effect in doubt, one that waits; from now on effects.py is a trap."""
    folder = office(tmp_path_factory.mktemp("trapped"))
    submit(folder, ordered("p0"), ordered("p1", effect="lose"))
    work(folder)
    submit(folder, ordered("p2"), name="later.jsonl")
    for name in ("effects.py", "advisors.py"):
        (folder / name).write_text(TRAP)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("cases",),
        ("case", "p1"),
        ("actions", "p0"),
        ("explain", "p0"),
        ("explain", "p1", "--json"),
        ("history", "p1"),
        ("verify",),
        ("report", "--since", "1d"),
        ("tail", "-n", "50"),
        ("reviews",),
        ("resolve",),
        ("quarantine", "list"),
        ("policy", "test"),
        ("pause", "--list"),
    ],
    ids=" ".join,
)
def test_looking_causes_nothing(trapped: Path, arguments: tuple[str, ...]) -> None:
    before, begun = content(trapped), book(trapped, "begun")
    interlock(trapped, *arguments)
    assert content(trapped) == before
    assert book(trapped, "begun") == begun
    assert not (trapped / "sprung").exists()


def test_the_trap_is_one(trapped: Path) -> None:
    interlock(trapped, "run", "--until-idle", "--no-supervisor", code=None)
    assert (trapped / "sprung").exists()
