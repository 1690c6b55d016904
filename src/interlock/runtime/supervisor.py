"""Keeps a worker process alive.

A turn that cannot be interrupted ends its process, and a performer may take it down as well. The supervisor is the
parent that starts the next one: at once after a first death, with growing pauses when deaths follow each other. It
passes SIGTERM and SIGINT on, waits for the worker to drain, and ends with the worker's own exit code when that was
orderly.

INVARIANT: never two workers at a time; a worker that was told to end is not started again.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

RESTART_FIRST_S = 0.1
RESTART_MAX_S = 30.0
"""Pause before the next worker; doubled with every death."""

HEALTHY_S = 60.0
"""A worker that lived so long has started well: the pauses begin anew."""

ORDERLY = frozenset({0, 1, 2, 3, 4, 64, 65, 66, 73, 74, 77, 78})
"""Exit codes that another start would only repeat: done, wrong usage, bad input, a store that cannot be used, bad
configuration.
"""


def supervise(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    report: Callable[[str], None] = lambda text: None,
    deaths_max: int | None = None,
    drain_s: float = 30.0,
) -> int:
    """Run `command` until it ends in an orderly way or this process is told to end.

    Returns its exit code, 128 + signal for a killed one.

    report       told of deaths and restarts, in words
    deaths_max   give up after so many deaths in a row; None: never
    drain_s      how long a worker may take to end before it is killed
    """
    told: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, frame: FrameType | None) -> None:
        told.append(number)
        if child is not None and child.poll() is None:
            child.send_signal(signal.SIGTERM)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    pause, deaths = RESTART_FIRST_S, 0
    try:
        while True:
            started = time.monotonic()
            # A session of its own: Ctrl-C in a terminal reaches the supervisor alone, which passes it on once.
            child = subprocess.Popen(list(command), env=dict(env) if env is not None else None, start_new_session=True)
            if told:
                child.send_signal(signal.SIGTERM)
            code = _wait(child, told, drain_s)
            if told or code in ORDERLY:
                return code
            if time.monotonic() - started >= HEALTHY_S:
                pause, deaths = RESTART_FIRST_S, 0
            deaths += 1
            if deaths_max is not None and deaths >= deaths_max:
                report(f"The worker died {deaths} times in a row, last with {_words(code)}; giving up.")
                return code
            report(f"The worker died with {_words(code)}; starting another in {pause:.1f} s. Nothing accepted is lost.")
            _pause(pause, told)
            if told:
                return code
            pause = min(RESTART_MAX_S, pause * 2)
    finally:
        if child is not None and child.poll() is None:
            child.kill()
            child.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(child: subprocess.Popen[bytes], told: list[int], drain_s: float) -> int:
    """The child's exit code; kills it when it was told to end and does not."""
    deadline: float | None = None
    while True:
        if told and deadline is None:
            deadline = time.monotonic() + drain_s
        try:
            code = child.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            if deadline is not None and time.monotonic() >= deadline:
                child.kill()
            continue
        return code if code >= 0 else 128 - code


def _pause(seconds: float, told: list[int]) -> None:
    end = time.monotonic() + seconds
    while not told and time.monotonic() < end:
        time.sleep(0.05)


def _words(code: int) -> str:
    try:
        told = signal.Signals(code - 128).name if code > 128 else f"exit code {code}"
    except ValueError:
        told = f"exit code {code}"
    return f"{told} (a turn that did not end)" if told == "SIGVTALRM" else told
