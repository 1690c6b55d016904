"""The shape of a type: fields, bounds and defaults as plain data, the same under every version of pydantic.

Shapes name stored types (a changed bound is another schema id) and are what policy schemas are derived from. They are
normal: definitions
are written out where they are used, wrappers without meaning are gone, bounds are text.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from interlock.automation.codec import Node, fields_of, is_opener
from interlock.automation.payloads import Document, Picture
from interlock.vocabulary import canonical

Shape = dict[str, Any]

SENSITIVE = "sensitive"
"""Stands in the shape of what is sealed where it is stored."""

_BOUNDS = ("ge", "gt", "le", "lt", "multiple_of", "max_length", "min_length", "decimal_places", "max_digits", "pattern")


def shape_of(schema: Node) -> Shape:
    """The shape of a core schema."""
    return _shape(schema, {}, ())


def schema_id(name: str, schema: Node) -> str:
    """Name and digest of a stored type: `Ticket:3f9a...`. Another field, bound or default is another id.

    The digest leaves out the type's own name: what was `Ticket` is kept as `TicketV1` when a new Ticket comes.
    """
    return f"{name}:{canonical.short({**shape_of(schema), 'name': ''})}"


def digest_of(schema_id: str) -> str:
    """What a stored type's id says of its fields, whatever it was called."""
    return schema_id.rpartition(":")[2]


def _shape(node: Node, known: dict[str, Node], inside: tuple[str, ...]) -> Shape:
    kind = node["type"]
    match kind:
        case "definitions":
            return _shape(node["schema"], {**known, **{one["ref"]: one for one in node["definitions"]}}, inside)
        case "definition-ref":
            ref = node["schema_ref"]
            if ref in inside:
                return {"is": "recursion", "name": _ref_name(ref)}
            return _shape(known[ref], known, inside)
        case "nullable":
            return {"is": "optional", "of": _shape(node["schema"], known, inside)}
        case "default":
            return _shape(node["schema"], known, inside)
        case "model":
            cls = node["cls"]
            if cls in (Picture, Document):
                return {"is": "payload", "name": cls.__name__}
            return _record(cls.__name__, node["schema"], known, (*inside, node.get("ref", "")))
        case "dataclass":
            cls = node["cls"]
            if cls in (Picture, Document):
                return {"is": "payload", "name": cls.__name__}
            return _record(cls.__name__, node["schema"], known, (*inside, node.get("ref", "")))
        case "typed-dict":
            return _record(str(node.get("cls_name", "dict")), node, known, inside)
        case "literal":
            return {"is": "enum", "values": [_plain(value) for value in node["expected"]]}
        case "enum":
            return {
                "is": "enum",
                "name": node["cls"].__name__,
                "values": [_plain(member.value) for member in node["members"]],
            }
        case "union" | "tagged-union":
            return {"is": "union", "of": [_shape(one, known, inside) for one in _choices(node["choices"])]}
        case "list" | "set" | "frozenset":
            return {"is": kind, **_bounds(node), "of": _shape(node.get("items_schema", {"type": "any"}), known, inside)}
        case "tuple":
            return {"is": kind, **_bounds(node), "of": [_shape(one, known, inside) for one in node["items_schema"]]}
        case "dict":
            return {
                "is": kind,
                **_bounds(node),
                "of": _shape(node.get("values_schema", {"type": "any"}), known, inside),
            }
        case "function-before" | "function-after" | "function-wrap" | "function-plain":
            inner = _shape(node.get("schema", {"type": "any"}), known, inside)
            if is_opener(node.get("function", {}).get("function")):
                return {**inner, SENSITIVE: True}
            name = _function_name(node.get("function", {}).get("function"))
            return inner if name is None else {**inner, "checked_by": [*inner.get("checked_by", []), name]}
        case "chain":
            return _shape(node["steps"][-1], known, inside)
        case "lax-or-strict":
            return _shape(node["strict_schema"], known, inside)
        case "json-or-python":
            return _shape(node["json_schema"], known, inside)
        case _:
            return {"is": kind, **_bounds(node)}


def _choices(choices: Any) -> list[Node]:
    """The members of a union; a plain one may pair each with a label, a tagged one keeps them by tag."""
    several = cast("dict[Any, Any]", choices).values() if isinstance(choices, dict) else cast("list[Any]", choices)
    return [cast("Node", one[0]) if isinstance(one, tuple) else one for one in several]


def _record(name: str, node: Node, known: dict[str, Node], inside: tuple[str, ...]) -> Shape:
    checks: list[str] = []
    while node["type"].startswith("function-"):
        found = _function_name(node.get("function", {}).get("function"))
        checks += [found] if found else []
        node = node["schema"]
    if node["type"] == "definitions":
        known = {**known, **{one["ref"]: one for one in node["definitions"]}}
        node = node["schema"]
    if "fields" not in node:
        return {"is": "root", "name": name, "of": _shape(node, known, inside)}
    described: Shape = {}
    for field, one in fields_of(node):
        inner = one["schema"]
        described[field] = {"type": _shape(inner, known, inside), **_default(inner)}
    return {"is": "record", "name": name, "fields": described, **({"checked_by": checks} if checks else {})}


def _default(node: Node) -> Shape:
    while node["type"].startswith("function-") and "schema" in node:
        node = node["schema"]
    if node["type"] != "default":
        return {}
    if node.get("default_factory") is not None:
        return {"default": {"made_by": _qualname(node["default_factory"])}}
    return {"default": _plain(node.get("default", PydanticUndefined))}


def _bounds(node: Node) -> Shape:
    return {bound: _plain(node[bound]) for bound in _BOUNDS if node.get(bound) is not None}


def _function_name(function: Callable[..., Any] | None) -> str | None:
    """None for the functions that codecs themselves put around decimals and moments."""
    if function is None or getattr(function, "__module__", "").startswith("interlock.automation.codec"):
        return None
    return _qualname(function)


def _qualname(thing: Any) -> str:
    return str(getattr(thing, "__qualname__", type(thing).__qualname__))


def _ref_name(ref: str) -> str:
    return ref.rsplit(":", 1)[0].rsplit(".", 1)[-1]


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | str() | int():
            return value
        case Enum():
            return _plain(value.value)
        case float() | Decimal():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return f"PT{value // timedelta(microseconds=1)}us"
        case BaseModel():
            return {name: _plain(one) for name, one in value}
        case dict():
            return {str(key): _plain(one) for key, one in cast("dict[Any, Any]", value).items()}
        case list() | tuple():
            return [_plain(one) for one in cast("list[Any]", value)]
        case set() | frozenset():
            return sorted((_plain(one) for one in cast("set[Any]", value)), key=str)
        case _:
            return str(getattr(value, "pattern", None) or repr(value))


def payload_paths(shape: Shape) -> tuple[str, ...]:
    """Dotted paths of pictures and documents in a shape; list items stand under their list's path."""
    found: list[str] = []
    _find_payloads(shape, "", found)
    return tuple(dict.fromkeys(found))


def _find_payloads(shape: Shape, path: str, found: list[str]) -> None:
    if shape["is"] == "payload":
        found.append(path)
    for name, one in cast("dict[str, Shape]", shape.get("fields", {})).items():
        _find_payloads(one["type"], f"{path}.{name}" if path else name, found)
    for one in _inner(shape):
        _find_payloads(one, path, found)


def _inner(shape: Shape) -> list[Shape]:
    """What a list, union or optional is of."""
    of: Any = shape.get("of", [])
    return cast("list[Shape]", of if isinstance(of, list) else [of])


def holds_records(shape: Shape) -> bool:
    """Whether a record has another record anywhere in it."""
    fields = cast("dict[str, Shape]", shape.get("fields", {}))
    return any(_is_or_holds_record(one["type"]) for one in fields.values())


def _is_or_holds_record(shape: Shape) -> bool:
    return shape["is"] in ("record", "root", "recursion") or any(_is_or_holds_record(one) for one in _inner(shape))


_IMMUTABLE = frozenset(
    ("bool", "int", "float", "decimal", "str", "enum", "datetime", "date", "time", "timedelta", "none", "uuid")
)


def is_flat(shape: Shape) -> bool:
    """Whether every field's value is immutable, so that copying the record copies all that can be changed."""
    fields = cast("dict[str, Shape]", shape.get("fields", {}))
    return all(_is_immutable(one["type"]) for one in fields.values())


def _is_immutable(shape: Shape) -> bool:
    if shape["is"] in ("optional", "union"):
        return all(_is_immutable(one) for one in _inner(shape))
    return shape["is"] in _IMMUTABLE
