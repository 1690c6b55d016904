"""Guarantees 1, 2, 5, 9 and the pauses: what happened outside, and what permitted it.

The outside's books are compared with the ledger through the effect key, the only name that both know. A start is a
line in which an effect becomes `started`; nothing may be called without one that was durable at that moment.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from interlock.testing.checker.history import ActionRule, CaseName, History, Violation
from interlock.testing.checker.reading import Line, Plain, Story


@dataclass(frozen=True)
class Start:
    """One start of one effect."""

    line: Line
    effect: Plain
    index: int

    @property
    def owner(self) -> tuple[CaseName, str]:
        return (self.line.case, self.effect["id"])

    @property
    def name(self) -> str:
        return effect_name(self.line.case, self.effect["id"])


def effect_name(case: CaseName, local: str) -> str:
    return f"{case[0]}/{case[1]}/{local}"


def starts_of(story: Story) -> list[Start]:
    """Every start, in order per slot."""
    found: list[Start] = []
    for index, line in enumerate(story.lines):
        before = line.before.get("effects", {})
        for name, effect in line.after.get("effects", {}).items():
            was = before.get(name)
            if effect["status"] != "started":
                continue
            if was is None or was["status"] != "started" or was.get("attempt", 0) != effect.get("attempt", 0):
                found.append(Start(line, effect, index))
    return found


def judge(history: History, story: Story) -> list[Violation]:
    starts = starts_of(story)
    by_key: dict[str, list[Start]] = {}
    for start in starts:
        by_key.setdefault(start.effect["key"], []).append(start)
    return [
        *_calls(history, story, by_key),
        *_bookings(history, by_key),
        *_keys(history, by_key),
        *_permitted(history, story, starts),
        *_attempts(history, story, starts),
        *_exclusions(history, starts),
        *_outcomes(history, story, by_key),
        *_looked_after(story),
        *_decisions(story),
    ]


# --- the books against the ledger


def _calls(history: History, story: Story, by_key: dict[str, list[Start]]) -> list[Violation]:
    found: list[Violation] = []
    made: Counter[str] = Counter()
    looked_for = _looked_for(story) if history.lost else frozenset[str]()
    for call in history.calls:
        if history.forgotten(call.at) or (call.what == "check" and call.effect_key in looked_for):
            continue
        starts = by_key.get(call.effect_key, [])
        durable = [start for start in starts if start.line.lsn <= call.durable.get(start.line.slot, 0)]
        where = (call.effect_key, call.action, f"at {call.at}")
        if not durable:
            found.append(Violation(1, f"{call.what} of {call.action} was called without a durable start", where))
            continue
        effect = durable[-1].effect
        if effect["action"] != call.action or _plain(effect["args"]) != _plain(call.args):
            found.append(Violation(1, f"{call.action} was called with what nobody decided", (durable[-1].name, *where)))
        if call.what == "perform":
            made[call.effect_key] += 1
            if made[call.effect_key] > len(durable):
                found.append(
                    Violation(1, "an effect was performed more often than started", (durable[-1].name, *where))
                )
    return found


def _looked_for(story: Story) -> frozenset[str]:
    """Keys of effects that a restored store holds to be possibly done, though it knows of no start: it may look."""
    return frozenset(
        effect["key"]
        for line in story.lines
        for effect in line.after.get("effects", {}).values()
        if effect.get("lost") and effect["status"] == "in_doubt"
    )


def _bookings(history: History, by_key: dict[str, list[Start]]) -> list[Violation]:
    """The outside did each thing once."""
    found: list[Violation] = []
    called = {(call.effect_key, call.action) for call in history.calls if call.what == "perform"}
    per_effect: Counter[tuple[CaseName, str]] = Counter()
    per_case: Counter[tuple[CaseName, str]] = Counter()
    unrecorded: Counter[str] = Counter()
    for booking in history.bookings:
        where = (booking.effect_key, booking.action, f"at {booking.at}")
        starts = by_key.get(booking.effect_key, [])
        if not starts and history.forgotten(booking.at):
            unrecorded[booking.effect_key] += 1
            continue
        if (booking.effect_key, booking.action) not in called or not starts:
            found.append(Violation(1, f"{booking.action} is in the books and nobody decided it", where))
            continue
        start = starts[0]
        if _plain(start.effect["args"]) != _plain(booking.args):
            found.append(Violation(1, f"{booking.action} is in the books with other arguments", (start.name, *where)))
        per_effect[start.owner] += 1
        per_case[(start.line.case, booking.action)] += 1
    for (case, local), times in per_effect.items():
        if times > 1:
            found.append(Violation(5, f"one effect took place {times} times", (effect_name(case, local),)))
    for key, times in unrecorded.items():
        if times > 1:
            found.append(Violation(5, f"an effect that is not recorded took place {times} times", (key,)))
    for (case, action), times in per_case.items():
        rule = history.rules.actions.get(action)
        if times > 1 and rule is not None and rule.once_per_case:
            found.append(Violation(5, f"{action} took place {times} times in one case", ("/".join(case), action)))
    return found


def _keys(history: History, by_key: dict[str, list[Start]]) -> list[Violation]:
    """A key belongs to one effect and one set of arguments, for ever."""
    found: list[Violation] = []
    for key, starts in by_key.items():
        owners = {start.owner for start in starts}
        if len(owners) > 1:
            names = tuple(sorted({start.name for start in starts}))
            found.append(Violation(5, "one key names two effects", (key, *names)))
    said: dict[str, tuple[str, str]] = {}
    for call in history.calls:
        this = (call.action, _plain(call.args))
        if said.setdefault(call.effect_key, this) != this:
            found.append(Violation(5, "one key was used with other arguments", (call.effect_key, call.action)))
    return found


# --- what permits a start


def _permitted(history: History, story: Story, starts: list[Start]) -> list[Violation]:
    found: list[Violation] = []
    decided: dict[str, tuple[int, Plain]] = {}
    position = 0
    for start in starts:
        while position <= start.index:
            for decision in story.lines[position].decisions:
                decided[decision["id"]] = (position, decision)
            position += 1
        effect, line = start.effect, start.line
        where = (start.name, line.place)
        known = decided.get(effect["decision"])
        if known is None:
            found.append(Violation(1, "an effect started without a recorded decision", where))
            continue
        decision = known[1]
        if decision["verdict"] != "allow" or decision.get("awaiting"):
            found.append(
                Violation(1, "an effect started under a decision that does not allow it", (*where, decision["id"]))
            )
        if decision["proposal"]["action"] != effect["action"] or decision["proposal"]["args"] != effect["args"]:
            found.append(Violation(1, "an effect started with other arguments than decided", (*where, decision["id"])))
        if decision.get("effect") != start.name:
            found.append(Violation(1, "an effect started under the decision of another", (*where, decision["id"])))
        found.extend(_paused(start))
        # Judged again in the very turn, the effect has a new limit; a retry is judged under its old decision.
        judged_again = any(one.get("again_of") == effect["decision"] for one in line.decisions)
        if line.at > effect["start_before"] and line.kind == "turn" and not judged_again:
            found.append(Violation(1, "an effect started too late after its decision", where))
        rule = history.rules.actions.get(effect["action"])
        if rule is not None and not rule.reversible:
            found.extend(_authority(start, decision, rule))
    return found


def _paused(start: Start) -> list[Violation]:
    facts, (automation, _) = start.line.facts, start.line.case
    scopes = {"all", f"automation:{automation}", f"action:{automation}/{start.effect['action']}"}
    if scopes & set(facts.get("paused", ())):
        return [Violation(1, "an effect started during a pause", (start.name, start.line.place))]
    if facts.get("frozen_clock"):
        return [Violation(1, "an effect started while the clock was in question", (start.name, start.line.place))]
    if start.line.before.get("blocked"):
        return [Violation(11, "an effect started in a case that waits for an operator", (start.name, start.line.place))]
    return []


def _authority(start: Start, decision: Plain, rule: ActionRule) -> list[Violation]:
    """Guarantee 9: a certificate in force, a person's approval, or a person's own wish."""
    where = (start.name, start.line.place, decision["id"])
    if start.effect.get("approvals"):
        return []
    if decision["proposal"]["source"] == "person":
        return []
    if rule.final:
        return [Violation(9, "an action of class final started without a person", where)]
    autonomy: Plain = decision.get("autonomy") or {}
    terms: Plain = autonomy.get("terms") or {}
    if autonomy.get("outcome") != "permitted" or not terms or start.effect.get("certificate") != terms.get("id"):
        return [Violation(9, "an irreversible action started on nobody's authority", where)]
    proposal = decision["proposal"]
    if terms["action"] != start.effect["action"]:
        return [Violation(9, "a certificate of another action was used", where)]
    if start.line.at >= terms["until"]:
        return [Violation(9, "an expired certificate was used", where)]
    rung = terms.get("rung")
    if rung is None:
        if proposal["source"] == "advice":
            return [Violation(9, "advice ran on a certificate that covers no advice", where)]
    elif proposal.get("score") is None or proposal["score"] < rung:
        return [Violation(9, "a score below the certificate's ran alone", where)]
    return []


# --- how often it may be tried


def _attempts(history: History, story: Story, starts: list[Start]) -> list[Violation]:
    found: list[Violation] = []
    by_effect: dict[tuple[CaseName, str], list[Start]] = {}
    for start in starts:
        by_effect.setdefault(start.owner, []).append(start)
    for attempts in by_effect.values():
        rule = history.rules.actions.get(attempts[0].effect["action"])
        if rule is None:
            continue
        for number, start in enumerate(attempts, 1):
            if start.effect.get("attempt", 0) != number:
                found.append(Violation(5, f"start {number} of an effect calls itself another attempt", (start.name,)))
        if rule.kind == "once" and len(attempts) > 1:
            found.append(Violation(5, f"a once effect was started {len(attempts)} times", (attempts[0].name,)))
        for one, next_one in pairwise(attempts):
            found.extend(_retry(story, rule, attempts[0], one, next_one))
    return found


def _retry(story: Story, rule: ActionRule, first: Start, one: Start, next_one: Start) -> list[Violation]:
    where = (one.name, next_one.line.place)
    if rule.kind == "idempotent":
        if one.effect["key"] != next_one.effect["key"]:
            return [Violation(5, "an idempotent effect was retried under another key", where)]
        if next_one.line.at > first.line.at + rule.key_valid_for:
            return [Violation(5, "an idempotent effect was retried after its key had been forgotten", where)]
    if rule.kind != "checkable":
        return []
    between = [
        line.cause["body"]
        for line in story.lines[one.index + 1 : next_one.index]
        if line.case == one.line.case and line.cause.get("body", {}).get("command") == one.effect["id"]
    ]
    said = {(body["phase"], body["outcome"]) for body in between if body["kind"] == "result"}
    if ("check", "not_happened") not in said:
        return [Violation(5, "a checkable effect was tried again without a check that found nothing", where)]
    if rule.fenced:
        if ("fence", "not_happened") not in said:
            return [Violation(5, "a checkable effect was tried again without a fence", where)]
        if one.effect["key"] == next_one.effect["key"]:
            return [Violation(5, "a fenced key was used again", where)]
    elif next_one.line.at < one.line.at + rule.settle_after:
        return [Violation(5, "a checkable effect was tried again before the first attempt had settled", where)]
    return []


def _exclusions(history: History, starts: list[Start]) -> list[Violation]:
    """An action does not start after, or beside, one that excludes it."""
    found: list[Violation] = []
    for start in starts:
        action, before = start.effect["action"], start.line.before
        rule = history.rules.actions.get(action)
        if rule is None:
            continue
        past = before.get("past", {})
        forbidden = [other for other in rule.not_after if other in past]
        if rule.once_per_case and action in past:
            forbidden.append(action)
        for other in before.get("effects", {}).values():
            if other["id"] == start.effect["id"] or other["status"] not in ("started", "retrying", "in_doubt"):
                continue
            theirs = history.rules.actions.get(other["action"])
            if other["action"] in rule.not_after or (theirs is not None and action in theirs.not_after):
                forbidden.append(other["action"])
            elif rule.once_per_case and other["action"] == action:
                forbidden.append(action)
            elif start.effect.get("attempt", 0) == 1 and _is_same_doubt(start.effect, other):
                forbidden.append(f"a doubt about the same {action}")
        where = (start.name, start.line.place)
        found.extend(Violation(5, f"{action} started though {other} excludes it", where) for other in forbidden)
    return found


def _is_same_doubt(effect: Plain, other: Plain) -> bool:
    same = (other["action"], _plain(other["args"])) == (effect["action"], _plain(effect["args"]))
    return same and other["status"] == "in_doubt"


def _looked_after(story: Story) -> list[Violation]:
    """Whatever is in doubt is about to be probed, or a person is asked about it."""
    found: list[Violation] = []
    for line in story.lines:
        tasks = line.after.get("tasks", {})
        for local, effect in line.after.get("effects", {}).items():
            if effect["status"] != "in_doubt" or local in tasks:
                continue
            if effect.get("phase", "perform") == "perform" or not effect.get("next_at"):
                where = (effect_name(line.case, local), line.place)
                found.append(Violation(5, "an effect is in doubt and nobody looks", where))
    return found


# --- what the ledger says became of it


def _outcomes(history: History, story: Story, by_key: dict[str, list[Start]]) -> list[Violation]:
    """The ledger and the books agree on every effect that is settled. A person's word may be wrong and is not
    judged."""
    booked: set[tuple[CaseName, str]] = set()
    keys = {booking.effect_key for booking in history.bookings}
    for key in keys:
        booked.update(start.owner for start in by_key.get(key, ()))
    found: list[Violation] = []
    ended: dict[tuple[CaseName, str], str] = {}
    for line in story.lines:
        closed = line.after.get("closed", {})
        for local in line.before.get("effects", {}).keys() - line.after.get("effects", {}).keys():
            by_person = line.cause.get("body", {}).get("kind") == "resolve"
            if line.before["effects"][local]["key"] in keys:
                # A lost life may have done it under this key without a start in this record.
                booked.add((line.case, local))
            ended[(line.case, local)] = "a person's word" if by_person else closed.get(local, "")
    for owner, how in ended.items():
        name = effect_name(*owner)
        if how == "happened" and owner not in booked:
            found.append(Violation(5, "the ledger says that an effect happened and the books do not", (name,)))
        elif how in ("not_happened", "withdrawn") and owner in booked:
            found.append(Violation(5, f"the ledger says {how} of an effect that is in the books", (name,)))
        elif not how:
            found.append(Violation(14, "an effect vanished without an outcome", (name,)))
    return found


def _decisions(story: Story) -> list[Violation]:
    """Guarantees 2 and 3: an allowing decision holds every stage's permission and what it was judged on."""
    found: list[Violation] = []
    known: set[str] = set()
    for line in story.lines:
        for decision in line.decisions:
            where = (decision["id"], line.place)
            if decision["id"] in known:
                found.append(Violation(3, "two decisions have one name", where))
            known.add(decision["id"])
            if decision.get("policy") and (decision.get("bound") is None or not decision.get("policy_hash")):
                found.append(Violation(3, "a decision lacks what it was judged on", where))
            if decision["verdict"] == "allow":
                found.extend(Violation(2, what, where) for what in _lacks(decision))
    return found


def _lacks(decision: Plain) -> list[str]:
    lacks: list[str] = []
    flow: Plain = decision.get("flow") or {}
    policy: Plain = decision.get("policy") or {}
    autonomy: Plain = decision.get("autonomy") or {}
    if not decision["schema"]["valid"] or not flow.get("valid"):
        lacks.append("allowed, though schema or flow did not")
    if policy.get("outcome") != "allow":
        lacks.append("allowed, though the policy did not")
    if autonomy.get("outcome") not in ("permitted", "approved", "exempt"):
        lacks.append("allowed, though autonomy did not")
    waiting = bool(decision.get("awaiting"))
    enough = ("needed", "granted") if waiting else ("granted",)
    short = [figure for figure in decision.get("budgets", ()) if figure["state"] not in enough]
    return lacks + [f"allowed, though budget {figure['budget']} is {figure['state']}" for figure in short]


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
