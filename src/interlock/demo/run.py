"""Run the demonstration: feed a morning through the door, let reviewers work, have the judge look.

Everything is said to the interlock as branches and customers would say it, event by event, while its worker works;
nothing here reaches into it. Killed at any moment, the demonstration goes on when it is started again: it says
everything once more, and the door knows what it has heard. What was accepted before is also completed by any worker
(`interlock run FOLDER --db DATABASE`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from interlock.assembly import Interlock
from interlock.assembly.address import address
from interlock.assembly.running import work_left
from interlock.demo import judge, world
from interlock.demo.record import read_record
from interlock.demo.reviewers import opinion
from interlock.demo.summary import Summary, summarise
from interlock.demo.workspace import Workspace, lines, open_workspace
from interlock.demo.world import Written
from interlock.ports import Store
from interlock.releases import Release, load_release
from interlock.runtime.inbox import Incoming, event_envelope, outcome_of, read_lines
from interlock.vocabulary.errors import Refused
from interlock.vocabulary.ids import CaseId

Tell = Callable[[str, int, int], None]
"""Called with the name of a stage, how much of it is done, and how much it is."""

DATABASE = Path("interlock-demo.db")
FOLDER = Path("interlock-demo")

AT_ONCE = 16
"""Messages handed in together: a branch sends what has come since it last sent."""

WAITING_MAX = 48
"""Messages that may wait before the next ones are said. Fed faster, all that is said of a cheque would lie in the
inbox together, and nothing could happen while it is being worked on.
"""

ROUNDS_MAX = 20
"""Times that reviewers look into the queue: what they send back to each other comes to an end long before."""

WRITING = "Writing cheques by hand"
TEACHING = "Loading the automation and its readers"
CLEARING: dict[world.Wave, str] = {"morning": "The morning's messages", "afternoon": "The afternoon's messages"}
REVIEWING = "Reviewers at work"
DOUBTING = "Finding out what the bank did"
JUDGING = "Judging by the bank's books"


def silent(stage: str, done: int, total: int) -> None:
    """Nobody watches."""


def run_demo(
    *,
    db: str | Path = DATABASE,
    folder: Path = FOLDER,
    cheques: int | None = None,
    seed: int | None = None,
    fresh: bool = False,
    tell: Tell = silent,
) -> Summary:
    """Run the demonstration, or go on with an interrupted one, and sum it up.

    `cheques` and `seed` are for a new one (by default 800 and 7); `fresh` removes what is there. Raises Refused when
    scikit-learn is missing, or when `db` or `folder` belong to something else; DefinitionErrors when the user has
    edited the automation into one that does not load; StoreError.
    """
    if cheques is not None and not 1 <= cheques <= 9_999:
        raise Refused(f"{cheques} cheques: choose 1 to 9999.", code="bad_demo")
    started = time.monotonic()
    tell(WRITING, 0, 1)
    world.digits()  # refuses politely before anything is made
    workspace = open_workspace(address(db), folder, cheques=cheques, seed=seed, fresh=fresh)
    tell(WRITING, 1, 1)
    tell(TEACHING, 0, 1)
    release = load_release(workspace.automation)
    tell(TEACHING, 1, 1)
    return asyncio.run(_run(workspace, release, tell, started))


async def _run(workspace: Workspace, release: Release, tell: Tell, started: float) -> Summary:
    written = workspace.written()
    waves: tuple[world.Wave, ...] = ("morning", "afternoon")
    async with Interlock.open(workspace.db.url) as il:
        _belongs(workspace, il.store)
        await il.blocking(lambda store: _store_scans(store, workspace))
        il.host(release)
        events = 0
        for wave in waves:
            events += await _say(
                il, release, workspace.events(wave), lambda n, m, wave=wave: tell(CLEARING[wave], n, m)
            )
            await _calm(il)
        await _review(il, workspace, release, written, tell)
        tell(DOUBTING, 0, 1)
        await _settled(il)
        tell(DOUBTING, 1, 1)
        tell(JUDGING, 0, 1)
        recorded = await il.blocking(lambda store: read_record(store, release.name))
    books = judge.read_books(workspace.books)
    summary = summarise(
        workspace,
        written,
        books,
        recorded,
        {rule.id: rule.reason for rule in release.loaded.policy.rules},
        leader=next(iter(release.loaded.spec.questions.values())).chain[0],
        events=events,
        seconds=time.monotonic() - started,
    )
    tell(JUDGING, 1, 1)
    return summary


def _belongs(workspace: Workspace, store: Store) -> None:
    """Refuse a database that is not this demonstration's; adopt one that nobody has used."""
    incarnation = workspace.incarnation()
    if incarnation == store.caps.incarnation:
        return
    if incarnation or store.releases():
        raise Refused(
            f"{workspace.db.shown} is not the database of the demonstration in {workspace.folder}.",
            code="demo_exists",
            hint="Choose another one with --db, or start anew with --fresh.",
        )
    workspace.belongs_to(store.caps.incarnation)


def _store_scans(store: Store, workspace: Workspace) -> None:
    """Put the scans that the events name where the readers can see them."""
    wanted = {event["data"]["box"]["digest"] for event in _presented(workspace)}
    for path in sorted(workspace.boxes.glob("*.png")):
        wanted.discard(store.put_payload(path.read_bytes(), "image/png"))
    if wanted:
        raise Refused(
            f"{workspace.boxes} lacks {len(wanted)} of the scans that the events name.",
            code="demo_damaged",
            hint="Start anew with --fresh.",
        )


def _presented(workspace: Workspace) -> Iterable[world.Event]:
    waves: tuple[world.Wave, ...] = ("morning", "afternoon")
    for wave in waves:
        yield from (event for event in lines(workspace.events(wave)) if "box" in event["data"])


async def _say(il: Interlock, release: Release, file: Path, tell: Callable[[int, int], None]) -> int:
    """Hand in the events of a file, no faster than they can be worked on; returns how many there are."""
    with file.open("rb") as opened:
        told = list(read_lines(opened))
    for at in range(0, len(told), AT_ONCE):
        tell(at, len(told))
        await _submit(il, release, told[at : at + AT_ONCE])
        while await il.blocking(lambda store: store.backlog()) > WAITING_MAX:
            await _moved(il)
    tell(len(told), len(told))
    return len(told)


async def _submit(il: Interlock, release: Release, told: Sequence[Incoming]) -> None:
    envelopes = [
        event_envelope(
            release.name,
            release.loaded.wire,
            one.type,
            one.data,
            id=one.id,
            source=one.source,
            principal=f"service:{one.source}",
            occurred_at=one.occurred_at,
            now=il.door.now,
        )
        for one in told
    ]
    for envelope, receipt in zip(envelopes, await il.door.submit_all(envelopes), strict=True):
        outcome_of(envelope, receipt)


async def _review(
    il: Interlock, workspace: Workspace, release: Release, written: dict[str, Written], tell: Tell
) -> None:
    """Let the simulated people work until none of them has anything left to say."""
    said = 0
    for _ in range(ROUNDS_MAX):
        reviews = await il.blocking(
            lambda store: store.open_reviews(automation=release.name, group=None, limit=1_000_000)
        )
        # A user may have submitted cheques of their own; nobody here knows what is on that paper.
        known = [(case, review) for case, review in reviews if case.key in written]
        opinions = [
            (case, review, one)
            for case, review in known
            if (one := opinion(workspace.seed, case.key, review, written[case.key])) is not None
        ]
        tell(REVIEWING, said, said + len(opinions))
        if not opinions:
            return
        for case, review, one in opinions:
            amount = None if one.amount is None else f"{one.amount // 100}.{one.amount % 100:02d}"
            await il.verdict(
                f"{case}/{review.id}",
                one.verdict,
                group=one.group,
                principal=one.principal,
                comment=one.comment,
                seen=review.seen,
                args=None if amount is None else {**review.args, "amount": amount},
            )
            said += 1
            tell(REVIEWING, said, max(said, len(opinions)))
        await _calm(il)


async def _calm(il: Interlock) -> None:
    """Return when nothing moves but what looks for a lost reply later on."""

    def busy(store: Store) -> bool:
        return store.backlog() > 0 or any(lease.command.what in ("ask", "perform") for lease in store.open_commands())

    quiet = 0
    while quiet < 2:
        await _moved(il)
        quiet = 0 if il.worker.moving() or await il.blocking(busy) else quiet + 1


async def _settled(il: Interlock) -> None:
    """Return when nothing is left to do but for people."""
    quiet = 0
    while quiet < 2:
        await _moved(il)
        quiet = 0 if il.worker.moving() or await il.blocking(lambda store: work_left(store, il.worker)) else quiet + 1


async def _moved(il: Interlock) -> None:
    """Return after the worker's next cycle. Raises what ended the worker, if something did."""
    await il.at_rest(CaseId("cheques", "c0001"))
    await il.moved()
