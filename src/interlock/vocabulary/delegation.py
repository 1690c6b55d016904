"""Delegation: who decides for a person who is away.

It is one person's own act, recorded with its first and last moment. A verdict given under it names both: the one who
gave it and the one for whom it was given.

INVARIANT: a delegation passes on what its giver may decide in their own right, and nothing that was delegated to them:
there is no chain, so nobody comes back to their own proposal by way of others.
"""

from __future__ import annotations

from msgspec import Struct


class Delegation(Struct, frozen=True, gc=False, omit_defaults=True):
    """`to` may decide for `by` from `since` up to `until` (microseconds).

    id           full id of the message's turn that recorded it
    automation, group   where it holds; empty: everywhere
    """

    id: str
    by: str
    to: str
    since: int
    until: int
    automation: str = ""
    group: str = ""
    comment: str = ""
