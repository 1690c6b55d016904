"""An auditor who may only read the database gets every answer, and leaves no trace in it."""

import os
import subprocess
from pathlib import Path

import pytest

from interlock.assembly.opening import may_be_written, open_to_read
from interlock.vocabulary.errors import StoreReadOnly
from tests.acceptance.cli_session import interlock
from tests.acceptance.parcel_office import office, ordered, submit, work

OPERATOR = 4


@pytest.fixture(scope="module")
def handled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = office(tmp_path_factory.mktemp("handled"))
    submit(folder, ordered("p0"))
    work(folder)
    return folder


READING = [
    tuple(line.split())
    for line in (
        "explain p0", "history p0", "verify", "report --since 2020-01-01 --until 2100-01-01", "tail", "cases",
        "case p0", "actions p0", "reviews", "release list", "quarantine list",
    )
]  # fmt: skip


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_reading_commands_take_a_database_that_is_only_to_be_read(handled: Path, arguments: tuple[str, ...]) -> None:
    plain = interlock(handled, *arguments, "--json").out
    before = {file.name: file.stat().st_mtime_ns for file in handled.iterdir()}
    assert interlock(handled, *arguments, "--json", "--db", "sqlite:///interlock.db?mode=ro").out == plain
    assert {name: (handled / name).stat().st_mtime_ns for name in before if (handled / name).exists()} == before


def test_what_would_write_says_that_it_may_not(handled: Path) -> None:
    told = interlock(handled, "pause", "--db", "interlock.db?mode=ro", code=OPERATOR)
    assert "cannot be written" in told.err and "bug" not in told.err


def test_a_copy_of_the_file_alone_is_enough(handled: Path, tmp_path: Path) -> None:
    (tmp_path / "evidence.db").write_bytes((handled / "interlock.db").read_bytes())
    assert "nothing" in interlock(tmp_path, "verify", "--db", "evidence.db?mode=ro").out.lower()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_user_without_the_right_to_write_reads_all_the_same(handled: Path, tmp_path: Path) -> None:
    """In a process of another user, in a folder and with a file that belong to root."""
    folder = Path("/var/tmp") / f"interlock-{tmp_path.name}-{os.getpid()}"
    folder.mkdir(mode=0o755)
    file = folder / "evidence.db"
    try:
        file.write_bytes((handled / "interlock.db").read_bytes())
        file.chmod(0o444)
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                assert not may_be_written(file)
                store = open_to_read(file)
                assert store.cases(automation=None, status=None, after=None, limit=9)
                with pytest.raises(StoreReadOnly):
                    store.set_control(["all"])
                os._exit(0)
            except BaseException:  # noqa: BLE001 - a forked child of pytest must not go on as pytest
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert [one.name for one in folder.iterdir()] == ["evidence.db"]
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True)
