"""A proposal: an action with arguments and what it is because of. Made by a reducer or a person, never executed as
such.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Because = Literal["advice", "rule", "person", "agent"]


class Proposal(Struct, frozen=True, gc=False, omit_defaults=True):
    """An action with arguments (plain data) and what it is because of.

    source     advice | rule | person | agent; text: the reducer's own words when it gave any
    score, rank, agreed, asked, advisor, rationale, evidence come from the answer and cannot be set by a reducer
    requesters principals of the triggering message and of every editor
    compensates  the decision whose effect this one is to make good
    """

    action: str
    args: dict[str, Any]
    args_digest: str
    source: Because
    because: str
    text: str = ""
    score: int | None = None
    advisor: str = ""
    rank: int = 0
    agreed: int = 0
    asked: int = 0
    rationale: str = ""
    evidence: tuple[str, ...] = ()
    requesters: tuple[str, ...] = ()
    compensates: str = ""
