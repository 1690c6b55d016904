"""What is printed reads well everywhere, and text from outside cannot command the terminal."""

import pytest

from interlock.cli import screen


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("line\rover", "line\\x0dover"),
        ("abc\u202edcba", "abc\\x202edcba"),
        ("two\nlines\tand tab", "two\nlines\tand tab"),
    ],
)
def test_control_characters_are_shown_and_not_sent(given: str, shown: str) -> None:
    assert screen.clean(given) == shown


def test_columns_are_as_wide_as_their_widest_cell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    screen.table(("ID", "WHAT"), [("a", "short"), ("long-name", "x" * 300)])
    assert capsys.readouterr().out.splitlines() == ["ID         WHAT", "a          short", f"long-name  {'x' * 300}"]


def test_on_a_terminal_the_last_column_wraps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    screen.table(("ID", "WHAT"), [("e1", "a sentence that is longer than what the terminal has room for")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(len(line) <= 40 for line in lines)
    assert " ".join(line[4:] for line in lines[1:]) == "a sentence that is longer than what the terminal has room for"


def test_an_empty_table_says_so_beside_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    screen.table(("ID",), [], empty="Nothing is in doubt.")
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "Nothing is in doubt.\n")


@pytest.mark.parametrize(
    ("amount", "scale", "text"), [(0, 2, "0.00"), (5, 2, "0.05"), (123456, 2, "1234.56"), (-5, 2, "-0.05"), (7, 0, "7")]
)
def test_amounts_are_exact(amount: int, scale: int, text: str) -> None:
    assert screen.units(amount, scale) == text


def test_moments() -> None:
    assert screen.when(1_767_225_600_000_001) == "2026-01-01 00:00:00Z"
    assert screen.iso(1_767_225_600_000_001) == "2026-01-01T00:00:00.000001Z"
    assert screen.iso(0) is None


def test_long_lines_of_prose_wrap_behind_their_indentation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    screen.prose("short\n  an indented line that is longer than forty columns of text")
    assert capsys.readouterr().out.splitlines() == [
        "short",
        "  an indented line that is longer than",
        "      forty columns of text",
    ]
