"""Ends a turn that does not end by itself.

A user's reducer is pure, but it may loop. The thread that runs turns cannot help itself, so another thread watches:
past `step_max` it raises `StepTooLong` inside the turn, which ends any loop of Python code and makes the message
poison like any other exception. C code does not listen; past `kill_after` the process ends, and the next worker claims
the slot in solo mode.

Two watch for that. The thread ends the process when C code lets other threads run. `sum(range(10**12))` or a regular
expression that backtracks for ever does not: it keeps the interpreter's lock, and no Python code runs any more, the
watcher's neither. So the operating system is asked as well, for a signal that ends the process after `kill_after` of
processor time (ITIMER_VIRTUAL: a machine that sleeps or is slow does not count).

A turn is not too long because its process was stopped or its machine stood still: what lasts is the processor time
that the turn has used, or the time that the watcher, awake every few milliseconds, has seen pass, whichever is more.
A watcher that could not look has seen two of its pauses at most.

INVARIANT: `StepTooLong` is raised only between `begin` and `end`. Both, and the watcher, hold one lock while they
look and act, and `end` takes back an exception that was sent but has not arrived yet.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from interlock.kernel.poison import StepTooLong
from interlock.vocabulary import limits

T = TypeVar("T")

EXIT_STEP_KILLED = 70
"""Exit code of a process whose turn could not be interrupted (EX_SOFTWARE)."""


def _signal_is_free() -> bool:
    return hasattr(signal, "SIGVTALRM") and signal.getsignal(signal.SIGVTALRM) is signal.SIG_DFL


def _thread_time(thread: int) -> float:
    """Seconds of processor time of a living thread; 0 where the system does not tell another thread's."""
    clock_of = getattr(time, "pthread_getcpuclockid", None)
    return 0.0 if clock_of is None else time.clock_gettime(clock_of(thread))


class Watchdog:
    """Watches one thread's turns. Times in seconds."""

    def __init__(
        self,
        *,
        step_max: float = limits.STEP_MS_MAX / 1_000,
        kill_after: float = limits.STEP_KILL_MS / 1_000,
        die: Callable[[int], object] = os._exit,
    ) -> None:
        self._step_max = step_max
        self._kill_after = kill_after
        self._die = die
        self._lock = threading.Lock()
        self._started = 0.0
        self._used = 0.0
        self._thread = 0
        self._sent = False
        self._next = 0.0
        self._many = False
        self._armed_until = 0.0
        # Not for a test that only wants to know, nor in a program that has a use of its own for the signal.
        self._timer = die is os._exit and _signal_is_free()
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None

    @contextmanager
    def watching(self) -> Generator[None]:
        """Around the steps of one cycle: the operating system's timer is then set once for many of them."""
        self._many = True
        try:
            yield
        finally:
            self._many = False
            self._disarm()

    def run(self, step: Callable[[], T]) -> T:
        """The step's own result or exception, or StepTooLong."""
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="interlock-watchdog", daemon=True)
            self._watcher.start()
        self._thread = threading.get_ident()
        self._next = self._step_max
        self._used = time.thread_time()
        self._started = started = time.monotonic()
        if self._timer and started >= self._armed_until:
            # Set again while most of it is left, so that the steps before cannot have used it up for this one.
            signal.setitimer(signal.ITIMER_VIRTUAL, self._kill_after)
            self._armed_until = started + self._kill_after / 4 if self._many else 0.0
        try:
            return step()
        finally:
            self._end()
            if not self._many:
                self._disarm()

    def close(self) -> None:
        self._over.set()

    def _disarm(self) -> None:
        if self._timer:
            self._armed_until = 0.0
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _end(self) -> None:
        while True:
            # An exception on its way may arrive inside this very loop; it is then raised here, and the loop goes
            # round once more.
            try:
                with self._lock:
                    self._started = 0.0
                    if self._sent:
                        self._sent = False
                        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), None)
            except StepTooLong:
                continue
            return

    def _watch(self) -> None:
        pause = min(0.1, self._step_max / 4)
        looked = time.monotonic()
        watched = seen = 0.0
        while not self._over.wait(pause):
            with self._lock:
                now = time.monotonic()
                passed, looked = min(now - looked, 2 * pause), now
                if not self._started:
                    continue
                if watched != self._started:
                    watched, seen = self._started, 0.0
                seen += min(passed, now - watched)
                # The thread is within `run`, which cannot be left without the lock; so it is alive.
                used = _thread_time(self._thread) - self._used
                lasted = max(seen, used)
                if lasted >= self._kill_after:
                    self._die(EXIT_STEP_KILLED)
                elif lasted >= self._next:
                    # Sent again while it lasts: a reducer may swallow one. Not at once, for the kernel may have taken
                    # it as poison of one message among several and be finishing the turn.
                    self._next = lasted + self._step_max
                    self._sent = True
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(self._thread), ctypes.py_object(StepTooLong)
                    )
