"""Whether a release can take over the cases of the one before it: every stored state must still be readable, or be
upcast.

A field that was added with a default needs nothing. A field that is gone, or means something else now, needs an
upcaster from the old
type: without one the first message to an old case would be poison.
"""

from __future__ import annotations

from typing import Any, cast

from interlock.automation.definition import Definition
from interlock.automation.shape import Shape, digest_of, shape_of
from interlock.automation.sources import Sources
from interlock.releases.manifest import Manifest
from interlock.vocabulary.errors import Problem


def succession_problems(definition: Definition, previous: Manifest) -> list[Problem]:
    """What stands between the cases of the previous release and this definition; none if they can be taken over."""
    cls = definition.case
    before: Shape = previous.body["state"]
    after = shape_of(definition.case_codec.schema)
    old_id = next((id_ for name, id_ in previous.body["schemas"].items() if name == before["name"]), "")
    if before == after or any(digest_of(upcast.schema) == digest_of(old_id) for upcast in definition.upcasts):
        return []
    sources = Sources(definition.modules)
    help_ = (
        f"Keep the old class under another name, e.g. {before['name']}V1(Case), "
        f"and write @app.upcast def f(old: {before['name']}V1) -> {cls.__name__}."
    )
    problems: list[Problem] = []
    fields = cast("dict[str, Any]", after["fields"])
    for name, old in cast("dict[str, Any]", before["fields"]).items():
        new = fields.get(name)
        if new is None:
            file, line = sources.place(cls)
            problems.append(
                Problem(
                    file,
                    line,
                    f"{cls.__name__} lost the field `{name}` since the last release, without upcaster.",
                    help_,
                )
            )
        elif new["type"] != old["type"] and not _wider(old["type"], new["type"]):
            file, line = sources.place(cls, name)
            problems.append(
                Problem(
                    file,
                    line,
                    f"{cls.__name__}.{name} changed its type since the last release, without upcaster.",
                    help_,
                )
            )
    return problems


def _wider(old: Shape, new: Shape) -> bool:
    """Whether every value of the old type is one of the new: the same, made optional, or with looser bounds."""
    if new["is"] == "optional":
        inner = old["of"] if old["is"] == "optional" else old
        return inner == new["of"] or _wider(inner, new["of"])
    if old["is"] != new["is"]:
        return False
    if old["is"] == "enum":
        return {str(value) for value in old["values"]} <= {str(value) for value in new["values"]}
    bounds = {key for key in (*old, *new) if old.get(key) != new.get(key)}
    return all(_looser(key, old.get(key), new.get(key)) for key in bounds)


def _looser(bound: str, old: Any, new: Any) -> bool:
    if new is None:
        return bound in ("ge", "gt", "le", "lt", "max_length", "min_length", "decimal_places", "max_digits", "pattern")
    if old is None:
        return False
    if bound in ("le", "lt", "max_length", "decimal_places", "max_digits"):
        return float(new) >= float(old)
    if bound in ("ge", "gt", "min_length"):
        return float(new) <= float(old)
    return False
