"""Under what an irreversible action runs without a person.

The interlock lets no irreversible action run on a rule alone (guarantee 9): it takes a certificate in force or a
person. What is proved here is where the policy and the release's certificates meet: what a certificate lets pass of
all that the policy allows, and that nothing else does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from interlock.policy.examples import Data
from interlock.policy.policy import Policy
from interlock.policy.proof.findings import Finding
from interlock.policy.proof.question import Question, Undecided
from interlock.policy.proof.smt import Term
from interlock.policy.schema import DecimalType, IntType, unscaled
from interlock.vocabulary.release import Certificate

_SCORE = "proposal.score"
_SOURCE = "proposal.source"


@dataclass(frozen=True, slots=True)
class Guards:
    """What a release says of autonomy. `certificates` None: the policy stands alone."""

    certificates: Mapping[str, Sequence[Certificate]] | None
    final: frozenset[str]


def irreversible(policy: Policy, questions: Mapping[str, Question], guards: Guards) -> list[Finding]:
    """One finding per irreversible action, or per certificate of it."""
    found: list[Finding] = []
    for action, question in questions.items():
        if policy.schema.actions[action].irreversible:
            found += _action(policy, action, question, guards)
    return found


def _action(policy: Policy, action: str, question: Question, guards: Guards) -> list[Finding]:
    def allowed(data: Data) -> bool:
        bounds = question.bounds(data)
        return bounds is not None and policy.judge(bounds[0]).outcome == "allow"

    answer = question.find(question.says[0].allow, holds=allowed, towards=question.bases())
    if isinstance(answer, Undecided):
        return [_says(action, "undecided", f"whether a rule allows {action} could not be decided: {answer.why}", True)]
    if answer is None:
        return [_says(action, "proved", f"{action} never runs without a person: no rule ever allows it")]
    if action in guards.final:
        return [_says(action, "proved", f"{action} always takes a person: it is of class final")]
    if guards.certificates is None:
        text = f"{action} may be allowed by a rule; it then takes a certificate in force or a person"
        return [Finding("irreversible", action, 0, "proved", text, False, question.judged(answer))]
    certificates = guards.certificates.get(action, ())
    if not certificates:
        return [_says(action, "proved", f"{action} always takes a person: its release names no certificate for it")]
    return [_certificate(policy, action, question, one) for one in certificates]


def _says(action: str, standing: str, text: str, problem: bool = False) -> Finding:
    return Finding("irreversible", action, 0, "undecided" if standing == "undecided" else "proved", text, problem)


def _certificate(policy: Policy, action: str, question: Question, certificate: Certificate) -> Finding:
    """What of all that the policy allows this certificate covers."""

    def runs(data: Data) -> bool:
        bounds = question.bounds(data)
        return bounds is not None and policy.judge(bounds[0]).outcome == "allow" and _covers(policy, certificate, data)

    answer = question.find(
        question.says[0].allow, _covered(policy, question, certificate), holds=runs, towards=question.bases()
    )
    terms = _terms(certificate)
    if isinstance(answer, Undecided):
        text = f"what certificate {certificate.id} lets {action} do could not be decided: {answer.why}"
        return _says(action, "undecided", text, True)
    if answer is None:
        text = f"certificate {certificate.id} ({terms}) covers nothing of {action} that the policy allows"
        return _says(action, "proved", text)
    text = f"{action} runs without a person under certificate {certificate.id} ({terms})"
    return Finding("irreversible", action, 0, "proved", text, False, question.judged(answer))


def _terms(certificate: Certificate) -> str:
    parts: list[str] = []
    if certificate.rung is not None:
        parts.append(f"scores from {unscaled(certificate.rung, 6)}")
    if certificate.amount is not None:
        parts.append(f"{certificate.amount_path} up to {unscaled(certificate.amount, certificate.scale)}")
    return f"{certificate.kind}, {' and '.join(parts) or 'every such proposal'}"


def _covered(policy: Policy, question: Question, certificate: Certificate) -> Term:
    """That a certificate covers the proposal, as far as the policy reads what that depends on. What it does not read
    may be anything, so nothing that can be covered is left out.
    """
    solver, encoder = question.solver, question.variables
    terms: list[Term] = []
    if certificate.rung is None:
        if _SOURCE in encoder.paths:
            terms.append(solver.not_(solver.equal(encoder.scalar(_SOURCE), encoder.text("advice"))))
    elif _SCORE in encoder.paths:
        terms += [encoder.there(_SCORE), solver.at_most(solver.integer(certificate.rung), encoder.scalar(_SCORE))]
    path = certificate.amount_path
    scale = _scale(policy, question, path)
    if certificate.amount is not None and scale is not None:
        left = solver.times(encoder.scalar(path), 10**certificate.scale)
        terms += [encoder.there(path), solver.at_most(left, solver.integer(certificate.amount * 10**scale))]
    return solver.all_(terms)


def _covers(policy: Policy, certificate: Certificate, data: Data) -> bool:
    """The same of an input."""
    if certificate.rung is None:
        if data.get(_SOURCE) == "advice":
            return False
    elif _SCORE in data and (data[_SCORE] is None or data[_SCORE] < certificate.rung):
        return False
    if certificate.amount is None or certificate.amount_path not in data:
        return True
    amount = data[certificate.amount_path]
    if not isinstance(amount, int):
        return amount is not None
    type_ = next(
        (
            slot.type
            for action in policy.schema.actions
            for slot in policy.slots(action)
            if slot.path == certificate.amount_path
        ),
        None,
    )
    scale = type_.scale if isinstance(type_, DecimalType) else 0
    return amount * 10**certificate.scale <= certificate.amount * 10**scale


def _scale(policy: Policy, question: Question, path: str) -> int | None:
    """Decimal places of a number that the policy reads for this action; None: it reads no such number."""
    for slot in policy.slots(question.action):
        if slot.path == path:
            return (
                slot.type.scale if isinstance(slot.type, DecimalType) else 0 if isinstance(slot.type, IntType) else None
            )
    return None
