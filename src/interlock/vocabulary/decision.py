"""The decision: what was proposed and because of what, how every stage judged it, and what was decided.

A decision holds everything that its own re-evaluation needs: the bound policy input, the certificate's terms, the
budget figures. The
stages are in order; a stage that was not reached is None, which reads "not evaluated".
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from interlock.vocabulary.proposal import Proposal
from interlock.vocabulary.review import Approval
from interlock.vocabulary.verdict import Group, Outcome, Verdict


class Validity(Struct, frozen=True, gc=False, omit_defaults=True):
    """Whether the proposal is well formed and valid in this state. `forbidden_by`: the earlier decision that
    forbids it.
    """

    valid: bool
    why: str = ""
    forbidden_by: str = ""


class Autonomy(Struct, frozen=True, gc=False, omit_defaults=True):
    """Whether this proposal may run without a person.

    outcome      permitted (by the certificate) | person (a person must decide) | approved (a person did, or is its
                 author)
                 | exempt (reversible and no cell declared, or autonomy off)
    certificate  the one cited, with its terms as they were: what makes the outcome checkable later
    """

    outcome: Literal["permitted", "person", "approved", "exempt"]
    why: str = ""
    certificate: str | None = None
    terms: dict[str, Any] = {}


class BudgetFigure(Struct, frozen=True, gc=False, omit_defaults=True):
    """What one budget said: amounts in its integer unit. `state`: needed (not asked yet), granted, exhausted,
    unanswered.
    """

    budget: str
    account: str
    amount: int
    limit: int
    state: Literal["needed", "granted", "exhausted", "unanswered"]
    spent: int = 0
    held: int = 0
    on_exceeded: Literal["escalate", "deny", "wait"] = "escalate"
    group: str = ""


class Decision(Struct, frozen=True, gc=False, omit_defaults=True):
    """One judgement of one proposal.

    verdict      the outcome after all stages; decided_by: rule ids, `autonomy`, `budget:<name>`, `schema`, `flow`,
                 `default`, `approval`
    awaiting     "budget" while an allowed effect waits for its reservation; the final judgement is another decision
    again_of     the decision that this one judges again (approval, budget reply, start too late)
    """

    id: str
    proposal: Proposal
    verdict: Outcome
    decided_by: tuple[str, ...]
    why: str
    schema: Validity
    flow: Validity | None = None
    policy: Verdict | None = None
    policy_hash: str = ""
    bound: dict[str, Any] | None = None
    bind_failure: str = ""
    autonomy: Autonomy | None = None
    budgets: tuple[BudgetFigure, ...] = ()
    groups: tuple[Group, ...] = ()
    approvals: tuple[Approval, ...] = ()
    fallback: str = ""
    fallback_depth: int = 0
    awaiting: str = ""
    again_of: str = ""
    effect: str = ""
    review: str = ""
