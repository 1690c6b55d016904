"""Windows of budgets: which stretch of time an amount is charged to, and when that stretch ends.

Calendar windows follow the clocks on the wall of a named time zone, so the day on which clocks change has 23 or 25
hours and the month is that of the zone. A rolling window moves in BUDGET_BUCKETS steps: an amount counts for as long
as any stretch of the window's length could hold it, so it comes free up to one step late and never early.

Everything is computed from the recorded `now`; no clock is read. What a zone's clocks do is data of the machine
(`zoneinfo`): the window's name is recorded with each reservation, so a later version of that data changes no record.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from interlock.vocabulary.limits import BUDGET_BUCKETS
from interlock.vocabulary.release import BudgetSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_LONGEST_DAYS = {"minute": 1, "hour": 1, "day": 3, "week": 9, "month": 33, "quarter": 95, "year": 368}
"""Days within which a window of each kind surely ends."""


def window(spec: BudgetSpec, now: int) -> str:
    """Name of the window that holds `now`; `ever` and a rolling window have one for all time."""
    if spec.per == "ever":
        return "ever"
    if spec.per == "rolling":
        # The length is part of the name: buckets of another length are other buckets.
        return f"rolling-{spec.rolling // 1_000_000}s"
    return _name(spec.per, _local(spec.zone, now))


def ends(spec: BudgetSpec, now: int) -> int | None:
    """The first moment after `now` (microseconds) that lies in another calendar window; None where there is none."""
    if spec.per in ("ever", "rolling"):
        return None
    here = window(spec, now)
    low, high = now, now + _LONGEST_DAYS[spec.per] * 86_400_000_000
    # Bisection over the names: right for every zone and every change of its clocks, without knowing either.
    while high - low > 1:
        middle = (low + high) // 2
        if window(spec, middle) == here:
            low = middle
        else:
            high = middle
    return high


def bucket(spec: BudgetSpec, now: int) -> tuple[int, int]:
    """Number of the bucket that holds `now`, and how many make a window; zeros where the window does not roll."""
    if spec.per != "rolling":
        return 0, 0
    return now // bucket_length(spec), BUDGET_BUCKETS


def bucket_length(spec: BudgetSpec) -> int:
    """Microseconds of one step of a rolling window."""
    return max(1, spec.rolling // BUDGET_BUCKETS)


def _local(zone: str, now: int) -> datetime:
    return (_EPOCH + timedelta(microseconds=now)).astimezone(ZoneInfo(zone))


def _name(per: str, local: datetime) -> str:
    if per == "minute":
        return local.strftime("%Y-%m-%dT%H:%M%z")
    if per == "hour":
        # The offset tells the two hours of that name apart when clocks go back.
        return local.strftime("%Y-%m-%dT%H%z")
    if per == "week":
        year, week, _ = local.isocalendar()
        return f"{year}-W{week:02d}"
    if per == "quarter":
        return f"{local.year}-Q{(local.month + 2) // 3}"
    return local.strftime({"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[per])
