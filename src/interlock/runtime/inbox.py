"""The door: what comes from outside is validated, bounded, deduplicated, and durable before anybody is told so.

A `Door` makes envelopes and hands them to the store in batches: submits that come while one batch is being written
form the next one, so many senders share one commit. It decides nothing; whether an event is good news is the kernel's
matter.

INVARIANT: a submit that returned is durable as the store's caps promise, and was counted once for ever; one that
raised left nothing.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol, cast

from interlock.kernel.program import Rejected
from interlock.ports import Accepted, Clash, Clock, Duplicate, Receipt, Spawn, Store
from interlock.runtime import json_input
from interlock.runtime.parcels import Carrier, Parcel, slots_of
from interlock.vocabulary import canonical, limits
from interlock.vocabulary.delegation import Delegation
from interlock.vocabulary.errors import Conflict, NotNow, Refused
from interlock.vocabulary.events import (
    Body,
    CallBody,
    Data,
    DelegateBody,
    Envelope,
    EventBody,
    HandlingAct,
    HandlingBody,
    ResolveBody,
    UndelegateBody,
    VerdictBody,
)
from interlock.vocabulary.ids import PEOPLE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

BATCH_MAX = 1_024
"""Messages accepted in one commit."""

BACKLOG_LOOK_EVERY = 1_000
"""The inbox is counted once per so many messages, and at every one while it is too long."""

RETRY_AFTER_S = 5
"""What a refused sender is told to wait."""


class Admission(Protocol):
    """What the door must know of an automation: which events and actions exist, and whether data fits them.

    Raises Rejected.
    """

    def event_data(self, type: str, raw: object) -> tuple[Data, str]: ...
    def action_name(self, name: str) -> str: ...
    def call_args(self, action: str, raw: object) -> Data: ...
    def opened(self, key: str) -> AbstractContextManager[None]:
        """What is validated within is of this case: personal data in it is sealed."""
        ...


@dataclass(frozen=True)
class Incoming:
    """An event as a file or a request holds it, before it is validated. `line` is its place in the file, from 1."""

    type: str
    id: str
    source: str
    data: Any
    occurred_at: int | None
    line: int = 0
    subject: str = ""


REVIEW = "interlock.review"
"""Source of what people do with reviews."""

INTERNAL = "interlock."
"""Sources that begin so are the interlock's own: their messages come once by construction and are not remembered."""


# --- making envelopes
# ----------------------------------------------------------------------------------------------------------


def name_text(value: object, what: str) -> str:
    """A key, id, source or principal: short text without control characters."""
    if not isinstance(value, str) or not value:
        raise Refused(f"{what} is missing or not text: {value!r}.", code="bad_name")
    if len(value) > limits.TEXT_ID_CHARS_MAX:
        raise Refused(
            f"{what} has {len(value)} characters; at most {limits.TEXT_ID_CHARS_MAX} are taken.", code="bad_name"
        )
    if not value.isprintable():
        # This catches lone surrogates as well.
        raise Refused(f"{what} {value!r} holds characters that cannot be printed.", code="bad_name")
    return value


def moment(value: object, what: str = "occurred_at") -> int | None:
    """Microseconds of an ISO 8601 time with a zone, of an aware datetime, or of microseconds; None stays None."""
    if value is None:
        return None
    if isinstance(value, bool):
        raise Refused(f"{what} {value!r} is not a time.", code="bad_time")
    if isinstance(value, int):
        if not 0 <= value < 2**53:
            raise Refused(f"{what} {value} is out of range (microseconds since 1970).", code="bad_time")
        return value
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise Refused(f"{what} {value!r} is not a time. Write 2026-01-31T12:00:00Z.", code="bad_time") from None
    if not isinstance(value, datetime):
        raise Refused(f"{what} {value!r} is not a time. Write 2026-01-31T12:00:00Z.", code="bad_time")
    if value.tzinfo is None:
        raise Refused(f"{what} {value.isoformat()} names no time zone. Write 2026-01-31T12:00:00Z.", code="bad_time")
    micros = (value - _EPOCH) // _MICROSECOND
    if micros < 0:
        raise Refused(f"{what} {value.isoformat()} lies before 1970.", code="bad_time")
    return micros


def event_envelope(
    automation: str,
    admission: Admission,
    type: str,
    raw: object,
    *,
    id: str,
    source: str,
    principal: str,
    occurred_at: int | None,
    now: int,
    key: str = "",
) -> Envelope:
    """An outside event. Its case is named by the automation's key field in the data; `key`, when given, must agree."""
    json_input.check(raw)
    try:
        data, named = admission.event_data(type, raw)
    except Rejected as error:
        raise Refused(str(error), code="bad_event") from None
    if key and key != named:
        raise Refused(f"The subject names case {key!r}, the data case {named!r}.", code="bad_event")
    return sealed(
        automation,
        named,
        EventBody(type, data),
        id=id,
        source=source,
        principal=principal,
        occurred_at=occurred_at,
        now=now,
    )


def call_envelope(
    automation: str,
    admission: Admission,
    action: str,
    raw: object,
    *,
    key: str,
    id: str,
    source: str,
    principal: str,
    by: Literal["person", "agent"],
    now: int,
) -> Envelope:
    """A person's or an agent's wish to run an action.

    Arguments that do not fit are refused here; whether it may run is decided later.
    """
    json_input.check(raw)
    try:
        name = admission.action_name(action)
        with admission.opened(name_text(key, "key")):
            args = admission.call_args(name, raw)
    except Rejected as error:
        raise Refused(str(error), code="bad_call") from None
    return sealed(
        automation, key, CallBody(name, args, by), id=id, source=source, principal=principal, occurred_at=now, now=now
    )


def verdict_envelope(
    automation: str,
    key: str,
    review: str,
    verdict: Literal["approve", "reject", "edit", "propose"],
    *,
    group: str,
    seen: str,
    args: Data | None,
    comment: str,
    id: str,
    principal: str,
    now: int,
    action: str = "",
    delegation: Delegation | None = None,
) -> Envelope:
    """A person's verdict on an open review, on what was `seen`.

    action   what is proposed on a review of a question; delegation: under which it is given, as the store has it
    """
    if args is not None:
        json_input.check(args)
    body = VerdictBody(review, verdict, name_text(group, "group"), seen, args, comment, action, delegation)
    return sealed(automation, key, body, id=id, source=REVIEW, principal=principal, occurred_at=now, now=now)


def handling_envelope(
    automation: str,
    key: str,
    review: str,
    act: HandlingAct,
    *,
    group: str,
    id: str,
    principal: str,
    now: int,
    to: str = "",
    text: str = "",
    delegation: Delegation | None = None,
) -> Envelope:
    """What a person does with a review beside deciding it."""
    if to:
        name_text(to, "to")
    if len(text) > limits.RATIONALE_CHARS_MAX:
        raise Refused(
            f"The text has {len(text)} characters; at most {limits.RATIONALE_CHARS_MAX} are taken.", code="too_large"
        )
    body = HandlingBody(review, act, group, to, text, delegation)
    return sealed(automation, key, body, id=id, source=REVIEW, principal=principal, occurred_at=now, now=now)


def delegate_envelope(
    principal: str,
    to: str,
    *,
    since: int,
    until: int,
    id: str,
    now: int,
    automation: str = "",
    group: str = "",
    comment: str = "",
) -> Envelope:
    """Somebody names who decides for them while they are away (microseconds). It is theirs alone to give."""
    body = DelegateBody(name_text(to, "to"), since, until, automation, group, comment)
    return sealed(PEOPLE, principal, body, id=id, source=REVIEW, principal=principal, occurred_at=now, now=now)


def undelegate_envelope(principal: str, delegation: str, *, id: str, now: int) -> Envelope:
    """Somebody ends a delegation of theirs."""
    body = UndelegateBody(delegation)
    return sealed(PEOPLE, principal, body, id=id, source=REVIEW, principal=principal, occurred_at=now, now=now)


def resolve_envelope(
    automation: str,
    key: str,
    command: str,
    outcome: Literal["happened", "not_happened"],
    *,
    result: Any,
    comment: str,
    id: str,
    principal: str,
    now: int,
) -> Envelope:
    """An operator's word on an effect in doubt."""
    json_input.check(result)
    body = ResolveBody(command, outcome, result, comment)
    return sealed(
        automation, key, body, id=id, source="interlock.operator", principal=principal, occurred_at=now, now=now
    )


def sealed(
    automation: str,
    key: str,
    body: Body,
    *,
    id: str,
    source: str,
    principal: str,
    occurred_at: int | None,
    now: int,
) -> Envelope:
    """The envelope, within its limits."""
    if isinstance(body, EventBody | CallBody) and source.startswith(INTERNAL):
        raise Refused(
            f"source {source!r} is one of the interlock's own; what comes from outside names another.",
            code="bad_name",
            hint=f"Choose a source that does not begin with {INTERNAL!r}.",
        )
    try:
        size = len(canonical.encode(body))
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused(f"The data cannot be recorded: {error}.", code="bad_data") from None
    if size > limits.EVENT_BYTES_MAX:
        raise Refused(
            f"{size} bytes; at most {limits.EVENT_BYTES_MAX} are taken. Send large things as payloads.",
            code="too_large",
        )
    return Envelope(
        automation,
        name_text(key, "key"),
        name_text(id, "id"),
        name_text(source, "source"),
        name_text(principal, "principal"),
        now if occurred_at is None else occurred_at,
        now,
        body,
    )


# --- files of events
# -------------------------------------------------------------------------------------------------------------


def read_lines(lines: Iterable[str | bytes]) -> Iterator[Incoming]:
    """Events of a JSON-lines file, one per line: CloudEvents 1.0, or `{"type", "id", "source", "data", "occurred_at"}`.

    Empty lines are skipped. Raises Refused naming the line.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield read_line(line, number)
        except Refused as error:
            raise Refused(f"Line {number}: {error.message}", code=error.code, hint=error.hint) from None


def read_line(line: str | bytes, number: int = 0) -> Incoming:
    """One event of such a file. Raises Refused, which does not name the line."""
    return _incoming(json_input.parse(line.strip()), number)


_SHORT = frozenset({"type", "id", "source", "data", "occurred_at"})
_CLOUD = frozenset(
    {"specversion", "type", "id", "source", "data", "time", "subject", "key", "datacontenttype", "dataschema"}
)


def _incoming(value: object, line: int) -> Incoming:
    if not isinstance(value, dict):
        raise Refused(f"An event is a JSON object, not {type(value).__name__}.", code="bad_event")
    event = cast("dict[str, Any]", value)
    cloud = "specversion" in event
    if cloud and event["specversion"] != "1.0":
        raise Refused(f"CloudEvents {event['specversion']!r} is not known; 1.0 is.", code="bad_event")
    known = _CLOUD if cloud else _SHORT
    for name in event:
        # Extension attributes of CloudEvents are lower-case names of letters and digits; they carry routing, not facts.
        if name not in known and not (cloud and name.isalnum() and name.islower()):
            raise Refused(f"Unknown field {name!r}.{near(name, known)}", code="bad_event")
    for name in ("type", "id"):
        if not isinstance(event.get(name), str):
            raise Refused(f"The event has no {name}.", code="bad_event")
    if cloud and not isinstance(event.get("source"), str):
        raise Refused("The event has no source.", code="bad_event")
    return Incoming(
        type=event["type"],
        id=name_text(event["id"], "id"),
        source=name_text(event.get("source", "file"), "source"),
        data=event.get("data", {}),
        occurred_at=moment(event.get("time" if cloud else "occurred_at"), "time" if cloud else "occurred_at"),
        line=line,
        subject=str(event.get("subject") or event.get("key") or "") if cloud else "",
    )


def near(name: str, known: Iterable[str]) -> str:
    """` Did you mean ...?` for a name that is almost one of `known`, else what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f" Did you mean {' or '.join(close)}?"
    return f" Known: {', '.join(names)}." if names else ""


# --- the door
# -------------------------------------------------------------------------------------------------------------------


class Door:
    """Accepts envelopes for one store. On one event loop.

    accepted   is told which slots have work, of what this door has written itself
    carrier    a worker of this process that takes messages along in its transactions (`parcels`)
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        spawn: Spawn,
        accepted: Callable[[Iterable[int]], None] | None = None,
        admitted: Admitted | None = None,
        carrier: Carrier | None = None,
    ) -> None:
        self._store = store
        self._carrier = carrier
        self._clock = clock
        self._spawn = spawn
        self._accepted = accepted
        self._admitted = admitted or Admitted()
        self._refused_until: dict[str, int] = {}
        self._waiting: list[tuple[Envelope, asyncio.Future[Receipt]]] = []
        self._pump: asyncio.Task[None] | None = None
        self._until_look = 0
        self.closed = False

    @property
    def now(self) -> int:
        return self._clock.now()

    async def submit(self, envelope: Envelope) -> Accepted | Duplicate:
        """Accept one message, durably.

        Raises Conflict for a known id with another body, NotNow when too much waits or the door is closing.
        """
        return outcome_of(envelope, await self._offer(envelope))

    async def submit_all(self, envelopes: Iterable[Envelope]) -> list[Receipt]:
        """Accept many, in order. Each one's receipt stands for itself; a Clash is a receipt here, not an exception."""
        return await asyncio.gather(*[self._offer(envelope) for envelope in envelopes])

    def _offer(self, envelope: Envelope) -> asyncio.Future[Receipt]:
        if self.closed:
            raise NotNow("This worker is draining and takes nothing more.", code="draining")
        if len(self._waiting) >= limits.DOOR_WAITING_MAX:
            raise _overloaded(f"{len(self._waiting)} messages wait to be written; more are not taken.")
        if self._refused_until and self._refused_until.get(envelope.automation, 0) > self._clock.now():
            raise _overloaded(f"Too many messages of {envelope.automation} wait; more are not taken.")
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((envelope, future))
        if self._pump is None:
            self._pump = asyncio.ensure_future(self._run())
        return future

    async def drain(self) -> None:
        """Take nothing more, and finish what was taken."""
        self.closed = True
        while self._pump is not None:
            await asyncio.wait([self._pump])

    async def _run(self) -> None:
        """Write what waits, batch after batch; what comes meanwhile is the next batch."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                await self._write(batch)
        finally:
            self._pump = None

    async def _write(self, batch: list[tuple[Envelope, asyncio.Future[Receipt]]]) -> None:
        envelopes = [envelope for envelope, _ in batch]
        self._until_look -= len(batch)
        look = self._until_look <= 0
        now = self._clock.now()
        try:
            receipts = await self._carried(envelopes, now, look=look)
            if receipts is None:
                receipts = await self._spawn.blocking(lambda: self._accept(envelopes, now, look=look))
                if self._accepted is not None:
                    self._accepted(slots_of(receipts))
        except Exception as error:  # noqa: BLE001 - every sender of the batch gets it; nothing was kept
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
                    future.exception()
            return
        if look:
            self._until_look = BACKLOG_LOOK_EVERY
        for (_, future), receipt in zip(batch, receipts, strict=True):
            if not future.done():
                future.set_result(receipt)

    async def _carried(self, envelopes: list[Envelope], now: int, *, look: bool) -> list[Receipt] | None:
        """Let the worker take them along; None: it could not, and nothing was kept."""
        if self._carrier is None:
            return None
        parcel = Parcel(envelopes, lambda: self._check(envelopes, now, look=look))
        if not self._carrier(parcel):
            return None
        await parcel.settled
        if parcel.error is not None:
            raise parcel.error
        return parcel.receipts

    def _accept(self, envelopes: list[Envelope], now: int, *, look: bool) -> list[Receipt]:
        self._check(envelopes, now, look=look)
        return self._store.accept(envelopes, now=now)

    def _check(self, envelopes: list[Envelope], now: int, *, look: bool) -> None:
        """Raises NotNow where these may not come in now."""
        most = self._admitted
        refuse_without_room(self._store, envelopes, most)
        if look:
            refuse_backlog(self._store.backlog(), most.inbox_max)
            if most.inbox_automation_max < most.inbox_max:
                until = now + RETRY_AFTER_S * 1_000_000
                waiting = self._store.condition().waiting
                self._refused_until = {
                    one.automation: until for one in waiting if one.count >= most.inbox_automation_max
                }
                for envelope in envelopes:
                    if envelope.automation in self._refused_until:
                        raise _overloaded(f"Too many messages of {envelope.automation} wait; more are not taken.")


@dataclass(frozen=True)
class Admitted:
    """How much may wait before the door refuses.

    inbox_max             messages in the store; inbox_automation_max: of one automation
    disk_free_min_bytes   room on the disk below which events and calls are refused
    """

    inbox_max: int = limits.INBOX_MAX
    inbox_automation_max: int = limits.INBOX_MAX
    disk_free_min_bytes: int = limits.DISK_FREE_MIN_MB * 1_000_000


def refuse_backlog(backlog: int, inbox_max: int) -> None:
    """Raises NotNow when so much waits that more would only be discovered too late."""
    if backlog >= inbox_max:
        raise _overloaded(f"{backlog} messages wait; more are not taken.")


def refuse_without_room(store: Store, envelopes: Iterable[Envelope], admitted: Admitted) -> None:
    """Raises NotNow for events and calls when the disk is nearly full. Verdicts and words on doubts are taken: they
    end what is under way, and so are the results of effects, which do not come through this door.
    """
    room = store.room()
    if room is None or room >= admitted.disk_free_min_bytes:
        return
    if any(isinstance(envelope.body, EventBody | CallBody) for envelope in envelopes):
        raise NotNow(
            f"{room // 1_000_000} MB are left on the disk, and nothing new is taken below "
            f"{admitted.disk_free_min_bytes // 1_000_000} MB.",
            code="disk_low",
            hint=f"Free some; then try again, in {RETRY_AFTER_S} s at the earliest.",
            retry_after_s=RETRY_AFTER_S,
        )


def _overloaded(what: str) -> NotNow:
    return NotNow(
        what,
        code="backlog",
        hint=f"Try again in {RETRY_AFTER_S} s, or run more workers.",
        retry_after_s=RETRY_AFTER_S,
    )


def outcome_of(envelope: Envelope, receipt: Receipt) -> Accepted | Duplicate:
    """The receipt, or Conflict."""
    if isinstance(receipt, Clash):
        raise Conflict(
            f"Message {envelope.id!r} of {envelope.source!r} for {envelope.case} is known with another content.",
            hint="Send the same content again, or give the new fact a new id.",
        )
    return receipt
