"""Judge one drawn document on its inputs by everything that can judge, and demand one answer.

    generated Python    Policy.judge, and Policy.bind with its generated binder
    tree interpreter    Policy.interpret, on the unspecialised tree
    specification       specification.py, on the text and the raw data
    CEL                 Google's evaluator on each rule's condition as plain CEL (a sample: it is slow to build)
    solver              z3: that input has this outcome, and no other (a sample)

INVARIANT: a document is refused only for reads that the generator left unguarded on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from cel_expr_python import cel

from interlock.policy import BindFailure, Bound, Policy, PolicyErrors, load
from interlock.policy.cel import cel_text
from interlock.policy.proof.question import Question
from interlock.policy.proof.smt import Unknown
from interlock.policy.proof.variables import SPARE
from tests.properties.soundness.generator import Drawn, document, raw_input
from tests.properties.soundness.specification import Judgement, Missing, Specification

CEL = cel.NewEnv(variables=dict.fromkeys(("proposal", "case", "advice", "breaker", "now"), cel.Type.DYN))
UNGUARDED = {"maybe_missing", "not_for_action"}
SOLVER_MS = 5_000


class Disagreement(AssertionError):
    """Two of them differ. The text says which, on what, and how to see it again."""


@dataclass
class Tally:
    """What was compared. `pairs` counts (document, input) judged by the first three."""

    documents: int = 0
    refused: int = 0
    pairs: int = 0
    unfit: int = 0
    oracle: int = 0
    solver: int = 0
    unknown: int = 0

    def add(self, other: Tally) -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def __str__(self) -> str:
        return (
            f"{self.pairs:,} pairs of {self.documents:,} documents ({self.refused:,} refused as they should be,"
            f" {self.unfit:,} inputs refused by all), CEL on {self.oracle:,} conditions, the solver on"
            f" {self.solver:,} pairs ({self.unknown:,} undecided)"
        )


def compare(
    seed: int, number: int, inputs: int, *, oracle: bool = False, solver: int = 0, only: int | None = None
) -> Tally:
    """Draw document `number` of a seed and judge `inputs` of its inputs (or `only` that one). Raises Disagreement.

    oracle   whether CEL is asked of every condition
    solver   of how many inputs the solver is asked
    """
    drawn = document(f"{seed}/{number}")
    tally = Tally(documents=1)
    where = f"--seed {seed} --document {number}"
    try:
        policy = load(drawn.text, file="drawn.yaml", fallbacks=("f", "g"))
    except PolicyErrors as errors:
        # "another type in each": behind contradicting conditions the loader knows no action any more, and refuses.
        if all(one.code in UNGUARDED or "has another type in each of" in one.message for one in errors.diagnostics):
            tally.refused = 1
            return tally
        raise Disagreement(
            f"{where}: the loader refuses what the generator may write\n{errors}\n{drawn.text}"
        ) from None
    every = _Judges(policy, Specification(drawn.text, policy.to_data()["schema"]), drawn, oracle)
    for place in range(inputs) if only is None else [only]:
        try:
            every.agree(seed, number, place, tally, solver=place < solver)
        except (Disagreement, Missing, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            action, raw = raw_input(drawn, f"{seed}/{number}/{place}")
            raise Disagreement(
                f"{where} --input {place}: {type(error).__name__} {error}\n{action} {raw}\n{drawn.text}"
            ) from error
    return tally


class _Judges:
    def __init__(self, policy: Policy, specification: Specification, drawn: Drawn, oracle: bool) -> None:
        self.policy = policy
        self.specification = specification
        self.drawn = drawn
        self.conditions: list[tuple[int, Any, Any]] = []
        if oracle:
            for bit, rule in enumerate(policy.rules):
                unless = None if rule.unless is None else CEL.compile(cel_text(rule.unless))
                self.conditions.append((bit, CEL.compile(policy.cel_text(rule)), unless))
        self.questions: dict[str, Question] = {}
        self.named: dict[str, set[str]] = {}

    def agree(self, seed: int, number: int, place: int, tally: Tally, *, solver: bool) -> None:
        action, raw = raw_input(self.drawn, f"{seed}/{number}/{place}")
        policy = self.policy
        bound = policy.bind(action, raw)
        admitted = self.specification.admits(action, raw, policy.inputs(action))
        if isinstance(bound, BindFailure):
            _same("the input is refused", bound, None if admitted else bound)
            tally.unfit += 1
            return
        _same("the input is admitted", admitted, True)
        verdict = policy.judge(bound)
        _same("the tree interpreter", policy.interpret(bound), verdict)
        meant = self.specification.judge(action, raw)
        _same("the specification", meant, _judgement(policy, bound))
        approved = [name for name in ("x", "y", "z") if (place + len(name)) % 2 or name == "x"]
        after = policy.judge_with(bound, approved)
        _same(
            "the specification, after approvals",
            self.specification.after(meant, approved),
            (after.outcome, {group.name: group.approvals for group in after.groups}, after.fallback),
        )
        _same("the record", policy.bound_from_data(action, bound.to_data()), bound)
        tally.pairs += 1
        if self.conditions:
            self._oracle(bound, verdict.mask, verdict.excused, tally)
        if solver:
            self._solver(bound, verdict.outcome, tally)

    def _oracle(self, bound: Bound, mask: int, excused: int, tally: Tally) -> None:
        data = _nested(bound)
        for bit, when, unless in self.conditions:
            rule = self.policy.rules[bit]
            if not rule.applies_to(bound.action):
                continue
            holds = when.eval(data=data).value()
            tally.oracle += 1
            _same(f"CEL on {rule.id}", holds, bool(mask >> bit & 1))
            if unless is not None and holds:
                tally.oracle += 1
                _same(f"CEL on the unless of {rule.id}", unless.eval(data=data).value(), bool(excused >> bit & 1))

    def _solver(self, bound: Bound, outcome: str, tally: Tally) -> None:
        question = self.questions.get(bound.action)
        if question is None:
            question = Question([self.policy], bound.action, timeout_ms=SOLVER_MS)
            self.questions[bound.action] = question
            self.named[bound.action] = set(question.variables._texts)
        pinned: list[Any] = []
        strangers: dict[str, int] = {}
        named = self.named[bound.action]
        for slot in self.policy.slots(bound.action):
            value = bound.to_data()[slot.path]
            unnamed = _texts(value) - named
            if not unnamed or question.variables.look_into:
                pinned.append(question.variables.pinned(slot.path, value))
            elif isinstance(value, str):
                # A text that no rule names is one of the solver's spare names, the same wherever it stands.
                name = SPARE + strangers.setdefault(value, len(strangers))
                same = question.solver.equal(question.variables.scalar(slot.path), question.solver.integer(name))
                pinned.append(question.solver.all_([question.variables.there(slot.path), same]))
            else:
                return  # a list with such a text cannot be told to the solver
        solver = question.solver
        this = question.says[0].of(outcome)
        for wanted, terms in ((True, this), (False, solver.not_(this))):
            answer = solver.ask(terms, *pinned)
            if isinstance(answer, Unknown):
                tally.unknown += 1
                return
            _same(f"the solver on {outcome}", answer is not None, wanted)
        tally.solver += 1


def _same(who: str, said: Any, wanted: Any) -> None:
    if said != wanted:
        raise Disagreement(f"{who}: {said}\nagainst {wanted}")


def _judgement(policy: Policy, bound: Bound) -> Judgement:
    verdict = policy.judge(bound)
    return Judgement(
        verdict.outcome,
        {group.name: group.approvals for group in verdict.groups},
        verdict.fallback,
        verdict.rules,
        verdict.default,
        verdict.mask,
        verdict.excused,
        policy.violated(bound, verdict),
    )


def _nested(bound: Bound) -> dict[str, Any]:
    """Bound inputs as nested data of exact integers: what the CEL text is about."""
    tree: dict[str, Any] = {"proposal": {"action": bound.action}, "case": {}, "advice": {}, "breaker": {}, "now": 0}
    for path, value in zip(bound.paths, bound.values, strict=True):
        if value is None:
            continue
        *above, name = path.split(".")
        here = tree
        for part in above:
            here = here.setdefault(part, {})
        if path in ("case.rec", "case.rec.sub"):
            here.setdefault(name, {})
        else:
            here[name] = list(value) if isinstance(value, tuple) else value
    return tree


def _texts(data: Any) -> set[str]:
    if isinstance(data, list | tuple):
        return {text for one in data for text in _texts(one)}
    return {data} if isinstance(data, str) else set()
