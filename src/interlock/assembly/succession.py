"""A release meets a database that knows others of the same automation.

What their cases hold must be readable, or this release would turn each of them into poison at its next message. The
manifests say what has changed; only where something has that cannot be read are the cases looked through, to see
whether one of them holds it. So a change that no case has ever seen needs no upcaster.

Messages that are accepted and wait in the inbox cannot be looked at. One that nothing reads is set aside when it is its
turn, and can be tried again once an upcaster is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from interlock.ports import Store
from interlock.releases import Release
from interlock.releases.manifest import Manifest
from interlock.releases.succession import Held, Obstacle, obstacles
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.errors import DefinitionErrors, Problem, Refused, StoreCorrupt
from interlock.vocabulary.events import Envelope, EventBody

PAGE = 500

_WORD: dict[Held, str] = {
    "state": "a state",
    "event": "an event",
    "timer": "a timer",
    "question": "a question",
    "action": "an action",
}


def register(store: Store, release: Release, *, now: int) -> None:
    """Keep the release's manifest in the database.

    Raises DefinitionErrors for one that could not read its cases, Refused for irreversible actions on a store that may
    forget that they were done.
    """
    final = sorted(name for name, spec in release.program.actions.items() if not spec.reversible)
    if final and store.caps.durability == "lazy":
        raise Refused(
            f"This store may forget what it was told, and {', '.join(final)} cannot be taken back.",
            code="lazy_store",
            hint="Name a file as the database. For tests there is interlock.testing.Bench.",
        )
    problems = unreadable(store, release)
    if problems:
        raise DefinitionErrors(problems)
    store.put_release(release.id, release.name, release.manifest.to_bytes(), now=now)


def unreadable(store: Store, release: Release) -> list[Problem]:
    """What cases in this database hold that the release could not read, each with one case as an example."""
    wanted: dict[tuple[Held, str], list[Obstacle]] = {}
    for id_, automation, _ in store.releases():
        body = store.release(id_) if automation == release.name and id_ != release.id else None
        if body is not None:
            for one in obstacles(release.loaded.definition, _manifest(id_, body)):
                wanted.setdefault((one.held, one.name), []).append(one)
    found: dict[str, Problem] = {}
    for record in _cases(store, release.name) if wanted else ():
        for held in _holds(record):
            for one in wanted.pop(held, ()):
                problem = one.problem
                what = f"{problem.message} Case {record.case} holds such {_WORD[one.held]}."
                found[what] = Problem(problem.file, problem.line, what, problem.suggestion)
        if not wanted:
            break
    return sorted(found.values(), key=lambda problem: (problem.file, problem.line, problem.message))


def _manifest(id_: str, body: bytes) -> Manifest:
    try:
        return Manifest.from_bytes(body)
    except ValueError as error:
        raise StoreCorrupt(
            f"Release {id_} in the database cannot be read: {error}.",
            hint="Start the newer version of interlock if one has written it, or restore the database from a backup.",
        ) from None


def _cases(store: Store, automation: str) -> Iterator[CaseRecord]:
    page = store.cases(automation=automation, status=None, after=None, limit=PAGE)
    while page:
        yield from page
        page = store.cases(automation=automation, status=None, after=page[-1].case, limit=PAGE)
    place = 0
    while put_away := store.archived(automation, after=place, limit=PAGE):
        yield from (record for _, record in put_away)
        place = put_away[-1][0]


def _holds(record: CaseRecord) -> Iterator[tuple[Held, str]]:
    """What of a case a later release must read."""
    if record.status:
        yield "state", record.schema
    questions = record.questions.values()
    for message in _events((*record.parked, *(question.cause for question in questions))):
        yield "event", message
    for name in record.timers:
        yield "timer", name
    for question in questions:
        yield "question", question.type
    for effect in record.effects.values():
        yield "action", effect.action
    for review in record.reviews.values():
        yield ("question", review.question) if review.question else ("action", review.action)


def _events(messages: Iterable[Envelope]) -> Iterator[str]:
    for message in messages:
        if isinstance(message.body, EventBody):
            yield message.body.type
