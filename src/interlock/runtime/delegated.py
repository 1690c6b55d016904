"""The delegation under which somebody decides for a person who is away, looked up when their verdict is given.

The terms go into the message as they stand here; the kernel judges them and `verify` compares them with the record they
were read from. A delegation that is ended after a verdict was accepted under it does not undo the verdict.
"""

from __future__ import annotations

from interlock.kernel.people import delegations_of
from interlock.ports import Store
from interlock.vocabulary.delegation import Delegation
from interlock.vocabulary.errors import NotNow
from interlock.vocabulary.ids import PEOPLE, CaseId

PAGE = 1_000


def delegation(store: Store, *, by: str, to: str, automation: str, group: str, now: int) -> Delegation:
    """The one in force that lets `to` decide for `by` in this group. Raises NotNow (not_delegated)."""
    for one in delegations_of(store.case(CaseId(PEOPLE, by))):
        covers = one.automation in ("", automation) and one.group in ("", group)
        if one.to == to and covers and one.since <= now < one.until:
            return one
    raise NotNow(
        f"{by} has not delegated to {to} for {group} of {automation} now.",
        code="not_delegated",
        hint=f"{by} does so with `interlock delegate --to {to} --until TIME`.",
    )


def in_force_or_to_come(store: Store, *, now: int, person: str | None = None) -> list[Delegation]:
    """Every delegation that is not over, of one person (by or to) or of all, the first to begin first."""
    found: list[Delegation] = []
    page = store.cases(automation=PEOPLE, status=None, after=None, limit=PAGE)
    while page:
        for record in page:
            known = delegations_of(record)
            found += [one for one in known if now < one.until and person in (None, one.by, one.to)]
        page = store.cases(automation=PEOPLE, status=None, after=page[-1].case, limit=PAGE)
    return sorted(found, key=lambda one: (one.since, one.id))
