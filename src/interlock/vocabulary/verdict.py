"""What a policy says of one proposal, and which rules determined it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Outcome = Literal["allow", "deny", "escalate", "fallback"]


class Group(Struct, frozen=True, gc=False, omit_defaults=True, order=True):
    """People who must approve, and how many different ones of them."""

    name: str
    approvals: int = 1


class Verdict(Struct, frozen=True, gc=False, omit_defaults=True):
    """Outcome with its determining rules.

    rules     ids of the rules that determined the outcome (empty when the default did)
    groups    for escalate: every group that a matching rule (or the default) requires, strictest count each
    mask      bit i: rule i applied to the action and its `when` held; excused, bit i: it held, and so did its `unless`
    """

    outcome: Outcome
    rules: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    fallback: str | None = None
    mask: int = 0
    excused: int = 0
    default: bool = False
    by_approval: bool = False
