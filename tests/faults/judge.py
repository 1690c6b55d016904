"""The judgement of a real run: what is stored and what the provider's books say, given to the simulation's checker.

The checker reads JSON and bytes and knows nothing of the kernel. Here its inputs are put together from the run's files
and the store, what became of every doubt is counted, and one thing is added that only this workload can say: a payment
names its order, so the books alone show a second one, whatever the ledger says.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.ports import Store
from interlock.releases import Release
from interlock.testing.checker import Booking, Call, History, Lost, Submission, Violation, check
from interlock.testing.checker.effects import starts_of
from interlock.testing.checker.reading import Line, Story, read
from interlock.testing.records import records_of, waiting_in
from interlock.testing.simulator.simulation import rules_of
from interlock.vocabulary.ids import BUDGETS, RECOVERY
from tests.faults.boundaries import lines

AUTOMATION = "desk"


@dataclass(frozen=True)
class Seen:
    """Where a run's own notes are. `lost`: since when and until when a restored backup knows of nothing."""

    folder: Path
    release: Release
    settled: bool
    lost: tuple[int, int] | None = None


def judged(store: Store, seen: Seen) -> dict[str, Any]:
    """What was broken, in words, and the figures of the run. Nobody may be at work on the store."""
    history = history_of(store, seen)
    story = read(history)
    broken = [*check(history), *_paid_twice(history)]
    return {
        "broken": [str(violation) for violation in broken],
        "counts": dict(_figures(history, story, broken)),
        "doubts": dict(_doubts(story)),
    }


def history_of(store: Store, seen: Seen) -> History:
    stored = records_of(store, (AUTOMATION, BUDGETS, RECOVERY))
    lost = Lost(*seen.lost) if seen.lost and seen.lost[1] > seen.lost[0] else None
    return History(
        rules=rules_of(seen.release),
        submitted=_submitted(seen.folder),
        calls=tuple(
            Call(
                line["at"], line["what"], line["action"], line["key"], line["args"],
                {int(slot): lsn for slot, lsn in line["durable"].items()},
            )
            for line in _plain(seen.folder / "calls.jsonl")
        ),
        bookings=tuple(
            Booking(line["at"], line["action"], line["key"], line["args"])
            for line in _plain(seen.folder / "books.jsonl")
        ),
        ledger=stored.ledger,
        heads=stored.heads,
        cases=stored.cases,
        waiting=waiting_in(store),
        quarantined=stored.quarantined,
        settled=seen.settled,
        lost=lost,
    )  # fmt: skip


def _plain(path: Path) -> list[dict[str, Any]]:
    return lines(path)  # type: ignore[return-value]


def _submitted(folder: Path) -> tuple[Submission, ...]:
    """Each attempt, with the answer that came to it, if one came."""
    noted = _plain(folder / "submissions.jsonl")
    answers = {line["attempt"]: line for line in noted if "receipt" in line}
    found: list[Submission] = []
    for line in noted:
        if "receipt" in line:
            continue
        answer = answers.get(line["attempt"], {"receipt": "", "at": line["at"]})
        automation, key, source, id = line["name"]
        name = (automation, key, source, id)
        found.append(Submission(name, line["body"], line["occurred_at"], answer["receipt"], answer["at"]))
    return tuple(found)


def _paid_twice(history: History) -> list[Violation]:
    paid = Counter(str(booking.args["order"]) for booking in history.bookings if booking.action == "pay")
    return [
        Violation(5, f"the books hold {times} payments of one order", (order,))
        for order, times in sorted(paid.items())
        if times > 1
    ]


# --- figures ----------------------------------------------------------------------------------------------------------


def _figures(history: History, story: Story, broken: list[Violation]) -> Counter[str]:
    figures: Counter[str] = Counter()
    figures["messages"] = len({one.name for one in history.submitted if one.receipt in ("accepted", "duplicate")})
    figures["sent"] = len(history.submitted)
    figures["entries"] = len(story.lines)
    figures["starts"] = len(starts_of(story))
    figures["effects"] = len({start.owner for start in starts_of(story)})
    figures["calls"] = len(history.calls)
    figures["bookings"] = len(history.bookings)
    figures["losses"] = sum("nowhere" in one.what or "forgotten" in one.what for one in broken)
    figures["duplicates"] = sum("took place" in one.what or "payments of one" in one.what for one in broken)
    return figures


def _doubts(story: Story) -> Counter[str]:
    """Every stay in doubt, by how it ended."""
    ends: Counter[str] = Counter()
    for line in story.lines:
        now = line.after.get("effects", {})
        for name, effect in line.before.get("effects", {}).items():
            if effect["status"] == "in_doubt" and now.get(name, {}).get("status") != "in_doubt":
                ends[_end(line, name, now.get(name))] += 1
    for record in story.records.values():
        left = [one for one in record.get("effects", {}).values() if one["status"] == "in_doubt"]
        ends["still open"] += len(left)
    return +ends


def _end(line: Line, name: str, effect: dict[str, Any] | None) -> str:
    body = line.cause.get("body", {})
    how = "tried again" if effect is not None else line.after.get("closed", {}).get(name, "gone")
    how = how.replace("_", " ")
    match body.get("kind"), body.get("phase"):
        case "resolve", _:
            return f"a person found that it {'happened' if how == 'happened' else 'had not happened'}"
        case "result", "check":
            return f"a check, then: {how}"
        case "result", "fence":
            return f"a check found nothing and a fence shut it out, then: {how}"
        case "result", _:
            return f"a late or repeated reply: {how}"
        case kind, _:
            return f"{kind}: {how}"
