"""The two state machines, each one table: where a case may go, and what may become of an effect.

The case's machine is the automation's own flow. The effect's is this one, the same for every action:

    awaiting_budget --granted--> pending --start--> started --happened--> (done)
          |                        | ^                |  |---not happened-> (failed)
          |exceeded, denied        | |held by a pause |
          v                        v |                |unknown
        (gone)                  held-+                +--idempotent, key still valid--> retrying --start--> started
                                cancelled, judged     +--otherwise--> in_doubt
                                again and refused                       |--check: happened--------> (done)
                                   v                                    |--check: not, then fenced
                                 (gone)                                 |  or settled-------------> retrying
                                                                        |--a person's word--------> (done) | (failed)

INVARIANT: `started` is reached only from pending, held or retrying, in the turn that the start is recorded in; I/O
follows that turn's commit.
INVARIANT: a `once` effect has one attempt: it never reaches retrying.

What "already happened" is known here: an action once per case, an action not after another, an effect under way.
For each action that
is not valid now, the earlier decision that forbids it is named.

While an effect is in doubt, what excludes it or is excluded by it is not valid, nor is the same action with the same
arguments: that would be the blind repetition under another name. Whatever else must wait, a policy says
(`case.in_doubt`).
"""

from __future__ import annotations

from dataclasses import dataclass

from interlock.kernel.program import Program
from interlock.vocabulary.action import ActionSpec, EffectStatus
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.decision import Validity

TRANSITIONS: dict[EffectStatus, frozenset[str]] = {
    "awaiting_budget": frozenset({"pending", "gone", "in_doubt"}),
    "pending": frozenset({"started", "held", "gone", "in_doubt"}),
    "held": frozenset({"started", "pending", "gone", "in_doubt"}),
    "started": frozenset({"done", "failed", "retrying", "in_doubt"}),
    "retrying": frozenset({"started", "held", "done", "failed", "in_doubt", "gone"}),
    "in_doubt": frozenset({"retrying", "in_doubt", "done", "failed", "pending"}),
}
"""Status of an effect -> what it may become. `done`, `failed` and `gone` end it and are not stored."""

UNDER_WAY: frozenset[EffectStatus] = frozenset({"started", "retrying", "in_doubt"})
"""Statuses in which the outside may have been touched."""

VALID = Validity(valid=True)


class FlowViolation(Exception):
    """A reducer moved the case where the flow table does not allow it. The message that did it is quarantined."""


def moved(program: Program, before: str, after: str) -> None:
    """Check a move of the case. Raises FlowViolation naming the moves that are declared."""
    if before == after:
        return
    targets = program.flow[before][1] if before in program.flow else frozenset[str]()
    if after not in targets:
        allowed = ", ".join(sorted(targets)) or "none: it is final"
        raise FlowViolation(f"The flow does not allow {before} -> {after}. From {before} a case may go to: {allowed}.")


def forbidden_by_past(program: Program, record: CaseRecord, spec: ActionSpec, *, ignoring: str = "") -> Validity:
    """Whether what already happened in the case forbids the action. `ignoring`: an effect that is this very
    proposal.
    """
    if spec.once_per_case:
        if past := record.past.get(spec.name):
            return Validity(False, f"{spec.name} took effect before and is allowed once per case.", past.decision)
        for effect in record.effects.values():
            if effect.action == spec.name and effect.id != ignoring:
                return Validity(
                    False,
                    f"{spec.name} is already {_words(effect.status)} and is allowed once per case.",
                    effect.decision,
                )
    for other in spec.not_after:
        if past := record.past.get(other):
            return Validity(False, f"{spec.name} is not allowed after {other}.", past.decision)
    for effect in record.effects.values():
        if effect.id == ignoring or effect.action == spec.name:
            continue
        blocker = program.actions.get(effect.action)
        # Exclusion looks both ways while the other is under way: two effects of which one may not follow the
        # other must not overlap either.
        if effect.action in spec.not_after or (blocker and spec.name in blocker.not_after):
            return Validity(
                False, f"{spec.name} excludes {effect.action}, which is {_words(effect.status)}.", effect.decision
            )
    return VALID


def valid_now(program: Program, record: CaseRecord, spec: ActionSpec, *, ignoring: str = "") -> Validity:
    """Whether the action is valid in the case's status and history. The flow first, then the past."""
    if not record.opened:
        return Validity(False, "The case has not been opened by an event.")
    row = program.flow.get(record.status)
    if row is None or spec.name not in row[0]:
        where = sorted(status for status, (may, _) in program.flow.items() if spec.name in may)
        return Validity(
            False,
            f"{spec.name} is not valid in status {record.status}; it is in: {', '.join(where) or 'none'}.",
            record.moved_by,
        )
    return forbidden_by_past(program, record, spec, ignoring=ignoring)


def _words(status: EffectStatus) -> str:
    return {
        "awaiting_budget": "waiting for its budget",
        "pending": "decided and about to start",
        "held": "decided and held by a pause",
        "started": "under way",
        "retrying": "being retried",
        "in_doubt": "in doubt",
    }[status]


@dataclass(frozen=True)
class ValidAction:
    """One row of "what is valid now"."""

    action: str
    valid: bool
    why: str = ""
    forbidden_by: str = ""


def valid_actions(record: CaseRecord, program: Program) -> list[ValidAction]:
    """For every action of the automation: whether it may be proposed now, and if not, why and which earlier
    decision forbids it.
    """
    rows: list[ValidAction] = []
    for name in sorted(program.actions):
        validity = valid_now(program, record, program.actions[name])
        why, by = validity.why, validity.forbidden_by
        same = next((e for e in record.effects.values() if e.action == name and e.status == "in_doubt"), None)
        if validity.valid and same is not None:
            why, by = "But not with the arguments of the one that is in doubt.", same.decision
        rows.append(ValidAction(name, validity.valid, why, by))
    return rows
