"""Who decides for whom while they are away: one record per person, kept like a case of its own.

A delegation is not a setting of a release: it comes and goes with somebody's holidays. It is recorded through the same
door as everything, in the ledger, under the name of the person who gave it; nobody else can give or end it. The door
reads it when a verdict is given under it and puts its terms into the verdict, which the kernel then judges: cases never
read each other.

State: `delegations`, by full id, each as `vocabulary.delegation` has it. What is over is forgotten here, not in the
ledger.
"""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.kernel.outcome import Step
from interlock.kernel.own import own_turn
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.delegation import Delegation
from interlock.vocabulary.events import DelegateBody, Envelope, UndelegateBody
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import PEOPLE, full_id, local_id
from interlock.vocabulary.limits import DELEGATION_MS_MAX, DELEGATIONS_MAX
from interlock.vocabulary.moments import moment


def step_people(record: CaseRecord | None, message: Envelope, facts: Facts) -> Step:
    """One turn of a person's record."""
    before = record or CaseRecord(PEOPLE, message.key)
    known = [one for one in delegations_of(before) if facts.now < one.until]
    body = message.body
    if isinstance(body, DelegateBody):
        name = full_id(before.case, local_id(before.version + 1, 0))
        kept, note = _delegate(known, message, body, name, facts.now)
    elif isinstance(body, UndelegateBody):
        kept, note = _end(known, message, body)
    else:
        kept, note = known, f"a person's record takes no {type(body).__name__}; ignored"
    return own_turn(before, message, facts, {"delegations": {one.id: _plain(one) for one in kept}}, (note,))


def delegations_of(record: CaseRecord | None) -> tuple[Delegation, ...]:
    """What a person's record holds, the first to begin first."""
    if record is None or not record.state:
        return ()
    held: dict[str, Any] = record.state["delegations"]
    found = [msgspec.convert({"id": name, "by": record.key, **one}, Delegation) for name, one in held.items()]
    return tuple(sorted(found, key=lambda one: (one.since, one.id)))


def _delegate(
    known: list[Delegation], message: Envelope, body: DelegateBody, name: str, now: int
) -> tuple[list[Delegation], str]:
    by = message.key
    refusal = _refused(known, message, body, now)
    if refusal:
        return known, f"delegation of {by} to {body.to} does not count: {refusal}"
    made = Delegation(name, by, body.to, body.since, body.until, body.automation, body.group, body.comment)
    where = " ".join(one for one in (body.automation, body.group) if one) or "everything"
    note = f"{body.to} decides for {by} from {moment(made.since)} to {moment(made.until)}: {where}"
    return [*known, made], note


def _refused(known: list[Delegation], message: Envelope, body: DelegateBody, now: int) -> str:
    if message.principal != message.key:
        return f"{message.principal} cannot delegate for {message.key}"
    if body.to == message.key:
        return "nobody decides for themselves by delegation"
    if body.until <= max(now, body.since):
        return "it would be over before it begins"
    if body.until - body.since > DELEGATION_MS_MAX * 1_000:
        return f"it would last longer than {DELEGATION_MS_MAX // 86_400_000} days"
    if len(known) >= DELEGATIONS_MAX:
        return f"{DELEGATIONS_MAX} delegations are in force or to come; end one first"
    return ""


def _end(known: list[Delegation], message: Envelope, body: UndelegateBody) -> tuple[list[Delegation], str]:
    found = next((one for one in known if one.id == body.delegation), None)
    what = f"end of delegation {body.delegation}"
    if message.principal != message.key:
        return known, f"{what} does not count: {message.principal} cannot speak for {message.key}"
    if found is None:
        return known, f"{what} does not count: it is over, or never was"
    return [one for one in known if one is not found], f"{found.to} no longer decides for {found.by}"


def _plain(one: Delegation) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(one)
    return {name: value for name, value in plain.items() if name not in ("id", "by")}
