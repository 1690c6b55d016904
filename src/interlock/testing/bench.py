"""The bench: an automation under test, with the real kernel, the real store, and a clock that only the test moves.

    b = Bench.load(__file__)
    b.answer(ReadAmount, Reading(amount=Decimal(120)), score=0.98, by=("svm", "trees"))
    b.hear(Presented(cheque="c1", box=b.picture()))
    assert b.performed(Pay) == [Pay(amount=Decimal(120))]

Whatever a test does runs until nothing moves any more; time passes only in `advance`. No performer of the automation
is called: effects are booked, see `outside`.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from interlock.automation.models import Action, Event, Question
from interlock.automation.payloads import Picture
from interlock.kernel.lifecycle import ValidAction, valid_actions
from interlock.releases import Release, load_release
from interlock.runtime.inbox import outcome_of, resolve_envelope, sealed, verdict_envelope
from interlock.testing.outside import Conduct, Quiet
from interlock.testing.stage import Stage
from interlock.vocabulary.advice import Answer, score_micro
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.events import CallBody, EventBody
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.release import Certificate
from interlock.vocabulary.review import Review

R = TypeVar("R")
A = TypeVar("A", bound=Action[Any])

FOREVER = 4_000_000_000_000_000
"""End of a certificate that a test grants (microseconds): the year 2096."""

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000020001e221bc33"
    "0000000049454e44ae426082"
)
"""The smallest picture there is: one grey pixel."""

_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


@dataclass(frozen=True)
class Judged:
    """A decision as a test reads it; `decision` is the whole record."""

    verdict: str
    decided_by: list[str]
    decision: Decision

    @property
    def why(self) -> str:
        return self.decision.why


@dataclass(frozen=True)
class CaseView:
    """A case as a test reads it; `record` is the whole record."""

    state: Any
    status: str
    in_doubt: list[type[Action[Any]]]
    record: CaseRecord

    @property
    def flags(self) -> tuple[str, ...]:
        return self.record.flags

    @property
    def reviews(self) -> list[Review]:
        return list(self.record.reviews.values())


def duration(text: str) -> int:
    """Microseconds of `90s`, `1m`, `2h 30m`, `14d`."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d)", text)
    if not parts or re.sub(r"\d+(?:\.\d+)?\s*(?:us|ms|s|m|h|d)|\s", "", text):
        raise ValueError(f"{text!r} is not a duration. Write 90s, 1m, 2h 30m or 14d.")
    return sum(int(float(number) * _UNITS[unit]) for number, unit in parts)


class Bench:
    """An automation on a bench. `Bench.load(__file__)` in a test beside it, or with its folder."""

    def __init__(self, release: Release) -> None:
        self._stage = Stage(release)
        self._wire = release.loaded.wire
        self._heard = 0
        # The loop and the database end with the bench, so that a test need not say so.
        self._end = weakref.finalize(self, self._stage.close)

    @classmethod
    def load(cls, file: str | Path) -> Bench:
        """The automation in this folder, or in the folder of this file.

        Raises DefinitionErrors with all that is wrong with it.
        """
        return cls(load_release(file))

    def close(self) -> None:
        """Give everything back now rather than when the bench is forgotten."""
        self._end()

    @property
    def stage(self) -> Stage:
        """What the bench stands on: store, clock, loop and the outside's books."""
        return self._stage

    # --- the outside's conduct

    def answer(
        self,
        question: type[Question[R]],
        value: R,
        *,
        score: float | None,
        by: Sequence[str] = (),
        rationale: str = "",
        evidence: Sequence[str] = (),
    ) -> None:
        """From now on these advisors (all of the question's, when none is named) answer so."""
        plain = self._wire.answer_value(question.__name__, value)
        for advisor in self._advisors(question, by):
            said = Answer(plain, score_micro(score), rationale, tuple(evidence))
            self._stage.outside.say(question.__name__, advisor, said)
        self._stage.settle()

    def silent(self, question: type[Question[Any]], *by: str) -> None:
        """From now on these advisors (all of the question's, when none is named) do not answer."""
        for advisor in self._advisors(question, by):
            self._stage.outside.say(question.__name__, advisor, Quiet())
        self._stage.settle()

    def _advisors(self, question: type[Question[Any]], by: Sequence[str]) -> list[str]:
        spec = self._stage.program.questions[question.__name__]
        known = list(dict.fromkeys((*spec.chain, *spec.also)))
        unknown = [name for name in by if name not in known]
        if unknown:
            raise LookupError(
                f"{question.__name__} is not answered by {', '.join(unknown)}, but by {', '.join(known)}."
            )
        return list(by) or known

    def performs(
        self,
        action: type[Action[R]],
        *,
        result: R | None = None,
        fails: str = "",
        loses_reply: bool = False,
        unreachable: bool = False,
    ) -> None:
        """How the outside of an action behaves from now on.

        result       what the performer returns (default: the simplest value of the result's type)
        fails        it refuses, with this reason, and nothing happens
        loses_reply  it happens, and the reply does not come
        unreachable  nothing happens, and nobody can say so
        """
        mode: Literal["happens", "refuses", "loses_reply", "fails"] = "happens"
        if fails:
            mode = "refuses"
        elif loses_reply:
            mode = "loses_reply"
        elif unreachable:
            mode = "fails"
        self._stage.outside.conduct[self._wire.action_name(action.__name__)] = Conduct(mode, result, fails)

    def earned(self, *actions: type[Action[Any]]) -> None:
        """Grant these actions full autonomy, so that what is tested is the policy."""
        names = [self._wire.action_name(action.__name__) for action in actions]
        self._stage.grant(
            Certificate(f"bench-{name}-{kind}", name, "earned", "bench", "granted by a test", FOREVER, rung)
            for name in names
            for kind, rung in (("advice", 0), ("rules", None))
        )

    def crash(self, *, after: type[Action[Any]]) -> None:
        """The next time this action has happened outside, the worker dies before it hears of it.

        Another takes over at once.
        """
        self._stage.dies_after.add(self._wire.action_name(after.__name__))

    # --- what comes in

    def hear(
        self, *events: Event, id: str = "", source: str = "bench", principal: str = "bench", at: int | None = None
    ) -> None:
        """These events arrive, one after the other.

        `id` names a single one, to send it twice; `at`: when it happened (microseconds).
        """
        if id and len(events) > 1:
            raise ValueError("One id names one event.")
        for event in events:
            type_, data, key = self._wire.event_plain(event)
            self._heard += 1
            envelope = sealed(
                self.name,
                key,
                EventBody(type_, data),
                id=id or f"e{self._heard}",
                source=source,
                principal=principal,
                occurred_at=at,
                now=self._stage.clock.now(),
            )
            for receipt in self._stage.accept(envelope):
                outcome_of(envelope, receipt)
            self._stage.settle()

    def call(self, action: Action[Any], *, key: str, principal: str, id: str = "") -> None:
        """A person (or, as `agent:...`, an agent) asks for an action."""
        name, args = self._wire.action_plain(action)
        self._heard += 1
        body = CallBody(name, args, "agent" if principal.startswith("agent:") else "person")
        now = self._stage.clock.now()
        envelope = sealed(
            self.name,
            key,
            body,
            id=id or f"c{self._heard}",
            source="bench",
            principal=principal,
            occurred_at=None,
            now=now,
        )
        for receipt in self._stage.accept(envelope):
            outcome_of(envelope, receipt)
        self._stage.settle()

    def advance(self, by: str) -> None:
        """Let time pass: `30s`, `1m`, `2h`, `14d`. Whatever becomes due on the way happens at its moment."""
        self._stage.advance(duration(by))

    # --- people

    def approve(
        self, key: str, *, as_: str, group: str, action: type[Action[Any]] | None = None, comment: str = ""
    ) -> None:
        """A person approves the open review that wants this group. Does nothing when it has been approved by then."""
        self._verdict(key, "approve", as_, group, action, comment)

    def reject(
        self, key: str, *, as_: str, group: str, action: type[Action[Any]] | None = None, comment: str = ""
    ) -> None:
        """A person rejects the open review that wants this group."""
        self._verdict(key, "reject", as_, group, action, comment)

    def edit(self, key: str, to: Action[Any], *, as_: str, group: str, comment: str = "") -> None:
        """A person approves with other arguments, which are judged again."""
        _, args = self._wire.action_plain(to)
        self._verdict(key, "edit", as_, group, type(to), comment, args)

    def _verdict(
        self,
        key: str,
        verdict: Literal["approve", "reject", "edit"],
        by: str,
        group: str,
        action: type[Action[Any]] | None,
        comment: str,
        args: dict[str, Any] | None = None,
    ) -> None:
        wanted = None if action is None else self._wire.action_name(action.__name__)
        review = next(
            (
                one
                for one in reversed(self.case(key).reviews)
                if any(required.name == group for required in one.groups) and wanted in (None, one.action)
            ),
            None,
        )
        if review is None:
            raise LookupError(f"No review of {key} is open for group {group}. {self._open(key)}")
        self._heard += 1
        envelope = verdict_envelope(
            self.name,
            key,
            review.id,
            verdict,
            group=group,
            seen=review.seen,
            args=args,
            comment=comment,
            id=f"v{self._heard}",
            principal=by,
            now=self._stage.clock.now(),
        )
        self._stage.accept(envelope)
        self._stage.settle()

    def _open(self, key: str) -> str:
        found = [f"{one.action} for {', '.join(g.name for g in one.groups)}" for one in self.case(key).reviews]
        return f"Open: {'; '.join(found)}." if found else "None is open."

    def resolve(self, key: str, action: type[Action[Any]], *, happened: bool, as_: str) -> None:
        """A person ends a doubt after looking at the outside's own books."""
        name = self._wire.action_name(action.__name__)
        effects = self.case(key).record.effects.values()
        effect = next((one for one in effects if one.action == name and one.status == "in_doubt"), None)
        if effect is None:
            raise LookupError(f"{name} of {key} is not in doubt.")
        self._heard += 1
        self._stage.accept(
            resolve_envelope(
                self.name,
                key,
                effect.id,
                "happened" if happened else "not_happened",
                result=None,
                comment="",
                id=f"r{self._heard}",
                principal=as_,
                now=self._stage.clock.now(),
            )
        )
        self._stage.settle()

    # --- what came of it

    @property
    def name(self) -> str:
        return self._stage.release.name

    def last(self, key: str, action: type[Action[Any]] | None = None) -> Judged:
        """The case's last decision (about this action). Raises LookupError when there is none."""
        found = self.decisions(key, action)
        if not found:
            raise LookupError(f"Nothing was decided in {key}{'' if action is None else ' about ' + action.__name__}.")
        last = found[-1]
        return Judged(last.verdict, list(last.decided_by), last)

    def decisions(self, key: str, action: type[Action[Any]] | None = None) -> list[Decision]:
        """All decisions of the case (about this action), in order."""
        wanted = None if action is None else self._wire.action_name(action.__name__)
        return [
            decision
            for entry in self.entries(key)
            for decision in entry.decisions
            if wanted in (None, decision.proposal.action)
        ]

    def entries(self, key: str) -> list[Entry]:
        """The case's ledger."""
        return self._stage.entries(CaseId(self.name, key))

    def performed(self, action: type[A]) -> list[A]:
        """What the outside's books say: every time this action happened, in order."""
        name = self._wire.action_name(action.__name__)
        return [cast("A", self._wire.action(name, one.args)) for one in self._stage.outside.books if one.action == name]

    def case(self, key: str) -> CaseView:
        """The case now. Raises LookupError when nobody has heard of it."""
        record = self._stage.store.case(CaseId(self.name, key))
        if record is None:
            raise LookupError(f"Nobody has heard of {self.name}/{key}.")
        state, status = record.state, record.status
        if not status:
            state, status, _ = self._stage.program.reducers.initial()
        types = self._stage.release.loaded.definition.actions
        doubted = [types[one.action].type for one in record.effects.values() if one.status == "in_doubt"]
        return CaseView(self._wire.case(state, status), status, doubted, record)

    def valid(self, key: str) -> list[ValidAction]:
        """What may be proposed now, and for what may not, which earlier decision forbids it."""
        return valid_actions(self.case(key).record, self._stage.program)

    def quarantined(self) -> list[str]:
        """Why messages were set aside; empty when none was."""
        return [one.why for one in self._stage.store.quarantine()]

    def picture(self, data: bytes = PIXEL, media_type: str = "image/png") -> Picture:
        """A picture that is stored and can be read by advisors."""
        return Picture(self._stage.store.put_payload(data, media_type), media_type)
