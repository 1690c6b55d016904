"""Certificates: the only thing that lets an irreversible action run without a person.

A certificate names its action, the least score it covers (its rung), the largest amount, an owner, a reason and an
end. It is *vouched* when
a named owner stands for it and *earned* when people's verdicts do; either is cited by every decision that relies on
it, terms included, so
the judgement can be repeated from the record alone.

INVARIANT: advice without a score is covered by nothing. No score means no autonomy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from msgspec import to_builtins

from interlock.vocabulary.advice import SCORE_ONE
from interlock.vocabulary.decision import Autonomy
from interlock.vocabulary.proposal import Proposal
from interlock.vocabulary.release import Certificate


def judge(certificates: Sequence[Certificate], proposal: Proposal, now: int) -> Autonomy:
    """The first certificate that covers the proposal, or why none does (the nearest miss is named)."""
    if not certificates:
        return Autonomy("person", f"No certificate for {proposal.action}: nothing has been earned or vouched for.")
    why = ""
    for certificate in certificates:
        why = uncovered(certificate, proposal, now)
        if not why:
            return Autonomy("permitted", certificate=certificate.id, terms=to_builtins(certificate))
    return Autonomy("person", why)


def uncovered(certificate: Certificate, proposal: Proposal, now: int) -> str:
    """Why this certificate does not cover the proposal; empty when it does."""
    if now >= certificate.until:
        return f"Certificate {certificate.id} has expired."
    if certificate.rung is None:
        if proposal.source == "advice":
            return f"Certificate {certificate.id} names no score and so covers no advice."
    elif proposal.score is None:
        return f"Certificate {certificate.id} needs a score and the proposal has none."
    elif proposal.score < certificate.rung:
        return (
            f"Score {proposal.score / SCORE_ONE:.6f} is below the rung {certificate.rung / SCORE_ONE:.6f} "
            f"of certificate {certificate.id}."
        )
    if certificate.amount is not None:
        amount = scaled(value_at(proposal.args, certificate.amount_path.split(".")[1:]), certificate.scale)
        if amount is None:
            return f"Certificate {certificate.id} limits {certificate.amount_path}, which the proposal does not have."
        if amount > certificate.amount:
            limit = Decimal(certificate.amount).scaleb(-certificate.scale)
            return f"{certificate.amount_path} is above the {limit} of certificate {certificate.id}."
    return ""


def value_at(data: Any, names: Sequence[str]) -> Any:
    """What nested plain data holds under these names; None if there is nothing."""
    for name in names:
        if not isinstance(data, Mapping) or name not in data:
            return None
        data = cast("Mapping[str, Any]", data)[name]
    return data


def scaled(value: Any, scale: int) -> int | None:
    """Integer units of `scale` digits of a decimal text or an integer, rounded up so that no limit is passed; None
    for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    try:
        exact = Decimal(value).scaleb(scale)
        return int(exact.to_integral_value(rounding="ROUND_CEILING"))
    except (InvalidOperation, ValueError, OverflowError):
        return None
