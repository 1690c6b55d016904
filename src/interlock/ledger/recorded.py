"""Releases as they were recorded: enough of each to judge its decisions again, from data alone.

A manifest holds the policy's text, its schema and everything else that a judgement reads. No module of the automation
is imported, so a decision is judged again years later, on a machine that never had the code.

INVARIANT: what comes out of here cannot run a reducer: its place is taken by one that refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from interlock.kernel.program import Program, Propose, Reduction
from interlock.policy import Policy, PolicyErrors, Schema, load
from interlock.policy.schema import Field, InvisibleType, LeafType, RecordType
from interlock.ports import Store
from interlock.releases.manifest import Manifest
from interlock.vocabulary import canonical
from interlock.vocabulary.errors import InterlockError
from interlock.vocabulary.verdict import Group


@dataclass(frozen=True)
class Recorded:
    """A release without its code. `program.reducers` refuses to run."""

    id: str
    automation: str
    policy: Policy
    program: Program


@dataclass(frozen=True)
class Unreadable:
    """Why a release cannot be read back."""

    id: str
    why: str


class NotHere(Exception):
    """Asked to run a reducer of a release whose code is not loaded."""


class NoReducers:
    """In the place of an automation's functions where only its recorded data are at hand."""

    def initial(self) -> tuple[dict[str, Any], str, str]:
        raise NotHere

    def current(self, state: dict[str, Any], schema: str) -> tuple[dict[str, Any], str]:
        raise NotHere

    def has(self, kind: str, type: str) -> bool:
        raise NotHere

    def reduce(self, state: dict[str, Any], status: str, message: object) -> Reduction:
        raise NotHere

    def action_args(self, action: str, args: dict[str, Any]) -> dict[str, Any]:
        raise NotHere

    def fallback(self, name: str, state: dict[str, Any], status: str, action: str, args: dict[str, Any]) -> Propose:
        raise NotHere

    def facts(self, state: dict[str, Any]) -> dict[str, Any]:
        raise NotHere


class Releases:
    """The releases of one store, each read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Recorded | Unreadable] = {}

    def get(self, id: str) -> Recorded | Unreadable:
        known = self._known.get(id)
        if known is None:
            known = self._known[id] = _read(id, self._store.release(id))
        return known


def _read(id: str, manifest: bytes | None) -> Recorded | Unreadable:
    if manifest is None:
        return Unreadable(id, f"Release {id or '(none)'} is not stored in this database.")
    try:
        read = Manifest.from_bytes(manifest)
        if read.id != id:
            return Unreadable(id, f"What is stored as release {id} has the content of {read.id}.")
        return _recorded(id, read)
    except PolicyErrors as errors:
        return Unreadable(id, f"The policy of release {id} cannot be read: {errors}.")
    except (InterlockError, msgspec.MsgspecError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Unreadable(id, f"The manifest of release {id} cannot be read: {error}.")


def _recorded(id: str, manifest: Manifest) -> Recorded:
    body = manifest.body
    policy = load(
        body["policy"]["source"], schema=Schema.from_data(body["schema"]), fallbacks=frozenset(body["fallbacks"])
    )
    _as_hashed(manifest, policy)
    actions = manifest.actions()
    program = Program(
        automation=manifest.automation,
        release=id,
        flow={status: (frozenset(may), frozenset(to)) for status, (may, to) in body["flow"].items()},
        opening=frozenset(body["opening"]),
        events=frozenset(body["events"]),
        actions=actions,
        questions=manifest.questions(),
        policy=policy,
        reducers=NoReducers(),
        budgets=manifest.budgets(),
        certificates=manifest.certificates(),
        autonomy_off=frozenset(body["autonomy_off"]),
        cells=frozenset(name for name in body["cells"] if actions[name].reversible),
        reviews=manifest.reviews(),
        breakers=dict(body["breakers"]),
        fallbacks=frozenset(body["fallbacks"]),
        review_group=next(iter(policy.default.to), Group("review")),
    )
    return Recorded(id, manifest.automation, policy, program)


def _as_hashed(manifest: Manifest, policy: Policy) -> None:
    """The id covers hashes of components; what is read from the body must be what was hashed."""
    body, hashes = manifest.body, manifest.components
    read = {
        "policy": policy.hash,
        "schema": canonical.digest(body["schema"]),
        "reviews": canonical.digest(body["reviews"]),
        **{f"budget:{budget['name']}": canonical.digest(budget) for budget in body["budgets"]},
    }
    for name, digest in read.items():
        if hashes.get(name) != digest:
            raise ValueError(f"its {name} is not what its id was made from")
    if missing := [name for name in hashes if name.startswith("budget:") and name not in read]:
        raise ValueError(f"{', '.join(missing)} is missing")


@lru_cache(maxsize=4_096)
def input_type(policy: Policy, action: str, path: str) -> LeafType | None:
    """Type of the policy input at a dotted path, for one action. None: a record's presence, or no such input."""
    here: Field | None = None
    fields: Mapping[str, Field] = policy.schema.roots(action)
    for part in path.split("."):
        here = fields.get(part)
        if here is None:
            return None
        fields = here.type.fields if isinstance(here.type, RecordType) else {}
    if here is None or isinstance(here.type, RecordType | InvisibleType):
        return None
    return here.type
