"""A turn of the interlock's own cases: a budget's account, a person's record.

They have state and a history like any case and are folded and verified like any. They run no code of a user, decide
nothing and ask nobody, so a turn of theirs is its next state, what is noted of it, and what is told to other cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import structs

from interlock.kernel.fold import diff
from interlock.kernel.outcome import Step, Turn
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.facts import Facts


def own_turn(
    before: CaseRecord,
    message: Envelope,
    facts: Facts,
    state: dict[str, Any],
    notes: tuple[str, ...],
    sends: Sequence[Envelope] = (),
) -> Step:
    """The case with its next state, open from its first message on."""
    after = structs.replace(
        before,
        version=before.version + 1,
        opened=True,
        opened_at=before.opened_at or facts.now,
        first_event_at=before.first_event_at or facts.now,
        updated_at=facts.now,
        state=state,
        status="open",
    )
    turn = Turn(message, after.version, "turn", (), notes, (), late=False, delta=diff(before, after))
    return Step(case=after, turns=(turn,), sends=tuple(sends))
