"""What an operator should know of a database and the program beside it, and what to do about each thing.

Every check looks at one thing and says `ok`, `note` (good to know), `warning` (somebody should look) or `bad` (work
stands still, or soon will). A check that cannot be made says so; it never says `ok`.

INVARIANT: nothing here writes.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Any, Literal

from interlock.ledger.balances import balances
from interlock.ports import Condition, Store
from interlock.releases import Manifest
from interlock.runtime import control
from interlock.settings import Settings
from interlock.vocabulary.errors import InterlockError
from interlock.vocabulary.facts import SEMANTICS, Facts
from interlock.vocabulary.ids import OWN, CaseId

Level = Literal["ok", "note", "warning", "bad"]

SECOND, MINUTE, DAY = 1_000_000, 60_000_000, 86_400_000_000

SLOW_AFTER = MINUTE
"""A message that waits longer while a worker lives is a sign that work does not keep up."""

EXPIRES_SOON = 14 * DAY
FACTS_FRESH = 5 * MINUTE
"""How old a recorded state of a breaker may be to say something about now."""

COMMANDS_LOOKED_AT = 2_000
LISTED = 5
LOG_BYTES_LARGE = 256_000_000
"""The log is written back at some 16 MB; one that is much larger is held open by a reader that never ends."""

EXTRAS: dict[str, tuple[str, ...]] = {
    "demo": ("numpy", "sklearn"),
    "export": ("pyarrow",),
    "postgres": ("psycopg",),
    "prove": ("z3",),
    "pydantic-ai": ("pydantic_ai",),
}
"""Extra -> what it brings, by import name."""


@dataclass(frozen=True)
class Check:
    """What one look found. `do`: what to do about it; empty where nothing is to be done."""

    about: str
    level: Level
    text: str
    do: str = ""

    def to_data(self) -> dict[str, str]:
        return {"about": self.about, "level": self.level, "text": self.text, "do": self.do}


@dataclass(frozen=True)
class _Look:
    store: Store
    condition: Condition
    settings: Settings
    now: int


def examine(store: Store, settings: Settings, *, now: int) -> list[Check]:
    """Every check on a database, in a fixed order. `now`: the machine's clock, microseconds."""
    look = _Look(store, store.condition(), settings, now)
    found: list[Check] = []
    for about, check in CHECKS:
        try:
            found += check(look)
        except InterlockError as error:
            found.append(Check(about, "bad", f"It cannot be looked at: {error.message}", error.hint))
    return found


def installed() -> list[Check]:
    """The program and what it stands on."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("pydantic", "msgspec", "cryptography"))
    here = f"interlock {metadata.version('interlock')} (semantics {SEMANTICS}), Python {sys.version.split()[0]}"
    found = [Check("program", "ok", f"{here}, {platform.platform()}; {versions}")]
    for extra, modules in EXTRAS.items():
        missing = [name for name in modules if find_spec(name) is None]
        told = f"extra `{extra}` is not installed" if missing else f"extra `{extra}` is installed"
        found.append(Check("program", "ok", told))
    return found


def _lives(look: _Look) -> Iterator[Check]:
    life = look.store.lives()[-1]
    estranged = look.store.estranged()
    if estranged:
        yield Check(
            "recovery", "bad", f"It may not be the newest state of this database: {estranged}.", "interlock recover"
        )
    elif Facts(now=0, paused=look.store.control().paused).recovering:
        yield Check(
            "recovery", "bad", "In recovery: no effect starts.", "interlock recover, then interlock recover --end"
        )
    else:
        yield Check("recovery", "ok", f"life {life.number} ({life.why}), incarnation {life.incarnation}")


def _disk(look: _Look) -> Iterator[Check]:
    condition, least = look.condition, look.settings.disk_free_min_mb * 1_000_000
    free = condition.free_bytes
    if free is None:
        yield Check("disk", "note", "Nobody can say how much room is left.")
    elif free < least:
        yield Check(
            "disk", "bad", f"{_mb(free)} are left; below {_mb(least)} no events or calls are taken.", "Free some."
        )
    elif free < 4 * least + condition.bytes // 10:
        yield Check(
            "disk", "warning", f"{_mb(free)} are left, beside a database of {_mb(condition.bytes)}.", "Free some."
        )
    else:
        yield Check("disk", "ok", f"{_mb(free)} are left; the database has {_mb(condition.bytes)}")
    if condition.log_bytes > LOG_BYTES_LARGE:
        yield Check(
            "disk",
            "warning",
            f"The log of changes has grown to {_mb(condition.log_bytes)}: some reader does not end.",
            "Look for a process that reads the database for hours, and end it.",
        )


def _workers(look: _Look) -> Iterator[Check]:
    alive = [one for one in look.condition.at_work if one.alive]
    dead = [one for one in look.condition.at_work if not one.alive]
    waiting = sum(one.count for one in look.condition.waiting)
    if alive:
        yield Check("workers", "ok", f"{len(alive)} at work: {_some([one.name for one in alive])}")
        late = 3 * look.settings.lease_ttl_ms * 1_000
        for one in alive:
            if look.now - one.beat > late:
                silent = (look.now - one.beat) // SECOND
                yield Check("workers", "bad", f"{one.name} lives and has been silent for {silent} s.", "Restart it.")
    elif waiting or look.condition.undone:
        yield Check("workers", "bad", "Work waits and no worker is running.", "interlock run")
    else:
        yield Check("workers", "note", "No worker is running; nothing waits.")
    for one in dead:
        yield Check("workers", "note", f"{one.name} died; the next worker takes up what it held.")
    if look.condition.solo:
        yield Check(
            "workers",
            "note",
            f"{look.condition.solo} slots are looked after one message at a time since a worker died.",
        )


def _waiting(look: _Look) -> Iterator[Check]:
    known = {automation for _, automation, _ in look.store.releases()} | OWN
    working = any(one.alive for one in look.condition.at_work)
    if not look.condition.waiting:
        yield Check("messages", "ok", "none waits")
    for one in look.condition.waiting:
        age = max(0, look.now - one.since) // SECOND
        behind = f", {one.blocked} of them behind one in quarantine" if one.blocked else ""
        text = f"{one.count} of {one.automation} wait{behind}; the oldest for {age} s"
        most = min(look.settings.inbox_max, look.settings.inbox_automation_max)
        if one.automation not in known:
            yield Check(
                "messages", "warning", f"{text}; no release of it has ever worked here.", "interlock run FOLDER"
            )
        elif one.count >= most // 2:
            yield Check("messages", "bad", f"{text}; at {most} the door refuses.", "Run more workers.")
        elif working and age * SECOND > SLOW_AFTER and one.count > one.blocked:
            yield Check("messages", "warning", text, "Look for what is slow: interlock tail --follow")
        else:
            yield Check("messages", "ok" if not one.blocked else "note", text)


def _commands(look: _Look) -> Iterator[Check]:
    overdue = [one for one in look.condition.undone if one.state in (0, 3) and (one.due or 0) < look.now - SLOW_AFTER]
    for one in overdue:
        since = "since a worker died" if not one.due else f"for {(look.now - one.due) // SECOND} s"
        yield Check(
            "calls",
            "warning",
            f"{one.count} for {one.dependency} are due {since}.",
            "Look at its breaker, its concurrency in release.toml, and whether a worker hosts the automation.",
        )
    held = sum(one.count for one in look.condition.undone if one.state == 2)
    if held:
        yield Check("calls", "note", f"{held} are held by a pause.", "interlock pause --list")
    orphans: list[str] = []
    leases = look.store.open_commands()
    for lease in leases[:COMMANDS_LOOKED_AT]:
        record = look.store.case(CaseId(lease.command.automation, lease.command.key))
        local = lease.command.id.rpartition("/")[2]
        asked = {one.command for q in record.questions.values() for one in q.asked.values()} if record else set[str]()
        if record is None or not (local in record.effects or local in asked):
            orphans.append(lease.command.id)
    if orphans:
        yield Check("calls", "bad", f"Nothing waits for {_some(orphans)}.", "Please report this: it is a bug.")
    if not (overdue or held or orphans):
        yield Check("calls", "ok", f"{len(leases)} under way or waiting for their time")


def _doubts(look: _Look) -> Iterator[Check]:
    tasks = look.store.open_tasks(automation=None, group=None, limit=1_000)
    if tasks:
        names = _some([f"{case}/{task.about}" for case, task in tasks])
        yield Check("doubts", "warning", f"{len(tasks)} wait for a person: {names}", "interlock resolve")
    else:
        yield Check("doubts", "ok", "none waits for a person")


def _quarantine(look: _Look) -> Iterator[Check]:
    found = look.store.quarantine()
    if found:
        blocked = len({one.case for one in found if one.blocks})
        text = f"{len(found)} messages are set aside, {blocked} cases wait: {_some([one.id for one in found])}"
        yield Check("quarantine", "warning", text, "interlock quarantine list")
    else:
        yield Check("quarantine", "ok", "empty")


def _control(look: _Look) -> Iterator[Check]:
    paused = control.in_force(look.store.control())
    if paused:
        yield Check("control", "warning", f"Paused: {', '.join(paused)}.", "interlock resume")
    ahead = look.condition.newest - look.now
    if ahead > SECOND:
        yield Check(
            "control",
            "bad",
            f"Slots have seen a clock {ahead // SECOND} s ahead of this machine's; their timers stand still till then.",
            "Compare the machine's clock with a good one. If it jumped ahead and is right: interlock clock accept",
        )
    if not paused and ahead <= SECOND:
        yield Check("control", "ok", "nothing is paused; clocks agree")


def _breakers(look: _Look) -> Iterator[Check]:
    unwell: dict[str, str] = {}
    newest = 0
    for slot, (lsn, _) in look.store.heads().items():
        entry = look.store.entry(slot, lsn) if lsn else None
        if entry is None or entry.at < look.now - FACTS_FRESH:
            continue
        cited = entry if entry.facts is not None else look.store.entry(slot, entry.facts_at)
        if cited is not None and cited.facts is not None and cited.at >= newest:
            newest = cited.at
            unwell = dict(cited.facts.breaker)
    for dependency, state in sorted(unwell.items()):
        yield Check(
            "dependencies",
            "bad",
            f"The breaker of {dependency} is {state.replace('_', ' ')}: calls to it keep failing.",
            "Look at what it says: interlock tail",
        )
    if not unwell:
        text = "no breaker is open" if newest else "nothing was done in the last minutes, so nobody knows of breakers"
        yield Check("dependencies", "ok" if newest else "note", text)


def _certificates(look: _Look) -> Iterator[Check]:
    # The newest of each automation stays.
    live = {automation: id_ for id_, automation, _ in sorted(look.store.releases(), key=lambda one: one[2])}
    fine = 0
    for automation, id_ in sorted(live.items()):
        body = look.store.release(id_)
        if body is None:
            continue
        try:
            manifest = Manifest.from_bytes(body)
        except ValueError as error:
            yield Check("certificates", "bad", f"Release {id_} cannot be read: {error}.", "Restore a backup.")
            continue
        for certificates in manifest.certificates().values():
            for one in certificates:
                left = one.until - look.now
                name = f"{one.id} of {automation}/{one.action} (by {one.by})"
                if left <= 0:
                    yield Check("certificates", "warning", f"{name} has expired: people decide.", "Renew it.")
                elif left < EXPIRES_SOON:
                    yield Check("certificates", "warning", f"{name} expires in {left // DAY} days.", "Renew it.")
                else:
                    fine += 1
    yield Check("certificates", "ok", f"{fine} in force for more than {EXPIRES_SOON // DAY} days")


def _budgets(look: _Look) -> Iterator[Check]:
    exhausted = [
        f"{one.automation}/{one.budget}"
        for one in balances(look.store, now=look.now)
        if one.free is not None and one.free <= 0
    ]
    if exhausted:
        yield Check("budgets", "warning", f"Nothing is free of {_some(exhausted)}.", "interlock budgets")
    else:
        yield Check("budgets", "ok", "none is exhausted")


CHECKS: tuple[tuple[str, Callable[[_Look], Iterator[Check]]], ...] = (
    ("recovery", _lives),
    ("disk", _disk),
    ("workers", _workers),
    ("messages", _waiting),
    ("calls", _commands),
    ("doubts", _doubts),
    ("quarantine", _quarantine),
    ("control", _control),
    ("dependencies", _breakers),
    ("certificates", _certificates),
    ("budgets", _budgets),
)


def _some(names: list[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _mb(size: int) -> str:
    return f"{size / 1_000_000:.0f} MB"


def configured(settings: Settings, defaults: Settings) -> list[Check]:
    """Settings that differ from what they are without being set. Never shows a key, only its name."""
    from dataclasses import fields

    changed: list[str] = []
    for one in fields(settings):
        value: Any = getattr(settings, one.name)
        if value != getattr(defaults, one.name):
            changed.append(f"{one.name}={value}")
    return [Check("settings", "ok", ", ".join(changed) or "all as they are by default")]
