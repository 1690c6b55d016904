"""The bank must be a fair adversary: it loses replies and books twice when asked twice, but what it promised it
keeps.
"""

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from interlock.demo.cheques.bank import Bank, Manners, Refusal
from interlock.demo.judge import read_books

CALM = {"fails": 0, "refuses": 0, "loses": 0, "hangs": 0, "slow": 0, "letters_lose": 0, "reply_ms": 0}


def make(folder: Path, **manners: float) -> Bank:
    (folder / "bank.json").write_text(json.dumps({**CALM, **manners}))
    return Bank(folder)


def pay(bank: Bank, reference: str = "r1", cheque: str = "c1") -> str:
    return asyncio.run(bank.transfer(reference, cheque, Decimal("12.30")))


def paid(folder: Path) -> list[tuple[str, int]]:
    return [(transfer.cheque, transfer.amount) for transfer in read_books(folder / "books.jsonl").transfers]


def test_a_second_order_under_one_reference_is_a_second_transfer(tmp_path: Path) -> None:
    bank = make(tmp_path)
    assert [pay(bank), pay(bank)] == ["t1", "t2"]
    assert paid(tmp_path) == [("c1", 1230), ("c1", 1230)]


def test_a_lost_reply_moved_the_money(tmp_path: Path) -> None:
    bank = make(tmp_path, loses=1)
    with pytest.raises(ConnectionError):
        pay(bank)
    assert asyncio.run(bank.find("r1")) == "t1"
    assert paid(tmp_path) == [("c1", 1230)]


def test_a_broken_line_moved_nothing_and_the_next_try_meets_another_fate(tmp_path: Path) -> None:
    bank = make(tmp_path, fails=0.5)
    outcomes: list[bool] = []
    for _ in range(30):
        try:
            pay(bank)
            outcomes.append(True)
        except ConnectionError:
            outcomes.append(False)
    assert set(outcomes) == {True, False}
    assert len(paid(tmp_path)) == sum(outcomes)


def test_a_refusal_is_for_ever(tmp_path: Path) -> None:
    bank = make(tmp_path, refuses=1)
    for _ in range(3):
        with pytest.raises(Refusal):
            pay(bank)
    assert paid(tmp_path) == []


def test_an_order_put_aside_is_booked_later_unless_it_is_voided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = make(tmp_path, slow=1, slow_ms=3_600_000)
    for reference in ("r1", "r2"):
        with pytest.raises(ConnectionError):
            pay(bank, reference, cheque=reference)
    assert asyncio.run(bank.find("r1")) is None
    asyncio.run(bank.void("r2"))
    later = time.time_ns() + 3_601 * 1_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert asyncio.run(bank.find("r1")) == "t1"
    assert asyncio.run(bank.find("r2")) is None
    assert paid(tmp_path) == [("r1", 1230)]


def test_the_judge_counts_an_order_that_still_waits_as_money_that_moves(tmp_path: Path) -> None:
    bank = make(tmp_path, slow=1)
    with pytest.raises(ConnectionError):
        pay(bank)
    assert paid(tmp_path) == [("c1", 1230)]
    asyncio.run(bank.void("r1"))
    assert paid(tmp_path) == []


def test_a_voided_reference_is_dead_also_for_a_call_that_was_long_on_its_way(tmp_path: Path) -> None:
    bank = make(tmp_path)
    asyncio.run(bank.void("r1"))
    with pytest.raises(Refusal):
        pay(bank)
    with pytest.raises(Refusal):
        pay(Bank(tmp_path))
    assert pay(bank, "r2") == "t1"


def test_what_is_booked_cannot_be_voided(tmp_path: Path) -> None:
    bank = make(tmp_path)
    pay(bank)
    with pytest.raises(ConnectionError):
        asyncio.run(bank.void("r1"))


def test_marks_count_once_and_letters_every_time(tmp_path: Path) -> None:
    bank = make(tmp_path)

    async def twice() -> None:
        for _ in range(2):
            await bank.mark("r1", "c1", "returned", "stopped")
            await bank.letter("r2", "c2", "illegible")

    asyncio.run(twice())
    books = read_books(tmp_path / "books.jsonl")
    assert books.returned == ("c1",)
    assert books.letters == ("c2", "c2")


def test_a_line_that_a_dead_writer_left_unfinished_says_nothing_and_spoils_nothing(tmp_path: Path) -> None:
    pay(make(tmp_path))
    books = tmp_path / "books.jsonl"
    whole = books.read_bytes()
    books.write_bytes(whole + whole[:30])
    assert paid(tmp_path) == [("c1", 1230)]
    bank = Bank(tmp_path)
    assert pay(bank, "r2") == "t2"
    assert paid(tmp_path) == [("c1", 1230), ("c1", 1230)]


def test_two_processes_share_the_books(tmp_path: Path) -> None:
    """Two banks on one folder are two processes' views: each sees what the other booked, and no order number is given
    twice.
    """
    banks = [make(tmp_path), Bank(tmp_path)]
    with ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(lambda n: pay(banks[n % 2], f"r{n}"), range(40)))
    assert len(set(ids)) == 40
    assert len(paid(tmp_path)) == 40
    assert asyncio.run(banks[0].find("r1")) == ids[1]


def test_a_process_that_dies_with_the_lock_releases_it(tmp_path: Path) -> None:
    bank = make(tmp_path)
    child = os.fork()
    if not child:
        with bank._open():
            os._exit(9)
    assert os.waitpid(child, 0)[1] == 9 << 8
    assert pay(bank) == "t1"


def test_without_a_bank_the_error_says_where_one_comes_from(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="interlock demo"):
        Bank(tmp_path)


def test_the_manners_in_the_code_are_those_of_a_bank_that_loses_replies() -> None:
    manners = Manners()
    assert 0 < manners.loses + manners.hangs + manners.slow + manners.fails < 0.2
