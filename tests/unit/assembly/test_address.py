"""What names a database, and that no password leaves by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.assembly.address import address, hiding
from interlock.vocabulary.errors import Refused, StoreError


@pytest.mark.parametrize(
    ("given", "text", "url"),
    [
        ("a.db", "a.db", "sqlite:///a.db"),
        ("sqlite:///a.db", "a.db", "sqlite:///a.db"),
        ("sqlite:////var/a.db?mode=ro", "/var/a.db", "sqlite:////var/a.db?mode=ro"),
        (Path("x/a.db"), "x/a.db", "sqlite:///x/a.db"),
        (":memory:", ":memory:", ":memory:"),
        ("postgresql://h/d", "postgresql://h/d", "postgresql://h/d"),
        ("postgres://h/d?mode=ro", "postgres://h/d", "postgres://h/d?mode=ro"),
        (
            "postgresql://h/d?mode=ro&schema=a%20b",
            "postgresql://h/d?schema=a%20b",
            "postgresql://h/d?schema=a%20b&mode=ro",
        ),
        ("postgresql:///d?host=%2Ftmp%2Fx&port=5433", "postgresql:///d?host=%2Ftmp%2Fx&port=5433", None),
        ("postgresql://u:p+w%20d@h1:1,h2:2/d", "postgresql://u:p+w%20d@h1:1,h2:2/d", None),
    ],
)
def test_what_a_name_means_and_that_it_can_be_named_again(given: str | Path, text: str, url: str | None) -> None:
    found = address(given)
    assert (found.text, found.url) == (text, url or text)
    assert address(found.url) == found


@pytest.mark.parametrize(
    "given", ["", "sqlite:///", "mysql://h/d", "postgresql://h/d?mode=rw", "postgresql://h/d?mode="]
)
def test_what_names_no_database_is_refused(given: str) -> None:
    with pytest.raises(Refused) as refused:
        address(given)
    assert refused.value.code == "bad_db" and refused.value.hint


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://ann:s3cr%40t@h:5432/d", "postgresql://ann@h:5432/d"),
        ("postgresql://:s3cr%40t@h/d", "postgresql://h/d"),
        ("postgresql://ann:a@s3cr%40t@h/d", "postgresql://ann@h/d"),
        ("postgresql://ann@h/d?password=s3cr%40t&schema=x", "postgresql://ann@h/d?schema=x"),
        ("postgresql://h/d?sslpassword=s3cr%40t&host=/tmp/x", "postgresql://h/d?host=/tmp/x"),
        ("postgresql://h/d?some_new_secret=s3cr%40t", "postgresql://h/d"),
    ],
)
def test_a_password_is_not_shown_wherever_it_stands(given: str, shown: str) -> None:
    found = address(given)
    assert found.shown == shown
    assert "s3cr" not in found.shown + repr(found).replace(found.text, "")


def test_a_password_in_an_error_is_taken_out_in_every_form_and_so_is_what_lies_behind_it() -> None:
    where = address("postgresql://ann:s3cr%40t@h/d")
    with pytest.raises(StoreError) as raised, hiding(where):
        raise StoreError(f"bad: {where.text}", hint="is s3cr@t right?") from ValueError(where.text)
    said = f"{raised.value} {raised.value.message} {raised.value.hint} {raised.value.to_data()}"
    assert "s3cr" not in said and said.count("***") >= 4
    assert raised.value.__cause__ is None and raised.value.__suppress_context__


def test_other_errors_keep_their_cause() -> None:
    where = address("postgresql://ann:s3cr%40t@h/d")
    with pytest.raises(StoreError, match="bad") as raised, hiding(where):
        raise StoreError("bad") from ValueError("why")
    assert isinstance(raised.value.__cause__, ValueError)
