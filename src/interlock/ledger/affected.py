"""Which recorded decisions two versions of a policy would judge differently, and how much money they were about.

Each decision's recorded policy input is put to both versions. A version that reads what was not recorded then cannot
judge it; such decisions are counted apart and never guessed.

INVARIANT: every decision of the stretch that a policy judged is counted once: as the same, as changed or as not
judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from interlock.ledger.recorded import Recorded, Releases, input_type
from interlock.ledger.reporting import entries_since
from interlock.policy import Bound, DecimalType, Policy
from interlock.policy.rules import tightens, unlike
from interlock.policy.values import raw_of
from interlock.ports import Store
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.ids import BUDGETS

EXAMPLES_MAX = 20
"""Decisions named per class; the rest is counted."""

Class = tuple[str, str, str, bool]
"""Action, outcome before, outcome after, and whether that only tightens."""


@dataclass
class Touched:
    """The decisions of one class of changes. `amounts`: the sum of each decimal argument of their actions."""

    count: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    examples: list[str] = field(default_factory=list[str])

    def to_data(self) -> dict[str, Any]:
        return {
            "decisions": self.count,
            "amounts": {name: str(amount) for name, amount in sorted(self.amounts.items())},
            "examples": self.examples,
        }


@dataclass
class Affected:
    """What a change of policy would have touched from `since` to `until` (microseconds).

    not_judged   decisions that one of the versions cannot judge, by what it lacks
    """

    since: int
    until: int | None
    decisions: int = 0
    same: int = 0
    changed: dict[Class, Touched] = field(default_factory=dict[Class, Touched])
    not_judged: Counter[str] = field(default_factory=Counter[str])

    def to_data(self) -> dict[str, Any]:
        return {
            "decisions": self.decisions,
            "same": self.same,
            "changed": [
                {"action": action, "before": before, "after": after, "stricter": stricter, **touched.to_data()}
                for (action, before, after, stricter), touched in sorted(self.changed.items())
            ],
            "not_judged": dict(sorted(self.not_judged.items())),
        }


def affected(
    store: Store,
    before: Policy,
    after: Policy,
    *,
    since: int,
    until: int | None = None,
    automation: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Affected:
    """Judge the decisions of a stretch of time again under two policies. Reads the ledger alone."""
    result = Affected(since, until)
    releases = Releases(store)
    heads = sorted(store.heads().items())
    for done, (slot, (head, _)) in enumerate(heads, start=1):
        for entry in entries_since(store, slot, head, since, until):
            if entry.automation == BUDGETS or automation not in (None, entry.automation):
                continue
            release = releases.get(entry.release)
            for decision in entry.decisions:
                if decision.policy is not None and not decision.awaiting:
                    _count(result, release if isinstance(release, Recorded) else None, before, after, decision)
        if progress is not None:
            progress("reading the ledger", done, len(heads))
    return result


def _count(result: Affected, release: Recorded | None, before: Policy, after: Policy, decision: Decision) -> None:
    result.decisions += 1
    action = decision.proposal.action
    if release is None:
        result.not_judged["its release cannot be read"] += 1
        return
    raw = _raw(release.policy, decision)
    verdicts: list[Any] = []
    for policy in (before, after):
        missing = [path for path in _inputs(policy, action) if not _known(path, decision)]
        bound = policy.bind(action, raw) if not missing else None
        if not isinstance(bound, Bound):
            why = f"{missing[0]} was not recorded" if missing else f"{bound}"
            result.not_judged[why] += 1
            return
        verdicts.append(policy.judge(bound))
    if not unlike(verdicts[0], verdicts[1]):
        result.same += 1
        return
    stricter = tightens(verdicts[0], verdicts[1])
    touched = result.changed.setdefault((action, verdicts[0].outcome, verdicts[1].outcome, stricter), Touched())
    touched.count += 1
    for name, amount in _amounts(release.policy, decision):
        touched.amounts[name] = touched.amounts.get(name, Decimal(0)) + amount
    if len(touched.examples) < EXAMPLES_MAX:
        touched.examples.append(decision.id)


def _inputs(policy: Policy, action: str) -> tuple[str, ...]:
    return policy.inputs(action) if action in policy.schema.actions else ()


def _known(path: str, decision: Decision) -> bool:
    """Whether the record tells the value at a path: it was an input of the rules then, or is an argument."""
    root, _, rest = path.partition(".")
    return path in (decision.bound or {}) or (root == "proposal" and rest.partition(".")[0] in decision.proposal.args)


def _raw(policy: Policy, decision: Decision) -> dict[str, Any]:
    """The recorded input as it came through the door."""
    raw: dict[str, Any] = {"proposal": dict(decision.proposal.args)}
    for path, value in (decision.bound or {}).items():
        *above, last = path.split(".")
        here = raw
        type_ = input_type(policy, decision.proposal.action, path)
        if value is None:
            continue
        for part in above:
            here = here.setdefault(part, {})
        if type_ is None:
            here.setdefault(last, {})
        else:
            here[last] = raw_of(type_, value)
    return raw


def _amounts(policy: Policy, decision: Decision) -> Iterator[tuple[str, Decimal]]:
    """The decimal arguments of a proposal, by its release's own schema."""
    args: Mapping[str, Any] = decision.proposal.args
    if decision.proposal.action not in policy.schema.actions:
        return
    for name, one in policy.schema.actions[decision.proposal.action].args.fields.items():
        if isinstance(one.type, DecimalType) and args.get(name) is not None:
            try:
                yield name, Decimal(str(args[name]))
            except InvalidOperation:
                continue
