"""The judge judged: true histories, tampered with in one place each, and every one of them is found out.

Where a ledger is changed its chain is made good again, so that it is the guarantee itself that is broken and not only a
hash.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interlock.testing import checker
from interlock.testing.checker import Booking, Call, History, Lost, Submission, check
from interlock.testing.checker.effects import Start, starts_of
from interlock.testing.checker.reading import read
from interlock.testing.simulator import Faults, simulate
from interlock.vocabulary import canonical

pytestmark = pytest.mark.simulation

LIVELY = Faults(outside_loses_reply=0.3, outside_late=0.2, advisors_disagree=0.2, duplicates=0.2, crashes_per_hour=8)


@pytest.fixture(scope="module")
def histories() -> list[History]:
    found = [simulate(seed, faults=LIVELY).history for seed in (1, 2, 3, 4, 5, 6)]
    assert all(check(history) == [] for history in found)
    return found


class Tampered:
    """A history whose entries are plain and may be changed. `again` makes the chain good and fits the stored cases."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.slots: dict[int, list[dict[str, Any]]] = {
            slot: [json.loads(body) for body, _ in rows] for slot, rows in history.ledger.items()
        }

    def entries(self) -> Iterator[dict[str, Any]]:
        for rows in self.slots.values():
            yield from rows

    def decisions(self) -> Iterator[dict[str, Any]]:
        for entry in self.entries():
            yield from entry.get("decisions", ())

    def starts(self) -> list[tuple[dict[str, Any], Start]]:
        """Every start with the entry it stands in."""
        found = starts_of(read(self.history))
        return [(self.slots[start.line.slot][start.line.lsn - 1], start) for start in found]

    def write(self, entry: dict[str, Any], start: Start, **fields: Any) -> None:
        """Write the effect of a start into an entry, with other fields."""
        entry["delta"].setdefault("~", {})["effects"] = {"+": {start.effect["id"]: {**start.effect, **fields}}}

    def again(self) -> History:
        ledger: dict[int, tuple[tuple[bytes, bytes], ...]] = {}
        heads: dict[int, tuple[int, bytes]] = {}
        for slot, entries in self.slots.items():
            head, rows = bytes(32), list[tuple[bytes, bytes]]()
            for entry in entries:
                body = canonical.encode(entry)
                head = hashlib.sha256(head + body).digest()
                rows.append((body, head))
            ledger[slot], heads[slot] = tuple(rows), (len(rows), head)
        return replace(self.history, ledger=ledger, heads=heads)


Tampering = Callable[[History], History | None]
"""None: this history has no place for it."""


def an_entry_is_dropped(history: History) -> History | None:
    slot, rows = next((slot, rows) for slot, rows in history.ledger.items() if len(rows) > 3)
    return replace(history, ledger={**history.ledger, slot: rows[:1] + rows[2:]})


def a_byte_is_changed(history: History) -> History | None:
    slot, rows = next((slot, rows) for slot, rows in history.ledger.items() if rows)
    body, hash_ = rows[0]
    changed = body.replace(b'"order":"o', b'"order":"p', 1)
    return replace(history, ledger={**history.ledger, slot: ((changed, hash_), *rows[1:])}) if changed != body else None


def the_tail_is_cut_off(history: History) -> History | None:
    slot, rows = next((slot, rows) for slot, rows in history.ledger.items() if len(rows) > 3)
    return replace(history, ledger={**history.ledger, slot: rows[:-1]})


def a_booking_is_doubled(history: History) -> History | None:
    return replace(history, bookings=(*history.bookings, history.bookings[0]))


def a_booking_is_missing(history: History) -> History | None:
    return replace(history, bookings=history.bookings[1:])


def something_was_done_that_nobody_decided(history: History) -> History | None:
    return replace(history, bookings=(*history.bookings, Booking(0, "pay", "f" * 32, {"amount": "1.00"})))


def something_was_done_with_other_arguments(history: History) -> History | None:
    one = next((b for b in history.bookings if b.action == "pay"), None)
    if one is None:
        return None
    rest = tuple(b for b in history.bookings if b is not one)
    return replace(history, bookings=(*rest, replace(one, args={"amount": "0.01"})))


def a_call_came_before_its_start_was_durable(history: History) -> History | None:
    return replace(history, calls=(replace(history.calls[0], durable={}), *history.calls[1:]))


def a_call_was_made_twice_for_one_start(history: History) -> History | None:
    return replace(history, calls=(*history.calls, next(c for c in history.calls if c.what == "perform")))


def a_key_was_used_for_something_else(history: History) -> History | None:
    one = history.calls[0]
    return replace(history, calls=(*history.calls, Call(one.at, "perform", one.action, one.effect_key, {"x": 1}, {})))


def an_acknowledged_message_is_lost(history: History) -> History | None:
    lost = Submission(("desk", "o1", "shop", "e99"), {"kind": "event"}, 0, "accepted", 0)
    return replace(history, submitted=(*history.submitted, lost))


def a_message_is_accepted_twice(history: History) -> History | None:
    one = next(s for s in history.submitted if s.receipt == "accepted")
    return replace(history, submitted=(*history.submitted, one))


def another_content_passes_as_a_duplicate(history: History) -> History | None:
    one = next(s for s in history.submitted if s.receipt == "accepted")
    return replace(history, submitted=(*history.submitted, replace(one, body={"other": 1}, receipt="duplicate")))


def a_message_is_consumed_that_nobody_sent(history: History) -> History | None:
    kept = tuple(s for s in history.submitted if s.name != history.submitted[0].name)
    return replace(history, submitted=kept)


def a_message_is_consumed_with_another_content(history: History) -> History | None:
    name = history.submitted[0].name
    changed = tuple(replace(s, body={"kind": "event"}) if s.name == name else s for s in history.submitted)
    return replace(history, submitted=changed)


def a_message_is_applied_twice(history: History) -> History | None:
    t = Tampered(history)
    for rows in t.slots.values():
        for index, entry in enumerate(rows):
            after = next((e for e in rows[index + 1 :] if e["key"] == entry["key"]), None)
            if entry["cause"]["body"]["kind"] == "event" and after and after["cause"]["body"]["kind"] == "event":
                after["cause"] = copy.deepcopy(entry["cause"])
                return t.again()
    return None


def a_case_skips_a_version(history: History) -> History | None:
    t = Tampered(history)
    next(t.entries())["version"] = 7
    return t.again()


def time_runs_backwards(history: History) -> History | None:
    t = Tampered(history)
    rows = next(rows for rows in t.slots.values() if len(rows) > 3)
    rows[-1]["at"] = rows[0]["at"] - 1
    return t.again()


def facts_are_missing(history: History) -> History | None:
    t = Tampered(history)
    next(t.entries()).pop("facts")
    return t.again()


def a_record_differs_from_its_entries(history: History) -> History | None:
    name, body = next(iter(history.cases.items()))
    return replace(
        history, cases={**history.cases, name: canonical.encode({**json.loads(body), "status": "elsewhere"})}
    )


def a_case_has_no_record(history: History) -> History | None:
    return replace(history, cases=dict(list(history.cases.items())[1:]))


def a_start_falls_into_a_pause(history: History) -> History | None:
    t = Tampered(history)
    for entry in t.entries():
        if entry.get("facts"):
            entry["facts"]["paused"] = ["all"]
    return t.again()


def a_start_has_no_decision(history: History) -> History | None:
    t = Tampered(history)
    for entry, start in t.starts():
        t.write(entry, start, decision="desk/o1/999.0")
    return t.again()


def a_denied_decision_is_carried_out(history: History) -> History | None:
    t = Tampered(history)
    for decision in t.decisions():
        decision["verdict"] = "deny"
    return t.again()


def the_policy_denied_and_the_decision_allows(history: History) -> History | None:
    t = Tampered(history)
    for decision in t.decisions():
        if decision.get("policy"):
            decision["policy"]["outcome"] = "deny"
    return t.again()


def a_certificate_had_expired(history: History) -> History | None:
    t = Tampered(history)
    found = False
    for decision in t.decisions():
        terms = (decision.get("autonomy") or {}).get("terms")
        if terms:
            terms["until"] = 1
            found = True
    return t.again() if found else None


def a_score_was_too_low(history: History) -> History | None:
    t = Tampered(history)
    found = False
    for decision in t.decisions():
        if (decision.get("autonomy") or {}).get("terms", {}).get("rung") and decision.get("effect"):
            decision["proposal"]["score"] = 1
            found = True
    return t.again() if found else None


def a_once_effect_is_started_again(history: History) -> History | None:
    return _started_again(history, "letter")


def a_checkable_effect_is_started_again_unchecked(history: History) -> History | None:
    return _started_again(history, "pay")


def _started_again(history: History, action: str) -> History | None:
    """What comes after the start becomes a second one."""
    t = Tampered(history)
    for entry, start in t.starts():
        rows = t.slots[start.line.slot]
        after = next((e for e in rows[start.line.lsn :] if e["key"] == entry["key"]), None)
        if after is not None and "effects" in after["delta"].get("~", {}):
            continue
        if start.effect["action"] == action and after is not None:
            t.write(after, start, attempt=start.effect["attempt"] + 1)
            return t.again()
    return None


def a_budget_grants_too_much(history: History) -> History | None:
    t = Tampered(history)
    for entry in t.entries():
        if entry["automation"] == "interlock.budgets" and entry["cause"]["body"]["kind"] == "reserve":
            held = entry["delta"].get("~", {}).get("state", {}).get("~", {}).get("held", {}).get("+", {})
            for name in held:
                held[name][0] += 10**9
                return t.again()
    return None


def an_effect_runs_without_its_budget(history: History) -> History | None:
    t = Tampered(history)
    for entry, start in t.starts():
        if start.effect.get("reservations"):
            t.write(entry, start, reservations=[])
            return t.again()
    return None


def capacity_is_forgotten(history: History) -> History | None:
    t = Tampered(history)
    for entry in t.entries():
        if entry["automation"] == "interlock.budgets" and entry["cause"]["body"]["kind"] == "settle":
            entry["delta"] = {"+": {"version": entry["version"]}}
            return t.again()
    return None


def _approved(t: Tampered) -> list[tuple[dict[str, Any], Start]]:
    return [(entry, start) for entry, start in t.starts() if start.effect.get("approvals")]


def _reviews(t: Tampered, **fields: Any) -> None:
    """Change every review where it is opened."""
    for entry in t.entries():
        for review in entry["delta"].get("~", {}).get("reviews", {}).get("+", {}).values():
            review.update(fields)


def a_requester_approves(history: History) -> History | None:
    t = Tampered(history)
    people = {one["principal"] for _, start in _approved(t) for one in start.effect["approvals"]}
    _reviews(t, requesters=sorted(people))
    return t.again() if people else None


def somebody_approved_who_never_did(history: History) -> History | None:
    t = Tampered(history)
    for entry, start in _approved(t):
        t.write(entry, start, approvals=[{**start.effect["approvals"][0], "principal": "mallory"}])
        return t.again()
    return None


def an_approval_is_used_for_more_than_was_shown(history: History) -> History | None:
    t = Tampered(history)
    _reviews(t, args={"amount": "0.01"})
    return t.again() if _approved(t) else None


def one_approval_stands_for_three(history: History) -> History | None:
    t = Tampered(history)
    groups = {one["group"] for _, start in _approved(t) for one in start.effect["approvals"]}
    _reviews(t, groups=[{"name": name, "approvals": 3} for name in sorted(groups)])
    return t.again() if groups else None


def a_group_approves_that_was_not_asked(history: History) -> History | None:
    t = Tampered(history)
    _reviews(t, handled={one["group"]: ["kitchen"] for _, start in _approved(t) for one in start.effect["approvals"]})
    return t.again() if _approved(t) else None


def a_question_is_forgotten(history: History) -> History | None:
    t = Tampered(history)
    rows = next(rows for rows in t.slots.values() if rows and rows[-1]["automation"] == "desk")
    rows[-1]["delta"].setdefault("~", {})["questions"] = {"+": {"Assess": {"type": "Assess"}}}
    return t.again()


def a_message_waits_for_nothing(history: History) -> History | None:
    return replace(history, waiting=(("desk", "o1", "shop", "e1"),))


@pytest.mark.parametrize(
    ("tampering", "guarantee"),
    [
        (an_entry_is_dropped, 8),
        (a_byte_is_changed, 8),
        (the_tail_is_cut_off, 8),
        (a_booking_is_doubled, 5),
        (a_booking_is_missing, 5),
        (something_was_done_that_nobody_decided, 1),
        (something_was_done_with_other_arguments, 1),
        (a_call_came_before_its_start_was_durable, 1),
        (a_call_was_made_twice_for_one_start, 1),
        (a_key_was_used_for_something_else, 5),
        (an_acknowledged_message_is_lost, 4),
        (a_message_is_accepted_twice, 4),
        (another_content_passes_as_a_duplicate, 4),
        (a_message_is_consumed_that_nobody_sent, 4),
        (a_message_is_consumed_with_another_content, 4),
        (a_message_is_applied_twice, 4),
        (a_case_skips_a_version, 11),
        (time_runs_backwards, 11),
        (facts_are_missing, 3),
        (a_record_differs_from_its_entries, 14),
        (a_case_has_no_record, 14),
        (a_start_falls_into_a_pause, 1),
        (a_start_has_no_decision, 1),
        (a_denied_decision_is_carried_out, 1),
        (the_policy_denied_and_the_decision_allows, 2),
        (a_certificate_had_expired, 9),
        (a_score_was_too_low, 9),
        (a_once_effect_is_started_again, 5),
        (a_checkable_effect_is_started_again_unchecked, 5),
        (a_budget_grants_too_much, 6),
        (an_effect_runs_without_its_budget, 6),
        (capacity_is_forgotten, 6),
        (a_requester_approves, 7),
        (somebody_approved_who_never_did, 7),
        (an_approval_is_used_for_more_than_was_shown, 7),
        (one_approval_stands_for_three, 7),
        (a_group_approves_that_was_not_asked, 7),
        (a_question_is_forgotten, 4),
        (a_message_waits_for_nothing, 4),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
def test_tampering_is_found_out(tampering: Tampering, guarantee: int, histories: list[History]) -> None:
    tampered = [made for history in histories if (made := tampering(history)) is not None]
    assert tampered, "no history has a place for this"
    assert guarantee in {violation.guarantee for violation in check(tampered[0])}


def test_an_untouched_history_made_again_is_as_good_as_before(histories: list[History]) -> None:
    assert Tampered(histories[0]).again().heads == {
        slot: head for slot, head in histories[0].heads.items() if slot in histories[0].ledger
    }


UNRECORDED = Booking(5, "pay", "f" * 32, {"amount": "1.00"})
UNKNOWN = Submission(("desk", "o1", "shop", "e99"), {"kind": "event"}, 0, "accepted", 5)


def test_what_a_restored_backup_cannot_know_is_not_held_against_it(histories: list[History]) -> None:
    history = histories[0]
    lived = replace(
        history, bookings=(*history.bookings, UNRECORDED), submitted=(*history.submitted, UNKNOWN), lost=Lost(1, 10)
    )
    assert check(lived) == []
    assert {violation.guarantee for violation in check(replace(lived, lost=Lost(6, 10)))} == {1, 4}


def test_what_happens_again_after_a_restore_is_found(histories: list[History]) -> None:
    history = histories[0]
    twice = replace(history, bookings=(*history.bookings, UNRECORDED, UNRECORDED), lost=Lost(1, 10))
    assert {violation.guarantee for violation in check(twice)} == {5}
    again = replace(history, bookings=(replace(history.bookings[0], at=5), *history.bookings), lost=Lost(1, 10))
    assert 5 in {violation.guarantee for violation in check(again)}


def test_the_checker_knows_nothing_of_interlock() -> None:
    for path in sorted(Path(checker.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("interlock") or name.startswith("interlock.testing.checker"), (path, name)
