"""A turn in progress: the case's next record being made, and the requests collected on the way.

The record in the making is this object's own copy and changes in place, so a handler that needs what was before reads
it before it sets anything. What the fields that were set held before is remembered: only they can differ.

Handlers (`on_*`) change a `Work` by naming what becomes of questions, effects, reviews and timers; `step` opens one
per step and reads
the `Step` off at its end. A `Work` never outlives its step, so nothing that failed half-way leaves a trace.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import force_setattr, replace

from interlock.kernel.fold import diff_of
from interlock.kernel.outcome import Step, Turn
from interlock.kernel.program import MessageView, Program
from interlock.vocabulary.action import Command, Effect, Past
from interlock.vocabulary.advice import RecordedAnswer
from interlock.vocabulary.case import CaseRecord, Pending
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.events import AnswerBody, Body, Envelope
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import CaseId, full_id, local_id
from interlock.vocabulary.limits import ANSWERS_KEPT_MAX
from interlock.vocabulary.question import OpenQuestion
from interlock.vocabulary.review import Review, next_due
from interlock.vocabulary.task import Task
from interlock.vocabulary.timers import TimerRow

CLOSED_KEPT_MAX = 16
"""Settled effects remembered for late results; a reply later than that many settlements is kept as an observation
only.
"""

FLAGS_KEPT_MAX = 64
"""Flags on a case: more than a person reads, and a bound on what every turn of a long-lived case copies."""


class Work:
    """The case as it is so far in this step. `program` is the release's; `message` the envelope being consumed."""

    __slots__ = (
        "asked",
        "before",
        "case",
        "commands_drop",
        "commands_put",
        "decisions",
        "facts",
        "held",
        "late",
        "message",
        "notes",
        "ordinal",
        "program",
        "quarantined",
        "record",
        "reviews_drop",
        "reviews_put",
        "sends",
        "started",
        "timers_drop",
        "timers_put",
        "touched",
        "turns",
    )

    def __init__(self, record: CaseRecord, facts: Facts, program: Program, message: Envelope) -> None:
        self.record = record
        self.case: CaseId = record.case
        self.facts = facts
        self.program = program
        self.message = message
        self.turns: list[Turn] = []
        self.commands_put: dict[str, Command] = {}
        self.commands_drop: list[str] = []
        self.timers_put: dict[tuple[str, str], TimerRow] = {}
        self.timers_drop: list[tuple[str, str]] = []
        self.reviews_put: dict[str, Review] = {}
        self.reviews_drop: list[str] = []
        self.sends: list[Envelope] = []
        self.started = ""
        self.held: list[str] = []
        self.quarantined: list[tuple[Envelope, str, bool]] = []
        self.begin(message)

    # --- a turn's frame

    def begin(self, message: Envelope) -> None:
        """Open the turn that consumes `message`."""
        self.message = message
        before = self.before = self.record
        self.record = replace(
            before, version=before.version + 1, release=self.program.release, updated_at=self.facts.now
        )
        self.touched: dict[str, Any] = {
            "version": before.version, "release": before.release, "updated_at": before.updated_at
        }  # fmt: skip
        self.ordinal = 0
        self.decisions: list[Decision] = []
        self.notes: list[str] = []
        self.asked: list[str] = []
        self.late = False

    def starts_from(self, stored: CaseRecord) -> None:
        """The first turn's delta is taken from the record as stored: what bringing it into the live release's shape
        changed is part of it.
        """
        self.before = stored
        self.touched.update(release=stored.release, state=stored.state, status=stored.status, schema=stored.schema)

    def end(self, kind: str = "turn") -> None:
        """Close the turn: it becomes one ledger entry."""
        self.turns.append(
            Turn(
                cause=self.message,
                version=self.record.version,
                kind=kind,
                decisions=tuple(self.decisions),
                notes=tuple(self.notes),
                asked=tuple(self.asked),
                late=self.late,
                delta=diff_of(self.touched, self.record),
            )
        )

    def step(self) -> Step:
        case = self.case
        return Step(
            case=self.record,
            turns=tuple(self.turns),
            commands_put=tuple(self.commands_put.values()),
            commands_drop=tuple(self.commands_drop),
            timers_put=tuple(self.timers_put.values()),
            timers_drop=tuple([(case, kind, name) for kind, name in self.timers_drop]) if self.timers_drop else (),
            reviews_put=tuple([(case, review) for review in self.reviews_put.values()]) if self.reviews_put else (),
            reviews_drop=tuple([(case, name) for name in self.reviews_drop]) if self.reviews_drop else (),
            sends=tuple(self.sends),
            started=self.started,
            held=tuple(self.held),
            quarantined=tuple(self.quarantined),
        )

    def mark(self) -> dict[str, Any]:
        """Everything collected so far, to go `back_to` when what follows fails."""
        kept = {name: getattr(self, name) for name in self.__slots__}
        kept["record"] = replace(self.record)
        return {name: value.copy() if isinstance(value, (list, dict)) else value for name, value in kept.items()}

    def back_to(self, mark: dict[str, Any]) -> None:
        for name, value in mark.items():
            setattr(self, name, value)

    # --- naming and noting

    @property
    def now(self) -> int:
        return self.facts.now

    def next_id(self) -> str:
        """Local id of the next thing this turn makes."""
        name = local_id(self.record.version, self.ordinal)
        self.ordinal += 1
        return name

    def full(self, local: str) -> str:
        return full_id(self.case, local)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def flag(self, text: str) -> None:
        """Something a person should see on the case, once. The newest are kept; all are in the ledger."""
        if text not in self.record.flags:
            self.set(flags=(*self.record.flags, text)[-FLAGS_KEPT_MAX:])

    def set(self, **fields: Any) -> None:
        record, touched = self.record, self.touched
        for name, value in fields.items():
            if name not in touched:
                touched[name] = getattr(record, name)
            force_setattr(record, name, value)

    def view(self, kind: str, type: str, data: dict[str, Any], **more: Any) -> MessageView:
        """The message as a reducer is to see it."""
        m = self.message
        return MessageView(kind, type, m.id, m.source, m.principal, m.occurred_at, self.now, data, **more)

    # --- state

    def set_state(self, state: dict[str, Any], status: str) -> None:
        record = self.record
        if state != record.state or status != record.status:
            self.set(state=state, status=status, changed_at_version=record.version)

    # --- questions and answers

    def put_question(self, question: OpenQuestion) -> None:
        self.set(questions={**self.record.questions, question.type: question})

    def drop_question(self, type: str) -> None:
        """Close a question and withdraw what is still being asked for it."""
        question = self.record.questions[type]
        self.set(questions={name: q for name, q in self.record.questions.items() if name != type})
        for asked in question.asked.values():
            if asked.outcome is None:
                self.drop_command(asked.command)

    def keep_answer(self, digest: str, answer: RecordedAnswer) -> None:
        answers = {**self.record.answers, digest: answer}
        while len(answers) > ANSWERS_KEPT_MAX:
            del answers[next(iter(answers))]
        self.set(answers=answers)

    # --- commands

    def put_command(self, command: Command) -> None:
        self.commands_put[command.id] = command

    def drop_command(self, local: str) -> None:
        name = self.full(local)
        self.commands_put.pop(name, None)
        self.commands_drop.append(name)

    # --- effects

    def put_effect(self, effect: Effect) -> None:
        self.set(effects={**self.record.effects, effect.id: effect})

    def change_effect(self, effect: Effect, **fields: Any) -> Effect:
        changed = replace(effect, **fields)
        self.put_effect(changed)
        return changed

    def drop_effect(self, effect: Effect, how: str) -> None:
        """The effect is settled; how it ended is remembered for results that come later."""
        record = self.record
        closed = {**record.closed, effect.id: how}
        while len(closed) > CLOSED_KEPT_MAX:
            del closed[next(iter(closed))]
        self.set(effects={name: e for name, e in record.effects.items() if name != effect.id}, closed=closed)
        self.drop_command(effect.id)

    def keep_settled(self, effect: Effect) -> None:
        """Remember the effect itself beside how it ended: the outside may yet say otherwise."""
        record = self.record
        kept = {name: one for name, one in record.settled.items() if name in record.closed}
        self.set(settled={**kept, effect.id: replace(effect, proposal=None)})

    def remember(self, effect: Effect) -> None:
        """The effect took place."""
        was = self.record.past.get(effect.action)
        past = Past(count=(was.count if was else 0) + 1, decision=effect.decision, at=self.now)
        self.set(past={**self.record.past, effect.action: past})

    # --- tasks

    def put_task(self, task: Task) -> None:
        self.set(tasks={**self.record.tasks, task.id: task})

    def drop_task(self, name: str) -> None:
        self.set(tasks={local: task for local, task in self.record.tasks.items() if local != name})

    def may_start(self, effect: Effect) -> bool:
        """Whether an effect that this turn has permitted may start with it.

        Only what an answer led to: answers are consumed after everything that waited in the slot's inbox, so a stop
        that was accepted before this moment has been seen. Only one per step: a step says of one command that it may
        run.
        """
        facts = self.facts
        return (
            facts.starts
            and not self.started
            and type(self.message.body) is AnswerBody
            and effect.status == "pending"
            and not facts.frozen_clock
            and not facts.is_paused(self.case.automation, effect.action)
        )

    # --- reviews

    def put_review(self, review: Review) -> None:
        self.set(reviews={**self.record.reviews, review.id: review})
        self.reviews_put[review.id] = review
        self.put_timer("review", review.id, next_due(review), review.round)

    def drop_review(self, review: Review) -> None:
        self.set(reviews={name: r for name, r in self.record.reviews.items() if name != review.id})
        self.reviews_put.pop(review.id, None)
        self.reviews_drop.append(review.id)
        self.drop_timer("review", review.id)

    # --- timers

    def put_timer(self, kind: str, name: str, due: int, generation: int, data: dict[str, Any] | None = None) -> None:
        self.timers_put[kind, name] = TimerRow(self.case, kind, name, due, generation, data or {})

    def drop_timer(self, kind: str, name: str) -> None:
        self.timers_put.pop((kind, name), None)
        self.timers_drop.append((kind, name))

    def set_timer(self, name: str, due: int, data: dict[str, Any], requesters: tuple[str, ...]) -> None:
        """Set the automation's timer of this name, replacing one that is set."""
        record = self.record
        generation = record.generations.get(name, 0) + 1
        self.set(
            timers={**record.timers, name: Pending(due, generation, data, requesters)},
            generations={**record.generations, name: generation},
        )
        self.put_timer("timer", name, due, generation, data)

    def clear_timer(self, name: str) -> bool:
        if name not in self.record.timers:
            return False
        self.set(timers={n: t for n, t in self.record.timers.items() if n != name})
        self.drop_timer("timer", name)
        return True

    # --- messages to other cases

    def send(self, to: CaseId, name: str, body: Body) -> None:
        """A message to another case, named so that delivering it twice changes nothing."""
        now = self.now
        source = f"interlock.case:{self.case}"
        self.sends.append(Envelope(to.automation, to.key, name, source, "interlock", now, now, body))
