"""A release as the runtime holds it: its program, and the user's functions behind the ports.

Plain functions run in threads, a few per dependency; async ones on the loop. Around each call pictures and documents
can be read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from interlock.actions.functions import ActionFunctions, PerformerTable, Run
from interlock.advisors.functions import AbsentAdvisor, Advisor, AdvisorTable, FunctionAdvisor, StubAdvisor
from interlock.automation.payloads import Reader, reading
from interlock.kernel.program import Rejected
from interlock.ports import Store
from interlock.releases import Release
from interlock.releases.spec import AdvisorSpec
from interlock.runtime.hosted import Hosted
from interlock.runtime.threads import Pool
from interlock.vocabulary.advice import Answer, score_micro
from interlock.vocabulary.errors import DefinitionErrors, NotFound, Problem

Function = Callable[..., Any]


def hosted(release: Release, store: Store, *, threads_max: int = 32) -> Hosted:
    """Everything of a release that runs, over this store's payloads.

    Raises DefinitionErrors for a stub whose answer does not fit.
    """
    spec, program = release.loaded.spec, release.program
    concurrency: dict[str, int] = {}
    timeouts: dict[str, int] = {}
    for advisor in spec.advisors.values():
        concurrency[f"advisor:{advisor.name}"] = advisor.concurrency
        if advisor.timeout is not None:
            timeouts[f"advisor:{advisor.name}"] = advisor.timeout
    for effect in spec.effects.values():
        dependency = program.dependencies.get(effect.action, f"action:{effect.action}")
        concurrency[dependency] = min(effect.concurrency, concurrency.get(dependency, effect.concurrency))
        timeouts[dependency] = max(effect.timeout, timeouts.get(dependency, 0))
    read = payload_reader(store)
    pools = _Pools(threads_max)
    return Hosted(
        program=program,
        advisors=AdvisorTable(_advisors(release, read, pools, concurrency)),
        performers=PerformerTable(_actions(release, read, pools, concurrency)),
        concurrency=concurrency,
        timeouts=timeouts,
    )


def payload_reader(store: Store) -> Reader:
    """Digest to content. Raises NotFound for a payload that nobody has stored here."""

    def read(digest: str) -> bytes:
        found = store.payload(digest)
        if found is None:
            raise NotFound(
                f"No payload {digest} is stored here.", hint="Put it with `Interlock.picture` before it is sent."
            )
        return found[0]

    return read


class _Pools:
    """A pool per dependency, made when a plain function needs one."""

    def __init__(self, threads_max: int) -> None:
        self._threads_max = threads_max
        self._pools: dict[str, Pool] = {}

    def of(self, dependency: str, concurrency: int) -> Pool:
        pool = self._pools.get(dependency)
        if pool is None:
            pool = self._pools[dependency] = Pool(f"interlock-{dependency}", min(concurrency, self._threads_max))
        return pool


def _awaitable(
    function: Function, *, plain: bool, read: Reader, pool: Callable[[], Pool]
) -> Callable[..., Awaitable[Any]]:
    """The user's function as something to await, with payloads within its reach."""
    if plain:

        async def in_thread(*args: Any) -> Any:
            def work() -> Any:
                with reading(read):
                    return function(*args)

            return await pool().run(work)

        return in_thread

    async def on_loop(*args: Any) -> Any:
        with reading(read):
            return await function(*args)

    return on_loop


def _advisors(
    release: Release, read: Reader, pools: _Pools, concurrency: dict[str, int]
) -> dict[tuple[str, str], Advisor]:
    loaded, wire = release.loaded, release.loaded.wire
    found: dict[tuple[str, str], Advisor] = {}
    for question in loaded.spec.questions.values():
        for name in dict.fromkeys((*question.chain, *question.also)):
            spec = loaded.spec.advisors.get(name) or AdvisorSpec(name)
            marker = release.effects.advisors.get((question.name, name))
            if spec.kind == "stub":
                found[question.name, name] = _stub(release, question.name, spec)
            elif marker is not None:
                dependency = f"advisor:{name}"
                most = concurrency.get(dependency, spec.concurrency)
                ask = _awaitable(
                    marker.run,
                    plain=marker.plain,
                    read=read,
                    pool=lambda dependency=dependency, most=most: pools.of(dependency, most),
                )
                found[question.name, name] = FunctionAdvisor(wire.question, ask, wire.advice_answer, (Rejected,))
            else:
                found[question.name, name] = AbsentAdvisor(
                    f"{name} is a {spec.kind} advisor; this program has no client for it"
                )
    return found


def _stub(release: Release, question: str, spec: AdvisorSpec) -> StubAdvisor:
    """A stub's fixed answer, from its table in release.toml: `value`, and perhaps `score` and `rationale`."""
    try:
        value = release.loaded.wire.answer_value(question, spec.options.get("value"))
        return StubAdvisor(
            Answer(value, score_micro(spec.options.get("score")), str(spec.options.get("rationale", "stub")))
        )
    except Rejected as error:
        message = f"[advisors.{spec.name}] value is no answer to {question}: {error}"
        raise DefinitionErrors(
            [Problem("release.toml", 1, message, "Write value = ... as the question's answer.")]
        ) from None


def _actions(release: Release, read: Reader, pools: _Pools, concurrency: dict[str, int]) -> dict[str, ActionFunctions]:
    wire, effects, program = release.loaded.wire, release.effects, release.program

    def run(marker: Any, action: str) -> Run | None:
        if marker is None:
            return None
        dependency = program.dependencies.get(action, f"action:{action}")
        most = concurrency.get(dependency, 32)
        return _awaitable(marker.run, plain=marker.plain, read=read, pool=lambda: pools.of(dependency, most))

    return {
        name: ActionFunctions(
            wire.action,
            wire.result_plain,
            wire.check_outcome,
            performer=run(effects.performers.get(name), name),
            checker=run(effects.checkers.get(name), name),
            fence=run(effects.fences.get(name), name),
        )
        for name in program.actions
    }
