"""A region of inputs in words: where something holds, as a few alternatives of conditions that the rules make.

One example is generalised: of the conditions that decided it, only those are kept without which it would no longer
have to hold (an unsatisfiable core, made minimal). Then an example outside of what is described is looked for, until
there is none or enough has been said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from interlock.policy.interpret import evaluate
from interlock.policy.proof.question import Judge, Question, Undecided
from interlock.policy.proof.smt import Term
from interlock.policy.tree import And, Const, If, Node, Not, Or
from interlock.policy.wording import literals

ALTERNATIVES_MAX = 4
"""More are not read; that there are more is said."""


@dataclass(frozen=True, slots=True)
class Region:
    """Where something holds: `always`, and one of `alternatives` (none: nothing more is needed).

    whole   that is all of it, proved; else it holds elsewhere as well
    """

    always: str
    alternatives: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        parts = [self.always] if self.always else []
        if self.alternatives:
            parts.append("(" + ", or ".join(self.alternatives) + ")")
        text = ", and ".join(parts) or "always"
        return text if self.whole else f"{text}; and elsewhere"

    def to_data(self) -> dict[str, Any]:
        return {"always": self.always, "alternatives": list(self.alternatives), "whole": self.whole}


def region(question: Question, term: Term, first: dict[str, Any], holds: Judge) -> Region:
    """Describe where a term holds, beginning with data for which it does. What not all policies say comes first."""
    solver = question.solver
    cubes: list[list[Literal]] = []
    outside: list[Term] = []
    data: dict[str, Any] | Undecided | None = first
    while len(cubes) < ALTERNATIVES_MAX and isinstance(data, dict):
        found = sorted(_decisive(question, data), key=lambda one: one[2])
        literals_ = [(node, held) for node, held, _ in found]
        terms = [_term(question, literal) for literal in literals_]
        core = solver.core([solver.not_(term)], terms)
        if core is None:
            break
        cubes.append([literals_[index] for index in core])
        outside.append(solver.not_(solver.all_([terms[index] for index in core])))
        data = question.find(term, *outside, holds=holds, shrink=False)
    shared = [one for one in cubes[0] if all(one in cube for cube in cubes)] if cubes else []
    rest = [[one for one in cube if one not in shared] for cube in cubes]
    alternatives = tuple(literals(cube) for cube in rest) if all(rest) else ()
    return Region(literals(shared), alternatives, data is None)


Literal = tuple[Node, bool]


def _term(question: Question, literal: Literal) -> Term:
    node, held = literal
    term = question.encoder.condition(node)
    return term if held else question.solver.not_(term)


def _decisive(question: Question, data: dict[str, Any]) -> Iterator[tuple[Node, bool, bool]]:
    """The conditions that were looked at when the rules were judged for some data: each, how it was, and whether all
    policies have it.
    """
    every: list[dict[Node, bool]] = []
    for policy in question.policies:
        seen: dict[Node, bool] = {}
        values = {path: _plain(data.get(path)) for path in policy.inputs(question.action)}
        for when, unless in policy.trees(question.action).values():
            if _look(when, question.action, values, seen) and unless is not None:
                _look(unless, question.action, values, seen)
        every.append(seen)
    for node, held in {node: held for seen in every for node, held in seen.items()}.items():
        yield node, held, all(node in seen for seen in every)


def _look(node: Node, action: str, values: dict[str, Any], seen: dict[Node, bool]) -> bool:
    """Evaluate a condition as the interpreter does, noting every part that is not made of conditions itself."""
    match node:
        case Const(_, value):
            return bool(value)
        case Not(operand):
            return not _look(operand, action, values, seen)
        case And(parts):
            return all(_look(part, action, values, seen) for part in parts)
        case Or(parts):
            return any(_look(part, action, values, seen) for part in parts)
        case If(test, then, otherwise):
            return _look(then if _look(test, action, values, seen) else otherwise, action, values, seen)
        case _:
            held = seen[node] = bool(evaluate(node, action, values))
            return held


def _plain(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value
