"""Actions: what may be done to the outside, and one effect on its way there.

How often may this run? `kind` answers:
    idempotent   the outside deduplicates on the key for `key_valid_for`: retried with the same key within it, in
                 doubt after it
    checkable    the outside can be asked: checked before any retry; a retry needs a fence, or waits `settle_after`
    once         never retried automatically

In doubt, every kind is probed where the outside can be asked (a checkable action always, the others where they have a
checker), at growing distances; when the last probe could not say, or none can be made, a person is asked.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from interlock.vocabulary.limits import (
    KEY_VALID_FOR_MS,
    PROBE_FIRST_MS,
    PROBE_MAX_MS,
    PROBES_MAX,
    SETTLE_AFTER_MS,
    START_BEFORE_MS,
)
from interlock.vocabulary.proposal import Proposal
from interlock.vocabulary.review import Approval
from interlock.vocabulary.verdict import Group

Kind = Literal["idempotent", "checkable", "once"]
Consequence = Literal["minor", "money", "security", "final"]


class ActionSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the kernel knows of an action type. Durations in microseconds. `undo` names the action that takes a
    reversible one back.

    checked       the outside can be asked, though the kind does not demand it
    probe_first   from the doubt to the first probe; the distance doubles up to `probe_longest`
    probes        probes that could not say before a person of `doubt_group` is asked (the program's own without one)
    """

    name: str
    reversible: bool
    kind: Kind
    consequence: Consequence = "minor"
    undo: str | None = None
    once_per_case: bool = False
    not_after: tuple[str, ...] = ()
    fenced: bool = False
    key_valid_for: int = KEY_VALID_FOR_MS * 1_000
    settle_after: int = SETTLE_AFTER_MS * 1_000
    start_before: int = START_BEFORE_MS * 1_000
    checked: bool = False
    probe_first: int = PROBE_FIRST_MS * 1_000
    probe_longest: int = PROBE_MAX_MS * 1_000
    probes: int = PROBES_MAX
    doubt_group: str = ""

    @property
    def can_check(self) -> bool:
        """Whether the outside can be asked what became of an effect."""
        return self.checked or self.kind == "checkable"


class Reservation(Struct, frozen=True, gc=False, omit_defaults=True):
    """Capacity of one budget account that an effect or a question holds. `amount` in the budget's integer unit, of
    `scale` digits. `bucket`, `buckets`: where it is charged in a rolling window.
    """

    id: str
    account: str
    budget: str
    amount: int
    limit: int = 0
    granted: bool = False
    bucket: int = 0
    buckets: int = 0
    scale: int = 0


EffectStatus = Literal["awaiting_budget", "pending", "held", "started", "retrying", "in_doubt"]


LostAs = Literal["", "pending", "held", "started", "retrying", "in_doubt", "decided"]
"""What an effect was when it was doubted because its store had been put back to an earlier state. `decided`: decided
since, from what goes back to before.
"""


class Effect(Struct, frozen=True, gc=False, omit_defaults=True):
    """A decided action in a case until its outcome is settled. `kernel.lifecycle` holds its state machine.

    id         command id within the case; decision: the decision that permits it
    key        idempotency key given to the performer, checker and fence
    attempt    counts performances; phase: what runs or runs next
    approvals  of the review that permitted it, and the groups they discharge: a later judgement counts them again
    start_before  a perform that starts later is judged again first (microseconds)
    waiting_since when it first found a budget exhausted that is to be waited for; 0 when it does not wait
    lost       it may have been carried out in a life of the store that was lost (`kernel.lost`)
    """

    id: str
    action: str
    args: dict[str, Any]
    args_digest: str
    key: str
    decision: str
    status: EffectStatus
    decided_at: int
    start_before: int
    attempt: int = 0
    phase: Literal["perform", "check", "fence"] = "perform"
    probes: int = 0
    first_started_at: int = 0
    last_started_at: int = 0
    next_at: int = 0
    reservations: tuple[Reservation, ...] = ()
    certificate: str | None = None
    review: str | None = None
    approvals: tuple[Approval, ...] = ()
    discharged: tuple[Group, ...] = ()
    reason: str = ""
    proposal: Proposal | None = None
    waiting_since: int = 0
    lost: LostAs = ""


class Past(Struct, frozen=True, gc=False, omit_defaults=True):
    """What has become of one kind of action in a case: how often it took effect, and by which decision last."""

    count: int
    decision: str
    at: int


class Command(Struct, frozen=True, gc=False, omit_defaults=True):
    """Work for the outside, as the store keeps it until it is settled: everything a dispatcher needs, nothing it
    must look up.

    id            full id, unique in the store; the same work delivered twice has the same id
    dependency    `advisor:svm` or `action:pay`: the unit of concurrency, timeout and circuit breaking
    due           not before this moment (microseconds)
    """

    id: str
    automation: str
    key: str
    what: Literal["ask", "perform", "check", "fence"]
    dependency: str
    due: int
    attempt: int = 1
    timeout: int = 0
    question: str = ""
    digest: str = ""
    advisor: str = ""
    action: str = ""
    effect_key: str = ""
    data: dict[str, Any] = {}
    release: str = ""
