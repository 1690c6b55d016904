"""The JSON Schema of a policy document, for editors that complete and check YAML while it is written.

It knows the shape of the document and, given a policy's schema, its actions and groups. What expressions mean is the
loader's business, which finds more and says it better.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from interlock.policy.limits import EXPRESSION_CHARS_MAX, RULES_MAX
from interlock.policy.load import DEFAULT_KEYS, KEYS, OUTCOMES, RULE_KEYS
from interlock.policy.schema import Schema
from interlock.policy.schema_text import ROOT_KEYS

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ID = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$"
_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"


def document_schema(schema: Schema | None = None, *, fallbacks: Collection[str] | None = None) -> dict[str, Any]:
    """The JSON Schema of a policy document; beside an automation with its actions, groups and fallbacks."""
    action: dict[str, Any] = {"type": "string"}
    group: dict[str, Any] = {"type": "string", "pattern": _ID}
    fallback: dict[str, Any] = {"type": "string", "pattern": _NAME}
    if schema is not None:
        action = {"enum": sorted(schema.actions)}
        if schema.groups is not None:
            group = {"enum": sorted(schema.groups)}
        if fallbacks is not None:
            fallback = {"enum": sorted(fallbacks)}
    properties: dict[str, Any] = {
        "policy": {"type": "string", "pattern": _ID, "description": "The policy's name."},
        "schema": {
            "type": "object",
            "description": "What rules may read. Beside an automation it may only narrow what its types give.",
            "properties": {name: {} for name in ROOT_KEYS},
            "additionalProperties": False,
        },
        "params": {
            "type": "object",
            "description": "Named values: 200.00, 30d, a timestamp, true, a word, or a list of these.",
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": {"type": ["string", "number", "boolean", "array"]},
        },
        "define": {
            "type": "object",
            "description": "Named expressions, put in where they are used.",
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": _EXPRESSION,
        },
        "rules": {
            "type": "array",
            "description": "In the order deny, escalate, fallback, allow; the strictest that holds wins.",
            "maxItems": RULES_MAX,
            "items": _rule(action, group, fallback),
        },
        "default": {
            "type": "object",
            "description": "What holds where no rule does. Never allow.",
            "properties": {
                "verdict": {"enum": ["deny", "escalate", "fallback"]},
                "to": _to(group, fallback),
                "reason": {"type": "string"},
            },
            "required": ["verdict"],
            "additionalProperties": False,
        },
        "invariants": {
            "type": "object",
            "description": "What must never be allowed by the rules alone; `interlock policy prove` proves it.",
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": {
                "type": "object",
                "properties": {"never": {"const": "allow"}, "for": _one_or_more(action), "when": _EXPRESSION},
                "required": ["never", "when"],
                "additionalProperties": False,
            },
        },
        "cases": {
            "type": "object",
            "description": "Tests: a base input and variations of it.",
            "properties": {"base": {"type": "object"}, "tests": {"type": "array", "items": _test(action)}},
            "required": ["tests"],
            "additionalProperties": False,
        },
    }
    if set(properties) != set(KEYS):
        raise AssertionError("the document has another key")
    return {
        "$schema": DIALECT,
        "title": "interlock policy",
        "type": "object",
        "properties": properties,
        "required": ["policy", "rules", "default"] if schema is not None else ["policy", "schema", "rules", "default"],
        "additionalProperties": False,
    }


_EXPRESSION: dict[str, Any] = {
    "type": ["string", "boolean", "number"],
    "maxLength": EXPRESSION_CHARS_MAX,
    "description": "A condition in CEL syntax.",
}


def _one_or_more(item: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1, "uniqueItems": True}]}


def _to(group: dict[str, Any], fallback: dict[str, Any]) -> dict[str, Any]:
    counted = {
        "type": "object",
        "properties": {"group": group, "approvals": {"type": "integer", "minimum": 1, "maximum": 99}},
        "required": ["group"],
        "additionalProperties": False,
    }
    one = {"anyOf": [group, counted]}
    return {
        "description": "Whom to ask (escalate), or what to do instead (fallback).",
        "anyOf": [group, counted, fallback, {"type": "array", "items": one, "minItems": 1}],
    }


def _rule(action: dict[str, Any], group: dict[str, Any], fallback: dict[str, Any]) -> dict[str, Any]:
    properties = {
        "id": {"type": "string", "pattern": _ID, "not": {"const": "default"}},
        "for": {**_one_or_more(action), "description": "The actions that the rule is about; all if left out."},
        "when": _EXPRESSION,
        "unless": {**_EXPRESSION, "description": "The rule's own exception."},
        "then": {"enum": list(OUTCOMES)},
        "to": _to(group, fallback),
        "reason": {"type": "string", "description": "A sentence for people."},
    }
    if set(properties) != set(RULE_KEYS) or DEFAULT_KEYS != ("verdict", "to", "reason"):
        raise AssertionError("a rule has another key")
    needs_to = {"properties": {"then": {"enum": ["escalate", "fallback"]}}}
    return {
        "type": "object",
        "properties": properties,
        "required": ["id", "when", "then"],
        "additionalProperties": False,
        "if": needs_to,
        "then": {"required": ["to"]},
        "else": {"not": {"required": ["to"]}},
    }


def _test(action: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": {"type": ["string", "number"]},
            "action": action,
            "with": {"type": "object"},
            "expect": {"type": "string", "pattern": r"^(allow|deny|escalate(:.+)?|fallback(:.+)?)$"},
            "by": _one_or_more({"type": "string"}),
        },
        "required": ["name", "expect"],
        "additionalProperties": False,
    }
