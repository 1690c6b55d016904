"""Tasks: what about an effect only a person can find out, because the outside cannot say or says two things.

A doubt ends a row of probes (or stands at once, where nothing can be probed); a contradiction is a word of the outside
against what had been settled. Neither is a review: nobody is asked whether something may be done, but what has been.
Both end the same way, by a person's word on what the outside's own books say, and nothing else is asked of it.

INVARIANT: an effect in doubt is being probed, or a task asks a person about it. A contradiction stays open until a
person has said how it really was.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct


class Task(Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing to be found out outside.

    id         local id: of a doubt its effect's, of a contradiction its own
    about      the effect, by its command id; action, args and key as far as the case still knows it
    group      who is asked
    settled    of a contradiction: how the effect had been settled; empty while it is under way
    said       of a contradiction: what the outside said against that
    why        in words
    """

    id: str
    kind: Literal["doubt", "contradiction"]
    about: str
    group: str
    opened_at: int
    why: str
    action: str = ""
    args: dict[str, Any] = {}
    key: str = ""
    decision: str = ""
    settled: str = ""
    said: Literal["", "happened", "not_happened"] = ""
