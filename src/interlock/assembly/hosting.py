"""A release as the runtime holds it: its program, and the user's functions behind the ports.

Plain functions run in threads, a few per dependency; async ones on the loop. Around each call pictures and documents
can be read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from interlock.actions.functions import ActionFunctions, PerformerTable, Run
from interlock.advisors.functions import Advisor, AdvisorTable, Closing, FunctionAdvisor
from interlock.assembly.advising import Configured
from interlock.assembly.sealed_calls import SealedAdvisors, SealedPerformers
from interlock.automation.payloads import Reader, reading
from interlock.automation.wire import Wire
from interlock.kernel.program import Rejected
from interlock.ports import Advisors, Performers, Store
from interlock.releases import Loaded, Release
from interlock.releases.spec import AdvisorSpec
from interlock.runtime.clock import SystemClock
from interlock.runtime.hosted import Hosted
from interlock.runtime.threads import Pool
from interlock.runtime.vault import StoreKeeper
from interlock.vocabulary.errors import NotFound
from interlock.vocabulary.limits import ADVISOR_CONCURRENCY

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
    advisors: Advisors = AdvisorTable(_advisors(release, read, pools, concurrency))
    performers: Performers = PerformerTable(_actions(release, read, pools, concurrency))
    keeper = keeper_of(release, store)
    if keeper is not None:
        advisors, performers = SealedAdvisors(advisors, keeper), SealedPerformers(performers, keeper)
    return Hosted(
        program=program,
        advisors=advisors,
        performers=performers,
        concurrency=concurrency,
        timeouts=timeouts,
        keeper=keeper,
    )


async def disconnect(hosts: Iterable[Hosted]) -> None:
    """End the connections that the advisors of these hold. On the loop that they were asked on."""
    for host in hosts:
        if isinstance(host.advisors, Closing):
            await host.advisors.close()


def keeper_of(release: Release, store: Store) -> StoreKeeper | None:
    """Who opens vaults for this automation's cases; None where no type of it holds personal data."""
    if not release.loaded.definition.seals:
        return None
    return StoreKeeper(store, now=SystemClock().now)


def kept_by(loaded: Loaded, store: Store) -> Wire:
    """The automation's border to raw data, with this store's vaults in reach."""
    wire = loaded.wire
    return wire.kept_by(StoreKeeper(store, now=SystemClock().now)) if loaded.definition.seals else wire


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

    def pool(name: str) -> Pool:
        return pools.of(f"advisor:{name}", concurrency.get(f"advisor:{name}", ADVISOR_CONCURRENCY))

    def one(question: str, name: str) -> Advisor:
        known = found.get((question, name))
        return known if known is not None else found.setdefault((question, name), make(question, name))

    def make(question: str, name: str) -> Advisor:
        marker = release.effects.advisors.get((question, name))
        spec = loaded.spec.advisors.get(name) or AdvisorSpec(name)
        if marker is None or spec.kind != "code":
            return configured.make(question, spec)
        ask = _awaitable(marker.run, plain=marker.plain, read=read, pool=lambda: pool(name))
        return FunctionAdvisor(wire.question, ask, wire.advice_answer, (Rejected,))

    configured = Configured(release, read, lambda name: pool(name.removeprefix("advisor:")).run, one)
    for question in loaded.spec.questions:
        for name in loaded.spec.answering(question):
            one(question, name)
    return found


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
