"""A case: explicit state plus what the kernel must know to decide what may come next. Everything here is in the
record; nothing lives in memory only.

The record is one value. A turn makes the next record from it; the difference, by field and by key (`kernel.fold`),
is the ledger entry's
delta, so a record equals the fold of its entries.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from interlock.vocabulary.action import Effect, Past
from interlock.vocabulary.advice import RecordedAnswer
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.ids import CaseId, case_id
from interlock.vocabulary.question import OpenQuestion
from interlock.vocabulary.review import Review
from interlock.vocabulary.task import Task


class Pending(Struct, frozen=True, gc=False, omit_defaults=True):
    """A set timer: when it is due, which setting of it this is, and whose events led to it."""

    due: int
    generation: int
    data: dict[str, Any] = {}
    requesters: tuple[str, ...] = ()


class CaseRecord(Struct, frozen=True, gc=False, omit_defaults=True):
    """One case. `version` counts consumed messages; `opened` is False while only events that cannot open it have come.

    state      the user's case model as plain data; `status` stands beside it
    parked     envelopes that wait for the opening event
    questions  open questions by question type; answers: recorded ones by digest
    effects    decided actions not yet settled, by command id; past: what took effect, by action name
    reviews    open reviews by local id
    timers     set timers by name (generations survive the timer: `generations`)
    flags      what a person should see, the newest of it
    closed     how the newest settled effects ended, by command id: what a late result is compared with
    settled    those of them that were doubtful or failed, as they stood then: what a person's word may have to correct
    tasks      what a person is asked to find out, by its local id
    changed_at_version  the turn that last changed state or status
    blocked    id of the message in quarantine that later messages wait for
    moved_by   the decision whose effect brought the case into its status; empty when an event did
    doubtful   something open in it goes back to a life of the store that was lost (`kernel.lost`)
    events_at  latest `occurred_at` applied, to mark late events
    erased     when its personal data was erased: nothing of the case moves any more; 0 while it can be read
    """

    automation: str
    key: str
    version: int = 0
    opened: bool = False
    status: str = ""
    schema: str = ""
    state: dict[str, Any] = {}
    release: str = ""
    opened_at: int = 0
    first_event_at: int = 0
    events_at: int = 0
    updated_at: int = 0
    parked: tuple[Envelope, ...] = ()
    questions: dict[str, OpenQuestion] = {}
    answers: dict[str, RecordedAnswer] = {}
    effects: dict[str, Effect] = {}
    past: dict[str, Past] = {}
    reviews: dict[str, Review] = {}
    timers: dict[str, Pending] = {}
    generations: dict[str, int] = {}
    flags: tuple[str, ...] = ()
    closed: dict[str, str] = {}
    settled: dict[str, Effect] = {}
    tasks: dict[str, Task] = {}
    changed_at_version: int = 0
    blocked: str = ""
    last_decision: str = ""
    moved_by: str = ""
    erased: int = 0
    doubtful: bool = False

    @property
    def case(self) -> CaseId:
        return case_id((self.automation, self.key))
