"""Rules that can never matter, found by simple means: without a solver, in milliseconds.

    unreachable    a rule whose conditions contradict each other or the schema
    excused        a rule whose `unless` follows from its `when`
    hidden         a rule that holds only where a stricter one does, or one that says the same
    conflict       a rule hidden by one of the same condition and another outcome: one of them is not what was meant

Every finding is a proof (see `knowledge`); what is not found here may be found by `interlock policy prove`, which asks
the solver.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interlock.policy.diagnostics import Diagnostic, Report
from interlock.policy.knowledge import Knowledge
from interlock.policy.policy import Policy
from interlock.policy.rules import STRICTNESS, Rule
from interlock.policy.schema import types_at
from interlock.policy.tree import FALSE, Has, Input, Node, walk


@dataclass(frozen=True, slots=True)
class _Held:
    """A rule that holds for one action: what follows from that."""

    bit: int
    knowledge: Knowledge


def lint(policy: Policy) -> tuple[Diagnostic, ...]:
    """Everything about a loaded policy that its author cannot have meant, remarks of its loading included."""
    report = Report(policy.source, policy.file)
    states = {action: _held(policy, action) for action in policy.schema.actions}
    reads = [_reads(rule) for rule in policy.rules]
    for bit, rule in enumerate(policy.rules):
        held = {action: found[bit] for action, found in states.items() if bit in found}
        possible = {action: one for action, one in held.items() if not one.knowledge.impossible}
        if not possible:
            _note(
                report, policy, rule, "unreachable", "no input satisfies this rule", "its conditions exclude each other"
            )
            continue
        if all(_excused(policy, action, one) for action, one in possible.items()):
            _note(report, policy, rule, "excused", "this rule is always excused by its `unless`", "")
            continue
        hiding = [_hiding(policy, action, one, reads) for action, one in possible.items()]
        if all(hiding):
            _hidden(report, policy, rule, sorted({bit for bits in hiding for bit in bits[:1]}))
    found = (*policy.remarks, *report.remarks())
    return tuple(sorted(found, key=lambda one: (one.line, one.column, one.message)))


def _held(policy: Policy, action: str) -> dict[int, _Held]:
    found: dict[int, _Held] = {}
    for bit, (when, _) in policy.trees(action).items():
        knowledge = Knowledge(lambda path: types_at(policy.schema, (action,), path))
        if when == FALSE:
            knowledge.impossible = True
        else:
            knowledge.learn(when, True)
            knowledge.learn(when, True)  # an alternative that stood first may be settled by what stood behind it
        found[bit] = _Held(bit, knowledge)
    return found


def _excused(policy: Policy, action: str, held: _Held) -> bool:
    """Whether the `unless` follows; if not, that it does not hold is learnt."""
    unless = policy.trees(action)[held.bit][1]
    if unless is None:
        return False
    if held.knowledge.tell(unless) is True:
        return True
    held.knowledge.learn(unless, False)
    return held.knowledge.impossible


def _hiding(policy: Policy, action: str, held: _Held, reads: list[frozenset[str]]) -> list[int]:
    """Rules that hold wherever this one does and before which it says nothing."""
    rule = policy.rules[held.bit]
    known = held.knowledge.paths()
    return [
        bit
        for bit in _before(policy, action, held.bit, rule)
        if reads[bit] <= known and _follows(policy, action, bit, held)
    ]


def _before(policy: Policy, action: str, own: int, rule: Rule) -> Iterator[int]:
    for bit in policy.trees(action):
        other = policy.rules[bit]
        if STRICTNESS[other.then] < STRICTNESS[rule.then] or (
            bit < own and other.then == rule.then and _says_as_much(other, rule)
        ):
            yield bit


def _says_as_much(other: Rule, rule: Rule) -> bool:
    match rule.then:
        case "escalate":
            return all(any(g.name == w.name and g.approvals >= w.approvals for g in other.to) for w in rule.to)
        case _:
            return True  # of two fallbacks the first counts


def _follows(policy: Policy, action: str, bit: int, held: _Held) -> bool:
    when, unless = policy.trees(action)[bit]
    if held.knowledge.tell(when) is not True:
        return False
    return unless is None or held.knowledge.tell(unless) is False


def _hidden(report: Report, policy: Policy, rule: Rule, bits: list[int]) -> None:
    others = [policy.rules[bit] for bit in bits]
    names = ", ".join(f"{one.id} ({one.then}, line {one.line})" for one in others)
    if any(one.when == rule.when and one.unless is None and one.then != rule.then for one in others):
        _note(
            report,
            policy,
            rule,
            "conflict",
            f"this rule says {rule.then} where {names} says otherwise",
            "one of them is meant for something else",
        )
        return
    stricter = any(one.then != rule.then for one in others)
    what = "this rule never counts" if stricter else "this rule changes nothing"
    _note(
        report,
        policy,
        rule,
        "hidden",
        f"{what}: wherever it holds, so does {names}",
        "narrow that rule, or remove this one",
    )


def _note(report: Report, policy: Policy, rule: Rule, code: str, message: str, suggestion: str) -> None:
    """A remark below the rule's id."""
    lines = policy.source.splitlines(keepends=True)
    start = sum(len(line) for line in lines[: rule.line - 1])
    at = policy.source.find(rule.id, start)
    report.remark(code, at if at >= 0 else start, message, suggestion, width=len(rule.id))


def _reads(rule: Rule) -> frozenset[str]:
    trees: list[Node] = [rule.when] if rule.unless is None else [rule.when, rule.unless]
    return frozenset(node.path for tree in trees for node in walk(tree) if isinstance(node, Input | Has))
