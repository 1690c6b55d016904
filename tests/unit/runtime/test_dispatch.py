"""What becomes of one call: answers, silences, results and doubts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from interlock.ports import Declined, Garbled, Lease, NoAdvice, NotDone, OutOfTime, Unavailable
from interlock.runtime.dispatch import Dispatcher, jitter
from interlock.runtime.hosted import Hosted
from interlock.testing.time import ManualClock, VirtualLoop
from interlock.vocabulary import limits
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import Answer, Silence
from interlock.vocabulary.events import AnswerBody, Envelope, ResultBody
from interlock.vocabulary.release import BudgetSpec
from tests.unit.runtime.tiny import START, Outside, program


class Line:
    """A dispatcher on a virtual loop."""

    def __init__(self, *, retries: int = 0, budgets: tuple[BudgetSpec, ...] = (), **options: Any) -> None:
        self.clock = ManualClock(START)
        self.loop = VirtualLoop(self.clock)
        self.outside = Outside()
        hosted = {
            "tiny": Hosted(program(retries=retries, budgets=budgets), self.outside, self.outside, {"advisor:reader": 5})
        }
        self.dispatcher = Dispatcher(hosted, now=self.clock.now, arrived=lambda: None, **options)

    def run(self, *commands: Command, seconds: float = 600.0) -> list[Envelope]:
        async def go() -> list[Envelope]:
            self.dispatcher.launch([Lease(command, 7) for command in commands])
            end = self.loop.time() + seconds
            while len(self.dispatcher) and self.loop.time() < end:  # noqa: ASYNC110 - costs nothing on a virtual clock
                await asyncio.sleep(0.01)
            return [envelope for slot, envelope in self.dispatcher.take() if slot == 7]

        return self.loop.run_until_complete(go())


@pytest.fixture
def line():
    made: list[Line] = []

    def make(**options: Any) -> Line:
        made.append(Line(**options))
        return made[-1]

    yield make
    for one in made:
        one.dispatcher.close()
        one.loop.close()


def ask(n: int = 1, **fields: Any) -> Command:
    return Command(
        f"tiny/c{n}/1.0", "tiny", f"c{n}", "ask", "advisor:reader", START,
        timeout=2_000_000, question="Read", digest="d", advisor="reader", **fields,
    )  # fmt: skip


def act(what: Any = "perform") -> Command:
    return Command("tiny/c1/2.0", "tiny", "c1", what, "action:pay", START, action="pay", effect_key="k", attempt=2)


def outcome(envelope: Envelope) -> Answer | Silence:
    assert isinstance(envelope.body, AnswerBody)
    return envelope.body.outcome


def result(envelope: Envelope) -> ResultBody:
    assert isinstance(envelope.body, ResultBody)
    return envelope.body


def raising(*errors: Exception | None):
    """Raises these in turn; None: answers. The last one stays."""
    left = list(errors)

    async def go(command: Command) -> Any:
        error = left.pop(0) if len(left) > 1 else left[0]
        if error is not None:
            raise error
        return Answer("10.00", 990_000)

    return go


def test_an_answer_names_its_question_and_its_advisor(line):
    (envelope,) = line().run(ask())
    assert (envelope.id, envelope.source, envelope.principal) == (
        "tiny/c1/1.0#1",
        "interlock.dispatch",
        "advisor:reader",
    )
    assert outcome(envelope) == Answer("10.00", 990_000)


def test_what_failed_tries_cost_is_counted_with_the_answer(line):
    one = line(retries=2)
    spent = {"input_tokens": 10, "cost": 3}
    one.outside.on_answer = raising(NoAdvice("busy", usage=spent, currency="EUR"), Garbled("no", usage=spent), None)
    (envelope,) = one.run(ask())
    assert outcome(envelope) == Answer("10.00", 990_000, usage={"input_tokens": 20, "cost": 6}, currency="EUR")


def test_what_an_advisor_without_an_answer_cost_is_recorded_with_its_silence(line):
    one = line(retries=1)
    one.outside.on_answer = raising(OutOfTime("no answer within 2 s", usage={"cost": 3}, currency="EUR"))
    (envelope,) = one.run(ask())
    assert outcome(envelope) == Silence("timeout", "no answer within 2 s", {"cost": 6}, "EUR")


def test_a_try_that_says_nothing_of_its_cost_is_counted_where_a_budget_asks(line):
    spends = BudgetSpec("tokens", (), 100, 100, sum="usage.tokens", advisors=("reader",), each=10)
    for budgets, usage in (((spends,), {"input_tokens": 4, "unreported": 2}), ((), {"input_tokens": 4})):
        one = line(retries=4, budgets=budgets)
        one.outside.on_answer = raising(
            ValueError("boom"), NoAdvice("broke off"), NoAdvice("busy", usage={"input_tokens": 4}), None
        )
        (envelope,) = one.run(ask())
        said = outcome(envelope)
        assert isinstance(said, Answer) and said.usage == usage


def test_a_try_that_is_given_up_may_have_been_paid_for(line):
    spends = BudgetSpec("tokens", (), 100, 100, sum="usage.tokens", advisors=("reader",), each=10)
    one = line(retries=1, budgets=(spends,))

    async def never(command: Command) -> Any:
        await asyncio.sleep(100)

    one.outside.on_answer = never
    (envelope,) = one.run(ask())
    assert outcome(envelope) == Silence("timeout", "no answer within 2 s", {"unreported": 2})


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ValueError("boom"), "error"),
        (Garbled("not an answer"), "garbage"),
        (Unavailable("no client"), "unavailable"),
        (Declined("the model refused"), "declined"),
        (asyncio.CancelledError(), "error"),
    ],
)
def test_an_advisor_that_fails_is_silent_and_says_why(line, error, why):
    one = line()
    one.outside.on_answer = raising(error)
    (envelope,) = one.run(ask())
    silence = outcome(envelope)
    assert isinstance(silence, Silence)
    assert silence.why == why


@pytest.mark.parametrize(
    "value",
    [
        None,
        "yes",
        {"value": 1},
        Answer("x", rationale="x" * (limits.RATIONALE_CHARS_MAX + 1)),
        Answer("x" * (limits.ADVICE_BYTES_MAX + 1)),
        Answer("\ud800"),
    ],
)
def test_what_is_no_answer_is_garbage(line, value):
    one = line()

    async def returns(command: Command) -> Any:
        return value

    one.outside.on_answer = returns
    (envelope,) = one.run(ask())
    silence = outcome(envelope)
    assert isinstance(silence, Silence)
    assert silence.why == "garbage"


def test_an_advisor_is_asked_again_with_growing_jittered_pauses(line):
    one = line(retries=2)
    one.outside.on_answer = raising(ValueError("a"), ValueError("b"), None)
    (envelope,) = one.run(ask())
    assert isinstance(outcome(envelope), Answer)
    assert len(one.outside.asked) == 3
    least, most = 0.2 * 0.5 + 0.4 * 0.5, 0.2 * 1.5 + 0.4 * 1.5
    assert least <= one.loop.time() <= most + 0.05


def test_an_advisor_that_hangs_is_timed_out_and_what_it_says_later_is_ignored(line):
    one = line()

    async def late(command: Command) -> Any:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return Answer("1.00")  # it did not want to be cancelled
        raise AssertionError

    one.outside.on_answer = late
    envelopes = one.run(ask())
    assert len(envelopes) == 1
    silence = outcome(envelopes[0])
    assert isinstance(silence, Silence)
    assert silence.why == "timeout"
    assert one.loop.time() == pytest.approx(2, abs=0.05)
    assert not one.dispatcher.take()


@pytest.mark.parametrize(
    ("error", "said"), [(NotDone("no account"), "not_happened"), (ConnectionError("?"), "unknown"), (None, "happened")]
)
def test_only_a_refusal_means_that_nothing_happened(line, error, said):
    one = line()
    one.outside.on_perform = raising(error)
    (envelope,) = one.run(act())
    body = result(envelope)
    assert (body.command, body.attempt, body.phase, body.outcome) == ("2.0", 2, "perform", said)


def test_a_check_says_whether_it_happened_and_a_check_that_fails_says_nothing(line):
    one = line()
    (envelope,) = one.run(act("check"))
    assert result(envelope).outcome == "not_happened"
    one.run(act("perform"))
    (envelope,) = one.run(act("check"))
    assert result(envelope).outcome == "happened"
    (envelope,) = one.run(act("fence"))
    assert (result(envelope).phase, result(envelope).outcome) == ("fence", "not_happened")

    async def refuses(command: Command) -> Any:
        raise NotDone("a checker's refusal proves nothing")

    one.outside.check = refuses
    (envelope,) = one.run(act("check"))
    assert result(envelope).outcome == "unknown"


def test_room_is_what_is_not_in_flight(line):
    one = line()

    async def slow(command: Command) -> Any:
        await asyncio.sleep(1)
        return Answer("1.00")

    one.outside.on_answer = slow

    async def go() -> None:
        assert one.dispatcher.room("advisor:reader", START) == 5
        one.dispatcher.launch([Lease(ask(n), 7) for n in range(5)])
        assert one.dispatcher.room("advisor:reader", START) == 0
        assert one.dispatcher.full() == {"advisor:reader"}
        one.dispatcher.withdraw(["tiny/c0/1.0"])
        assert one.dispatcher.room("advisor:reader", START) == 1
        await asyncio.sleep(2)
        assert one.dispatcher.room("advisor:reader", START) == 5
        assert len(one.dispatcher.take()) == 4

    one.loop.run_until_complete(go())


def test_an_effect_in_flight_cannot_be_withdrawn(line):
    one = line()

    async def go() -> None:
        one.dispatcher.launch([Lease(act(), 7)])
        one.dispatcher.withdraw(["tiny/c1/2.0"])
        await asyncio.sleep(0.1)
        assert len(one.dispatcher.take()) == 1

    one.loop.run_until_complete(go())


def test_a_breaker_opens_after_failures_in_a_row_and_closes_after_one_success(line):
    one = line(breaker_failures=3, breaker_open=10_000_000)
    one.outside.on_answer = raising(ValueError("1"), ValueError("2"), ValueError("3"), None)
    for n in range(3):
        assert one.dispatcher.unwell(one.clock.now()) == ({}, {})
        one.run(ask(n))
    states, reopens = one.dispatcher.unwell(one.clock.now())
    assert states == {"advisor:reader": "open"}
    assert one.dispatcher.room("advisor:reader", one.clock.now()) == 0
    one.clock.advance(reopens["advisor:reader"] - one.clock.now())
    assert one.dispatcher.unwell(one.clock.now()) == ({"advisor:reader": "half_open"}, {})
    assert one.dispatcher.room("advisor:reader", one.clock.now()) == 1
    one.run(ask(4))
    assert one.dispatcher.unwell(one.clock.now()) == ({}, {})


def test_jitter_is_the_same_for_the_same_attempt_and_lies_around_one():
    drawn = [jitter(f"tiny/c{n}/1.0", 1) for n in range(1_000)]
    assert drawn == [jitter(f"tiny/c{n}/1.0", 1) for n in range(1_000)]
    assert 0.5 <= min(drawn) < 0.52
    assert 1.48 < max(drawn) <= 1.5
