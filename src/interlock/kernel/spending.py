"""What asking advisors costs, as a budget: tokens, money or calls, reserved before anybody is asked.

An advisor that a budget covers is asked only when every account has granted what one call may cost (`each`, once per
try). What the answer says it used is charged; where it does not say, all that was reserved, because a call that timed
out may have been paid for. An advisor that cannot be afforded is one that gives no answer: the question goes on to the
next of its chain, and after the last to whatever the automation does when nobody answers.

INVARIANT: an advisor that a budget covers is never called without a grant of every account.
"""

from __future__ import annotations

from msgspec import structs

from interlock.kernel import budgets
from interlock.kernel.work import Work
from interlock.vocabulary.action import Command, Reservation
from interlock.vocabulary.advice import COST, INPUT_TOKENS, OUTPUT_TOKENS, UNREPORTED, Answer, Silence
from interlock.vocabulary.events import BudgetReplyBody
from interlock.vocabulary.limits import BUDGET_WAIT_MS
from interlock.vocabulary.question import Asked, OpenQuestion
from interlock.vocabulary.release import BudgetSpec

TOKENS = "usage.tokens"
"""Input and output tokens together."""


_NOT_CALLED = ("unavailable", "breaker", "budget")
"""Silences of an advisor that nobody reached."""


def command_of(work: Work, question: OpenQuestion, advisor: str, local: str) -> Command:
    """The command that asks one advisor."""
    return Command(
        id=work.full(local),
        automation=work.case.automation,
        key=work.case.key,
        what="ask",
        dependency=f"advisor:{advisor}",
        due=work.now,
        timeout=work.program.questions[question.type].timeout,
        question=question.type,
        digest=question.digest,
        advisor=advisor,
        data=question.fields,
        release=work.program.release,
    )


def reserve(work: Work, question: OpenQuestion, advisor: str, local: str) -> Asked:
    """Reserve what asking may cost, instead of asking at once."""
    program, record = work.program, work.record
    raw = {"case": {**program.reducers.facts(record.state), "status": record.status}}
    tries = 1 + program.questions[question.type].retries
    held: list[Reservation] = []
    for spec in program.spending[advisor]:
        account = budgets.account_name(program.automation, spec, budgets.key_of(spec, raw), work.now)
        # A question is counted once, however often it is tried; what it uses, it uses with every try.
        amount = spec.each * tries if spec.sum else spec.each
        held.append(budgets.reservation(work, local, spec, account, amount, spec.auto))
    reservations = tuple(sorted(held, key=lambda one: one.account))
    budgets.ask_next(work, reservations)
    work.put_timer("budget", local, work.now + BUDGET_WAIT_MS * 1000, record.version)
    return Asked(command=local, reservations=reservations)


def granted(work: Work, question: OpenQuestion, advisor: str, asked: Asked, body: BudgetReplyBody) -> None:
    """One account has granted: the next is asked, and after the last the advisor."""
    reservations = tuple(
        structs.replace(one, granted=True) if one.id == body.reservation else one for one in asked.reservations
    )
    asked = structs.replace(asked, reservations=reservations)
    work.put_question(structs.replace(question, asked={**question.asked, advisor: asked}))
    work.note(f"{body.reservation} granted: {body.spent} spent, {body.held} held of {body.limit}")
    if not budgets.ask_next(work, reservations):
        work.drop_timer("budget", asked.command)
        work.put_command(command_of(work, question, advisor, asked.command))


def settle(work: Work, asked: Asked, outcome: Answer | Silence | None) -> None:
    """Charge what the advisor's outcome says it used. None: nobody will hear of it any more."""
    if not all(one.granted for one in asked.reservations):
        work.drop_timer("budget", asked.command)
        budgets.free(work, asked.reservations)
        return
    for one in asked.reservations:
        used = one.amount
        spec = budgets.spec_of(work.program, one.budget)
        if outcome is not None and spec is not None:
            used = _used(work, spec, one, outcome)
        if used > one.amount:
            work.flag(f"Overrun of budget {one.budget}: one answer used {used}, {one.amount} were reserved.")
        budgets.settle_one(work, one, used)


def _used(work: Work, spec: BudgetSpec, one: Reservation, outcome: Answer | Silence) -> int:
    usage = outcome.usage
    if not usage and isinstance(outcome, Silence) and outcome.why in _NOT_CALLED:
        return 0
    if not spec.sum:
        return one.amount
    said = _said(work, spec, outcome)
    lost = usage.get(UNREPORTED, 0) * spec.each
    if said is None:
        return lost if lost and isinstance(outcome, Silence) else one.amount
    return said + lost


def _said(work: Work, spec: BudgetSpec, outcome: Answer | Silence) -> int | None:
    """What the outcome says it used of what this budget sums; None where it does not say."""
    usage = outcome.usage
    if spec.sum == TOKENS:
        found = [usage[name] for name in (INPUT_TOKENS, OUTPUT_TOKENS, "tokens") if name in usage]
        return sum(found) if found else None
    name = spec.sum.removeprefix("usage.")
    if name == COST and name in usage and outcome.currency != spec.currency:
        work.flag(
            f"Budget {spec.name} is in {spec.currency} and an answer cost {outcome.currency or 'no currency'}: "
            "what was reserved for it is charged."
        )
        return None
    return usage.get(name)


def waiting_for(work: Work, reservation: str) -> tuple[OpenQuestion, str, Asked] | None:
    """The question and advisor for which this reservation was made, as long as it waits for it."""
    for question in work.record.questions.values():
        for advisor, asked in question.asked.items():
            if asked.outcome is None and any(r.id == reservation and not r.granted for r in asked.reservations):
                return question, advisor, asked
    return None


def asked_as(work: Work, local: str) -> tuple[OpenQuestion, str, Asked] | None:
    """The question and advisor whose command has this name, while nothing has come of it."""
    for question in work.record.questions.values():
        for advisor, asked in question.asked.items():
            if asked.command == local and asked.outcome is None:
                return question, advisor, asked
    return None


def budget_of(reservation: str) -> str:
    """Name of the budget that a reservation is of."""
    return reservation.rpartition("@")[2].partition("/")[2]
