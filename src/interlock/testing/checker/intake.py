"""Guarantee 4: what was acknowledged is never lost and takes effect once.

A message is somewhere: applied, waiting in the inbox, parked in its case until that opens, set aside in quarantine, or
discarded by an operator. Applied means a turn that consumed it and did not merely park it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from interlock.testing.checker.history import History, MessageName, Violation
from interlock.testing.checker.reading import Line, Plain, Story

OWN = "interlock."
"""Sources of the control layer's own messages: they are not submitted from outside."""


def judge(history: History, story: Story) -> list[Violation]:
    return [*_receipts(history), *_once(history, story), *_whole(history, story), *_forgotten(history, story)]


def _receipts(history: History) -> list[Violation]:
    """The same id is accepted once; with another content it clashes."""
    found: list[Violation] = []
    accepted: dict[MessageName, Any] = {}
    for submission in history.submitted:
        if submission.name[2].startswith(OWN):
            continue
        said = (submission.body, submission.occurred_at)
        if submission.receipt == "accepted" and not history.forgotten(submission.at):
            if submission.name in accepted:
                found.append(Violation(4, "one message was accepted twice", (_words(submission.name),)))
            accepted[submission.name] = said
        elif submission.receipt == "duplicate" and accepted.get(submission.name, said) != said:
            found.append(Violation(4, "another content passed as a duplicate", (_words(submission.name),)))
    return found


def _once(history: History, story: Story) -> list[Violation]:
    found: list[Violation] = []
    applied = Counter(line.message for line in story.lines if _applies(line))
    for name, times in applied.items():
        if times > 1 and not name[2].startswith(OWN):
            found.append(Violation(4, f"one message was applied {times} times", (_words(name),)))
    places = _places(history, story)
    for submission in history.submitted:
        if submission.receipt not in ("accepted", "duplicate") or history.forgotten(submission.at):
            continue
        name = submission.name
        where = [place for place, names in places.items() if name in names]
        if not where:
            found.append(Violation(4, "an acknowledged message is nowhere", (_words(name),)))
        elif len(where) > 1 and not name[2].startswith(OWN):
            found.append(Violation(4, f"a message is in several places: {', '.join(where)}", (_words(name),)))
    return found


def _places(history: History, story: Story) -> dict[str, set[MessageName]]:
    parked: set[MessageName] = set()
    for record in story.records.values():
        parked.update(_name(message) for message in record.get("parked", ()))
    discarded: set[MessageName] = set()
    for line in story.lines:
        if line.kind == "released":
            discarded.add(line.message)
    retried = {line.message for line in story.lines if _applies(line)}
    return {
        "applied": retried,
        "waiting": set(history.waiting),
        "parked": parked,
        "quarantined": set(history.quarantined),
        # Released and not applied later: an operator threw it away. Released to be tried again, it is somewhere else.
        "discarded": discarded - retried - set(history.waiting) - set(history.quarantined) - parked,
    }


def _whole(history: History, story: Story) -> list[Violation]:
    """What was consumed is what somebody sent, content included; nothing is made up."""
    sent: dict[MessageName, list[tuple[Any, int]]] = {}
    for submission in history.submitted:
        if submission.receipt != "clash":
            sent.setdefault(submission.name, []).append((submission.body, submission.occurred_at))
    found: list[Violation] = []
    for line in story.lines:
        name = line.message
        if name[2].startswith(OWN):
            continue
        cause = line.cause
        if name not in sent:
            found.append(Violation(4, "a message was consumed that nobody sent", (_words(name), line.place)))
        elif (cause["body"], cause["occurred_at"]) not in sent[name]:
            found.append(Violation(4, "a message was consumed with another content", (_words(name), line.place)))
        if name[:2] != line.case:
            found.append(Violation(4, "a message was consumed by another case", (_words(name), line.place)))
    return found


def _forgotten(history: History, story: Story) -> list[Violation]:
    """When nothing is left to do, nobody may still wait for an answer or an effect."""
    if not history.settled:
        return []
    found: list[Violation] = []
    blocked = {case for case, record in story.records.items() if record.get("blocked")}
    waiting = [name for name in history.waiting if name[:2] not in blocked]
    found.extend(Violation(4, "a message waits though nothing holds it back", (_words(name),)) for name in waiting)
    for case, record in story.records.items():
        if case in blocked:
            continue
        asked = record.get("questions", {})
        found.extend(Violation(4, "a question was forgotten", ("/".join(case), question)) for question in asked)
        for effect in record.get("effects", {}).values():
            if effect["status"] not in ("in_doubt", "awaiting_budget"):
                what = f"an effect was forgotten while {effect['status']}"
                found.append(Violation(4, what, (f"{'/'.join(case)}/{effect['id']}", effect["action"])))
    return found


def _applies(line: Line) -> bool:
    if line.kind != "turn" or not line.cause:
        return False
    return _name(line.cause) not in {_name(message) for message in line.after.get("parked", ())}


def _name(message: Plain) -> MessageName:
    return (message["automation"], message["key"], message["source"], message["id"])


def _words(name: MessageName) -> str:
    automation, key, source, id_ = name
    return f"{automation}/{key} {id_} from {source}"
