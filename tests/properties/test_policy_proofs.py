"""The solver and the evaluator say the same of every policy and every input.

Policies are drawn by the same grammar as for the evaluator. Whatever the solver finds must be confirmed by the real
`bind` and `judge`, and what it proves impossible no drawn input may do.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from interlock.policy import BoolType, Bound, DecimalType, EnumType, IntType, StringType, lint
from interlock.policy.boundaries import Boundaries
from interlock.policy.contrast import contrast
from interlock.policy.policy import Policy
from interlock.policy.proof import compare
from interlock.policy.proof.question import Question, Undecided
from interlock.policy.proof.smt import Unknown
from interlock.policy.rules import combine, unlike, verdict_text
from tests.properties.test_policy_kernel import ACTIONS, bound_of, document, loaded, raw_inputs, rule_lists

OUTCOMES = ("deny", "escalate", "fallback", "allow")


def verdict_of(policy: Policy, question: Question, data: Any) -> str:
    bounds = question.bounds(data)
    assert bounds is not None, data
    return policy.judge(bounds[0]).outcome


@settings(max_examples=20, deadline=None)
@given(st.data(), rule_lists(), ACTIONS)
def test_what_the_solver_finds_is_confirmed_and_what_it_excludes_never_happens(
    data: st.DataObject, rules: list[dict[str, Any]], action: str
) -> None:
    policy = loaded(document(rules))
    assume(policy is not None)
    assert policy is not None
    question = Question([policy], action, timeout_ms=3_000)
    possible: set[str] = set()
    undecided: set[str] = set()
    for outcome in OUTCOMES:
        answer = question.find(
            question.says[0].of(outcome),
            holds=lambda found, outcome=outcome: verdict_of(policy, question, found) == outcome,
        )
        if isinstance(answer, Undecided):
            assert "gave up" in answer.why, (answer.why, policy.source)
            undecided.add(outcome)
        elif answer is not None:
            possible.add(outcome)
    assert possible
    for _ in range(5):
        bound = policy.bind(action, data.draw(raw_inputs(action)))
        assert isinstance(bound, Bound)
        verdict = policy.judge(bound)
        assert verdict.outcome in possible | undecided, (verdict_text(verdict), bound, policy.source)


@settings(max_examples=12, deadline=None)
@given(st.data(), rule_lists(), ACTIONS)
def test_two_versions_that_some_input_tells_apart_are_never_called_equivalent(
    data: st.DataObject, rules: list[dict[str, Any]], action: str
) -> None:
    """One rule is taken away. Classes of change hold what the evaluator does, and nothing is said of the others."""
    before = loaded(document(rules))
    assume(before is not None and rules)
    after = loaded(document([rule for rule in rules if rule is not data.draw(st.sampled_from(rules))]))
    assume(after is not None)
    assert before is not None and after is not None
    found = compare(before, after, timeout_ms=3_000)
    assert all("gave up" in line for line in found.undecided), found.undecided
    classes = {(change.action, change.before, change.after) for change in found.changes}
    for change in found.changes:
        assert unlike(change.example.verdict, change.now)
    for _ in range(5):
        raw = data.draw(raw_inputs(action))
        verdicts = [policy.judge(bound_of(policy, action, raw)) for policy in (before, after)]
        if unlike(*verdicts):
            assert not found.equivalent
            assert (action, verdicts[0].outcome, verdicts[1].outcome) in classes or found.undecided


@settings(max_examples=20, deadline=None)
@given(st.data(), rule_lists(), ACTIONS)
def test_one_input_that_can_flip_a_verdict_alone_is_found_with_its_nearest_value(
    data: st.DataObject, rules: list[dict[str, Any]], action: str
) -> None:
    """The solver is asked of every input whether it can, all others being fixed; the search must know it."""
    policy = loaded(document(rules))
    assume(policy is not None)
    assert policy is not None
    bound = bound_of(policy, action, data.draw(raw_inputs(action)))
    found = contrast(policy, bound)
    assert not found.cut
    assert all(one.verdict.outcome != found.verdict.outcome for one in found.found)
    alone: dict[str, list[Any]] = {}
    for one in found.found:
        if len(one.changes) == 1:
            alone.setdefault(one.changes[0].path, []).append(one.data.get(one.changes[0].path))
    question = Question([policy], action, timeout_ms=3_000)
    solver, values = question.solver, bound.to_data()
    # A text that no rule names has no name for the solver; then the rest of the input cannot be fixed.
    texts = [slot for slot in policy.slots(action) if isinstance(slot.type, StringType)]
    if question.variables.look_into or any(values[slot.path] for slot in texts):
        return
    others = solver.any_([question.says[0].of(name) for name in OUTCOMES if name != found.verdict.outcome])
    for slot in policy.slots(action):
        now = values[slot.path]
        if not isinstance(slot.type, BoolType | IntType | DecimalType | EnumType) or now is None:
            continue
        fixed = [question.variables.pinned(path, value) for path, value in values.items() if path != slot.path]
        model = solver.ask(others, *fixed)
        if isinstance(model, Unknown):
            continue
        event(f"can flip it alone: {model is not None}")
        assert (model is not None) == (slot.path in alone), (slot.path, values, found, policy.source)
        moved = [value for value in alone.get(slot.path, ()) if value is not None]
        if moved and isinstance(slot.type, IntType | DecimalType):
            nearest, term = min(abs(value - now) for value in moved), question.variables.scalar(slot.path)
            nearer = [
                solver.less(solver.integer(now - nearest), term),
                solver.less(term, solver.integer(now + nearest)),
            ]
            there = question.variables.there(slot.path)
            found_nearer = solver.ask(others, *fixed, *nearer, there)
            assert found_nearer is None or isinstance(found_nearer, Unknown), (
                slot.path,
                nearest,
                values,
                policy.source,
            )


@settings(max_examples=20, deadline=None)
@given(st.data(), rule_lists(), ACTIONS)
def test_what_is_remarked_on_without_a_solver_is_so(
    data: st.DataObject, rules: list[dict[str, Any]], action: str
) -> None:
    policy = loaded(document(rules))
    assume(policy is not None)
    assert policy is not None
    flagged = {one.line: one.code for one in lint(policy) if one.code not in ("impossible", "always")}
    for _ in range(8):
        verdict = policy.judge(bound_of(policy, action, data.draw(raw_inputs(action))))
        for bit, rule in enumerate(policy.rules):
            code = flagged.get(rule.line)
            held, excused = verdict.mask >> bit & 1, verdict.excused >> bit & 1
            assert not (code == "unreachable" and held), (rule, policy.source)
            assert not (code == "excused" and held and not excused), (rule, policy.source)
            if code in ("hidden", "conflict"):
                without = combine(
                    policy.rules, policy.default, verdict.mask & ~(1 << bit), verdict.excused & ~(1 << bit)
                )
                assert not unlike(verdict, without), (rule, policy.source)


@settings(max_examples=40, deadline=None)
@given(st.data(), rule_lists(), ACTIONS)
def test_no_smaller_change_and_no_pair_or_three_inputs_are_missed(
    data: st.DataObject, rules: list[dict[str, Any]], action: str
) -> None:
    """Where the search needed more than one input, the solver is asked of every two (and three) whether they would do.

    Of those, that is, of which no comparison reads two: where one does, the search promises less (docs/limits.md).
    """
    policy = loaded(document(rules))
    assume(policy is not None)
    assert policy is not None
    bound = bound_of(policy, action, data.draw(raw_inputs(action)))
    around = Boundaries(policy, action)
    question = Question([policy], action, timeout_ms=3_000)
    values = bound.to_data()
    texts = [slot for slot in policy.slots(action) if isinstance(slot.type, StringType)]
    if question.variables.look_into or any(values[slot.path] for slot in texts):
        return
    plain = [
        slot.path
        for slot in policy.slots(action)
        if isinstance(slot.type, BoolType | IntType | DecimalType | EnumType) and values[slot.path] is not None
    ]
    for target in OUTCOMES:
        found = contrast(policy, bound, target=target)
        if found.verdict.outcome == target or found.cut or found.searched < 2:
            continue
        told = {tuple(sorted(change.path for change in one.changes)) for one in found.found}
        sets = [chosen for count in range(2, found.searched + 1) for chosen in combinations(plain, count)]
        for chosen in sets:
            if around.joined(chosen):
                continue
            fixed = [question.variables.pinned(path, value) for path, value in values.items() if path not in chosen]
            there = [question.variables.there(path) for path in chosen]
            model = question.solver.ask(question.says[0].of(target), *fixed, *there)
            if not isinstance(model, Unknown):
                event(f"{len(chosen)} inputs would have done: {model is not None}")
                assert model is None or tuple(sorted(chosen)) in told, (target, chosen, values, policy.source)
