"""Explain by contrast: the smallest change of the inputs that gives another verdict.

Smallest means: as few inputs as possible; of those that do, every set; of each set and outcome, the values nearest to
the present ones. It is searched for over the boundaries of the rules, one input, then two, then three. One input alone
is searched completely. For several, each is tried at its own boundaries and at those that it has where another one of
them was moved. It needs no solver; where one is installed, tests ask it whether something smaller was missed.

INVARIANT: every contrast was judged by the real `bound_from_data` and `judge`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, cast

from interlock.policy.bind import Bound
from interlock.policy.boundaries import Boundaries, Values
from interlock.policy.examples import bound_of, by, value_words
from interlock.policy.policy import Policy
from interlock.policy.rules import STRICTNESS, verdict_text
from interlock.vocabulary.verdict import Outcome, Verdict

CHANGES_MAX = 3
"""Inputs changed together. More is no explanation."""

TRIES_MAX = 60_000
"""Verdicts asked for one contrast: about a quarter of a second."""


@dataclass(frozen=True, slots=True)
class Change:
    """One input, with its value as it was and as it would have to be, in words."""

    path: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path} {self.after} instead of {self.before}"

    def to_data(self) -> dict[str, str]:
        return {"path": self.path, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Contrast:
    """A smallest change and the verdict that it gives. `data`: the inputs with it, canonical by path."""

    changes: tuple[Change, ...]
    verdict: Verdict
    data: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{verdict_text(self.verdict)} with {' and '.join(str(change) for change in self.changes)}"

    def to_data(self) -> dict[str, Any]:
        return {
            "verdict": verdict_text(self.verdict),
            "by": by(self.verdict),
            "changes": [change.to_data() for change in self.changes],
        }


@dataclass(frozen=True, slots=True)
class Contrasts:
    """The smallest changes of one verdict. All change equally many inputs.

    target     the outcome that was asked for; None: any other
    searched   how many inputs together were tried (all sets of so many, unless `cut`)
    cut        the search was ended by TRIES_MAX, so there may be others
    """

    verdict: Verdict
    target: Outcome | None
    found: tuple[Contrast, ...]
    searched: int
    cut: bool

    def to_data(self) -> dict[str, Any]:
        return {
            "verdict": verdict_text(self.verdict),
            "target": self.target,
            "inputs_changed": self.searched if self.found else None,
            "contrasts": [one.to_data() for one in self.found],
            "complete": not self.cut,
        }


def contrast(policy: Policy, bound: Bound, *, target: Outcome | None = None) -> Contrasts:
    """The smallest changes of a bound input after which the policy says another outcome (or the given one)."""
    search = _Search(policy, bound, target)
    verdict = policy.judge(bound)
    if verdict.outcome == target:
        return Contrasts(verdict, target, (), 0, cut=False)
    for count in range(1, CHANGES_MAX + 1):
        best: dict[tuple[tuple[str, ...], str], tuple[Any, dict[str, Any]]] = {}
        for paths in search.sets(verdict, count):
            search.among(paths, best)
            if search.cut:
                break
        if best or search.cut:
            found = [search.told(values) for _, (_, values) in sorted(best.items())]
            distinct = {repr(sorted(one.data.items())): one for one in found if one is not None}
            kept = tuple(distinct.values())
            return Contrasts(verdict, target, kept, count, search.cut)
    return Contrasts(verdict, target, (), CHANGES_MAX, search.cut)


class _Search:
    """One search; it counts the verdicts that it asks for."""

    def __init__(self, policy: Policy, bound: Bound, target: Outcome | None) -> None:
        self._policy = policy
        self._bound = bound
        self._target = target
        self._start: Values = dict(zip(bound.paths, bound.values, strict=True))
        self._around = Boundaries(policy, bound.action)
        self._outcome = policy.judge(bound).outcome
        self._tries = 0
        self.cut = False

    def sets(self, verdict: Verdict, count: int) -> Iterator[tuple[str, ...]]:
        """The sets of inputs that can matter together.

        Another outcome needs a rule that did not hold, and reads all of what is changed for it; or that every rule of
        the present outcome stops to hold, so that one of its inputs is changed.
        """
        rules, around = self._policy.rules, self._around
        applying = [bit for bit in range(len(rules)) if rules[bit].applies_to(self._bound.action)]
        effective = verdict.mask & ~verdict.excused
        holding = [around.reads(bit) for bit in applying if effective >> bit & 1 and rules[bit].then == verdict.outcome]
        rising = [around.reads(bit) for bit in applying if not effective >> bit & 1]
        stricter = [
            around.reads(bit)
            for bit in applying
            if not effective >> bit & 1 and STRICTNESS[rules[bit].then] < STRICTNESS[verdict.outcome]
        ]
        for paths in combinations(around.slots, count):
            chosen = frozenset(paths)
            alone = rising if verdict.default else stricter
            if any(chosen <= reads for reads in alone) or (
                not verdict.default and all(chosen & reads for reads in holding)
            ):
                yield paths

    def among(
        self, paths: tuple[str, ...], best: dict[tuple[tuple[str, ...], str], tuple[Any, dict[str, Any]]]
    ) -> None:
        """Try every combination of moves of these inputs; keep the nearest per outcome."""
        for cost, values in self._tried(paths, self._start, self._contexts(paths)):
            if self.cut:
                return
            outcome = self._judged(values).outcome
            if outcome == self._outcome or (self._target is not None and outcome != self._target):
                continue
            changed = tuple(path for path in paths if values[path] != self._start[path])
            if len(changed) < len(paths):
                continue
            key = (paths, outcome)
            if key not in best or cost < best[key][0]:
                best[key] = (cost, values)

    def _contexts(self, paths: tuple[str, ...]) -> list[Values]:
        """Points from which boundaries are looked at: the present one, and where one of the inputs was moved."""
        contexts = [self._start]
        if len(paths) > 1:
            for path in paths:
                contexts += [{**self._start, **move.values} for move in self._around.moves(path, self._start)]
        return contexts

    def _tried(
        self, paths: tuple[str, ...], values: Values, contexts: list[Values]
    ) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
        first, *rest = paths
        moves = {repr(sorted(move.values.items())): move for move in self._around.moves(first, values)}
        # The last input sees where all others have been put: its own boundaries are all it needs.
        for context in contexts if rest else ():
            for move in self._around.moves(first, {**context, first: values[first]}):
                if list(move.values) == [first]:  # records appear and go by the present point alone
                    moves.setdefault(repr(sorted(move.values.items())), move)
        for move in sorted(moves.values(), key=lambda one: one.cost):
            moved = {**values, **move.values}
            if not rest:
                yield (move.cost,), moved
                continue
            for cost, further in self._tried(tuple(rest), moved, contexts):
                yield (move.cost, *cost), further
            if self.cut:
                return

    def _judged(self, values: Values) -> Verdict:
        self._tries += 1
        self.cut = self._tries >= TRIES_MAX
        bound = self._bound
        return self._policy.judge(Bound(bound.action, bound.paths, tuple(values[path] for path in bound.paths)))

    def told(self, values: Values) -> Contrast | None:
        """The change in words, judged through the door that records come through."""
        return told(self._policy, self._bound, values)


def told(policy: Policy, bound: Bound, values: Values) -> Contrast | None:
    """What differs from a bound input, in words; None where the values are no input of the policy."""
    data: dict[str, Any] = {
        path: list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value
        for path, value in values.items()
    }
    made = bound_of(policy, bound.action, data)
    if made is None:
        return None
    before = bound.to_data()
    types = {slot.path: slot.type for slot in policy.slots(bound.action)}
    changed = [path for path in bound.paths if before[path] != data[path]]
    gone = _records_gone(policy, bound, data)
    changes = [Change(prefix, "there", "absent") for prefix in gone]
    changes += [
        Change(path, value_words(types[path], before[path]), value_words(types[path], data[path]))
        for path in changed
        if not any(path == prefix or path.startswith(f"{prefix}.") for prefix in gone)
        and not (types[path] is None and any(other.startswith(f"{path}.") for other in changed))
    ]
    return Contrast(tuple(changes), policy.judge(made), data)


def _records_gone(policy: Policy, bound: Bound, data: Mapping[str, Any]) -> list[str]:
    """Optional records that were there and are not any more: one change each, whatever they held."""
    before = bound.to_data()
    found: dict[str, None] = {}
    for slot in policy.slots(bound.action):
        for depth in range(1, len(slot.parts)):
            prefix = ".".join(slot.parts[:depth])
            inside = [path for path in bound.paths if path == prefix or path.startswith(f"{prefix}.")]
            if (
                slot.optional[depth - 1]
                and len(inside) > 1
                and any(before[path] is not None for path in inside)
                and all(data[path] is None for path in inside)
                and not any(prefix.startswith(f"{other}.") for other in found)
            ):
                found.setdefault(prefix)
    return list(found)
