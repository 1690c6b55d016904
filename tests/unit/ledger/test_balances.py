"""What `interlock budgets` says: what is left, and who holds and has spent the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

import pytest

from interlock.cli.root import run
from interlock.ledger.balances import Balance, balances
from tests.properties.shop import MINUTE, Shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    one = Shop()
    yield one
    one.stage.close()


def all_of(shop: Shop, **which: object) -> dict[tuple[str, str], Balance]:
    found = balances(shop.stage.store, now=shop.stage.clock.now(), **which)  # type: ignore[arg-type]
    assert len({(one.budget, one.key, one.window) for one in found}) == len(found)
    return {(one.budget, one.key): one for one in found}


def test_a_budget_that_nobody_has_touched_is_free(shop: Shop) -> None:
    found = all_of(shop)
    assert set(found) == {("day", ""), ("all", ""), ("tokens", "")}, "one by customer has no account before a customer"
    day = found["day", ""]
    assert (day.free, day.free_hard, day.spent, day.held) == (100, 150, 0, 0)
    assert (day.window, day.currency, day.present) == ("2026-10-31", "EUR", True)
    assert day.ends is not None and day.ends - shop.stage.clock.now() == 120 * MINUTE


def test_what_is_spent_and_held_and_by_whom(shop: Shop) -> None:
    shop.conduct("happens", "5.00")
    shop.want("anna", "20.00")
    shop.conduct("loses_reply", "3.00")
    shop.want("ben", "45.00")
    found = all_of(shop, charges=10)
    day = found["day", ""]
    assert (day.spent, day.held, day.free) == (Decimal("5.00"), Decimal("45.00"), Decimal("50.00"))
    (holder,) = day.held_by
    assert (holder.case, holder.amount, holder.what) == ("purchases/p1", Decimal("45.00"), "buy, in doubt")
    assert holder.command in {f"purchases/p1/{name}" for name in shop.record("p1").effects}  # type: ignore[union-attr]
    assert day.spent_by is not None
    assert [(one.case, one.amount) for one in day.spent_by] == [("purchases/p0", Decimal("5.00"))]
    assert found["all", ""].spent == Decimal("20.00"), "no result settles this one"
    assert (found["customer", "anna"].spent, found["customer", "ben"].held) == (1, 1)
    tomorrow = shop.stage.clock.now() + 24 * 60 * MINUTE
    later = balances(shop.stage.store, now=tomorrow, budget="day")
    assert [(one.window, one.present, one.held) for one in later] == [
        ("2026-10-31", False, Decimal("45.00")),
        ("2026-11-01", True, Decimal(0)),
    ], "what is in doubt keeps what it holds"


def test_who_waits(shop: Shop) -> None:
    for _ in range(3):
        shop.want("anna", "5.00")
    anna = all_of(shop, budget="customer")["customer", "anna"]
    assert (anna.spent, anna.free) == (2, 0)
    assert [(one.case, one.what) for one in anna.waiting] == [("purchases/p2", "buy, awaiting budget")]


def test_charges_of_a_rolling_window_are_those_that_count(shop: Shop) -> None:
    shop.conduct("happens", "5.00")
    shop.want("anna", "5.00")
    shop.stage.advance(40 * MINUTE)
    shop.want("anna", "5.00")
    shop.stage.advance(30 * MINUTE)
    anna = all_of(shop, budget="customer", charges=10)["customer", "anna"]
    assert anna.spent == 1 and anna.spent_by is not None
    assert [one.case for one in anna.spent_by] == ["purchases/p1"]
    spent_by = all_of(shop, budget="day", charges=1)["day", ""].spent_by
    assert [one.case for one in spent_by or ()] == ["purchases/p1"]


def test_a_question_that_is_being_asked_holds_tokens(shop: Shop) -> None:
    shop.stage.outside.answers.pop(("Estimate", "clerk"))
    cast("dict[Any, Any]", shop.stage.outside.release.effects.advisors).pop(("Estimate", "clerk"), None)
    try:
        shop.puzzle("anna")
        tokens = all_of(shop)["tokens", ""]
        assert tokens.held == 20 and [one.what for one in tokens.held_by] == ["asks clerk"]
    finally:
        from tests.properties.shop import release

        release.cache_clear()


def test_an_overrun_is_shown(shop: Shop) -> None:
    shop.conduct("happens", "130.00")
    shop.want("anna", "60.00")
    day = all_of(shop)["day", ""]
    assert (day.spent, day.overrun, day.free, day.free_hard) == (130, 70, 0, 20)
    assert any("Overrun of budget day" in flag for flag in shop.record("p0").flags)  # type: ignore[union-attr]


# --- the command


@pytest.fixture
def database(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> str:
    shop.conduct("happens", "5.00")
    shop.want("anna", "20.00")
    shop.conduct("loses_reply", "3.00")
    shop.want("ben", "45.00")
    path = tmp_path_factory.mktemp("budgets") / "shop.db"
    shop.stage.store.backup(str(path))
    return f"sqlite:///{path}"


def test_the_command_shows_old_accounts_that_still_hold(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["budgets", "--db", database]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[1:]].count("purchases/day") == 2
    assert "over" in out and "45.00" in out


def test_the_command_names_who(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["budgets", "all", "--db", database]) == 0
    out = capsys.readouterr().out
    assert "all ever held by" in out and "all ever spent by, newest first" in out
    assert "buy, in doubt" in out and "20.00 purchases/p0/" in " ".join(out.split())


def test_the_command_as_json(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["budgets", "day", "--past", "--charges", "1", "--json", "--db", database]) == 0
    told = json.loads(capsys.readouterr().out)["budgets"]
    old = next(one for one in told if one["window"] == "2026-10-31")
    assert (old["spent"], old["held"], old["free"], old["max"], old["hard"]) == (
        "5.00",
        "45.00",
        "50.00",
        "100.00",
        "150.00",
    )
    assert old["account"] == "interlock.budgets/purchases|day||2026-10-31"
    assert [one["case"] for one in old["held_by"]] == ["purchases/p1"]
    assert [one["amount"] for one in old["spent_by"]] == ["5.00"]


@pytest.mark.parametrize(
    ("given", "said"),
    [(["budgets", "dya"], "There is no budget 'dya' here."), (["budgets", "--automation", "x"], "no automation 'x'")],
)
def test_what_is_not_there_is_said(
    given: list[str], said: str, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*given, "--db", database]) == 1
    assert said in capsys.readouterr().err
