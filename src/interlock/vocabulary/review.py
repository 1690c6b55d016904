"""Reviews: a person's task, bound to exact arguments and to the facts the rules read.

INVARIANT: a verdict counts once, for one review, for the arguments and facts that were shown (`seen`). A timeout
never approves.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from interlock.vocabulary.proposal import Proposal
from interlock.vocabulary.verdict import Group


class Approval(Struct, frozen=True, omit_defaults=True):
    """One person's approval on behalf of one group."""

    principal: str
    group: str
    at: int
    comment: str = ""


class Review(Struct, frozen=True, omit_defaults=True):
    """An open review. `facts`: bound policy inputs by path, without now, health and budget figures. `seen`: digest
    over args and facts.

    requesters   principals of the triggering event and of every editor: they do not approve where four-eyes holds
    """

    id: str
    decision: str
    action: str
    args: dict[str, Any]
    args_digest: str
    groups: tuple[Group, ...]
    facts: dict[str, Any]
    seen: str
    opened_at: int
    expires_at: int
    requesters: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    round: int = 1
    reasons: tuple[str, ...] = ()
    proposal: Proposal | None = None
    over_budget: tuple[str, ...] = ()
    shown: dict[str, Any] = {}
