"""One action of one or two policies, ready to be asked about: solver, variables, and what each policy says as terms.

INVARIANT: an example that comes from here has been run through the real binder and evaluator, and the verdict beside
it is what they said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.policy.bind import Bound, Slot
from interlock.policy.examples import Data, Example, bound_of, example, shrunk
from interlock.policy.policy import Policy
from interlock.policy.proof.encode import Encoder, Outcomes, groups_of, looks_into_strings, outcomes
from interlock.policy.proof.smt import TIMEOUT_MS, Solver, Term, Unknown
from interlock.policy.proof.variables import Variables
from interlock.policy.schema import kind_of
from interlock.policy.tree import Node
from interlock.vocabulary.errors import Refused

Judge = Callable[[Data], bool]


@dataclass(frozen=True, slots=True)
class Undecided:
    """No proof and no example, and why. Never counted as either."""

    why: str


class Question:
    """What may be asked about one action.

    policies   one, or two versions that are compared over the inputs that both admit
    more       further trees that will be asked about, beside rules and invariants
    """

    def __init__(
        self, policies: Sequence[Policy], action: str, *, timeout_ms: int = TIMEOUT_MS, more: Sequence[Node] = ()
    ) -> None:
        self.action = action
        self.policies = tuple(policies)
        self.slots = _joined(policies, action)
        self.solver = Solver(timeout_ms=timeout_ms)
        every = [tree for policy in policies for tree in _every_tree(policy, action)]
        self.variables = Variables(
            self.solver,
            (slot for policy in policies for slot in policy.slots(action)),
            look_into=looks_into_strings([*every, *more]),
        )
        self.encoder = Encoder(self.solver, self.variables)
        groups = {group for policy in policies for group in groups_of(policy.rules, policy.default)}
        self.says: tuple[Outcomes, ...] = tuple(
            outcomes(self.solver, self.encoder, policy.rules, policy.default, policy.trees(action), groups)
            for policy in policies
        )
        self.invariants: Mapping[str, Term] = {
            name: self.encoder.condition(tree)
            for policy in policies
            for name, tree in policy.invariant_trees(action).items()
        }
        self.more: tuple[Term, ...] = tuple(self.encoder.condition(tree) for tree in more)
        self.variables.close()

    def find(
        self, *terms: Term, holds: Judge, towards: Sequence[Data] = (), shrink: bool = True
    ) -> dict[str, Any] | Undecided | None:
        """Plain data for which all terms hold; None: there are none (proved).

        holds   the same asked of the real evaluator: a model that it does not confirm is no example
        shrink  whether the data are to be made plain, for a person to read
        """
        model = self.solver.ask(*terms)
        if model is None:
            return None
        if isinstance(model, Unknown):
            return Undecided(f"the solver gave up ({model.why})")
        data = self.data(self.variables.raw(model))
        if data is None or not holds(data):
            return Undecided("the solver's input does not have this verdict when it is judged")
        return shrunk(self.slots, data, holds, towards=towards) if shrink else data

    def data(self, raw: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the policies bind of raw data, together."""
        data: dict[str, Any] = {}
        for policy in self.policies:
            bound = policy.bind(self.action, raw)
            if not isinstance(bound, Bound):
                return None
            data.update(bound.to_data())
        return data

    def bases(self) -> list[Data]:
        """The inputs of the policies' own tests for this action: what their author finds usual."""
        for policy in reversed(self.policies):
            for test in policy.tests:
                bound = policy.bind(test.action, test.raw)
                if test.action == self.action and isinstance(bound, Bound):
                    return [bound.to_data()]
        return []

    def judged(self, data: Data) -> Example | None:
        """The data as an example of the first policy."""
        return example(self.policies[0], self.action, data)

    def bounds(self, data: Data) -> tuple[Bound, ...] | None:
        """The data as each policy binds them; None if one of them does not."""
        found = [bound_of(policy, self.action, data) for policy in self.policies]
        return None if any(bound is None for bound in found) else tuple(bound for bound in found if bound is not None)


def _every_tree(policy: Policy, action: str) -> list[Node]:
    rules = [tree for pair in policy.trees(action).values() for tree in pair if tree is not None]
    return [*rules, *policy.invariant_trees(action).values()]


def _joined(policies: Sequence[Policy], action: str) -> tuple[Slot, ...]:
    """The inputs that at least one of the policies reads. Raises Refused where two cannot mean the same."""
    found: dict[str, Slot] = {}
    for policy in policies:
        for slot in policy.slots(action):
            known = found.setdefault(slot.path, slot)
            if _shape(known) != _shape(slot):
                raise Refused(
                    f"`{slot.path}` is {_shape(known)} in one policy and {_shape(slot)} in the other.",
                    code="not_comparable",
                    hint="Policies are compared over the same inputs: give both documents one type for it.",
                )
    return tuple(found[path] for path in sorted(found))


def _shape(slot: Slot) -> str:
    if slot.type is None:
        return "a record"
    kind = kind_of(slot.type)
    return "text" if kind.name in ("string", "enum") else str(kind)
