"""A slot in whose hands a process has died: one message at a time, counted before it is tried.

A segfault, an out-of-memory kill or a loop in C leaves no exception to catch, only a dead worker. Its slots are then
claimed in solo mode until their inboxes are empty: every message stands alone in its unit, and the attempt is
committed before the message is touched. A message that has been counted often enough is set aside without being
tried; its neighbours go on.

Where several workers live, an attempt that is counted may be a death, or a living worker that has counted and not
claimed the slot yet. So the count goes up by compare-and-set, and a message that somebody else has counted is left
alone for `TRY_PAUSE_US` first: a living one claims the slot within it, and has then handled the message or died.

Outcomes of calls are put into the inbox first, so that an answer which kills the reducer is counted like any other
message; so are due timers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from interlock.ports import Store
from interlock.runtime.draft import Draft
from interlock.runtime.turns import Cycle, Taken, hosted_messages, set_aside, take_turns
from interlock.vocabulary import limits
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.ids import OWN

TRY_PAUSE_US = 1_000_000
"""How long a worker that has counted an attempt may take to claim the slot before it is taken for dead."""


@dataclass
class Tries:
    """What one worker remembers of messages in solo mode.

    ours   slot -> the message that this worker has counted and not tried, since the slot was held, and its count
    seen   slot -> a message that has been counted, its count, and since when that has been so (microseconds)
    """

    ours: dict[int, tuple[tuple[int, str], int]] = field(default_factory=dict[int, "tuple[tuple[int, str], int]"])
    seen: dict[int, tuple[tuple[int, str], int, int]] = field(
        default_factory=dict[int, "tuple[tuple[int, str], int, int]"]
    )

    def others_may_try(self, slot: int, arrival: tuple[int, str], attempts: int, now: int) -> bool:
        """Whether the last attempt counted may be another worker's that is about to begin."""
        if not attempts:
            return False
        known = self.seen.get(slot)
        if known is None or known[:2] != (arrival, attempts):
            self.seen[slot] = (arrival, attempts, now)
            return True
        return now - known[2] < TRY_PAUSE_US


@dataclass
class Solo:
    """What one visit came to. `kept`: outcomes that are still in memory only, because the slot was busy."""

    taken: Taken
    relayed: frozenset[int] = frozenset()
    kept: Sequence[Envelope] = ()


def take_solo(
    store: Store,
    slot: int,
    worker: str,
    cycle: Cycle,
    outcomes: Sequence[Envelope],
    *,
    now: int,
    tries: Tries,
    alone: bool,
) -> Solo:
    """One message of a slot in solo mode; or, when nothing suspicious waits there, the starts.

    tries   what this worker remembers from one visit to the next
    alone   whether no other worker is known to live, so that every attempt counted was a death
    """
    with store.units([slot], worker=worker, now=now) as units:
        if not units:
            return Solo(_nothing(), kept=outcomes)
        unit = units[0]
        draft = Draft(unit, cycle.facts(unit))
        for envelope in outcomes:
            draft.requeue(envelope)
        first = next(iter(hosted_messages(unit, cycle, 1)), None)
        timer = first is not None and first.arrival is None
        if first is not None and timer and not cycle.frozen:
            draft.consume(first)
            draft.requeue(first.envelope)
        writes = draft.writes()
        if writes is not None:
            unit.commit(writes)
    if writes is not None:
        return Solo(_nothing(more=True))
    if first is None or first.arrival is None:
        return _in_one_unit(store, slot, worker, cycle, now=now, limit=0) or Solo(_nothing(more=True))
    # A case of the interlock's own runs nobody's code and so kills nobody; without its messages capacity would leak.
    if tries.ours.pop(slot, None) == (first.arrival, first.attempts):
        attempts = first.attempts
    elif not alone and tries.others_may_try(slot, first.arrival, first.attempts, now):
        return Solo(_nothing())
    else:
        attempts = store.attempt(slot, first.arrival, first.attempts)
    tries.seen.pop(slot, None)
    if attempts < limits.POISON_ATTEMPTS_MAX or first.envelope.automation in OWN:
        solo = _in_one_unit(store, slot, worker, cycle, now=now, limit=1)
        if solo is None:
            tries.ours[slot] = (first.arrival, attempts)
            return Solo(_nothing(more=True))
        return solo
    return _give_up(store, slot, worker, cycle, first.arrival, now=now)


def _give_up(store: Store, slot: int, worker: str, cycle: Cycle, arrival: tuple[int, str], *, now: int) -> Solo:
    """Set the message aside without trying it once more."""
    with store.units([slot], worker=worker, now=now) as units:
        if not units:
            return Solo(_nothing(more=True))
        unit = units[0]
        due = next((due for due in hosted_messages(unit, cycle, 1) if due.arrival == arrival), None)
        if due is None:
            return Solo(_nothing(more=True))
        draft = Draft(unit, cycle.facts(unit))
        why = f"The process died {limits.POISON_ATTEMPTS_MAX} times with this message in hand."
        done, one = set_aside(draft.case(due.envelope.case), due.envelope, draft.facts, why)
        draft.apply(done)
        draft.consume(due)
        draft.quarantined(one)
        writes = draft.writes()
        if writes is not None:
            unit.commit(writes)
    return Solo(Taken(writes, [], [], True, set(), None, [due.envelope.case], [one], 1))


def _in_one_unit(store: Store, slot: int, worker: str, cycle: Cycle, *, now: int, limit: int) -> Solo | None:
    """None: another worker holds the slot."""
    with store.units([slot], worker=worker, now=now) as units:
        if not units:
            return None
        taken = take_turns(units[0], cycle, (), limit=limit, look=limit == 0)
        if taken.writes is not None:
            units[0].commit(taken.writes)
    return Solo(taken, units.relayed)


def _nothing(*, more: bool = False) -> Taken:
    return Taken(None, [], [], more, set(), None, [], [])
