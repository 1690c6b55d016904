from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from interlock.runtime.control import scope
from interlock.runtime.supervisor import supervise
from interlock.vocabulary.errors import Refused


def child(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def test_a_worker_that_dies_is_started_again_until_it_ends_in_an_orderly_way(tmp_path):
    counter = tmp_path / "deaths"
    code = f"""
        import os, pathlib
        p = pathlib.Path({str(counter)!r})
        n = len(p.read_text()) if p.exists() else 0
        p.write_text("x" * (n + 1))
        if n < 2:
            os.kill(os.getpid(), 9)
    """
    said: list[str] = []
    assert supervise(child(code), report=said.append) == 0
    assert counter.read_text() == "xxx"
    assert len(said) == 2
    assert "SIGKILL" in said[0]


@pytest.mark.parametrize("code", [0, 2, 78])
def test_an_orderly_end_is_not_repeated(code):
    assert supervise(child(f"raise SystemExit({code})")) == code


def test_it_gives_up_when_it_is_told_how_often():
    said: list[str] = []
    assert supervise(child("import os; os._exit(70)"), report=said.append, deaths_max=2) == 70
    assert "giving up" in said[-1]


def test_sigterm_is_passed_on_and_waited_for(tmp_path):
    ready = tmp_path / "ready"
    worker = f"""
        import pathlib, signal, sys, time
        def drain(*_):
            time.sleep(0.2)
            pathlib.Path({str(tmp_path / "drained")!r}).touch()
            sys.exit(0)
        signal.signal(signal.SIGTERM, drain)
        pathlib.Path({str(ready)!r}).touch()
        time.sleep(600)
    """
    parent = f"""
        import sys
        from interlock.runtime.supervisor import supervise
        sys.exit(supervise([sys.executable, "-c", {textwrap.dedent(worker)!r}]))
    """
    process = subprocess.Popen(child(parent))
    end = time.monotonic() + 120
    while not ready.exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=120) == 0
    assert (tmp_path / "drained").exists()


def test_a_worker_that_does_not_drain_is_killed(tmp_path):
    deaf = f"""
        import pathlib, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path({str(tmp_path / "deaf")!r}).touch()
        time.sleep(600)
    """
    parent = f"""
        import os, pathlib, signal, sys, threading, time
        from interlock.runtime.supervisor import supervise

        def end():
            while not pathlib.Path({str(tmp_path / "deaf")!r}).exists():
                time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=end, daemon=True).start()
        sys.exit(supervise([sys.executable, "-c", {textwrap.dedent(deaf)!r}], drain_s=0.3))
    """
    assert subprocess.run(child(parent), check=False, timeout=120).returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("all", "all"),
        ("cheques", "automation:cheques"),
        ("cheques/pay", "action:cheques/pay"),
        ("automation:cheques", "automation:cheques"),
        ("action:cheques/pay", "action:cheques/pay"),
    ],
)
def test_scopes(text, full):
    assert scope(text, ["cheques"]) == full


def test_a_scope_that_names_nothing():
    with pytest.raises(Refused):
        scope("chekues", ["cheques"])
