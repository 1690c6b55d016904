"""Carries out commands, thousands at once: asks advisors, performs, checks and fences; what comes back is a message.

One object holds every call in flight. A call costs one task and one heap entry; its dependency bounds how many run at
once, its timeout is a deadline of the shared heap, and its outcome becomes an Envelope for the next unit of its slot.
Nothing here decides anything: an advisor that failed is a `Silence`, an effect whose reply did not come is `unknown`,
and what follows from that is the kernel's matter.

INVARIANT: every command launched yields exactly one envelope, unless it was an ask that its case has withdrawn. What
a call does after its timeout has no way to its envelope.
INVARIANT: only a performer that raised NotDone did not happen. Any other exception, a timeout and a wrong return
value leave it unknown.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal

import msgspec
from msgspec import structs

from interlock.kernel.poison import describe, said
from interlock.ports import Declined, Garbled, Lease, NoAdvice, NotDone, OutOfTime, Unavailable
from interlock.runtime.breaker import Breaker
from interlock.runtime.hosted import Hosted, concurrency_of
from interlock.runtime.timers import Deadline, Deadlines
from interlock.vocabulary import canonical, limits
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import UNREPORTED, Answer, Silence, SilenceWhy, added
from interlock.vocabulary.events import AnswerBody, Body, Envelope, ResultBody
from interlock.vocabulary.sealed import is_sealed

SOURCE = "interlock.dispatch"
"""Source of every envelope made here."""

RETRY_FIRST_S = 0.2
"""First pause before an advisor is asked again; doubled each time."""

RETRY_MAX_S = 10.0
"""Longest pause before an advisor is asked again."""


class Escaped(Exception):
    """A user's function raised what is meant for the process, not for its caller."""


class Call:
    """A command in hand.

    `tries` counts the calls made for it; what comes from another `round` than the present one no longer counts.
    """

    __slots__ = ("command", "currency", "deadline", "lease", "over", "round", "spent", "task", "tries")

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.command = lease.command
        self.task: asyncio.Future[Any] | None = None
        self.deadline: Deadline | None = None
        self.tries = 0
        self.round = 0
        self.over = False
        self.spent: dict[str, int] = {}
        self.currency = ""


def jitter(command: str, attempt: int) -> float:
    """A number in 0.5..1.5 that spreads retries apart: from the name of the attempt, so that a replayed run waits the
    same.
    """
    drawn = int.from_bytes(hashlib.blake2b(f"{command}#{attempt}".encode(), digest_size=4).digest(), "big")
    return 0.5 + drawn / 0xFFFFFFFF


def answer_envelope(command: Command, outcome: Answer | Silence, now: int) -> Envelope:
    """What an advisor said, or why it did not, as a message to the case that asked."""
    body = AnswerBody(command.question, command.digest, command.advisor, outcome)
    return _envelope(command, f"{command.id}#{command.attempt}", body, now)


def result_envelope(
    command: Command,
    outcome: Literal["happened", "not_happened", "unknown"],
    now: int,
    *,
    result: Any = None,
    reason: str = "",
) -> Envelope:
    """What became of one attempt at an effect, as a message to its case."""
    phase: Literal["perform", "check", "fence"] = "perform" if command.what == "ask" else command.what
    body = ResultBody(local_of(command), command.attempt, phase, outcome, result, reason)
    return _envelope(command, f"{command.id}#{command.attempt}.{phase}", body, now)


def _envelope(command: Command, name: str, body: Body, now: int) -> Envelope:
    return Envelope(command.automation, command.key, name, SOURCE, command.dependency, now, now, body)


def local_of(command: Command) -> str:
    """The command's name within its case, as messages call it."""
    return command.id.rpartition("/")[2]


async def contained(begin: Callable[[Command], Awaitable[Any]], command: Command) -> Any:
    """The call's own result or exception. A `sys.exit` in it ends the call and not the worker: asyncio would let it
    through to whoever runs the loop, and a supervisor would take it for an orderly end.
    """
    try:
        return await begin(command)
    except (SystemExit, KeyboardInterrupt) as escape:
        raise Escaped(f"the call tried to end the process ({describe(escape)})") from None


class Dispatcher:
    """Calls in flight on one event loop.

    now       the worker's believed clock, microseconds
    arrived   called when an outcome has come; `take` returns all that have come so far
    """

    def __init__(
        self,
        hosted: Mapping[str, Hosted],
        *,
        now: Callable[[], int],
        arrived: Callable[[], None],
        breaker_failures: int = limits.BREAKER_FAILURES,
        breaker_open: int = limits.BREAKER_OPEN_MS * 1_000,
    ) -> None:
        self._hosted = hosted
        self._now = now
        self._arrived = arrived
        self._most: dict[str, int] = {}
        self._breaker_failures = breaker_failures
        self._breaker_open = breaker_open
        self._breakers: dict[str, Breaker] = {}
        self._busy: dict[str, int] = {}
        self._calls: dict[str, Call] = {}
        self._deadlines = Deadlines()
        self._outcomes: list[tuple[int, Envelope]] = []

    # --- what the next units must know

    def __contains__(self, command: str) -> bool:
        return command in self._calls

    def __len__(self) -> int:
        return len(self._calls)

    def room(self, dependency: str, now: int) -> int:
        """How many more calls this dependency takes now."""
        room = max(0, self._most_of(dependency) - self._busy.get(dependency, 0))
        breaker = self._breakers.get(dependency)
        return room if breaker is None else breaker.room(now, room)

    def full(self) -> frozenset[str]:
        """Dependencies that take nothing now because enough calls are in flight."""
        return frozenset(name for name, busy in self._busy.items() if busy >= self._most_of(name))

    def _most_of(self, dependency: str) -> int:
        most = self._most.get(dependency)
        if most is None:
            most = self._most[dependency] = concurrency_of(self._hosted, dependency)
        return most

    def forget_limits(self) -> None:
        """Another automation is hosted: what dependencies take is looked up anew."""
        self._most.clear()

    def unwell(self, now: int) -> tuple[dict[str, str], dict[str, int]]:
        """Dependencies whose breaker is not closed: their states, and when each may be tried again."""
        states = {name: breaker.state(now) for name, breaker in self._breakers.items()}
        return (
            {name: str(state) for name, state in states.items() if state != "closed"},
            {name: self._breakers[name].reopens_at for name, state in states.items() if state == "open"},
        )

    def in_hand(self) -> list[Lease]:
        """Leases of all calls in flight."""
        return [call.lease for call in self._calls.values()]

    @property
    def pending(self) -> bool:
        """Whether outcomes wait to be taken."""
        return bool(self._outcomes)

    # --- in and out

    def launch(self, leases: Iterable[Lease]) -> None:
        """Begin these calls. Their leases are committed."""
        for lease in leases:
            call = Call(lease)
            dependency = call.command.dependency
            self._calls[call.command.id] = call
            self._busy[dependency] = self._busy.get(dependency, 0) + 1
            breaker = self._breakers.get(dependency)
            if breaker is not None:
                breaker.sent(self._now())
            self._call(call)

    def withdraw(self, commands: Iterable[str]) -> None:
        """The case no longer wants these answers.

        Effects are not touched: what has started is not taken back by forgetting it.
        """
        for name in commands:
            call = self._calls.get(name)
            if call is not None and call.command.what == "ask":
                self._close(call)
                breaker = self._breakers.get(call.command.dependency)
                if breaker is not None:
                    breaker.given_up()

    def take(self) -> list[tuple[int, Envelope]]:
        """Outcomes since the last call, with their slots, in order of arrival."""
        taken, self._outcomes = self._outcomes, []
        return taken

    def close(self) -> None:
        """Drop everything in flight, as the end of the process would."""
        for call in list(self._calls.values()):
            self._close(call)
        self._deadlines.close()

    # --- one call

    def _call(self, call: Call) -> None:
        command = call.command
        call.tries += 1
        call.round += 1
        call.deadline = None
        task = asyncio.get_running_loop().create_task(contained(self._function(command), command))
        call.task = task
        task.add_done_callback(partial(self._done, call, call.round))
        if not call.over:
            call.deadline = self._deadlines.after(self._time_for(command) / 1_000_000, partial(self._timeout, call))

    def _time_for(self, command: Command) -> int:
        """Microseconds one call may take: the release's for the dependency, the command's own, or the limit for all."""
        said = self._hosted[command.automation].timeouts.get(command.dependency) or command.timeout
        return said or limits.EFFECT_TIMEOUT_MS * 1_000

    def _function(self, command: Command) -> Callable[[Command], Awaitable[Any]]:
        hosted = self._hosted[command.automation]
        if command.what == "ask":
            return hosted.advisors.answer
        if command.what == "perform":
            return hosted.performers.perform
        if command.what == "check":
            return hosted.performers.check
        return hosted.performers.fence

    def _done(self, call: Call, round: int, task: asyncio.Future[Any]) -> None:
        if call.over or round != call.round:
            if not task.cancelled():
                task.exception()  # an exception that nobody waits for any more is not an accident to be warned of
            return
        if task.cancelled():
            self._failed(call, asyncio.CancelledError("the call was cancelled from inside"))
            return
        error = task.exception()
        if error is not None:
            self._failed(call, error)
            return
        self._returned(call, task.result())

    def _returned(self, call: Call, value: Any) -> None:
        command = call.command
        if command.what == "ask":
            self._answered(call, value)
            return
        self._breaker(command.dependency, failed=False)
        now = self._now()
        if command.what != "fence" and (problem := _unrecordable(value)):
            # It ran, and what it said is lost: as unknown as a lost reply.
            self._settle(call, result_envelope(command, "unknown", now, reason=problem))
        elif command.what == "check":
            happened, result = value
            self._settle(call, result_envelope(command, "happened" if happened else "not_happened", now, result=result))
        elif command.what == "fence":
            self._settle(call, result_envelope(command, "not_happened", now))
        else:
            self._settle(call, result_envelope(command, "happened", now, result=value))

    def _answered(self, call: Call, value: object) -> None:
        command = call.command
        if not isinstance(value, Answer):
            self._failed(call, Garbled(f"the advisor returned {type(value).__name__}, not an answer"))
            return
        problem = _too_large(value)
        if problem:
            self._failed(call, Garbled(problem))
            return
        self._breaker(command.dependency, failed=False)
        if call.spent:
            spent, currency = added(call.spent, value.usage), value.currency or call.currency
            value = structs.replace(value, usage=spent, currency=currency)
        self._settle(call, answer_envelope(command, value, self._now()))

    def _failed(self, call: Call, error: BaseException) -> None:
        command = call.command
        now = self._now()
        if command.what == "ask":
            self._silent(call, error)
        elif isinstance(error, NotDone) and command.what == "perform":
            self._breaker(command.dependency, failed=False)
            self._settle(call, result_envelope(command, "not_happened", now, reason=said(error)))
        else:
            self._breaker(command.dependency, failed=True)
            self._settle(call, result_envelope(command, "unknown", now, reason=describe(error)))

    def _silent(self, call: Call, error: BaseException) -> None:
        command = call.command
        why: SilenceWhy = "error"
        if isinstance(error, NoAdvice):
            call.spent = added(call.spent, error.usage)
            call.currency = error.currency or call.currency
            if not error.usage and not isinstance(error, Unavailable):
                self._unreported(call)
            if isinstance(error, Unavailable | Declined):
                final: SilenceWhy = "declined" if isinstance(error, Declined) else "unavailable"
                silence = Silence(final, said(error), call.spent, call.currency)
                self._settle(call, answer_envelope(command, silence, self._now()))
                return
            why = "garbage" if isinstance(error, Garbled) else "timeout" if isinstance(error, OutOfTime) else "error"
        else:
            self._unreported(call)
        self._breaker(command.dependency, failed=why != "garbage")
        self._again_or(call, Silence(why, said(error) if why == "timeout" else describe(error)))

    def _timeout(self, call: Call) -> None:
        command = call.command
        self._breaker(command.dependency, failed=True)
        task, call.task = call.task, None
        if command.what == "ask":
            self._unreported(call)
            self._again_or(call, Silence("timeout", f"no answer within {self._time_for(command) / 1_000_000:g} s"))
        else:
            reason = f"no reply within {self._time_for(command) / 1_000_000:g} s"
            self._settle(call, result_envelope(command, "unknown", self._now(), reason=reason))
        if task is not None:
            task.cancel()

    def _unreported(self, call: Call) -> None:
        """A call ended without saying what it used: where a budget covers the advisor, that is counted."""
        command = call.command
        if command.advisor in self._hosted[command.automation].program.spending:
            call.spent = added(call.spent, {UNREPORTED: 1})

    def _again_or(self, call: Call, silence: Silence) -> None:
        """Ask the same advisor again if its question allows it and its breaker too, else report the silence."""
        command = call.command
        spec = self._hosted[command.automation].program.questions.get(command.question)
        retries = spec.retries if spec else 0
        breaker = self._breakers.get(command.dependency)
        if call.tries > retries or (breaker is not None and breaker.state(self._now()) != "closed"):
            if call.spent:
                silence = structs.replace(silence, usage=call.spent, currency=call.currency)
            self._settle(call, answer_envelope(command, silence, self._now()))
            return
        if call.deadline is not None:
            call.deadline.cancel()
        task, call.task = call.task, None
        call.round += 1
        pause = min(RETRY_MAX_S, RETRY_FIRST_S * 2 ** (call.tries - 1)) * jitter(command.id, call.tries)
        call.deadline = self._deadlines.after(pause, partial(self._call, call))
        if task is not None:
            task.cancel()

    def _settle(self, call: Call, envelope: Envelope) -> None:
        slot = call.lease.slot
        self._close(call)
        self._outcomes.append((slot, envelope))
        self._arrived()

    def _close(self, call: Call) -> None:
        call.over = True
        dependency = call.command.dependency
        self._calls.pop(call.command.id, None)
        self._busy[dependency] -= 1
        if call.deadline is not None:
            call.deadline.cancel()
        if call.task is not None and not call.task.done():
            call.task.cancel()

    def _breaker(self, dependency: str, *, failed: bool) -> None:
        breaker = self._breakers.get(dependency)
        if breaker is None:
            if not failed:
                return
            breaker = self._breakers[dependency] = Breaker(
                failures_max=self._breaker_failures, open_for=self._breaker_open
            )
        if failed:
            breaker.failed(self._now())
        else:
            breaker.succeeded()


def _too_large(answer: Answer) -> str:
    if len(answer.rationale) > limits.RATIONALE_CHARS_MAX and not is_sealed(answer.rationale):
        return f"the rationale has {len(answer.rationale)} characters, at most {limits.RATIONALE_CHARS_MAX} are kept"
    try:
        body = canonical.encode(answer)
        # What an advisor's adapter filled in wrongly would be found when the record is read again, by everybody.
        msgspec.json.decode(body, type=Answer)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.ValidationError) as error:
        return f"the answer cannot be recorded: {describe(error)}"
    size = len(body)
    return (
        f"the answer has {size} bytes, at most {limits.ADVICE_BYTES_MAX} are taken"
        if size > limits.ADVICE_BYTES_MAX
        else ""
    )


def _unrecordable(result: object) -> str:
    """Why a performer's or checker's result cannot stand in a record; "" if it can."""
    try:
        size = len(canonical.encode(result))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return f"its result cannot be recorded: {describe(error)}"
    most = limits.EVENT_BYTES_MAX
    return f"its result has {size} bytes, at most {most} are taken" if size > most else ""
