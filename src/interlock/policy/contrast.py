"""Explain by contrast: the smallest change of the inputs that gives another verdict.

Smallest means: as few inputs as possible; of those that do, every set; of each set and outcome, the values nearest to
the present ones. It is searched for over the boundaries of the rules, one input, then two, then three. It needs no
solver; where one is installed, tests ask it whether something smaller was missed.

What is complete: one input alone; and several of which no comparison reads two, for then the boundaries of each lie
where they lie whatever the others are. Where a comparison reads two of them (`amount + refunded > total`), each is
tried at its boundaries as things are and where another one was moved, which need not be all: `Contrasts.joined` says
so. Texts are those that rules name, and few that are made of these.

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
    joined     a comparison reads several of the inputs that were moved together, so there may be others
    """

    verdict: Verdict
    target: Outcome | None
    found: tuple[Contrast, ...]
    searched: int
    cut: bool
    joined: bool = False

    @property
    def complete(self) -> bool:
        """Whether there is nothing else: no other set of so many inputs, and none of fewer."""
        return not (self.cut or self.joined)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be said beside the contrasts, in words: that there is none, and how far that can be relied on."""
        wanted = self.target or "another outcome"
        if self.cut:
            return ("The search was ended before it was complete; there may be other changes.",)
        if self.found:
            return ()
        if self.joined:
            found = f"No change of up to {self.searched} inputs was found that gives {wanted}"
            return (f"{found}; where a comparison reads several of them, there may be one.",)
        return (f"No change of up to {self.searched} inputs gives {wanted}.",)

    def to_data(self) -> dict[str, Any]:
        return {
            "verdict": verdict_text(self.verdict),
            "target": self.target,
            "inputs_changed": self.searched if self.found else None,
            "contrasts": [one.to_data() for one in self.found],
            "complete": self.complete,
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
            return Contrasts(verdict, target, kept, count, search.cut, search.joined)
    return Contrasts(verdict, target, (), CHANGES_MAX, search.cut, search.joined)


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
        self.joined = False

    def sets(self, verdict: Verdict, count: int) -> Iterator[tuple[str, ...]]:
        """The sets of inputs that can matter together, those first of which one rule reads all.

        Of a smallest change nothing may be left away. So either every rule of the present outcome stops to hold, and
        one input of each is changed; or a rule begins to hold that says something else. Of that one an input is
        changed, and what it does not read is changed to keep stricter rules from holding, unless they would do as well.
        """
        rules, around = self._policy.rules, self._around
        applying = [bit for bit in range(len(rules)) if rules[bit].applies_to(self._bound.action)]
        effective = verdict.mask & ~verdict.excused
        holding = [around.reads(bit) for bit in applying if effective >> bit & 1 and rules[bit].then == verdict.outcome]
        rising: list[tuple[frozenset[str], frozenset[str]]] = []
        for bit in applying:
            then = rules[bit].then
            stricter = STRICTNESS[then] < STRICTNESS[verdict.outcome]
            wanted = then == self._target if self._target is not None else then != verdict.outcome
            if effective >> bit & 1 or not wanted or not (verdict.default or stricter):
                continue
            # Where anything stricter than now will do, it does no harm if a rule that is stricter still holds as well.
            any_does = self._target is None and stricter
            beside = () if any_does else (one for one in applying if STRICTNESS[rules[one].then] < STRICTNESS[then])
            rising.append((around.reads(bit), frozenset[str]().union(*(around.reads(one) for one in beside))))
        later: list[tuple[str, ...]] = []
        for paths in combinations(around.slots, count):
            chosen = frozenset(paths)
            if any(chosen <= reads for reads, _ in rising):
                yield paths
            elif (not verdict.default and all(chosen & reads for reads in holding)) or any(
                chosen & reads and chosen <= reads | beside for reads, beside in rising
            ):
                later.append(paths)
        yield from later

    def among(
        self, paths: tuple[str, ...], best: dict[tuple[tuple[str, ...], str], tuple[Any, dict[str, Any]]]
    ) -> None:
        """Try every combination of moves of these inputs; keep the nearest per outcome."""
        self.joined = self.joined or self._around.joined(paths)
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
        # Records appear and go by the present point alone: what is absent here has no value to be moved from, although
        # it may be there in a context.
        for context in contexts if rest and values[first] is not None else ():
            for move in self._around.moves(first, {**context, first: values[first]}):
                if list(move.values) == [first]:
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
