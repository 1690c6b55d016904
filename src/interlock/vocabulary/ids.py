"""Names of things. All derive from what they name, none from a random draw, so a replay names everything as it was.

slot       stable_hash(automation, key) % n_slots
turn       (automation, key, version): version counts the messages a case has consumed
decision   automation/key/version.ordinal, e.g. `cheques/c1/3.0`
command    the decision or turn it comes from and its ordinal, local to the case: `3.0`
effect key hash(automation, key, action, argument digest, command): what the outside deduplicates on
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from interlock.vocabulary.errors import Refused

BUDGETS = "interlock.budgets"
"""The automation whose cases are budget accounts. User automations cannot take a name with a dot."""

PEOPLE = "interlock.people"
"""The automation whose cases are people, by name: who decides for them while they are away."""

RECOVERY = "interlock.recovery"
"""The automation whose cases are the lives of a store that began with a recovery, by their incarnation."""

OWN = frozenset({BUDGETS, PEOPLE, RECOVERY})
"""The interlock's own automations: no code of a user runs in their cases, and every worker hosts them."""


class CaseId(NamedTuple):
    """Which case: the automation and its key."""

    automation: str
    key: str

    def __str__(self) -> str:
        return f"{self.automation}/{self.key}"


case_id: Callable[[tuple[str, str]], CaseId] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]
    CaseId,
)
"""The same from a pair, without the cost of a call in Python: several are made per message."""


def slot_of(case: CaseId, n_slots: int) -> int:
    """Slot of a case, the same for ever: blake2b over automation and key, modulo the store's fixed number of slots."""
    name = f"{len(case.automation)}:{case.automation}{case.key}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") % n_slots


def local_id(version: int, ordinal: int) -> str:
    """Name of the ordinal-th thing that a turn made, within its case."""
    return f"{version}.{ordinal}"


def full_id(case: CaseId, local: str) -> str:
    """Name of a decision, command or review anywhere in the store."""
    return f"{case.automation}/{case.key}/{local}"


def parse_full_id(text: str) -> tuple[CaseId, str]:
    """The case and local part of a full id. Keys may hold slashes: the automation is before the first, the local
    part after the last.
    """
    automation, _, rest = text.partition("/")
    key, slash, local = rest.rpartition("/")
    version, dot, ordinal = local.partition(".")
    if not (automation and key and slash and dot and version.isdigit() and ordinal.isdigit()):
        raise Refused(
            f"{text!r} names no decision.",
            code="bad_id",
            hint="Decisions read automation/key/version.ordinal, e.g. cheques/c1/3.0.",
        )
    return CaseId(automation, key), local


def effect_key(case: CaseId, action: str, args_digest: str, command: str) -> str:
    """Idempotency key of one effect: 32 hex digits, never reused for other arguments."""
    text = "\x1f".join((case.automation, case.key, action, args_digest, command))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
