"""What a command line names: databases, lengths of time, moments, JSON values."""

from pathlib import Path

import click
import pytest

from interlock.cli import opening
from interlock.cli.options import Invocation
from interlock.vocabulary.errors import Refused

NOW = 1_767_225_600_000_000


def invocation(db: str | None) -> Invocation:
    return Invocation(json=False, db=db, app=None, debug=False)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (None, "interlock.db"),
        ("sqlite:///interlock.db", "interlock.db"),
        ("sqlite:////var/lib/x.db", "/var/lib/x.db"),
        ("some/where.db", "some/where.db"),
    ],
)
def test_databases(given: str | None, path: str) -> None:
    assert opening.database(invocation(given)).path == Path(path)


@pytest.mark.parametrize("given", ["mysql:///x", "sqlite:///", ":memory:"])
def test_what_is_no_database_is_refused(given: str) -> None:
    with pytest.raises(Refused) as refused:
        opening.database(invocation(given))
    assert refused.value.code == "bad_db"


@pytest.mark.parametrize(
    ("text", "us"), [("90s", 90_000_000), ("15m", 900_000_000), ("1h30m", 5_400_000_000), ("7d", 604_800_000_000)]
)
def test_lengths_of_time(text: str, us: int) -> None:
    assert opening.span_us(text) == us


@pytest.mark.parametrize("text", ["", "7", "d", "7d!", "-7d", "7 years"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(click.BadParameter):
        opening.span_us(text)


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("now", NOW),
        ("1d", NOW - 86_400_000_000),
        ("2025-12-31", NOW - 86_400_000_000),
        ("2026-01-01T01:00:00+01:00", NOW),
        ("2026-01-01T00:00:00Z", NOW),
    ],
)
def test_moments(text: str, us: int) -> None:
    assert opening.moment_us(text, at=NOW) == us


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", ""])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(click.BadParameter):
        opening.moment_us(text, at=NOW)


def test_json_comes_from_the_command_line_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "value.json"
    file.write_text('{"a": 1}')
    assert opening.json_value('{"a": 1}', "--data") == opening.json_value(f"@{file}", "--data") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "bad_json"),
        ('{"a": NaN}', "not_finite"),
        ('{"a": 1, "a": 2}', "duplicate_key"),
        ('"\udce9"', "bad_unicode"),
        ("[" * 100 + "]" * 100, "too_deep"),
        ("1" * 200, "integer_too_large"),
    ],
)
def test_json_that_cannot_be_recorded_is_refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        opening.json_value(text, "--data")
    assert refused.value.code == code
    assert refused.value.message.startswith("--data: ")
