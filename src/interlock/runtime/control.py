"""The operator's hand: pause, resume, and what becomes of a message in quarantine.

A pause is written into every slot under a new generation; each unit and each start reads it under its claim. When
`pause` returns, no start it covers will begin in any process, and it lists what had started before: those effects are
outside, and nothing here can take them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import structs

from interlock.kernel.poison import release
from interlock.ports import Control, Quarantined, Store
from interlock.runtime.draft import Draft
from interlock.vocabulary.advice import Silence
from interlock.vocabulary.errors import NotFound, NotNow, Refused, StoreConflict
from interlock.vocabulary.events import (
    AnswerBody,
    BudgetReplyBody,
    Envelope,
    ReserveBody,
    ResultBody,
    SettleBody,
    WakeBody,
)
from interlock.vocabulary.facts import RECOVERED, RECOVERING, Facts
from interlock.vocabulary.ids import CaseId, slot_of
from interlock.vocabulary.review import Review

OPERATOR = "interlock.operator"
"""Name under which an operation claims a slot for a moment."""


@dataclass(frozen=True)
class Started:
    """An effect that had started when a pause took hold."""

    command: str
    case: CaseId
    action: str
    status: str


@dataclass(frozen=True)
class Paused:
    """What a change of control came to."""

    control: Control
    started: tuple[Started, ...] = ()


def scope(text: str, automations: Iterable[str] = ()) -> str:
    """A scope as facts name it: `all`, an automation's name, or `automation/action`; the long forms are taken, too."""
    known = set(automations)
    if text == "all" or text.startswith(("automation:", "action:")):
        full = text
    elif "/" in text:
        full = f"action:{text}"
    else:
        full = f"automation:{text}"
    named = full.partition(":")[2].partition("/")[0]
    if full != "all" and (not named or (known and named not in known)):
        raise Refused(
            f"{text!r} names nothing that can be paused.",
            code="bad_scope",
            hint="Write all, an automation, or automation/action.",
        )
    return full


CLOCK = "clock:"
"""Prefix under which the control row keeps the wall clock that an operator has accepted last. It pauses nothing."""


def accept_clock(store: Store, wall: int) -> Control:
    """Say that the wall clock (microseconds) is right after a jump ahead; every worker on this store goes on."""
    mark = f"{CLOCK}{wall}"
    return change(store, lambda paused: [*(one for one in paused if not one.startswith(CLOCK)), mark])


def change(store: Store, change: Callable[[Sequence[str]], Iterable[str]]) -> Control:
    """Change the pauses in force as they are at that moment: somebody else's change is never lost."""
    while True:
        before = store.control()
        try:
            return store.set_control(sorted(set(change(before.paused))), expected=before.generation)
        except StoreConflict:
            continue


def clock_accepted_at(control: Control) -> int:
    """The wall clock that was accepted last; 0 when none was."""
    return max((int(one.removeprefix(CLOCK)) for one in control.paused if one.startswith(CLOCK)), default=0)


def in_force(control: Control) -> tuple[str, ...]:
    """The pauses in force, as an operator named them."""
    return tuple(one for one in control.paused if not is_mark(one))


def is_mark(one: str) -> bool:
    """Whether this stands among the pauses and is none that an operator named: the clock's, or a recovery's."""
    return one == RECOVERING or one.startswith((CLOCK, RECOVERED))


def pause(store: Store, scopes: Sequence[str]) -> Paused:
    """Stop every start that the scopes cover; effects already started go on and are listed."""
    if not scopes:
        raise Refused(
            "A pause needs a scope.", code="bad_scope", hint="Write all, an automation, or automation/action."
        )
    control = change(store, lambda paused: [*paused, *scopes])
    return Paused(control, tuple(started(store, scopes)))


def resume(store: Store, scopes: Sequence[str]) -> Paused:
    """End these pauses (no scopes: all of them). What they held is judged again where it has become too old."""

    def without(paused: Sequence[str]) -> list[str]:
        return [one for one in paused if is_mark(one) or (scopes and one not in scopes)]

    return Paused(change(store, without))


def started(store: Store, scopes: Sequence[str]) -> list[Started]:
    """Effects on their way outside now, of what the scopes cover: started, being checked, or between two attempts.

    A doubt that nobody probes any more is not on its way; `interlock resolve` lists those.
    """
    facts = Facts(now=0, paused=tuple(scopes))
    found: dict[str, Started] = {}
    for lease in store.open_commands():
        command = lease.command
        if command.what == "ask" or not facts.is_paused(command.automation, command.action):
            continue
        case = CaseId(command.automation, command.key)
        record = store.case(case)
        effect = record.effects.get(command.id.rpartition("/")[2]) if record else None
        if effect is not None and effect.attempt > 0:
            found[command.id] = Started(command.id, case, effect.action, effect.status)
    return list(found.values())


VerdictName = Literal["approve", "reject", "edit", "propose"]


def open_review(store: Store, case: CaseId, local: str) -> Review:
    """The open review of this name. Raises NotFound."""
    record = store.case(case)
    found = record.reviews.get(local) if record else None
    if found is None:
        raise NotFound(
            f"No review {case}/{local} is open.", hint="It may have been decided, have expired, or been replaced."
        )
    return found


def _without(one: Quarantined, principal: str) -> Envelope:
    """What its case gets when this message is dropped: itself when nothing waits for it, an advisor's silence for its
    answer. Raises NotNow for a message that the case waits for.
    """
    body = one.envelope.body
    if isinstance(body, AnswerBody):
        silence = Silence("garbage", f"set aside and discarded by {principal}")
        return structs.replace(one.envelope, body=structs.replace(body, outcome=silence))
    if isinstance(body, (ResultBody, BudgetReplyBody, ReserveBody, SettleBody, WakeBody)):
        raise NotNow(
            f"{one.id} cannot be discarded: {one.case} waits for this very message.",
            hint="Mend the reducer that fails on it, then retry it.",
        )
    return one.envelope


def release_message(
    store: Store, name: str, how: Literal["retry", "discard"], principal: str, *, now: int
) -> Quarantined:
    """End a quarantine: put the message back before what waits for its case, or drop it.

    An advisor's answer that is dropped comes back as its silence, so that the question goes on. `name` as the
    quarantine lists it. Raises NotFound, and NotNow for a message without which its case would wait for ever.
    """
    one = next((one for one in store.quarantine() if one.id == name), None)
    if one is None:
        raise NotFound(f"Nothing called {name!r} is in quarantine.", hint="`interlock quarantine` lists what is.")
    envelope = one.envelope
    if how == "discard":
        envelope = _without(one, principal)
    slot = slot_of(one.case, store.caps.n_slots)
    with store.units([slot], worker=OPERATOR, now=now) as units:
        if not units:
            raise NotNow(f"{one.case} is being worked on; try again.")
        unit = units[0]
        facts = Facts(now=unit.now, control=unit.control.generation, paused=unit.control.paused)
        draft = Draft(unit, facts)
        record = draft.case(one.case)
        if record is not None:
            draft.apply(release(record, one.envelope, facts, how, principal))
        draft.unquarantine(one)
        if how == "retry" or envelope is not one.envelope:
            draft.retry(envelope)
        if record is not None and record.opened:
            # They waited for an opening that has happened; what they wait behind is over now.
            for parked in record.parked:
                draft.retry(parked)
        writes = draft.writes()
        if writes is not None:
            unit.commit(writes)
    return one
