"""`Interlock`: automations inside one's own program, with a worker on the program's own event loop.

    async with Interlock.open("sqlite:///cheques.db") as il:
        cheques = il.run(app, "automations/cheques")
        await cheques.submit(Presented(cheque="c1", box=il.picture(data)), id="e1", source="branch")
        print((await cheques.settled("c1")).state.status)

What a handle does goes through the same door, and is decided by the same rules, as what the command line and every
other process do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from interlock.assembly.hosting import disconnect, hosted, kept_by, payload_reader
from interlock.assembly.opening import open_store
from interlock.assembly.retiring import retire
from interlock.assembly.running import admitted, make_worker
from interlock.assembly.succession import register
from interlock.automation.app import Automation
from interlock.automation.models import Action, Case, Event
from interlock.automation.payloads import Document, Picture
from interlock.kernel.lifecycle import ValidAction, valid_actions
from interlock.kernel.program import Rejected
from interlock.ports import Store
from interlock.releases import Release, load_release
from interlock.runtime import control
from interlock.runtime.clock import clock_of
from interlock.runtime.erasure import Erasure
from interlock.runtime.hosted import Hosted
from interlock.runtime.inbox import Door, handling_envelope, moment, resolve_envelope, sealed, verdict_envelope
from interlock.runtime.threads import Pool
from interlock.runtime.worker import Notice, Worker
from interlock.settings import Settings
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.errors import InterlockError, NotFound, Refused
from interlock.vocabulary.events import CallBody, EventBody, HandlingAct
from interlock.vocabulary.ids import CaseId, parse_full_id, slot_of
from interlock.vocabulary.review import Review

C = TypeVar("C", bound=Case)
T = TypeVar("T")

LOCAL = "local"
"""Who sends when the program does not say."""

AT_REST = frozenset({"in_doubt", "held"})
"""Statuses of an effect in which it waits for somebody else."""


class Unsettled(InterlockError):
    """A case was still moving when the caller's patience ended. Nothing is wrong with the case."""

    code = "unsettled"


@dataclass(frozen=True)
class Snapshot(Generic[C]):
    """A case at one moment: its typed state, the id of its last decision ("" while there is none), and the whole
    record.
    """

    state: C
    last_decision: str
    record: CaseRecord

    @property
    def status(self) -> str:
        return self.record.status

    @property
    def in_doubt(self) -> tuple[str, ...]:
        """Actions whose outcome nobody knows."""
        return tuple(effect.action for effect in self.record.effects.values() if effect.status == "in_doubt")


class Handle(Generic[C]):
    """One automation of an open Interlock."""

    def __init__(self, interlock: Interlock, release: Release) -> None:
        self._interlock = interlock
        self._release = release
        self._wire = kept_by(release.loaded, interlock.store)
        self.name = release.name

    @property
    def release(self) -> Release:
        return self._release

    async def submit(
        self, event: Event, *, id: str, source: str, principal: str = LOCAL, occurred_at: datetime | None = None
    ) -> str:
        """Accept an event, durably; returns its case's key. The same again changes nothing.

        Raises Refused for an event that does not fit, Conflict for a known id with another content, NotNow when too
        much waits.
        """
        try:
            type_, data, key = await self._plain(lambda: self._wire.event_plain(event))
        except Rejected as error:
            raise Refused(str(error), code="bad_event") from None
        door = self._interlock.door
        happened = moment(occurred_at)
        body = EventBody(type_, data)
        await door.submit(
            sealed(self.name, key, body, id=id, source=source, principal=principal, occurred_at=happened, now=door.now)
        )
        return key

    async def call(self, action: Action[Any], *, key: str, id: str, principal: str, source: str = "call") -> str:
        """Ask for an action as a person (or, with a principal `agent:...`, as an agent); returns the key.

        It is decided like any proposal.
        """
        try:
            name, args = await self._plain(lambda: self._action_plain(key, action))
        except Rejected as error:
            raise Refused(str(error), code="bad_call") from None
        door = self._interlock.door
        body = CallBody(name, args, "agent" if principal.startswith("agent:") else "person")
        await door.submit(
            sealed(self.name, key, body, id=id, source=source, principal=principal, occurred_at=None, now=door.now)
        )
        return key

    async def case(self, key: str) -> Snapshot[C] | None:
        """The case now; None when nobody has heard of it. Raises Erased where its personal data is gone."""
        record = await self._interlock.blocking(lambda store: store.case(CaseId(self.name, key)))
        return None if record is None else self._snapshot(record)

    async def settled(self, key: str, timeout_s: float = 30.0) -> Snapshot[C]:
        """The case once nothing moves in it: no message waits, no question is open, no effect is on its way.

        What waits for a person, a pause, a timer or a resolution is settled. Raises Unsettled after `timeout_s`,
        NotFound when by then nobody has heard of the case.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    record = await self._interlock.at_rest(CaseId(self.name, key))
                    if record is not None:
                        return self._snapshot(record)
                    await self._interlock.moved()
        except TimeoutError:
            if await self.case(key) is None:
                raise NotFound(f"Nobody has heard of {self.name}/{key}.") from None
            raise Unsettled(f"{self.name}/{key} was still moving after {timeout_s:g} s.") from None

    async def actions(self, key: str) -> list[ValidAction]:
        """What may be proposed now; for what may not, why and which earlier decision forbids it."""
        snapshot = await self.case(key)
        if snapshot is None:
            raise NotFound(f"Nobody has heard of {self.name}/{key}.")
        return valid_actions(snapshot.record, self._release.program)

    async def reviews(self, group: str | None = None, *, limit: int = 100) -> list[tuple[str, Review]]:
        """Open reviews with their full ids."""
        found = await self._interlock.blocking(
            lambda store: store.open_reviews(automation=self.name, group=group, limit=limit)
        )
        return [(f"{case}/{review.id}", review) for case, review in found]

    async def approve(self, review: str, *, group: str, principal: str, comment: str = "", seen: str = "") -> None:
        """Approve an open review (its full id) on behalf of a group.

        `seen`: digest of what was shown; by default, what is open now.
        """
        await self._interlock.verdict(review, "approve", group=group, principal=principal, comment=comment, seen=seen)

    async def reject(self, review: str, *, group: str, principal: str, comment: str = "", seen: str = "") -> None:
        """Reject what a review proposes."""
        await self._interlock.verdict(review, "reject", group=group, principal=principal, comment=comment, seen=seen)

    async def edit(
        self, review: str, action: Action[Any], *, group: str, principal: str, comment: str = "", seen: str = ""
    ) -> None:
        """Approve with other arguments: a proposal of this person's own, which is judged again."""
        try:
            _, args = await self._plain(lambda: self._action_plain(parse_full_id(review)[0].key, action))
        except Rejected as error:
            raise Refused(str(error), code="bad_call") from None
        await self._interlock.verdict(
            review, "edit", group=group, principal=principal, comment=comment, seen=seen, args=args
        )

    async def propose(
        self, review: str, action: Action[Any], *, group: str, principal: str, comment: str = "", seen: str = ""
    ) -> None:
        """Propose an action on the review of a question that could not be answered in time."""
        try:
            name, args = await self._plain(lambda: self._action_plain(parse_full_id(review)[0].key, action))
        except Rejected as error:
            raise Refused(str(error), code="bad_call") from None
        await self._interlock.verdict(
            review, "propose", group=group, principal=principal, comment=comment, seen=seen, args=args, action=name
        )

    async def handle(
        self, review: str, act: HandlingAct, *, group: str, principal: str, to: str = "", text: str = ""
    ) -> None:
        """What a person does with a review beside deciding it: claim, release, assign (`to` a person), reassign (`to` a
        group), ask or answer (`text`), and withdraw, which takes an approval back until the effect starts.
        """
        door = self._interlock.door
        case, local = parse_full_id(review)
        await door.submit(
            handling_envelope(
                case.automation,
                case.key,
                local,
                act,
                group=group,
                id=f"{local}:{act}:{principal}:{door.now}",
                principal=principal,
                now=door.now,
                to=to,
                text=text,
            )
        )

    async def resolve(
        self, command: str, happened: bool, *, principal: str, result: Any = None, comment: str = ""
    ) -> None:
        """End a doubt after looking at the outside's own books. `command`: full id of the effect."""
        door = self._interlock.door
        case, local = parse_full_id(command)
        await door.submit(
            resolve_envelope(
                case.automation,
                case.key,
                local,
                "happened" if happened else "not_happened",
                result=result,
                comment=comment,
                id=f"{local}:{door.now}",
                principal=principal,
                now=door.now,
            )
        )

    async def explain(self, decision: str) -> str:
        """Why: in words, for a decision (`cheques/c1/3.0`) or a case's last one (`cheques/c1`)."""
        return await self._interlock.explain(decision)

    async def _plain(self, dump: Callable[[], T]) -> T:
        """Plain data of a user's value; off the event loop where a key may have to be made for it."""
        if not self._release.loaded.definition.seals:
            return dump()
        return await self._interlock.blocking(lambda store: dump())

    def _action_plain(self, key: str, action: Action[Any]) -> tuple[str, dict[str, Any]]:
        with self._wire.opened(key):
            return self._wire.action_plain(action)

    def _snapshot(self, record: CaseRecord) -> Snapshot[C]:
        if not self._release.loaded.definition.seals:
            return self._read(record)
        with self._wire.opened(record.key):
            return self._read(record)

    def _read(self, record: CaseRecord) -> Snapshot[C]:
        program, wire = self._release.program, self._wire
        state = record.state
        if not record.status:
            state, status, _ = program.reducers.initial()
        else:
            status = record.status
            if record.release != program.release:
                state, _ = program.reducers.current(state, record.schema)
        return Snapshot(cast("C", wire.case(state, status)), record.last_decision, record)


class Interlock:
    """A store, a door and a worker in this process. Make one with `open`, use it in `async with`."""

    def __init__(self, url: str | Path, settings: Settings, report: Callable[[Notice], None]) -> None:
        self._url = url
        self._settings = settings
        self._report = report
        self._store: Store | None = None
        self._spawn = Pool("interlock-store", 1)
        self._door: Door | None = None
        self._worker: Worker | None = None
        self._running: asyncio.Task[None] | None = None
        self._retiring: asyncio.Task[None] | None = None
        self._hosts: list[Hosted] = []

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        settings: Settings | None = None,
        report: Callable[[Notice], None] = lambda notice: None,
    ) -> Interlock:
        """An Interlock on `sqlite:///PATH`, a path, or `:memory:`. Nothing is opened before `async with`.

        `report` is told what an operator should know of: a full disk, a quarantined message, a blocked loop.
        """
        return cls(url, settings or Settings(), report)

    async def __aenter__(self) -> Self:
        store = open_store(self._url, slots=self._settings.slots)
        self._store = store
        self._worker = make_worker(store, {}, self._settings, self._report, self._spawn)
        self._door = Door(
            store,
            clock=clock_of(store),
            spawn=self._spawn,
            accepted=self._worker.wake,
            admitted=admitted(self._settings),
            carrier=self._worker.take_along,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain: take nothing more, finish what is in flight, close the store."""
        if self._retiring is not None:
            self._retiring.cancel()
        try:
            if self._door is not None:
                await self._door.drain()
            if self._worker is not None and self._running is not None:
                self._worker.stop()
                await self._running
        finally:
            try:
                await disconnect(self._hosts)
            finally:
                self._spawn.close()
                if self._store is not None:
                    self._store.close()

    def run(self, app: Automation[C, Any], folder: str | Path) -> Handle[C]:
        """Load the automation's release from its folder, register it, and work on its cases in this process.

        Raises DefinitionErrors with every mistake in the folder.
        """
        release = load_release(folder, app=app)
        self.host(release)
        return Handle(self, release)

    def host(self, release: Release) -> None:
        """Work on the cases of a release that is already loaded.

        Raises DefinitionErrors where cases of an earlier release could not be read under it.
        """
        store, worker = self.store, self.worker
        register(store, release, now=self.door.now)
        host = hosted(release, store, threads_max=self._settings.threads_max)
        worker.host(release.name, host)
        self._hosts.append(host)
        if self._running is None:
            self._running = asyncio.ensure_future(worker.run())
            self._retiring = asyncio.ensure_future(
                retire(store, lambda: self._hosts, self._settings, self._spawn, clock_of(store).now)
            )

    def picture(self, data: bytes, media_type: str = "image/png") -> Picture:
        """Store an image once and name it by its content."""
        return Picture(self.store.put_payload(data, media_type), media_type)

    def document(self, data: bytes, media_type: str = "application/octet-stream") -> Document:
        """Store a file once and name it by its content."""
        return Document(self.store.put_payload(data, media_type), media_type)

    def read(self, payload: Picture | Document) -> bytes:
        """The content of a stored payload."""
        return payload_reader(self.store)(payload.digest)

    async def explain(self, decision: str) -> str:
        """Why, in words. Personal data reads "(sealed)", or "(erased)"."""
        from interlock.ledger import explain
        from interlock.runtime.vault import shown

        return await self.blocking(lambda store: shown(store, explain(store, decision).to_text()))

    async def erase(self, subject: str, *, principal: str, reason: str = "") -> Erasure:
        """Erase a person: destroy the keys of all their personal data here, and close the cases that hold it.

        A case with an effect under way is left and named. Raises NotFound where nothing is known of the person.
        """
        from uuid_utils import uuid7

        from interlock.runtime.erasure import erase_subject

        return await self.blocking(
            lambda store: erase_subject(
                store, subject, principal=principal, reason=reason, now=self.door.now, id=str(uuid7())
            )
        )

    async def pause(self, *scopes: str) -> control.Paused:
        """Stop every start that the scopes cover (`all`, an automation, `automation/action`); returns what had
        started already.
        """
        named = [control.scope(one) for one in scopes]
        return await self.blocking(lambda store: control.pause(store, named))

    async def resume(self, *scopes: str) -> control.Paused:
        """End these pauses, or all of them."""
        named = [control.scope(one) for one in scopes]
        done = await self.blocking(lambda store: control.resume(store, named))
        self.worker.look_everywhere()
        return done

    async def verdict(
        self,
        review: str,
        verdict: control.VerdictName,
        *,
        group: str,
        principal: str,
        comment: str,
        seen: str,
        args: Mapping[str, Any] | None = None,
        action: str = "",
    ) -> None:
        """A person's verdict on an open review. Raises NotFound for one that is not open."""
        case, local = parse_full_id(review)
        if not seen:
            seen = (await self.blocking(lambda store: control.open_review(store, case, local))).seen
        door = self.door
        await door.submit(
            verdict_envelope(
                case.automation,
                case.key,
                local,
                verdict,
                group=group,
                seen=seen,
                args=None if args is None else dict(args),
                comment=comment,
                id=f"{local}:{verdict}:{group}:{principal}:{door.now}",
                principal=principal,
                now=door.now,
                action=action,
            )
        )

    # --- for handles

    @property
    def store(self) -> Store:
        if self._store is None:
            raise Refused("This Interlock is not open.", code="not_open", hint="Use it in `async with`.")
        return self._store

    @property
    def door(self) -> Door:
        if self._door is None:
            raise Refused("This Interlock is not open.", code="not_open", hint="Use it in `async with`.")
        return self._door

    @property
    def worker(self) -> Worker:
        if self._worker is None:
            raise Refused("This Interlock is not open.", code="not_open", hint="Use it in `async with`.")
        return self._worker

    async def blocking(self, work: Callable[[Store], Any]) -> Any:
        """Work on the store, off the event loop."""
        store = self.store
        return await self._spawn.blocking(lambda: work(store))

    async def at_rest(self, case: CaseId) -> CaseRecord | None:
        """The record if nothing moves in the case, else None. Raises what ended the worker, if something did."""
        if self._running is not None and self._running.done():
            self._running.result()
        store = self.store
        slot = slot_of(case, store.caps.n_slots)
        if self.worker.moving(slot):
            return None
        record: CaseRecord | None = await self.blocking(lambda store: store.case(case))
        if record is None or self.worker.moving(slot):
            return None
        if any(effect.status not in AT_REST for effect in record.effects.values()):
            return None
        asked = [asked for question in record.questions.values() for asked in question.asked.values()]
        return record if all(one.outcome is not None for one in asked) and not record.questions else None

    async def moved(self) -> None:
        """Return after the worker's next cycle, or a moment later."""
        changed = asyncio.ensure_future(self.worker.changed())
        await asyncio.wait([changed], timeout=0.1)
        changed.cancel()
