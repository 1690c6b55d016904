"""A prompt's text with the question's fields in it, and the files that the question holds.

Placeholders were checked against the question's type when the release was loaded. What stands in a field comes from
outside and may be anything, instructions to the model included: it goes in as text, once, and no placeholder in it is
filled in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from interlock.advisors.models import File

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")

Reader = Callable[[str], bytes]
"""Digest to content."""


def render(text: str, fields: Mapping[str, Any]) -> str:
    """The prompt with `{field}` and `{field.part}` filled in; `{{` and `}}` are braces."""

    def one(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0][0]
        value: Any = fields
        for name in found[1].split("."):
            value = cast("Mapping[str, Any]", value).get(name) if isinstance(value, Mapping) else None
        return words(value)

    return _PLACEHOLDER.sub(one, text)


def words(value: Any) -> str:
    """Text as it is, nothing as `none`, everything else as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return "none"
    return json.dumps(value, ensure_ascii=False, default=str)


def files(fields: Mapping[str, Any], paths: tuple[str, ...], read: Reader) -> tuple[File, ...]:
    """The pictures and documents at these dotted paths, in their order, each once. A list's items stand under its
    path.

    Raises what `read` raises for a payload that is not stored.
    """
    found: dict[str, str] = {}
    for path in paths:
        for payload in _at(fields, path.split(".")):
            found.setdefault(str(payload["digest"]), str(payload.get("media_type", "")))
    return tuple(File(media_type, read(digest)) for digest, media_type in found.items())


def _at(value: Any, steps: list[str]) -> list[Mapping[str, Any]]:
    if isinstance(value, list):
        return [one for item in cast("list[Any]", value) for one in _at(item, steps)]
    if not isinstance(value, Mapping):
        return []
    record = cast("Mapping[str, Any]", value)
    if not steps:
        return [record] if "digest" in record else []
    return _at(record.get(steps[0]), steps[1:])
