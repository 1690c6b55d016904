"""Windows of budgets, against a calendar that is written out minute by minute, on the days when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.kernel.windows import bucket, bucket_length, ends, window
from interlock.vocabulary.release import BudgetSpec, Per

CALENDAR: tuple[Per, ...] = ("minute", "hour", "day", "week", "month", "quarter", "year")
ZONES = (
    "UTC",
    "Europe/Berlin",  # one hour, at night
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "Asia/Beirut",  # at midnight: the day begins at one
    "Pacific/Chatham",  # a quarter of an hour off
    "America/Santiago",  # at midnight, the other way
)


def us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def spec(per: Per, zone: str = "UTC", rolling: int = 0) -> BudgetSpec:
    return BudgetSpec("b", ("pay",), 1, 1, per=per, zone=zone, rolling=rolling)


@pytest.mark.parametrize(
    ("per", "moment", "name"),
    [
        ("day", datetime(2026, 3, 28, 22, 59, 59, tzinfo=UTC), "2026-03-28"),
        ("day", datetime(2026, 3, 28, 23, 0, tzinfo=UTC), "2026-03-29"),
        ("day", datetime(2026, 3, 29, 21, 59, 59, tzinfo=UTC), "2026-03-29"),  # 23 hours long
        ("day", datetime(2026, 3, 29, 22, 0, tzinfo=UTC), "2026-03-30"),
        ("day", datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC), "2026-10-25"),  # 25 hours long
        ("hour", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "2026-10-25T02+0200"),
        ("hour", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "2026-10-25T02+0100"),
        ("week", datetime(2026, 12, 31, 12, 0, tzinfo=UTC), "2026-W53"),
        ("week", datetime(2027, 1, 3, 12, 0, tzinfo=UTC), "2026-W53"),
        ("month", datetime(2026, 3, 31, 22, 0, tzinfo=UTC), "2026-04"),
        ("quarter", datetime(2026, 3, 31, 21, 59, tzinfo=UTC), "2026-Q1"),
        ("quarter", datetime(2026, 3, 31, 22, 0, tzinfo=UTC), "2026-Q2"),
        ("year", datetime(2026, 12, 31, 23, 0, tzinfo=UTC), "2027"),
        ("ever", datetime(2026, 12, 31, 23, 0, tzinfo=UTC), "ever"),
    ],
)
def test_a_window_is_that_of_the_clocks_on_the_wall(per: Per, moment: datetime, name: str) -> None:
    assert window(spec(per, "Europe/Berlin"), us(moment)) == name


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Europe/Berlin", (2026, 10, 25), 25),
        ("Asia/Beirut", (2026, 3, 29), 23),
        ("America/Santiago", (2026, 4, 4), 25),
        ("UTC", (2026, 3, 29), 24),
    ],
)
def test_a_day_lasts_as_long_as_it_lasts(zone: str, day: tuple[int, int, int], hours: int) -> None:
    noon = us(datetime(*day, 12, tzinfo=ZoneInfo(zone)))
    end = ends(spec("day", zone), noon)
    assert end is not None
    start = end - hours * 3_600_000_000
    assert window(spec("day", zone), start) == window(spec("day", zone), end - 1)
    assert window(spec("day", zone), start - 1) != window(spec("day", zone), start)


def test_half_an_hour_that_is_lived_through_twice_is_two_windows() -> None:
    clocks_back = us(datetime(2026, 4, 4, 15, 0, tzinfo=UTC))  # 02:00 becomes 01:30
    hour = spec("hour", "Australia/Lord_Howe")
    assert window(hour, clocks_back - 1) != window(hour, clocks_back)
    assert ends(hour, clocks_back - 1) == clocks_back
    assert ends(hour, clocks_back) == clocks_back + 1_800_000_000


@given(
    per=st.sampled_from(CALENDAR),
    zone=st.sampled_from(ZONES),
    now=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda m: us(m.replace(tzinfo=UTC))),
)
def test_a_window_ends_where_another_begins(per: Per, zone: str, now: int) -> None:
    one = spec(per, zone)
    end = ends(one, now)
    assert end is not None and end > now
    assert window(one, end - 1) == window(one, now) != window(one, end)
    # Independently: the wall shows a full minute of the new window, or the clocks were changed at this moment.
    before, after = (datetime.fromtimestamp(m / 1_000_000, ZoneInfo(zone)) for m in (end - 1_000_000, end))
    assert after.second == 0
    assert after.utcoffset() != before.utcoffset() or per in ("minute",) or after.minute == 0


def test_nothing_ends_what_has_no_end() -> None:
    assert ends(spec("ever"), 5) is None and ends(spec("rolling", rolling=60_000_000), 5) is None


def test_buckets_of_another_length_are_of_another_account() -> None:
    hour, day = spec("rolling", rolling=3_600_000_000), spec("rolling", rolling=86_400_000_000)
    assert window(hour, 1) != window(day, 1) and window(hour, 1) == window(hour, 10**15)
    assert bucket_length(hour) == 60_000_000
    assert bucket(hour, 59_999_999) == (0, 60) and bucket(hour, 60_000_000) == (1, 60)
    assert bucket(spec("day"), 60_000_000) == (0, 0)
