"""A release: one content-addressed id over everything that influences behaviour, and its parts that the kernel reads.

Amounts in budgets and certificates are integers of the argument's own scale (`scale` digits after the point).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from interlock.vocabulary.limits import BUDGET_WAIT_FOR_MS, REVIEW_ANSWER_MS, REVIEW_CLAIM_MS, REVIEW_EXPIRES_MS

Per = Literal["minute", "hour", "day", "week", "month", "quarter", "year", "ever", "rolling"]
"""Kinds of windows of a budget."""


class QuestionSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """Who is asked. chain: in order until one answers; also: asked beside the leader. Durations in microseconds.

    component   digest of everything that influences an answer (advisors, models, parameters, prompts): part of each
                question's digest
    """

    name: str
    chain: tuple[str, ...]
    also: tuple[str, ...] = ()
    timeout: int = 20_000_000
    retries: int = 0
    component: str = ""


class BudgetSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """A quantity that may not be exceeded across cases: of what actions take, or of what asking advisors costs.

    actions    action names it covers; sum: dotted path of the amount, "" counts 1
    advisors   or the advisors it covers; sum: `usage.NAME` of their answers; each: what is reserved for one call
    by         dotted paths of the key, separated by spaces; "" one account for all
    auto, hard limits in integer units of `scale` digits: automatic decisions up to auto, approved ones up to hard
    per        minute | hour | day | week | month | quarter | year | ever in `zone`, or rolling over `rolling`
               microseconds
    settle     dotted path in a performer's result of what was really used; "" charges what was reserved
    wait_for   how long a decision waits for capacity (microseconds) where it is to wait
    currency   of a budget of money
    """

    name: str
    actions: tuple[str, ...]
    auto: int
    hard: int
    scale: int = 0
    sum: str = ""
    by: str = ""
    per: Per = "day"
    zone: str = "UTC"
    rolling: int = 0
    on_exceeded: Literal["escalate", "deny", "wait"] = "escalate"
    group: str = ""
    settle: str = ""
    wait_for: int = BUDGET_WAIT_FOR_MS * 1_000
    advisors: tuple[str, ...] = ()
    each: int = 0
    currency: str = ""


class Certificate(Struct, frozen=True, gc=False, omit_defaults=True):
    """Why an action may run without a person.

    kind      vouched: a named owner's word, shown as not earned by evidence
    rung      least score in millionths; None: proposals without a score qualify too (rules)
    amount    largest value of `amount_path` it covers, in integer units of `scale` digits; None: any
    until     microseconds; the certificate is void from then on
    """

    id: str
    action: str
    kind: Literal["vouched", "earned"]
    by: str
    reason: str
    until: int
    rung: int | None = None
    amount: int | None = None
    amount_path: str = "proposal.amount"
    scale: int = 0


class Handover(Struct, frozen=True, gc=False, omit_defaults=True):
    """People of group `to` are asked when `after` (microseconds) has passed without a decision."""

    after: int
    to: str


class ReviewSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """How one group reviews. Durations in microseconds. `show`: dotted paths put first.

    members      who belongs to the group; empty: whoever says so, which then is the sender's word
    claim        how long a claim holds
    remind       when it is said again that a review waits, each from its opening
    reassign     who is asked instead, escalate: who is asked beside, when nobody has decided
    reassign_to  groups to which people may hand a review of this one
    ask_event    the event of the case that a person's question becomes; empty: it is recorded only
    ask_key      the event's field that names the case; ask_fields: which of the others it has, ask_chars: how long a
                 question it takes
    answered_by  types of the events that answer it; empty: any event of the case from outside
    answer_within  how long a review waits for an answer
    """

    group: str
    expires: int = REVIEW_EXPIRES_MS * 1_000
    four_eyes: bool = True
    show: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    claim: int = REVIEW_CLAIM_MS * 1_000
    remind: tuple[int, ...] = ()
    reassign: Handover | None = None
    escalate: Handover | None = None
    reassign_to: tuple[str, ...] = ()
    ask_event: str = ""
    ask_key: str = ""
    ask_fields: tuple[str, ...] = ()
    ask_chars: int = 0
    answered_by: tuple[str, ...] = ()
    answer_within: int = REVIEW_ANSWER_MS * 1_000
