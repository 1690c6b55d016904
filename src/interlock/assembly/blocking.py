"""`BlockingInterlock`: the same in plain synchronous Python, for programs without an event loop.

    with BlockingInterlock.open("sqlite:///cheques.db") as il:
        cheques = il.run(app, "automations/cheques")
        cheques.submit(Presented(cheque="c1", box=il.picture(data)), id="e1", source="branch")
        print(cheques.settled("c1").state.status)

An event loop of its own runs in a thread of its own, with an ordinary `Interlock` on it; every method here hands its
work to that loop and waits. Any number of threads may call at once (a threaded web server does), and what is decided
does not depend on who waits for it.

INVARIANT: a call that can never be answered is refused instead of waiting for ever: from the loop's own thread, or in
a process that was forked after opening, to which threads do not come along.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from interlock.assembly.embedding import LOCAL, Handle, Interlock, Snapshot
from interlock.automation.app import Automation
from interlock.automation.models import Action, Case, Event
from interlock.automation.payloads import Document, Picture
from interlock.kernel.lifecycle import ValidAction
from interlock.releases import Release
from interlock.runtime import control
from interlock.runtime.erasure import Erasure
from interlock.runtime.worker import Notice
from interlock.settings import Settings
from interlock.vocabulary.errors import Refused
from interlock.vocabulary.events import HandlingAct
from interlock.vocabulary.review import Review

C = TypeVar("C", bound=Case)
T = TypeVar("T")


class LoopThread:
    """An event loop in a thread. The thread is a daemon: nothing on it is the only copy of anything."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._loop.run_forever, name="interlock-loop", daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the loop and wait. If the wait is interrupted (Ctrl-C), the work is cancelled."""
        refused = self._refused()
        if refused is not None:
            work.close()
            raise refused
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def call(self, function: Callable[[], T]) -> T:
        """Call a plain function on the loop and wait."""

        async def on_loop() -> T:
            return function()

        return self.wait(on_loop())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _refused(self) -> Refused | None:
        if os.getpid() != self._pid:
            return Refused(
                "This Interlock was opened before the process was forked, and its threads did not come along.",
                code="forked",
                hint="Open it in each process that is to use it, after the fork.",
            )
        if threading.current_thread() is self._thread:
            return Refused(
                "This call comes from the loop that would have to answer it.",
                code="own_loop",
                hint="In async code use Interlock; a performer gets all it needs as arguments.",
            )
        return None


class BlockingHandle(Generic[C]):
    """One automation of an open BlockingInterlock. Every method does what `Handle`'s does, and waits for it."""

    def __init__(self, loop: LoopThread, handle: Handle[C]) -> None:
        self._loop = loop
        self._handle = handle
        self.name = handle.name

    @property
    def release(self) -> Release:
        return self._handle.release

    def submit(
        self, event: Event, *, id: str, source: str, principal: str = LOCAL, occurred_at: datetime | None = None
    ) -> str:
        """Accept an event, durably; returns its case's key. See `Handle.submit`."""
        return self._loop.wait(
            self._handle.submit(event, id=id, source=source, principal=principal, occurred_at=occurred_at)
        )

    def call(self, action: Action[Any], *, key: str, id: str, principal: str, source: str = "call") -> str:
        """Ask for an action as a person or an agent; returns the key."""
        return self._loop.wait(self._handle.call(action, key=key, id=id, principal=principal, source=source))

    def case(self, key: str) -> Snapshot[C] | None:
        """The case now; None when nobody has heard of it."""
        return self._loop.wait(self._handle.case(key))

    def settled(self, key: str, timeout_s: float = 30.0) -> Snapshot[C]:
        """The case once nothing moves in it. Raises Unsettled after `timeout_s`, NotFound for an unknown case."""
        return self._loop.wait(self._handle.settled(key, timeout_s))

    def actions(self, key: str) -> list[ValidAction]:
        """What may be proposed now; for what may not, why and which earlier decision forbids it."""
        return self._loop.wait(self._handle.actions(key))

    def reviews(self, group: str | None = None, *, limit: int = 100) -> list[tuple[str, Review]]:
        """Open reviews with their full ids."""
        return self._loop.wait(self._handle.reviews(group, limit=limit))

    def approve(self, review: str, *, group: str, principal: str, comment: str = "", seen: str = "") -> None:
        """Approve an open review (its full id) on behalf of a group."""
        self._loop.wait(self._handle.approve(review, group=group, principal=principal, comment=comment, seen=seen))

    def reject(self, review: str, *, group: str, principal: str, comment: str = "", seen: str = "") -> None:
        """Reject what a review proposes."""
        self._loop.wait(self._handle.reject(review, group=group, principal=principal, comment=comment, seen=seen))

    def edit(
        self, review: str, action: Action[Any], *, group: str, principal: str, comment: str = "", seen: str = ""
    ) -> None:
        """Approve with other arguments: a proposal of this person's own, which is judged again."""
        self._loop.wait(self._handle.edit(review, action, group=group, principal=principal, comment=comment, seen=seen))

    def propose(
        self, review: str, action: Action[Any], *, group: str, principal: str, comment: str = "", seen: str = ""
    ) -> None:
        """Propose an action on the review of a question that could not be answered in time."""
        self._loop.wait(
            self._handle.propose(review, action, group=group, principal=principal, comment=comment, seen=seen)
        )

    def handle(
        self, review: str, act: HandlingAct, *, group: str, principal: str, to: str = "", text: str = ""
    ) -> None:
        """What a person does with a review beside deciding it, as `Handle.handle` has it."""
        self._loop.wait(self._handle.handle(review, act, group=group, principal=principal, to=to, text=text))

    def resolve(self, command: str, happened: bool, *, principal: str, result: Any = None, comment: str = "") -> None:
        """End a doubt after looking at the outside's own books. `command`: full id of the effect."""
        self._loop.wait(self._handle.resolve(command, happened, principal=principal, result=result, comment=comment))

    def explain(self, decision: str) -> str:
        """Why: in words, for a decision (`cheques/c1/3.0`) or a case's last one (`cheques/c1`)."""
        return self._loop.wait(self._handle.explain(decision))


class BlockingInterlock:
    """A store, a door and a worker in this process, for code without an event loop. Make one with `open`, use it in
    `with`.
    """

    def __init__(self, interlock: Interlock) -> None:
        self._interlock = interlock
        self._thread: LoopThread | None = None

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        settings: Settings | None = None,
        report: Callable[[Notice], None] = lambda notice: None,
    ) -> BlockingInterlock:
        """As `Interlock.open`. `report` is called in the loop's thread."""
        return cls(Interlock.open(url, settings=settings, report=report))

    def __enter__(self) -> Self:
        thread = LoopThread()
        try:
            thread.wait(self._interlock.__aenter__())
        except BaseException:
            thread.close()
            raise
        self._thread = thread
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain: take nothing more, finish what is in flight, close the store."""
        thread, self._thread = self._loop, None
        try:
            thread.wait(self._interlock.__aexit__(kind, error, trace))
        finally:
            thread.close()

    def run(self, app: Automation[C, Any], folder: str | Path) -> BlockingHandle[C]:
        """Load the automation's release from its folder, register it, and work on its cases in this process."""
        return BlockingHandle(self._loop, self._loop.call(lambda: self._interlock.run(app, folder)))

    def picture(self, data: bytes, media_type: str = "image/png") -> Picture:
        """Store an image once and name it by its content."""
        return self._loop.call(lambda: self._interlock.picture(data, media_type))

    def document(self, data: bytes, media_type: str = "application/octet-stream") -> Document:
        """Store a file once and name it by its content."""
        return self._loop.call(lambda: self._interlock.document(data, media_type))

    def read(self, payload: Picture | Document) -> bytes:
        """The content of a stored payload."""
        return self._loop.call(lambda: self._interlock.read(payload))

    def explain(self, decision: str) -> str:
        """Why, in words."""
        return self._loop.wait(self._interlock.explain(decision))

    def pause(self, *scopes: str) -> control.Paused:
        """Stop every start that the scopes cover; returns what had started already."""
        return self._loop.wait(self._interlock.pause(*scopes))

    def resume(self, *scopes: str) -> control.Paused:
        """End these pauses, or all of them."""
        return self._loop.wait(self._interlock.resume(*scopes))

    def erase(self, subject: str, *, principal: str, reason: str = "") -> Erasure:
        """Erase a person: destroy the keys of all their personal data here, and close the cases that hold it."""
        return self._loop.wait(self._interlock.erase(subject, principal=principal, reason=reason))

    @property
    def _loop(self) -> LoopThread:
        if self._thread is None:
            raise Refused("This Interlock is not open.", code="not_open", hint="Use it in `with`.")
        return self._thread
