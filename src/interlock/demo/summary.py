"""What the demonstration showed, as one value.

All of it is computed from the bank's books, the truth and the ledger; nothing is a constant. Ways of working are
compared on the same recorded answers of the same readers: the interlock, a plain threshold on a reader's score, and
executing every answer. The direct ones are judged kindly: each cheque is counted once, so what they would have lost by
presentations in duplicate and by retrying after lost replies stands apart (`repeated`, `lost_replies`).
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from interlock.demo.judge import CAUSES, Books, Payments, cents, judge
from interlock.demo.record import Recorded
from interlock.demo.workspace import Workspace
from interlock.demo.world import Written
from interlock.vocabulary.advice import SCORE_ONE, Answer
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.decision import Decision

THRESHOLD = 900_000
"""The plain threshold that the interlock is compared with, in millionths."""

NOT_RULES = {
    "autonomy": "No certificate covers it: the reader is not sure enough",
    "default": "No rule permits it",
    "fallback": "The way out was itself not permitted",
}
"""Words for what can send a proposal to a person without being a rule of the policy."""


@dataclass(frozen=True)
class Amount:
    """How many, and how much money in cents."""

    count: int
    cents: int


@dataclass(frozen=True)
class Reason:
    """Why cheques went to people, or were refused: the deciding rule, in words, how many cheques, and how many of
    them are still open.
    """

    rule: str
    words: str
    count: int
    open: int = 0


@dataclass(frozen=True)
class WayOfWorking:
    """Payments of one way of working: how many, what was wrong by cause (in words), and which cheques."""

    name: str
    paid: Amount
    wrong: Amount
    causes: Mapping[str, Amount]
    cheques: tuple[str, ...]


@dataclass(frozen=True)
class Doubt:
    """An effect of which nobody knows whether it happened."""

    command: str
    action: str


@dataclass(frozen=True)
class Next:
    """A command to try, and what it shows."""

    command: str
    shows: str


@dataclass(frozen=True)
class Summary:
    """The outcome of one demonstration.

    paid_alone, paid_by_people   what was paid without a person, and after a person's approval
    wrong_alone                  of the wrongly paid ones, those that no person had seen
    ends                         where the cheques are now, in words; they add up to `cheques`
    people, refused              why cheques went to people, and which rules refused proposals outright
    ways                         the interlock first, then what executing the same answers directly would have done
    unaccounted                  cheques that no end explains: there must be none
    """

    cheques: int
    seed: int
    seconds: float
    resumed: bool
    events: int
    entries: int
    paid_alone: Amount
    paid_by_people: Amount
    wrong_alone: Amount
    ends: Mapping[str, int]
    people: tuple[Reason, ...]
    refused: tuple[Reason, ...]
    ways: tuple[WayOfWorking, ...]
    lost_replies: Amount
    repeated: Amount
    stopped_in_time: int
    stopped_too_late: int
    in_doubt: tuple[Doubt, ...]
    open_reviews: Mapping[str, int]
    quarantined: tuple[str, ...]
    unaccounted: tuple[str, ...]
    next: tuple[Next, ...]

    def to_data(self) -> dict[str, Any]:
        """The form of `--json`."""
        return asdict(self)


def summarise(
    workspace: Workspace,
    written: Mapping[str, Written],
    books: Books,
    recorded: Recorded,
    reasons: Mapping[str, str],
    *,
    leader: str,
    events: int,
    seconds: float,
    command: str = "interlock",
) -> Summary:
    """Compute the summary. `reasons`: the policy's rules by id, in words; `leader`: the reader that is asked first."""
    booked = [(transfer.cheque, transfer.amount) for transfer in books.transfers]
    alone = {cheque for cheque, _ in booked if not _by_people(recorded, cheque)}
    mine = judge(written, booked)
    answers, beside = _answers(recorded)
    doubts = tuple(
        Doubt(f"cheques/{key}/{effect.id}", effect.action)
        for key, record in recorded.cases.items()
        for effect in record.effects.values()
        if effect.status == "in_doubt"
    )
    lost = [transfer.amount for transfer in books.transfers if transfer.reply_lost and not transfer.waiting]
    ends = {cheque: _end(cheque, recorded, {paid for paid, _ in booked}) for cheque in written}
    stops = [cheque for cheque, one in written.items() if one.stop == "during"]
    late = sum(1 for cheque in stops if ends[cheque] == PAID)
    return Summary(
        cheques=len(written),
        seed=workspace.seed,
        seconds=round(seconds, 1),
        resumed=workspace.resumed,
        events=events,
        entries=recorded.entries,
        paid_alone=_amount(amount for cheque, amount in booked if cheque in alone),
        paid_by_people=_amount(amount for cheque, amount in booked if cheque not in alone),
        wrong_alone=_amount(fault.cents for fault in mine.faults if fault.cheque in alone),
        ends=dict(Counter(ends.values()).most_common()),
        people=_people(recorded, reasons),
        refused=_refused(recorded, reasons),
        ways=(
            _way("With the interlock", mine),
            _way(f"{THRESHOLDED} ({leader})", _direct(written, answers, THRESHOLD)),
            *(_way(f"{THRESHOLDED} ({name})", _direct(written, other, THRESHOLD)) for name, other in beside.items()),
            _way(f"Every answer, executed directly ({leader})", _direct(written, answers, 0)),
        ),
        lost_replies=_amount(lost),
        repeated=_repeated(recorded, answers),
        stopped_in_time=len(stops) - late,
        stopped_too_late=late,
        in_doubt=doubts,
        open_reviews=dict(
            Counter(group.name for _, review in recorded.reviews for group in review.groups).most_common()
        ),
        quarantined=tuple(recorded.quarantined),
        unaccounted=tuple(cheque for cheque, end in ends.items() if end == UNACCOUNTED),
        next=_next(workspace, written, recorded, mine, answers, doubts, command),
    )


PAID = "paid"
THRESHOLDED = f"Answers scored {THRESHOLD / SCORE_ONE:g} or more, executed directly"
UNACCOUNTED = "nobody knows"


def _end(cheque: str, recorded: Recorded, paid: set[str]) -> str:
    """Where a cheque is now, in words."""
    record = recorded.cases.get(cheque)
    if cheque in paid:
        return PAID
    if record is None:
        return UNACCOUNTED
    if any(effect.status == "in_doubt" for effect in record.effects.values()):
        return "in doubt"
    if record.reviews:
        return "waiting for a person"
    ends = {
        "returned": "returned unpaid",
        "held": "held until the account covers it",
        "queried": "the customer was asked",
    }
    if record.status in ends:
        return ends[record.status]
    if record.blocked:
        return "in quarantine"
    last = recorded.decision(record.last_decision)
    if last is not None and last.verdict == "deny" and not record.effects and not record.questions:
        return "refused by a person" if last.decided_by in (("rejected",), ("expired",)) else "refused by a rule"
    return UNACCOUNTED


def _by_people(recorded: Recorded, cheque: str) -> bool:
    """Whether the payment of this cheque was approved by a person."""
    record = recorded.cases.get(cheque)
    past = record.past.get("pay") if record else None
    if past is not None:
        decision = recorded.decision(past.decision)
    else:
        permitted = [d for d in recorded.decisions[cheque] if d.proposal.action == "pay" and d.verdict == "allow"]
        decision = permitted[-1] if permitted else None
    return decision is not None and bool(decision.approvals)


Answers = dict[str, tuple[int, int | None]]
"""A reader's answers by cheque: cents and score."""


def _answers(recorded: Recorded) -> tuple[Answers, dict[str, Answers]]:
    """The recorded answers of the reader that led, and by name of those beside it."""
    led: Answers = {}
    beside: dict[str, Answers] = {}
    for key, record in recorded.cases.items():
        for kept in list(record.answers.values())[:1]:
            led[key] = _answer(kept.answer)
            for name, other in kept.others.items():
                if isinstance(other, Answer):
                    beside.setdefault(name, {})[key] = _answer(other)
    return led, beside


def _answer(answer: Answer) -> tuple[int, int | None]:
    return cents(str(answer.value["amount"])), answer.score


def _direct(written: Mapping[str, Written], answers: Answers, threshold: int) -> Payments:
    """What executing answers from this score on would have paid."""
    return judge(written, [(cheque, paid) for cheque, (paid, score) in answers.items() if (score or 0) >= threshold])


def _people(recorded: Recorded, reasons: Mapping[str, str]) -> tuple[Reason, ...]:
    """Why cheques went to people. A cheque counts once, under the first rule of its first escalation."""
    still = {case.key for case, _ in recorded.reviews}
    counted: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    for key, decisions in recorded.decisions.items():
        first = next((d for d in decisions if d.verdict == "escalate"), None)
        if first is not None:
            counted[first.decided_by[0]] += 1
            waiting[first.decided_by[0]] += key in still
    return tuple(Reason(r, _words(r, reasons), n, waiting[r]) for r, n in counted.most_common())


def _refused(recorded: Recorded, reasons: Mapping[str, str]) -> tuple[Reason, ...]:
    """Which rules refused proposals outright or took another way; cheques, not attempts."""
    counted: Counter[str] = Counter()
    for decisions in recorded.decisions.values():
        refused = {d.decided_by[0] for d in decisions if d.verdict in ("deny", "fallback")}
        counted.update(refused - {"rejected", "expired"})
    return tuple(Reason(r, _words(r, reasons), n) for r, n in counted.most_common())


def _words(rule: str, reasons: Mapping[str, str]) -> str:
    if rule == "flow":
        return "Already paid, returned or waiting for a person"
    if rule.startswith("budget:"):
        return f"The budget {rule.removeprefix('budget:')} is spent"
    return reasons.get(rule, NOT_RULES.get(rule, rule)).rstrip(".")


def _repeated(recorded: Recorded, answers: Answers) -> Amount:
    """What paying on every presentation would have paid once more."""
    again = [
        key for key, record in recorded.cases.items() if record.state.get("presentations", 0) > 1 and key in answers
    ]
    return _amount(answers[key][0] * (recorded.cases[key].state["presentations"] - 1) for key in again)


def _way(name: str, payments: Payments) -> WayOfWorking:
    causes: dict[str, Amount] = {}
    for cause, words in CAUSES.items():
        of_it = [fault.cents for fault in payments.faults if fault.cause == cause]
        if of_it:
            causes[words] = _amount(of_it)
    return WayOfWorking(
        name,
        Amount(payments.count, payments.cents),
        Amount(len(payments.faults), payments.wrong_cents),
        causes,
        tuple(fault.cheque for fault in payments.faults),
    )


def _amount(values: Iterable[int]) -> Amount:
    kept = list(values)
    return Amount(len(kept), sum(kept))


def _next(
    workspace: Workspace,
    written: Mapping[str, Written],
    recorded: Recorded,
    mine: Payments,
    answers: Answers,
    doubts: tuple[Doubt, ...],
    command: str,
) -> tuple[Next, ...]:
    """Commands to try, with ids of this very run."""
    db = f"--db {shlex.quote(workspace.db.shown)}"
    steps: list[Next] = []

    def step(what: str, shows: str) -> None:
        steps.append(Next(f"{command} {what} {db}", shows))

    def first(wanted: Iterable[tuple[CaseRecord, Decision]]) -> Decision | None:
        return next((decision for _, decision in wanted), None)

    every = [(recorded.cases[key], d) for key, ds in recorded.decisions.items() if key in recorded.cases for d in ds]
    pays = [(record, d) for record, d in every if d.proposal.action == "pay"]
    caught = first(
        (record, d)
        for record, d in pays
        if d.verdict == "escalate"
        and record.key in answers
        and answers[record.key][0] != written[record.key].amount
        and d.proposal.source == "advice"
    )
    stopped = first((record, d) for record, d in pays if "stopped" in d.decided_by)
    alone = first((record, d) for record, d in pays if d.verdict == "allow" and not d.approvals and not d.awaiting)
    if mine.faults:
        wrong = recorded.cases[mine.faults[0].cheque]
        if "pay" in wrong.past:
            step(f"explain {wrong.past['pay'].decision}", "a payment that was wrong, and why it was let through")
    if caught is not None:
        step(f"explain {caught.id}", "an amount that the leading reader got wrong, and who was asked instead")
    if stopped is not None:
        step(f"explain {stopped.id}", "a payment refused because the drawer had stopped the cheque")
    if alone is not None:
        step(f"explain {alone.id}", "a payment without a person, and what permitted it")
        step(f"history {alone.id.rpartition('/')[0]}", "everything that happened to that cheque")
    for doubt in doubts[:1]:
        step(
            f"resolve {doubt.command} --happened --as $USER --app {shlex.quote(str(workspace.automation))}",
            f"end a doubt, after looking into the bank's books: {workspace.books}",
        )
    if recorded.reviews:
        step("reviews", "what waits for a person; `approve`, `edit` and `reject` take one of these ids")
    step("verify", "whether anybody changed the record")
    step("report --since 1d", "what the automation did")
    return tuple(steps)
