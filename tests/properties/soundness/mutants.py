"""Plant one fault in a policy document and see what notices: the loader, its own tests, its invariants, or nothing.

What nothing notices is compared with the original by the prover: equivalent (proved), or surviving, with an input that
tells the two apart. Every input that is offered as evidence is judged again by the evaluator before it counts.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import yaml

from interlock.policy import Policy, PolicyErrors, load, run_tests
from interlock.policy.proof import compare
from interlock.policy.proof.question import Question, Undecided
from interlock.policy.rules import unlike
from interlock.policy.schema import Schema

Fate = Literal["refused", "test", "invariant", "equivalent", "survived", "undecided"]

GUARDS = ("maybe_missing", "not_for_action")
"""Why the loader may refuse a mutant: a guard is gone. Any other refusal would be a fault of the mutant."""

SWAPS = {">=": ">", "<=": "<", ">": ">=", "<": "<=", "==": "!=", "!=": "==", "&&": "||", "||": "&&"}
OPERATOR = re.compile(r">=|<=|==|!=|&&|\|\||>|<")
NUMBER = re.compile(r"(?<![\w.\"'])(\d+)(\.\d+)?(?![\w.])")
ORDER = ("deny", "escalate", "fallback", "allow")


@dataclass(frozen=True)
class Mutant:
    """One fault: what was done, and the document with it."""

    what: str
    text: str


class _Plain(yaml.CSafeDumper):
    """Writes texts as the reader got them: `0.9` and `null` without quotes."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


def mutants(document: str) -> Iterator[Mutant]:
    """Every single fault of a document."""
    whole = yaml.load(document, Loader=yaml.CBaseLoader)

    def made(what: str, changed: Any) -> Mutant:
        changed["rules"].sort(key=lambda rule: ORDER.index(rule["then"]))
        return Mutant(what, yaml.dump(changed, Dumper=_Plain, sort_keys=False, width=10_000))

    for place, rule in enumerate(whole["rules"]):
        for what, changed in _of_rule(rule):
            other = copy.deepcopy(whole)
            other["rules"][place : place + 1] = changed
            yield made(f"{rule['id']}: {what}", other)
    for name, text in (whole.get("define") or {}).items():
        for what, changed in _of_text(text):
            other = copy.deepcopy(whole)
            other["define"][name] = changed
            yield made(f"define {name}: {what}", other)
    for name, value in (whole.get("params") or {}).items():
        for changed in _other_numbers(value):
            other = copy.deepcopy(whole)
            other["params"][name] = changed
            yield made(f"param {name}: {value} is {changed}", other)
    other = copy.deepcopy(whole)
    other["default"] = {"verdict": "deny"}
    yield made("default: deny", other)


def _of_rule(rule: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "never holds", [{**rule, "when": f"({rule['when']}) && false"}]
    yield "negated", [{**rule, "when": f"!({rule['when']})"}]
    for then in ("deny", "allow"):
        if then != rule["then"]:
            rest = {key: value for key, value in rule.items() if key != "to"}
            yield f"{rule['then']} is {then}", [{**rest, "then": then}]
    if "unless" in rule:
        yield "unless removed", [{key: value for key, value in rule.items() if key != "unless"}]
    if isinstance(rule.get("for"), list):
        for action in rule["for"]:
            yield f"not for {action}", [{**rule, "for": [one for one in rule["for"] if one != action]}]
    for key in ("when", "unless"):
        for what, changed in _of_text(rule.get(key, "")):
            yield f"{key}: {what}", [{**rule, key: changed}]
    fewer = re.sub(r"'approvals': '\d+'", "'approvals': '1'", repr(rule.get("to")))
    if fewer != repr(rule.get("to")):
        yield "one approval", [{**rule, "to": yaml.safe_load(fewer)}]


def _of_text(text: str) -> Iterator[tuple[str, str]]:
    for found in OPERATOR.finditer(text):
        yield f"{found[0]} is {SWAPS[found[0]]}", text[: found.start()] + SWAPS[found[0]] + text[found.end() :]
    for found in NUMBER.finditer(text):
        for number in _other_numbers(found[0]):
            yield f"{found[0]} is {number}", text[: found.start()] + number + text[found.end() :]


def _other_numbers(text: Any) -> list[str]:
    found = re.fullmatch(r"(\d+)(\.\d+)?([a-z]*)", text) if isinstance(text, str) else None
    if found is None:
        return []
    whole, places, unit = int(found[1]), found[2] or "", found[3]
    less = [f"{whole - 1}{places}{unit}"] if whole else []
    return [f"{whole + 1}{places}{unit}", *less]


def fate(original: Policy, mutant: Mutant, *, schema: Schema | None, timeout_ms: int = 60_000) -> tuple[Fate, str]:
    """What becomes of a mutant, and what says so."""
    try:
        fallbacks = [rule.fallback for rule in original.rules if rule.fallback]
        policy = load(mutant.text, file="mutant.yaml", schema=schema, fallbacks=fallbacks)
    except PolicyErrors as errors:
        return "refused", errors.diagnostics[0].code
    failed = next((result for result in run_tests(policy) if not result.passed), None)
    if failed is not None:
        return "test", failed.name
    undecided = False
    for action in policy.schema.actions:
        if not policy.invariant_trees(action):
            continue
        question = Question([policy], action, timeout_ms=timeout_ms)
        for name, term in question.invariants.items():
            holds = partial(_breaks, question, name)
            found = question.find(question.says[0].allow, term, holds=holds, shrink=False)
            if isinstance(found, Undecided):
                undecided = True
            elif found is not None:
                return "invariant", name
    if undecided:
        return "undecided", "an invariant"
    difference = compare(original, policy, timeout_ms=timeout_ms)
    for change in difference.changes:
        if not unlike(change.example.verdict, change.now):
            raise AssertionError(f"{mutant.what}: the example of {change.name} is none")
    if difference.changes:
        return "survived", f"{difference.changes[0].name} for {difference.changes[0].action}"
    return ("equivalent", "") if difference.equivalent else ("undecided", "; ".join(difference.undecided))


def _breaks(question: Question, name: str, data: Any) -> bool:
    """The evaluator's own word that an input breaks an invariant."""
    bounds = question.bounds(data)
    (policy,) = question.policies
    return bounds is not None and name in policy.violated(bounds[0], policy.judge(bounds[0]))
