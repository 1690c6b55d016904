"""The JSON schema of an answer in the form that language models are given.

Servers that enforce a schema while the model writes take a dialect: one object at the root, every property required,
nothing beside them, definitions at the root, no `oneOf`, no `default`. Whether the output fits the question's type is
never left to the server; it is validated again when it comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

Schema = dict[str, Any]
RationalePlace = Literal["after", "before", "none"]

VALUE, RATIONALE, CONFIDENCE = "value", "rationale", "confidence"

_KEPT = (
    "type", "enum", "description", "items", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
    "maxLength", "minItems", "maxItems",
)  # fmt: skip


def envelope(answer: Mapping[str, Any], *, rationale: RationalePlace, stated: bool) -> tuple[Schema, bool]:
    """The object that a model is to write around its answer, and whether a server may enforce it strictly.

    Strict enforcement is impossible where the answer holds an object with free keys.
    """
    defs: Schema = {}
    dialect = _Dialect(defs)
    properties: Schema = {VALUE: dialect.of(answer, {})}
    reason: Schema = {"type": "string", "description": "Why, in one or two sentences."}
    if rationale == "before":
        properties = {RATIONALE: reason, **properties}
    elif rationale == "after":
        properties[RATIONALE] = reason
    if stated:
        properties[CONFIDENCE] = {"type": "number", "minimum": 0, "maximum": 1}
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    if defs:
        schema["$defs"] = defs
    return schema, dialect.closed


class _Dialect:
    """One translation. `defs` collects definitions; `closed` turns False at an object with free keys."""

    def __init__(self, defs: Schema) -> None:
        self._defs = defs
        self.closed = True

    def of(self, node: Any, names: dict[str, str]) -> Schema:
        """`names`: where the definitions that this part of the schema refers to have been put."""
        if not isinstance(node, Mapping):
            return {}
        source = cast("Mapping[str, Any]", node)
        if "$defs" in source:
            names = {**names, **self._hoist(source["$defs"])}
        if "$ref" in source:
            target = str(source["$ref"]).rpartition("/")[2]
            return {"$ref": f"#/$defs/{names.get(target, target)}"}
        choices = source.get("anyOf") or source.get("oneOf")
        if choices:
            return self._choice(_without_text_of_number(list(choices)), names)
        found: Schema = {key: source[key] for key in _KEPT if key in source}
        if "const" in source:
            found["enum"] = [source["const"]]
        if "allOf" in source and len(source["allOf"]) == 1:
            return self.of(source["allOf"][0], names)
        if isinstance(found.get("items"), Mapping):
            found["items"] = self.of(found["items"], names)
        if "prefixItems" in source:
            found["items"] = self._choice(list(source["prefixItems"]), names)
        if source.get("type") == "object" or "properties" in source:
            self._object(source, found, names)
        return found

    def _object(self, source: Mapping[str, Any], found: Schema, names: dict[str, str]) -> None:
        free = source.get("additionalProperties")
        if "properties" not in source and free not in (None, False):
            self.closed = False
            found["additionalProperties"] = self.of(free, names) if isinstance(free, Mapping) else True
            return
        properties = {name: self.of(one, names) for name, one in source.get("properties", {}).items()}
        found |= {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def _choice(self, choices: list[Any], names: dict[str, str]) -> Schema:
        several = [self.of(one, names) for one in choices]
        unlike = [one for i, one in enumerate(several) if one not in several[:i]]
        return unlike[0] if len(unlike) == 1 else {"anyOf": unlike}

    def _hoist(self, local: Mapping[str, Any]) -> dict[str, str]:
        """Put definitions at the root; two different ones of one name get two names."""
        names: dict[str, str] = {}
        for name in local:
            free, number = name, 2
            while free in self._defs:
                free, number = f"{name}{number}", number + 1
            names[name] = free
            self._defs[free] = {}
        for name, one in local.items():
            self._defs[names[name]] = self.of(one, names)
        return names


def _without_text_of_number(choices: list[Any]) -> list[Any]:
    """A decimal's two forms, number and text, as the number alone: a model that hesitates between two ways to write
    the same value looks unsure of the value.
    """
    kinds = [cast("Schema", one).get("type") if isinstance(one, Mapping) else None for one in choices]
    if sorted(map(str, kinds)) != ["number", "string"]:
        return choices
    text = cast("Schema", choices[kinds.index("string")])
    return [choices[kinds.index("number")]] if set(text) <= {"type", "pattern"} else choices
