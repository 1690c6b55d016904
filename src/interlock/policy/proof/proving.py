"""Prove: what holds of a policy for every input that its schema admits, or an input for which it does not.

    invariants      nothing that an invariant describes is ever allowed by the rules alone
    rules           each can hold, and some input gets another verdict because of it
    conflicts       rules of one strictness that lead to different places at once
    default         whether some input reaches it
    irreversible    under what an irreversible action runs without a person

INVARIANT: "proved" means that the solver showed that no input contradicts it. Whatever it could not answer, and every
input of its that the evaluator does not confirm, is "undecided".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from interlock.policy.examples import Data, Example
from interlock.policy.policy import Policy
from interlock.policy.proof.findings import Finding, Progress, Proof, silent
from interlock.policy.proof.guards import Guards, irreversible
from interlock.policy.proof.question import Question, Undecided
from interlock.policy.proof.smt import TIMEOUT_MS, Term
from interlock.policy.rules import STRICTNESS, Invariant, Rule, combine, merged
from interlock.policy.tree import FALSE
from interlock.vocabulary.release import Certificate


def prove(
    policy: Policy,
    *,
    certificates: Mapping[str, Sequence[Certificate]] | None = None,
    final: Collection[str] = (),
    timeout_ms: int = TIMEOUT_MS,
    progress: Progress = silent,
) -> Proof:
    """Prove what can be proved of a policy.

    certificates  per action those that its release names; None: the policy stands alone and nothing is known of any
    final         actions of the class that always takes a person
    timeout_ms    per question

    Raises NotInstalled without the extra `prove`.
    """
    work = len(policy.schema.actions) + len(policy.invariants) + len(policy.rules)
    done = 0

    def step(what: str) -> None:
        nonlocal done
        done += 1
        progress(what, done, work)

    questions: dict[str, Question] = {}
    for action in policy.schema.actions:
        questions[action] = Question([policy], action, timeout_ms=timeout_ms)
        step("reading the rules")
    found: list[Finding] = []
    for invariant in policy.invariants:
        found.append(_invariant(policy, invariant, questions))
        step("invariants")
    rules = _Rules(policy, questions)
    for bit, rule in enumerate(policy.rules):
        found.extend(rules.judged(bit, rule))
        step("rules")
    found.append(_default(policy, questions))
    found.extend(irreversible(policy, questions, Guards(certificates, frozenset(final))))
    return Proof(policy.name, policy.hash, tuple(found), sum(one.solver.asked for one in questions.values()))


# --- invariants -------------------------------------------------------------------------------------------------------


def _invariant(policy: Policy, invariant: Invariant, questions: Mapping[str, Question]) -> Finding:
    undecided: list[str] = []
    actions = [name for name in questions if invariant.for_ is None or name in invariant.for_]

    def says(standing: Any, text: str, example: Example | None = None) -> Finding:
        problem = standing != "proved"
        return Finding("invariant", invariant.name, invariant.line, standing, text, problem, example)

    for action in actions:
        question = questions[action]

        def broken(data: Data, question: Question = question) -> bool:
            bounds = question.bounds(data)
            return bounds is not None and invariant.name in policy.violated(bounds[0], policy.judge(bounds[0]))

        answer = question.find(
            question.says[0].allow, question.invariants[invariant.name], holds=broken, towards=question.bases()
        )
        if isinstance(answer, Undecided):
            undecided.append(f"{action}: {answer.why}")
        elif answer is not None:
            shown = question.judged(answer)
            by = ", ".join(shown.verdict.rules) if shown else ""
            return says("refuted", f"{invariant.name} does not hold: {action} is allowed by {by}", shown)
    if undecided:
        return says("undecided", f"{invariant.name} could not be decided: {'; '.join(undecided)}")
    return says("proved", f"{invariant.name}: never allowed for {', '.join(actions)} where {invariant.when_text}")


# --- rules ------------------------------------------------------------------------------------------------------------


class _Rules:
    """Asks of each rule whether some input gets another verdict because of it. One input may answer for many."""

    def __init__(self, policy: Policy, questions: Mapping[str, Question]) -> None:
        self._policy = policy
        self._questions = questions
        self._matter: set[int] = set()
        for question in questions.values():
            for data in question.bases():
                self._seen(question, data)

    def _seen(self, question: Question, data: Data) -> None:
        """Note every rule that matters to the verdict of an input, by the evaluator alone."""
        bounds = question.bounds(data)
        if bounds is None:
            return
        policy = self._policy
        verdict = policy.judge(bounds[0])
        for bit in range(len(policy.rules)):
            flag = 1 << bit
            if bit not in self._matter and verdict.mask & flag and not verdict.excused & flag:
                without = combine(policy.rules, policy.default, verdict.mask & ~flag, verdict.excused & ~flag)
                if (without.outcome, without.groups, without.fallback) != (
                    verdict.outcome,
                    verdict.groups,
                    verdict.fallback,
                ):
                    self._matter.add(bit)

    def judged(self, bit: int, rule: Rule) -> list[Finding]:
        found: list[Finding] = []
        undecided = self._settle(bit, rule)
        if bit not in self._matter:
            found.append(self._undecided(rule, undecided) if undecided else self._why_not(bit, rule))
        if rule.then == "fallback" and (conflict := self._conflict(bit, rule)):
            found.append(conflict)
        return found

    def _undecided(self, rule: Rule, why: list[str]) -> Finding:
        text = f"whether {rule.id} matters could not be decided: {'; '.join(why)}"
        return Finding("rule", rule.id, rule.line, "undecided", text, True)

    def _with(self, bit: int) -> list[Question]:
        """The actions for which a rule is more than nothing."""
        trees = [(question, self._policy.trees(name).get(bit)) for name, question in self._questions.items()]
        return [question for question, tree in trees if tree is not None and tree[0] != FALSE]

    def _settle(self, bit: int, rule: Rule) -> list[str]:
        """Look for an input to which the rule matters. What could not be decided, in words."""
        undecided: list[str] = []
        for question in self._with(bit):
            if bit in self._matter:
                return []
            answer = self._ask(question, self._matters(question, bit, rule))
            if answer is not None:
                undecided.append(f"{question.action}: {answer.why}")
        return [] if bit in self._matter else undecided

    def _ask(self, question: Question, term: Term) -> Undecided | None:
        """Take an answer of the solver as evidence, if it is one. None: it was, or there is none (proved)."""
        before = len(self._matter)

        def evidence(data: Data) -> bool:
            self._seen(question, data)
            return len(self._matter) > before

        model = question.find(term, holds=evidence, shrink=False)
        return model if isinstance(model, Undecided) else None

    def _stricter(self, question: Question, rule: Rule) -> list[Term]:
        """That no stricter rule holds."""
        rules, held = self._policy.rules, question.says[0].held
        solver = question.solver
        return [solver.not_(held[b]) for b in held if STRICTNESS[rules[b].then] < STRICTNESS[rule.then]]

    def _matters(self, question: Question, bit: int, rule: Rule) -> Term:
        """That the verdict would be another without the rule."""
        solver, held, rules = question.solver, question.says[0].held, self._policy.rules
        same = [b for b in held if rules[b].then == rule.then and b != bit]
        terms = [held[bit], *self._stricter(question, rule)]
        match rule.then:
            case "escalate":
                needed = [
                    solver.not_(
                        solver.any_(
                            [
                                held[b]
                                for b in same
                                if any(g.name == group.name and g.approvals >= group.approvals for g in rules[b].to)
                            ]
                        )
                    )
                    for group in rule.to
                ]
                terms.append(solver.any_(needed))
            case "fallback":
                earlier = [solver.not_(held[b]) for b in same if b < bit]
                between: list[Term] = []
                for b in (b for b in same if b > bit):
                    if rules[b].fallback == rule.fallback:
                        terms.append(solver.not_(solver.all_([held[b], *between])))
                    between.append(solver.not_(held[b]))
                terms += earlier
            case _:
                terms += [solver.not_(held[b]) for b in same]
        term = solver.all_(terms)
        default = self._policy.default
        if default.then == rule.then:
            term = solver.all_([term, self._unlike_default(question, bit, rule)])
        return term

    def _unlike_default(self, question: Question, bit: int, rule: Rule) -> Term:
        """Where a rule says what the default would say without it, it matters only where other rules hold as well, or
        where it asks for more.
        """
        default, solver, held = self._policy.default, question.solver, question.says[0].held
        others = solver.any_([held[b] for b in held if b != bit])
        if (merged(rule.to), rule.fallback) != (merged(default.to), default.fallback):
            return solver.true
        return others

    def _why_not(self, bit: int, rule: Rule) -> Finding:
        """A rule to which no input owes its verdict: it never holds, or others are always before it."""
        holds: list[tuple[Question, Term]] = []
        for question in self._with(bit):
            held = question.says[0].held[bit]
            answer = question.find(held, holds=lambda _: True, shrink=False)
            if isinstance(answer, Undecided):
                return self._undecided(rule, [f"{question.action}: {answer.why}"])
            if answer is not None:
                holds.append((question, held))
        if not holds:
            always = any(
                question.solver.ask(question.encoder.condition(self._policy.trees(question.action)[bit][0])) is not None
                for question in self._with(bit)
            )
            how = "is always excused by its `unless`" if always else "can never hold"
            return Finding("rule", rule.id, rule.line, "proved", f"{rule.id} {how}", True)
        stricter, alike = self._culprits(bit, rule, holds)
        if stricter:
            names = ", ".join(f"{one.id} ({one.then})" for one in stricter)
            text = f"{rule.id} ({rule.then}) never counts: wherever it holds, so does {names}"
            return Finding("rule", rule.id, rule.line, "proved", text, True)
        others = f"so does {', '.join(one.id for one in alike)}" if alike else "the verdict would be the same"
        text = f"{rule.id} changes no verdict: wherever it would decide, {others} without it"
        return Finding("rule", rule.id, rule.line, "proved", text)

    def _culprits(self, bit: int, rule: Rule, holds: list[tuple[Question, Term]]) -> tuple[list[Rule], list[Rule]]:
        """The stricter rules of which one always holds as well; else those of the same outcome."""
        rules = self._policy.rules
        for stricter in (True, False):
            named: dict[int, None] = {}
            complete = True
            for question, held in holds:
                kept = question.says[0].held
                bits = [
                    b
                    for b in kept
                    if (STRICTNESS[rules[b].then] < STRICTNESS[rule.then] if stricter else b != bit)
                    and STRICTNESS[rules[b].then] <= STRICTNESS[rule.then]
                ]
                core = question.solver.core([held], [question.solver.not_(kept[b]) for b in bits])
                if core is None:
                    complete = False
                    break
                named.update(dict.fromkeys(bits[index] for index in core))
            if complete:
                found = [rules[b] for b in sorted(named)]
                return (found, []) if stricter else ([], found)
        return [], []

    # --- conflicts ------------------------------------------------------------------------------------------------

    def _conflict(self, bit: int, rule: Rule) -> Finding | None:
        """Another fallback rule below this one, which holds at the same time and leads elsewhere: the first counts."""
        rules = self._policy.rules
        for question in self._with(bit):
            held, solver = question.says[0].held, question.solver
            later = [b for b in held if b > bit and rules[b].then == "fallback" and rules[b].fallback != rule.fallback]
            if not later:
                continue

            def both(data: Data, question: Question = question, later: list[int] = later) -> bool:
                bounds = question.bounds(data)
                if bounds is None:
                    return False
                verdict = self._policy.judge(bounds[0])
                effective = verdict.mask & ~verdict.excused
                return bool(
                    verdict.rules == (rule.id,) and effective >> bit & 1 and any(effective >> b & 1 for b in later)
                )

            earlier = [solver.not_(held[b]) for b in held if b < bit and rules[b].then == "fallback"]
            answer = question.find(
                held[bit],
                solver.any_([held[b] for b in later]),
                *earlier,
                *self._stricter(question, rule),
                holds=both,
                towards=question.bases(),
            )
            if isinstance(answer, Undecided):
                text = f"whether {rule.id} conflicts with another fallback could not be decided: {answer.why}"
                return Finding("conflict", rule.id, rule.line, "undecided", text, True)
            if answer is not None:
                shown = question.judged(answer)
                effective = shown.verdict.mask & ~shown.verdict.excused if shown else 0
                other = next(rules[b] for b in later if effective >> b & 1)
                text = (
                    f"{rule.id} and {other.id} can both hold, and lead to {rule.fallback} and {other.fallback}: "
                    f"{rule.id} stands first and counts"
                )
                return Finding("conflict", rule.id, rule.line, "refuted", text, False, shown)
        return None


# --- the default ------------------------------------------------------------------------------------------------------


def _default(policy: Policy, questions: Mapping[str, Question]) -> Finding:
    default, undecided = policy.default, list[str]()
    for action, question in questions.items():

        def reached(data: Data, question: Question = question) -> bool:
            bounds = question.bounds(data)
            return bounds is not None and policy.judge(bounds[0]).default

        answer = question.find(question.says[0].default, holds=reached, towards=question.bases())
        if isinstance(answer, Undecided):
            undecided.append(f"{action}: {answer.why}")
        elif answer is not None:
            text = f"the default ({default.then}) is reached: no rule speaks of some inputs"
            return Finding("default", "default", default.line, "refuted", text, False, question.judged(answer))
    if undecided:
        text = f"whether the default is reached could not be decided: {'; '.join(undecided)}"
        return Finding("default", "default", default.line, "undecided", text, True)
    text = "the default is never reached: some rule speaks of every input"
    return Finding("default", "default", default.line, "proved", text)
