"""The same automation from plain synchronous code: many threads, no event loop of the program's own."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from interlock import BlockingInterlock, Interlock
from interlock.assembly.blocking import BlockingHandle, LoopThread
from interlock.assembly.embedding import Handle
from interlock.releases import load_release
from interlock.vocabulary.errors import Conflict, DefinitionErrors, NotFound, Refused
from tests.unit.assembly.test_embedding import EFFECTS
from tests.unit.testing.small import write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "bills"
    made.mkdir()
    write(made)
    (made / "effects.py").write_text(EFFECTS)
    return made


def parts(folder: Path) -> Any:
    return load_release(folder).loaded.definition.modules[0]


def loops() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "interlock-loop"]


def test_a_case_goes_all_the_way(folder: Path, tmp_path: Path) -> None:
    m = parts(folder)
    with BlockingInterlock.open(f"sqlite:///{tmp_path / 'b.db'}") as il:
        bills = il.run(m.app, folder)
        assert bills.submit(m.Received(bill="b1", text="twelve chars"), id="e1", source="test") == "b1"
        assert bills.settled("b1", 120).status == "open"
        ((review, _),) = bills.reviews("owners")
        bills.edit(review, m.Pay(amount=Decimal(11)), group="owners", principal="ann")
        bills.settled("b1", 120)
        for again, _ in bills.reviews("owners"):
            bills.approve(again, group="owners", principal="bob")
        case = bills.settled("b1", 120)
        assert case.status == case.state.status == "paid"
        assert isinstance(case.state, m.Bill)
        assert [row.action for row in bills.actions("b1") if row.valid] == ["remind"]
        assert "pay" in bills.explain(case.last_decision) == il.explain(case.last_decision)
        assert il.read(il.picture(b"12345")) == b"12345"
        with pytest.raises(Conflict):
            bills.submit(m.Received(bill="b1", text="other"), id="e1", source="test")
        with pytest.raises(NotFound):
            bills.settled("nobody", 0.2)
    assert not loops()
    with pytest.raises(Refused, match="not open"):
        il.explain("bills/b1")


def test_many_threads_submit_at_once(folder: Path, tmp_path: Path) -> None:
    m = parts(folder)
    with BlockingInterlock.open(tmp_path / "b.db") as il:
        bills = il.run(m.app, folder)

        def send(thread: int) -> None:
            for n in range(5):
                event = m.Received(bill=f"b{thread}-{n}", text="twelve chars")
                bills.submit(event, id=f"e{thread}-{n}", source="test")

        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {bills.settled(f"b{t}-{n}", 120).status for t in range(8) for n in range(5)} == {"open"}
        assert len(bills.reviews(limit=100)) == 40


def test_a_failed_start_leaves_no_thread(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no folder"), BlockingInterlock.open(tmp_path / "not" / "there.db"):
        pass
    with BlockingInterlock.open(tmp_path / "b.db") as il, pytest.raises(DefinitionErrors):
        il.run(cast("Any", None), tmp_path / "nowhere")
    assert not loops()


def test_a_call_from_the_loop_itself_is_refused() -> None:
    thread = LoopThread()
    try:

        async def asks_again() -> None:
            thread.call(lambda: None)

        with pytest.raises(Refused, match="the loop that would have to answer it"):
            thread.wait(asks_again())
    finally:
        thread.close()


FORKED = """
import os, sys
from interlock import BlockingInterlock
from interlock.vocabulary.errors import Refused

with BlockingInterlock.open(sys.argv[1]) as il:
    child = os.fork()
    if child == 0:
        try:
            il.explain("bills/b1")
        except Refused as refused:
            os._exit(7 if refused.code == "forked" else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_told_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKED, str(tmp_path / "b.db")]
    subprocess.run(command, timeout=60, check=True)


NOT_FOR_PROGRAMS = {"host", "verdict", "blocking", "at_rest", "moved", "store", "door", "worker"}
"""What Interlock offers to handles, to the command line and to the demonstration."""


@pytest.mark.parametrize(("ours", "theirs"), [(BlockingHandle, Handle), (BlockingInterlock, Interlock)])
def test_nothing_that_async_code_can_do_is_missing(ours: type[Any], theirs: type[Any]) -> None:
    """A method added to one of the two has to be added to the other, with the same parameters."""
    for name, method in vars(theirs).items():
        if name.startswith("_") or name in NOT_FOR_PROGRAMS:
            continue
        twin = inspect.getattr_static(ours, name, None)
        assert twin is not None, f"{ours.__name__} lacks {name}"
        if callable(method):
            assert not asyncio.iscoroutinefunction(twin)
            assert inspect.signature(twin).parameters == inspect.signature(method).parameters, name
