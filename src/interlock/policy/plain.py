"""A policy for people who do not read code: plain sentences, or a decision table.

Both say what the typed trees mean, so they cannot say something else than what is judged; a rule's own reason stands
beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.policy.policy import Policy
from interlock.policy.rules import Rule
from interlock.policy.wording import condition
from interlock.vocabulary.verdict import Group, Outcome

_ADVICE = {
    "advice.agreed": "the number of advisors that agree",
    "advice.asked": "the number of advisors asked",
    "advice.rank": "the place of the advisor that answered",
}
_CASE = {
    "case.in_doubt": "the number of effects with an unknown outcome",
    "case.first_event_at": "the beginning of the case",
    "case.status": "the case's status",
    "case.release": "the release",
}
_HEADS: dict[Outcome, str] = {
    "deny": "Never done",
    "escalate": "Asked of people",
    "fallback": "Replaced by something else",
    "allow": "Done without asking",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A rule in a decision table: every cell in words."""

    rule: str
    actions: str
    when: str
    unless: str
    then: str
    reason: str


def named(path: str) -> str:
    """How an input is called in a sentence: `case.order.total` is the case's order total."""
    known = _ADVICE.get(path) or _CASE.get(path)
    if known is not None:
        return known
    root, *rest = path.split(".")
    words = " ".join(part.replace("_", " ") for part in rest)
    match root:
        case "proposal":
            return f"the {words}" if words not in ("source", "score", "irreversible") else f"the proposal's {words}"
        case "case":
            if rest[:1] == ["count"] and len(rest) == 2:
                return f"how often {rest[1]} was done"
            return f"the case's {words}" if words else "the case"
        case "breaker":
            return f"the circuit breaker of {words}"
        case _:
            return "the present moment"


def rows(policy: Policy) -> list[Row]:
    """The rules in the order in which they win, and the default last."""
    found = [
        Row(
            rule.id,
            ", ".join(rule.for_) if rule.for_ is not None else "all",
            condition(rule.when, name=named),
            condition(rule.unless, name=named) if rule.unless is not None else "",
            _then(rule.then, rule.to, rule.fallback),
            rule.reason,
        )
        for rule in policy.rules
    ]
    default = policy.default
    found.append(
        Row("default", "all", "no rule applies", "", _then(default.then, default.to, default.fallback), default.reason)
    )
    return found


def table(policy: Policy) -> str:
    """The decision table in Markdown."""
    lines = ["| rule | for | when | unless | then | why |", "|---|---|---|---|---|---|"]
    for row in rows(policy):
        cells = (row.rule, row.actions, row.when, row.unless, row.then, row.reason)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def sentences(policy: Policy) -> str:
    """The policy in plain sentences."""
    lines = [f"{policy.name}: what is done with a proposal", ""]
    lines.append("Where several rules apply, the strictest counts: what is never done first, what is done last.")
    for outcome, head in _HEADS.items():
        rules = [rule for rule in policy.rules if rule.then == outcome]
        if rules:
            lines += ["", head]
            lines += [f"  - {_sentence(rule)}" for rule in rules]
    default = policy.default
    reason = f" {default.reason}" if default.reason else ""
    lines += ["", f"Everything else {_verb(default.then, default.to, default.fallback)}.{reason}"]
    if policy.invariants:
        lines += ["", "Whatever the rules say, it is promised that they never allow on their own"]
        for invariant in policy.invariants:
            lines.append(
                f"  - {_actions(invariant.for_)} when {condition(invariant.when, name=named)} ({invariant.name})"
            )
    return "\n".join(lines) + "\n"


def _sentence(rule: Rule) -> str:
    when = condition(rule.when, name=named)
    where = "always" if when == "always" else f"when {when}"
    unless = f", unless {condition(rule.unless, name=named)}" if rule.unless is not None else ""
    reason = f" {rule.reason}" if rule.reason else ""
    return f"{_actions(rule.for_)} {_verb(rule.then, rule.to, rule.fallback)} {where}{unless}.{reason} ({rule.id})"


def _actions(for_: Sequence[str] | None) -> str:
    if for_ is None:
        return "every action"
    *most, last = for_
    return f"{', '.join(most)} or {last}" if most else last


def _verb(then: Outcome, groups: Sequence[Group], fallback: str | None) -> str:
    match then:
        case "deny":
            return "is denied"
        case "escalate":
            return f"is asked of {_groups(groups)}"
        case "fallback":
            return f"is replaced by {fallback}"
        case "allow":
            return "is allowed"


def _then(then: Outcome, groups: Sequence[Group], fallback: str | None) -> str:
    match then:
        case "escalate":
            return f"ask {_groups(groups)}"
        case "fallback":
            return f"instead {fallback}"
        case _:
            return then


def _groups(groups: Sequence[Group]) -> str:
    return " and ".join(f"{g.approvals} of {g.name}" if g.approvals > 1 else g.name for g in groups)
