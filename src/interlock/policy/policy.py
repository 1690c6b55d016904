"""A loaded policy: pure and total. Same inputs, same verdict, always a verdict.

    raw data --bind--> Bound --judge--> Verdict --describe--> words

`judge` runs generated code and looks the verdict up by its trace; `interpret` walks the trees as they were checked.
They are equal on every bound input, and both are total: a Bound was checked when it was made, and a loaded rule
cannot raise, hang or read anything else.

INVARIANT: a policy is a value. What it keeps beside its document (verdicts by trace) changes nothing that can be seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from interlock.policy.bind import BindFailure, Bound, Inputs, Slot, inputs_for
from interlock.policy.cases import PolicyTest
from interlock.policy.cel import cel_text
from interlock.policy.compile import Mask, generate
from interlock.policy.diagnostics import Diagnostic, nearest
from interlock.policy.interpret import evaluate
from interlock.policy.rules import Default, Invariant, Rule, combine, discharge
from interlock.policy.schema import Schema
from interlock.policy.specialise import specialise
from interlock.policy.tree import FALSE, Const, Consts, Has, Input, Node, to_data, walk
from interlock.policy.values import constant_words, words
from interlock.vocabulary.canonical import digest
from interlock.vocabulary.verdict import Outcome, Verdict

SEMANTICS = 1
"""Version of what a policy means. It is part of every policy's hash and changes when the same text could mean
another thing.
"""

_TRACES_KEPT_MAX = 4_096
"""Verdicts remembered per action. Policies in use have a few dozen traces; beyond this a verdict is made anew each
time.
"""

Result = Literal["matched", "excused", "not_matched", "not_for_action"]


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What one rule said, with the values it compared (inputs and parameters, as words)."""

    id: str
    line: int
    then: Outcome
    result: Result
    reason: str
    condition: str
    values: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        seen = f" with {', '.join(f'{name} = {value}' for name, value in self.values)}" if self.values else ""
        head = f"{self.id} (line {self.line})"
        match self.result:
            case "not_for_action":
                return f"{head}: not for this action"
            case "matched":
                why = f". {self.reason}" if self.reason else ""
                return f"{head}: matched, {self.then}: {self.condition}{seen}{why}"
            case "excused":
                return f"{head}: excused by its unless: {self.condition}{seen}"
            case "not_matched":
                return f"{head}: not matched: {self.condition}{seen}"


@dataclass(slots=True)
class _Program:
    """All that one action needs: its inputs, its rules in one function, and the verdicts of the traces seen so far."""

    inputs: Inputs
    mask: Mask
    facts: tuple[str, ...]
    trees: dict[int, tuple[Node, Node | None]]
    invariants: tuple[tuple[str, Node], ...]
    verdicts: dict[int, Verdict]


class Policy:
    """A checked document. Made by `load` alone.

    name, hash      `hash` is the sha256 of what the policy means: comments, layout, order of keys and the names of
    parameters
                    and definitions change nothing; a parameter's value, a rule, a reason and the schema do
    source, file    the document as it was
    schema, rules, default, invariants, params, tests
    remarks         what its author cannot have meant (conditions that always or never hold); they change nothing
    """

    __slots__ = (
        "_programs",
        "_shift",
        "default",
        "file",
        "hash",
        "invariants",
        "name",
        "params",
        "remarks",
        "rules",
        "schema",
        "source",
        "tests",
    )

    def __init__(
        self,
        *,
        name: str,
        source: str,
        file: str,
        schema: Schema,
        params: Mapping[str, Const | Consts],
        rules: tuple[Rule, ...],
        default: Default,
        invariants: tuple[Invariant, ...],
        tests: tuple[PolicyTest, ...],
        remarks: tuple[Diagnostic, ...] = (),
    ) -> None:
        self.name = name
        self.source = source
        self.file = file
        self.schema = schema
        self.params = dict(params)
        self.rules = rules
        self.default = default
        self.invariants = invariants
        self.tests = tests
        self.remarks = remarks
        self.hash = digest(self.to_data())
        self._shift = len(rules)
        self._programs = {action: self._program(action) for action in schema.actions}

    def __repr__(self) -> str:
        return f"<Policy {self.name} {self.hash[:12]}: {len(self.rules)} rules, {len(self.schema.actions)} actions>"

    def _program(self, action: str) -> _Program:
        reads: dict[str, Input | Has] = {}
        trees: dict[int, tuple[Node, Node | None]] = {}
        code: list[tuple[int, Node, Node | None]] = []
        for bit, rule in enumerate(self.rules):
            if rule.applies_to(action):
                when = specialise(rule.when, action, reads)
                # `unless` was checked where `when` holds; where that never is, it may name what this action lacks.
                unless = None if rule.unless is None or when == FALSE else specialise(rule.unless, action, reads)
                trees[bit] = (when, unless)
                if when != FALSE:
                    code.append((bit, when, unless))
        facts = tuple(sorted(path for path in reads if path != "now" and not path.startswith("breaker.")))
        invariants = tuple(
            (invariant.name, specialise(invariant.when, action, reads))
            for invariant in self.invariants
            if invariant.for_ is None or action in invariant.for_
        )
        inputs = inputs_for(action, self.schema.roots(action), reads)
        return _Program(inputs, generate(code, inputs.paths, self._shift), facts, trees, invariants, {})

    # --- judging --------------------------------------------------------------------------------------------------

    def inputs(self, action: str) -> tuple[str, ...]:
        """Sorted paths that the rules and invariants for an action read; the order of `Bound.values`."""
        return self._programs[action].inputs.paths

    def bind(self, action: str, raw: Mapping[str, object]) -> Bound | BindFailure:
        """Take the inputs for an action out of nested plain data, checked and canonical. Never raises.

        Decimals come as text or int, timestamps as microseconds or ISO 8601 with an offset, durations as
        microseconds or ISO 8601. Keys that no rule reads are ignored; None is absent.
        """
        program = self._programs.get(action)
        if program is None:
            near = nearest(action, self._programs)
            return BindFailure(
                "proposal.action", f"`{action}` is no action of this policy" + (f"; {near}" if near else "")
            )
        return program.inputs.bind(raw)

    def bound_from_data(self, action: str, data: Mapping[str, object]) -> Bound | BindFailure:
        """The inverse of `Bound.to_data`, for judging a recorded decision again. Never raises."""
        program = self._programs.get(action)
        if program is None:
            return BindFailure("proposal.action", f"`{action}` is no action of this policy")
        return program.inputs.from_data(data)

    def bound_facts(self, bound: Bound) -> dict[str, Any]:
        """What a review is bound to: the inputs of the rules for this action without `now` and the health of
        dependencies.
        """
        data = bound.to_data()
        return {path: data[path] for path in self._programs[bound.action].facts}

    def judge(self, bound: Bound) -> Verdict:
        """The verdict. Pure and total."""
        program = self._programs[bound.action]
        trace = program.mask(bound.values)
        verdict = program.verdicts.get(trace)
        if verdict is None:
            verdict = combine(self.rules, self.default, trace & ((1 << self._shift) - 1), trace >> self._shift)
            if len(program.verdicts) < _TRACES_KEPT_MAX:
                program.verdicts[trace] = verdict
        return verdict

    def judge_with(self, bound: Bound, discharged: Collection[str]) -> Verdict:
        """The verdict once these groups have approved (the caller has counted their approvals). A deny stays a deny.

        With every required group discharged and nothing stricter left: allow with `by_approval`, whose `rules` are
        those that the approvals discharged. A fallback rule that holds comes before that.
        """
        return discharge(self.rules, self.default, self.judge(bound), discharged)

    def interpret(self, bound: Bound) -> Verdict:
        """The verdict by the reference interpreter; equals `judge`."""
        values = dict(zip(bound.paths, bound.values, strict=True))
        mask = excused = 0
        for bit, rule in enumerate(self.rules):
            if rule.applies_to(bound.action) and evaluate(rule.when, bound.action, values):
                mask |= 1 << bit
                if rule.unless is not None and evaluate(rule.unless, bound.action, values):
                    excused |= 1 << bit
        return combine(self.rules, self.default, mask, excused)

    def violated(self, bound: Bound, verdict: Verdict) -> tuple[str, ...]:
        """Invariants that this verdict breaks: it allows on its own (not by approval) what an invariant says is
        never allowed.
        """
        if verdict.outcome != "allow" or verdict.by_approval:
            return ()
        values = dict(zip(bound.paths, bound.values, strict=True))
        return tuple(
            name for name, when in self._programs[bound.action].invariants if evaluate(when, bound.action, values)
        )

    # --- looking inside -------------------------------------------------------------------------------------------

    def slots(self, action: str) -> tuple[Slot, ...]:
        """The inputs for an action with their types and what of their paths is optional, in the order of `inputs`."""
        return self._programs[action].inputs.slots

    def trees(self, action: str) -> Mapping[int, tuple[Node, Node | None]]:
        """By bit, the `when` and `unless` of the rules for an action, as they are for it alone."""
        return self._programs[action].trees

    def invariant_trees(self, action: str) -> Mapping[str, Node]:
        """By name, what is never allowed for an action."""
        return dict(self._programs[action].invariants)

    # --- telling --------------------------------------------------------------------------------------------------

    def outcomes(self, verdict: Verdict, bound: Bound) -> tuple[RuleOutcome, ...]:
        """Every rule's outcome, in the order of the document, from the verdict's trace and the inputs it was made
        from.
        """
        program = self._programs[bound.action]
        types = {slot.path: slot.type for slot in program.inputs.slots}
        values = dict(zip(bound.paths, bound.values, strict=True))

        def seen(nodes: tuple[Node | None, ...]) -> tuple[tuple[str, str], ...]:
            found: dict[str, str] = {}
            for node in (here for tree in nodes if tree is not None for here in walk(tree)):
                if isinstance(node, Input | Has):
                    type_, value = types[node.path], values[node.path]
                    found[node.path] = (
                        "absent" if value is None else "present" if type_ is None else words(type_, value)
                    )
                elif isinstance(node, Const | Consts) and node.label:
                    found[node.label] = param_words(self.params[node.label])
            return tuple(found.items())

        told: list[RuleOutcome] = []
        for bit, rule in enumerate(self.rules):
            result: Result = "not_matched"
            if not rule.applies_to(bound.action):
                result = "not_for_action"
            elif verdict.excused >> bit & 1:
                result = "excused"
            elif verdict.mask >> bit & 1:
                result = "matched"
            when, unless = program.trees.get(bit, (None, None))
            compared = seen((when, unless if result in ("matched", "excused") else None))
            condition = rule.unless_text if result == "excused" else rule.when_text
            told.append(RuleOutcome(rule.id, rule.line, rule.then, result, rule.reason, condition, compared))
        return tuple(told)

    def describe(self, verdict: Verdict, bound: Bound) -> list[str]:
        """One line in words per rule, then one for the default where it spoke."""
        lines = [str(outcome) for outcome in self.outcomes(verdict, bound)]
        if verdict.default:
            reason = f". {self.default.reason}" if self.default.reason else ""
            lines.append(f"default (line {self.default.line}): no rule matched, {self.default.then}{reason}")
        return lines

    def cel_text(self, rule: Rule) -> str:
        """A rule's `when` as plain CEL over exact integers, with parameters and definitions put in: for an oracle."""
        return cel_text(rule.when)

    def to_data(self) -> dict[str, Any]:
        """What the policy means, as plain data: what its hash covers and a prover reads."""
        default = self.default
        return {
            "semantics": SEMANTICS,
            "policy": self.name,
            "schema": self.schema.to_data(),
            "rules": [
                {
                    "id": rule.id,
                    "for": None if rule.for_ is None else sorted(rule.for_),
                    "when": to_data(rule.when),
                    "unless": None if rule.unless is None else to_data(rule.unless),
                    "then": rule.then,
                    "to": [[group.name, group.approvals] for group in rule.to],
                    "fallback": rule.fallback,
                    "reason": rule.reason,
                }
                for rule in self.rules
            ],
            "default": {
                "then": default.then,
                "to": [[group.name, group.approvals] for group in default.to],
                "fallback": default.fallback,
                "reason": default.reason,
            },
            "invariants": {
                invariant.name: {
                    "for": None if invariant.for_ is None else sorted(invariant.for_),
                    "when": to_data(invariant.when),
                }
                for invariant in self.invariants
            },
        }


def param_words(param: Const | Consts) -> str:
    """A parameter's value as its author would write it."""
    if isinstance(param, Consts):
        return "[" + ", ".join(constant_words(param.kind, value) for value in param.values) + "]"
    return constant_words(param.kind, param.value)
