"""What a ledger entry's delta says of effects, status and flags, without folding the case.

A delta puts new effects whole and of the others the fields that changed (`kernel.fold`), so one entry tells what
became of each effect that it touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Delta = Mapping[str, Any]


def put_in(delta: Delta, field: str) -> Mapping[str, Any]:
    """Keys of a mapping field that the turn set, with their values."""
    return delta.get("~", {}).get(field, {}).get("+", {})


def value_of(delta: Delta, field: str) -> Any:
    """The value that the turn gave to a plain field; None if it left it alone."""
    return delta.get("+", {}).get(field)


def effects(delta: Delta) -> dict[str, Delta]:
    """What became of each effect that the turn made or changed: a patch, for a new one of nothing (`fold.apply`)."""
    touched = delta.get("~", {}).get("effects", {})
    made: Mapping[str, Any] = touched.get("+", {})
    patches: dict[str, Delta] = {name: {"+": made[name]} for name in made}
    patches.update(touched.get("~", {}))
    return patches


def settled(delta: Delta) -> dict[str, str]:
    """Effects that the turn ended: id -> happened, not_happened or withdrawn."""
    ended = put_in(delta, "closed")
    return {name: str(ended[name]) for name in ended}


def took_effect(delta: Delta) -> Mapping[str, Any]:
    """Actions that the turn recorded as having taken effect: name -> {count, decision, at}."""
    return put_in(delta, "past")
