"""State equals the fold of the records: the difference between two records, and its application.

A patch says what became of a mapping: `+` keys set to a value, `-` keys gone, `~` keys whose mapping changed inside
(a patch again).
A case record is a mapping of its fields. Patches are plain data in the ledger, so folding needs no user code and no
type of ours.

INVARIANT: apply(plain(before), diff(before, after)) reads as `after`, for any two records of one case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, cast

import msgspec

from interlock.vocabulary.action import Effect
from interlock.vocabulary.case import CaseRecord

Patch = dict[str, Any]

_FIELDS = tuple(CaseRecord.__struct_fields__)
_kind: Callable[[Any], type[Any]] = type
"""`type`, for values of which nothing is known."""

_values = attrgetter(*_FIELDS)
_effect_values = attrgetter(*Effect.__struct_fields__)


def diff(before: CaseRecord, after: CaseRecord) -> Patch:
    """Patch from one record of a case to a later one. Fields equal to their default are written out when they
    changed.
    """
    return diff_of(dict(zip(_FIELDS, _values(before), strict=True)), after)


def diff_of(before: Mapping[str, Any], after: CaseRecord) -> Patch:
    """The same where it is known which fields can differ: those in `before`, with their values then."""
    put: dict[str, Any] = {}
    inside: dict[str, Patch] = {}
    for name, old in before.items():
        new: Any = getattr(after, name)
        if old is new:
            continue
        if _kind(new) is dict:
            patch = _diff_mappings(old, new)
            if patch:
                inside[name] = patch
        elif old != new:
            put[name] = new
    return _patch(put, (), inside)


def _diff_mappings(old: Mapping[str, Any], new: dict[Any, Any]) -> Patch:
    if not old:
        return {"+": new} if new else {}
    put: dict[str, Any] = {}
    inside: dict[str, Patch] = {}
    for key, value in new.items():
        was = old.get(key, _ABSENT)
        if was is value:
            continue
        kind = _kind(value)
        if kind is str or kind is int or kind is bool:
            if was != value or type(was) is not kind:
                put[key] = value
        elif kind is dict and _kind(was) is dict:
            patch = _diff_mappings(was, value)
            if patch:
                inside[key] = patch
        elif kind is Effect and _kind(was) is Effect:
            # An effect changes a field or two at a time, and often.
            fields = zip(Effect.__struct_fields__, _effect_values(was), _effect_values(value), strict=True)
            changed = {name: new for name, old, new in fields if old is not new and old != new}
            if changed:
                inside[key] = {"+": changed}
        elif not _same(was, value):
            put[key] = value
    return _patch(put, [key for key in old if key not in new] if len(new) < len(old) + len(put) else (), inside)


_ABSENT = object()
"""Stands for a key that is not there: None is a value."""


def _same(one: Any, other: Any) -> bool:
    """Equal, and equal in the stored bytes: in Python 1 == True and 0 == False, which are not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        members = zip(cast("list[Any]", one), other, strict=False)
        return len(cast("list[Any]", one)) == len(other) and all(_same(a, b) for a, b in members)
    if isinstance(one, dict):
        return not _diff_mappings(cast("dict[str, Any]", one), other)
    return one == other


def _patch(put: Patch, gone: Sequence[str], inside: Mapping[str, Patch]) -> Patch:
    patch: Patch = {}
    if put:
        patch["+"] = put
    if gone:
        patch["-"] = sorted(gone)
    if inside:
        patch["~"] = inside
    return patch


def apply(plain: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping after a patch, as new plain data; `plain` is left as it was."""
    after = dict(plain)
    for key in patch.get("-", ()):
        after.pop(key, None)
    after.update(patch.get("+", {}))
    for key, inner in patch.get("~", {}).items():
        after[key] = apply(after.get(key) or {}, inner)
    return after


def record(plain: Mapping[str, Any]) -> CaseRecord:
    """The record that folded plain data reads as."""
    return msgspec.convert(plain, CaseRecord)
