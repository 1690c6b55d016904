"""A small automation for kernel tests, written against the kernel's own protocol: payments that a reader must read.

State: {"amount": decimal text or None, "stopped": bool}. Statuses: waiting -> ready -> paid | returned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from interlock.kernel.outcome import Step
from interlock.kernel.program import (
    Ask,
    CancelAction,
    CancelTimer,
    Flag,
    MessageView,
    Program,
    Propose,
    Reduction,
    Rejected,
    Request,
    SetTimer,
)
from interlock.kernel.step import step
from interlock.policy import load
from interlock.vocabulary.action import ActionSpec, Command
from interlock.vocabulary.advice import Answer, Silence
from interlock.vocabulary.canonical import short
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.events import (
    AnswerBody,
    Body,
    CallBody,
    Envelope,
    EventBody,
    ResultBody,
    StartBody,
    VerdictBody,
)
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.release import BudgetSpec, Certificate, QuestionSpec
from interlock.vocabulary.verdict import Group

POLICY = """
policy: payments
schema:
  now: timestamp
  proposal:
    action: enum pay | back | note
    source: enum advice | rule | person | agent
    irreversible: bool
    score?: decimal(6) 0..1
    amount?: decimal(2) 0..100000
  case: {status: enum waiting | ready | paid | returned, stopped: bool, in_doubt: int 0..1000}
  advice: {agreed: int 0..100, rank: int 0..100, asked: int 0..100}
params: {limit: 100.00}
rules:
  - {id: stopped, when: 'case.stopped && proposal.action == "pay"', then: deny, reason: Stopped.}
  - {id: doubt, when: case.in_doubt > 0, then: escalate, to: operations, reason: In doubt.}
  - {id: big, when: proposal.amount.orValue(0) > limit, then: escalate, to: {group: treasury, approvals: 2}, reason:
  Big.}
  - {id: alone, when: 'proposal.action == "pay" && advice.asked > 1 && advice.agreed < 2', then: escalate, to:
  clearing, reason: Alone.}
  - {id: small, when: 'proposal.action == "pay"', then: allow, reason: Small.}
  - {id: other, when: 'proposal.action != "pay"', then: allow, reason: Harmless.}
default: {verdict: escalate, to: clearing}
"""

Rules = dict[tuple[str, str], Callable[[dict[str, Any], str, MessageView], Reduction]]


def reduction(state: dict[str, Any], status: str, *requests: Request) -> Reduction:
    return Reduction(state, status, requests)


def read(state: dict[str, Any]) -> Ask:
    fields = {"box": state["box"], "hint": state["hint"]}
    return Ask("Read", fields, short(["Read", fields, "c1"]))


def presented(state: dict[str, Any], status: str, m: MessageView) -> Reduction:
    state = {**state, "box": m.data["box"]}
    return reduction(state, "ready" if status == "waiting" else status, read(state))


def stopped(state: dict[str, Any], status: str, m: MessageView) -> Reduction:
    return reduction({**state, "stopped": True}, status, CancelAction("pay"), Propose("back", {"why": "stopped"}))


def changed(state: dict[str, Any], status: str, m: MessageView) -> Reduction:
    return reduction({**state, "hint": m.data["hint"]}, status)


def answered(state: dict[str, Any], status: str, m: MessageView) -> Reduction:
    assert m.answer is not None
    return reduction(state, status, Propose("pay", {"amount": m.answer.value}))


def paid(state: dict[str, Any], status: str, m: MessageView) -> Reduction:
    return reduction(state, "paid", CancelTimer("Late"))


def crash(state: dict[str, Any], status: str, m: MessageView) -> Reduction:
    raise ValueError("no reducer likes this")


def simple(request: Request, status: str | None = None) -> Callable[[dict[str, Any], str, MessageView], Reduction]:
    return lambda state, now, m: reduction(state, status or now, request)


RULES: Rules = {
    ("event", "Presented"): presented,
    ("event", "Stopped"): stopped,
    ("event", "Changed"): changed,
    ("event", "Bad"): crash,
    ("event", "Move"): simple(Flag("moved"), "paid_out"),
    ("event", "Later"): simple(SetTimer("Late", delay=1_000_000)),
    ("event", "Note"): simple(Propose("note", {"text": "n"})),
    ("event", "Unknown"): simple(Propose("fly", {})),
    ("timer", "Late"): simple(Propose("back", {"why": "late"})),
    ("answered", "Read"): answered,
    ("unanswered", "Read"): simple(Propose("note", {"text": "illegible"})),
    ("called", "note"): simple(Flag("called")),
    ("done", "pay"): paid,
    ("done", "back"): simple(Flag("returned"), "returned"),
}


class TestReducers:
    """The protocol, by hand. `fits` says which arguments each action takes."""

    fits: ClassVar[dict[str, set[str]]] = {"pay": {"amount"}, "back": {"why"}, "note": {"text"}}

    def initial(self) -> tuple[dict[str, Any], str, str]:
        return {"stopped": False, "box": "", "hint": "", "status": "waiting"}, "waiting", "s1"

    def current(self, state: dict[str, Any], schema: str) -> tuple[dict[str, Any], str]:
        return state, schema

    def has(self, kind: str, type: str) -> bool:
        return (kind, type) in RULES

    def reduce(self, state: dict[str, Any], status: str, message: MessageView) -> Reduction:
        return RULES[message.kind, message.type](state, status, message)

    def action_args(self, action: str, args: dict[str, Any]) -> dict[str, Any]:
        if set(args) != self.fits[action]:
            raise Rejected(f"{action} takes {sorted(self.fits[action])}, not {sorted(args)}")
        return args

    def fallback(self, name: str, state: dict[str, Any], status: str, action: str, args: dict[str, Any]) -> Propose:
        return Propose("note", {"text": f"instead of {action}"})

    def facts(self, state: dict[str, Any]) -> dict[str, Any]:
        return state


VOUCHED = Certificate(
    id="vouched:pay:1", action="pay", kind="vouched", by="owner", reason="test", until=10**18, rung=900_000
)
VOUCHED_BACK = Certificate(id="vouched:back:1", action="back", kind="vouched", by="owner", reason="test", until=10**18)

EVENTS = frozenset(type for kind, type in RULES if kind == "event")


def program(**changes: Any) -> Program:
    base = Program(
        automation="pay",
        release="r1",
        flow={
            "waiting": (frozenset({"note"}), frozenset({"ready"})),
            "ready": (frozenset({"pay", "back", "note"}), frozenset({"paid", "returned"})),
            "paid": (frozenset({"note"}), frozenset()),
            "returned": (frozenset(), frozenset()),
        },
        opening=frozenset({"Presented"}),
        events=EVENTS,
        actions={
            "pay": ActionSpec(
                "pay", reversible=False, kind="checkable", consequence="money", once_per_case=True, fenced=True
            ),
            "back": ActionSpec("back", reversible=False, kind="idempotent", once_per_case=True, not_after=("pay",)),
            "note": ActionSpec("note", reversible=True, kind="once", undo="nothing"),
        },
        questions={"Read": QuestionSpec("Read", chain=("a", "b"), also=("b",), component="c1")},
        policy=load(POLICY),
        reducers=TestReducers(),
        certificates={"pay": (VOUCHED,), "back": (VOUCHED_BACK,)},
        review_group=Group("clearing"),
    )
    return replace(base, **changes)


DAY = BudgetSpec(
    "payout", ("pay",), auto=10_000, hard=20_000, scale=2, sum="proposal.amount", per="day", zone="Europe/Berlin"
)


class Driver:
    """Feeds one case message by message and keeps what came out; time moves by hand."""

    def __init__(self, program: Program, now: int = 1_760_000_000_000_000) -> None:
        self.program = program
        self.now = now
        self.record: CaseRecord | None = None
        self.steps: list[Step] = []
        self.commands: dict[str, Command] = {}
        self.sent: list[Envelope] = []
        self.paused: tuple[str, ...] = ()
        self._count = 0

    def give(self, body: Body, *, principal: str = "teller", occurred_at: int | None = None, id: str = "") -> Step:
        self._count += 1
        name = id or f"m{self._count}"
        message = Envelope("pay", "c1", name, "test", principal, occurred_at or self.now, self.now, body)
        done = step(self.record, message, Facts(now=self.now, paused=self.paused), self.program)
        self.record = done.case
        self.steps.append(done)
        for id_ in done.commands_drop:
            self.commands.pop(id_, None)
        for command in done.commands_put:
            self.commands[command.id] = command
        self.sent.extend(done.sends)
        return done

    def event(self, type: str, *, occurred_at: int | None = None, **data: Any) -> Step:
        return self.give(EventBody(type, data), occurred_at=occurred_at)

    def answer(self, advisor: str, value: Any = None, *, score: int | None = 990_000, digest: str = "") -> Step:
        asked = next((c for c in self.commands.values() if c.what == "ask" and c.advisor == advisor), None)
        digest = digest or (asked.digest if asked else "")
        outcome = Silence("timeout") if value is None else Answer(value, score)
        return self.give(AnswerBody("Read", digest, advisor, outcome), principal=f"advisor:{advisor}")

    def call(self, action: str, *, principal: str = "ann", by: Any = "person", **args: Any) -> Step:
        return self.give(CallBody(action, args, by), principal=principal)

    def start(self) -> Step:
        command = next(c for c in self.commands.values() if c.what == "perform")
        return self.give(StartBody(command.id.rpartition("/")[2], command.attempt))

    def result(self, outcome: Any, *, phase: Any = "perform", attempt: int | None = None, command: str = "") -> Step:
        local = command or next(iter(self.case.effects))
        attempt = attempt if attempt is not None else self.case.effects[local].attempt
        return self.give(ResultBody(local, attempt, phase, outcome, result={"id": "t1"}, reason="why"))

    def verdict(
        self, how: Any, *, principal: str, group: str = "clearing", seen: str | None = None, **args: Any
    ) -> Step:
        name, review = next(iter(self.case.reviews.items()))
        body = VerdictBody(name, how, group, review.seen if seen is None else seen, args or None)
        return self.give(body, principal=principal)

    @property
    def case(self) -> CaseRecord:
        assert self.record is not None
        return self.record

    @property
    def last(self) -> Decision:
        return next(d for s in reversed(self.steps) for t in reversed(s.turns) for d in reversed(t.decisions))

    @property
    def notes(self) -> list[str]:
        return [note for turn in self.steps[-1].turns for note in turn.notes]
