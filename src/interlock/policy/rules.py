"""A policy's rules as values, and how their outcomes combine into a verdict.

deny > escalate > fallback > allow: the strictest outcome that holds wins. Rules are written in that order, so
reading from the top gives the same answer. Where nothing holds the default speaks, which is never allow.

INVARIANT: adding a deny rule never makes a verdict laxer, and adding an escalate rule never does where some rule held
before or the default escalates. (Under a default of deny, an escalate rule is how its author lets people decide.)
INVARIANT: an approval discharges the group that gave it and nothing else; a deny cannot be approved away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from interlock.policy.tree import Node
from interlock.vocabulary.verdict import Group, Outcome, Verdict

STRICTNESS: dict[Outcome, int] = {"deny": 0, "escalate": 1, "fallback": 2, "allow": 3}
"""Place in the order of rules; the smaller, the stricter."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `for_` is None where it is for every action; `line` is where it stands in the document."""

    id: str
    line: int
    for_: tuple[str, ...] | None
    when: Node
    unless: Node | None
    then: Outcome
    to: tuple[Group, ...]
    fallback: str | None
    reason: str
    when_text: str
    unless_text: str

    def applies_to(self, action: str) -> bool:
        """Whether the rule is about this action at all."""
        return self.for_ is None or action in self.for_


@dataclass(frozen=True, slots=True)
class Default:
    """What holds where no rule does."""

    then: Literal["deny", "escalate", "fallback"]
    to: tuple[Group, ...]
    fallback: str | None
    reason: str
    line: int


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must never be allowed automatically: a condition, for some actions."""

    name: str
    line: int
    for_: tuple[str, ...] | None
    when: Node
    when_text: str


def merged(groups: Iterable[Group]) -> tuple[Group, ...]:
    """Every group once, with the largest number of approvals asked of it, by name."""
    most: dict[str, int] = {}
    for group in groups:
        most[group.name] = max(group.approvals, most.get(group.name, 0))
    return tuple(Group(name, approvals) for name, approvals in sorted(most.items()))


def combine(rules: Sequence[Rule], default: Default, mask: int, excused: int) -> Verdict:
    """The verdict of a trace: bit i of `mask` says that rule i's `when` held, of `excused` that its `unless` held
    too.
    """
    held = _held(rules, mask & ~excused)
    if not held:
        return Verdict(default.then, (), merged(default.to), default.fallback, mask, excused, default=True)
    outcome: Outcome = min(held, key=lambda rule: STRICTNESS[rule.then]).then
    chosen = [rule for rule in held if rule.then == outcome]
    match outcome:
        case "escalate":
            groups = merged(group for rule in chosen for group in rule.to)
            return Verdict(outcome, _ids(chosen), groups, None, mask, excused)
        case "fallback":
            return Verdict(outcome, _ids(chosen[:1]), (), chosen[0].fallback, mask, excused)
        case _:
            return Verdict(outcome, _ids(chosen), (), None, mask, excused)


def discharge(rules: Sequence[Rule], default: Default, verdict: Verdict, approved: Collection[str]) -> Verdict:
    """The verdict after these groups have approved.

    Groups that have not are still required. With all of them discharged the next stricter outcome that holds is the
    verdict; if no fallback rule holds either, the approval allows (`by_approval`), and `rules` are those that it
    discharged.
    """
    if verdict.outcome != "escalate":
        return verdict
    mask, excused = verdict.mask, verdict.excused
    left = tuple(group for group in verdict.groups if group.name not in approved)
    if verdict.default:
        if left:
            return Verdict("escalate", (), left, None, mask, excused, default=True)
        return Verdict("allow", (), (), None, mask, excused, default=True, by_approval=True)
    held = _held(rules, mask & ~excused)
    escalations = [rule for rule in held if rule.then == "escalate"]
    if left:
        names = {group.name for group in left}
        open_ = [rule for rule in escalations if any(group.name in names for group in rule.to)]
        return Verdict("escalate", _ids(open_), left, None, mask, excused)
    fallbacks = [rule for rule in held if rule.then == "fallback"]
    if fallbacks:
        return Verdict("fallback", _ids(fallbacks[:1]), (), fallbacks[0].fallback, mask, excused)
    return Verdict("allow", _ids(escalations), (), None, mask, excused, by_approval=True)


def unlike(one: Verdict, other: Verdict) -> bool:
    """Whether two verdicts do different things: another outcome, other people, another fallback."""
    return (one.outcome, one.groups, one.fallback) != (other.outcome, other.groups, other.fallback)


def tightens(before: Verdict, after: Verdict) -> bool:
    """Whether a verdict only takes away from another: a stricter outcome, or the same people and more."""
    if before.outcome != after.outcome:
        return STRICTNESS[after.outcome] < STRICTNESS[before.outcome]
    most = {group.name: group.approvals for group in after.groups}
    asked = all(most.get(group.name, 0) >= group.approvals for group in before.groups)
    return before.fallback == after.fallback and asked


def verdict_text(verdict: Verdict) -> str:
    """`allow`, `deny`, `fallback:NAME`, or `escalate:a+b*2` with two approvals asked of b."""
    match verdict.outcome:
        case "escalate":
            return "escalate:" + "+".join(
                f"{g.name}*{g.approvals}" if g.approvals > 1 else g.name for g in verdict.groups
            )
        case "fallback":
            return f"fallback:{verdict.fallback}"
        case outcome:
            return outcome


def _held(rules: Sequence[Rule], effective: int) -> list[Rule]:
    return [rule for bit, rule in enumerate(rules) if effective >> bit & 1]


def _ids(rules: Sequence[Rule]) -> tuple[str, ...]:
    return tuple(rule.id for rule in rules)
