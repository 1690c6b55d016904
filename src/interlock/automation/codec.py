"""Between a user's type and plain data: what is stored, hashed and shown to policies.

A codec takes pydantic's own schema of a type and makes it stricter where a record would suffer: no unknown fields at
any depth, no
number from text where an int or bool is declared, no NaN or infinity, no naive datetime. Dumping gives one text per
value: decimals
without exponent, floats as their shortest text, moments in UTC, sets sorted.

Personal data is sealed where it is dumped and opened where it is loaded (`automation.sealing`).

INVARIANT: load(dump(v)) == v for every value of a storable type, and dump(v) has no float, so it has canonical bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import (
    PydanticCustomError,
    PydanticSerializationError,
    SchemaSerializer,
    SchemaValidator,
    core_schema,
)

from interlock.automation.personal import is_marked, sensitive_fields
from interlock.automation.sealing import opener, sealer
from interlock.kernel.program import Rejected

Node = dict[str, Any]

_SCALARS = ("none", "bool", "int", "float", "decimal", "str", "literal", "enum")
_TIMES = ("date", "time", "datetime", "timedelta")
_COLLECTIONS = ("list", "tuple", "set", "frozenset", "dict", "uuid", "url")
_RECORDS = ("model", "model-fields", "model-field", "dataclass", "dataclass-args", "dataclass-field", "typed-dict")
_WRAPPERS = (
    "union",
    "tagged-union",
    "nullable",
    "default",
    "definitions",
    "definition-ref",
    "typed-dict-field",
    "function-after",
    "function-before",
    "function-wrap",
    "chain",
    "lax-or-strict",
    "json-or-python",
)
_STORABLE = frozenset((*_SCALARS, *_TIMES, *_COLLECTIONS, *_RECORDS, *_WRAPPERS))


class Codec:
    """One type's way to plain data and back.

    accept   a value of input from outside, strictly; load: of plain data that was dumped here. Both raise
             ValidationError
    seals    whether something in the type is personal: then a vault must be open around all three
    """

    __slots__ = ("_dump", "accept", "load", "schema", "seals", "type")

    def __init__(self, type_: Any, schema: Node | None = None) -> None:
        self.type = type_
        strict: Node = _strict(schema if schema is not None else _core_schema(type_))
        self.schema: Node = _sealed_field(strict, VALUE) if is_marked(type_) else strict
        self.seals = _seals(self.schema)
        checked = cast("core_schema.CoreSchema", self.schema)
        trusted = cast("core_schema.CoreSchema", _unguarded(self.schema))
        with _nothing_prebuilt(self.schema) as said:
            self.accept: Callable[[Any], Any] = SchemaValidator(checked, None, **said).validate_python
            self.load: Callable[[Any], Any] = SchemaValidator(trusted, None, **said).validate_python
            self._dump = SchemaSerializer(checked, None, **said).to_python

    def dump(self, value: Any) -> Any:
        """Plain data. Raises PydanticSerializationError for a value that is not of the type."""
        return self._dump(value, mode="json", warnings="error")

    def normalise(self, raw: Any) -> Any:
        """Plain data of raw input, validated. Raises Rejected with the path and the reason of everything wrong."""
        try:
            return self.dump(self.accept(raw))
        except ValidationError as error:
            raise Rejected(explain(error)) from None
        except PydanticSerializationError as error:
            raise Rejected(f"cannot be stored: {error}") from None

    def runs_code(self) -> bool:
        """Whether validating the type runs functions of its author: validators, a default made anew, `__init__`."""
        return _runs_code(self.schema)

    def storable(self) -> list[tuple[str, str]]:
        """(path, why) of everything in the type that has no honest stored form."""
        found: list[tuple[str, str]] = []
        _find_unstorable(self.schema, "", found)
        return found


def explain(error: ValidationError) -> str:
    """Every finding as `path: reason`; without the input, which may be personal."""
    parts: list[str] = []
    for found in error.errors(include_url=False, include_context=False, include_input=False):
        path = ".".join(str(step) for step in found["loc"])
        parts.append(f"{path}: {found['msg']}" if path else found["msg"])
    return "; ".join(parts)


# --- our own validators at every depth -------------------------------------------------------------------------------


def _can_say_not_prebuilt() -> bool:
    try:
        SchemaValidator(core_schema.none_schema(), None, _use_prebuilt=False)
    except TypeError:
        return False
    return True


SAYS_NOT_PREBUILT = _can_say_not_prebuilt()
"""Whether this pydantic-core takes the argument, for which it makes no promise."""


@contextmanager
def _nothing_prebuilt(schema: Node) -> Generator[dict[str, Any]]:
    """Build validators of nested models from the schema given, strict as it is.

    Otherwise those that the classes have already, lenient ones, take their place. Where pydantic-core has no argument
    for it, the classes are marked as unfinished meanwhile, and what is unfinished has no validator to be taken.
    """
    if SAYS_NOT_PREBUILT:
        yield {"_use_prebuilt": False}
        return
    finished = [cls for cls in _classes(schema) if cls.__dict__.get("__pydantic_complete__")]
    for cls in finished:
        cls.__pydantic_complete__ = False
    try:
        yield {}
    finally:
        for cls in finished:
            cls.__pydantic_complete__ = True


def _classes(node: Any) -> list[Any]:
    """The models and dataclasses of a schema."""
    if isinstance(node, list | tuple):
        return [cls for item in cast("list[Any]", node) for cls in _classes(item)]
    if not isinstance(node, dict):
        return []
    schema = cast("Node", node)
    own = [schema["cls"]] if schema.get("type") in ("model", "dataclass") else []
    return own + [cls for key, value in schema.items() if key not in _NO_SCHEMAS for cls in _classes(value)]


def _core_schema(type_: Any) -> Node:
    return cast("Node", TypeAdapter(type_).core_schema)


# --- stricter ---------------------------------------------------------------------------------------------------------


def _strict(node: Any) -> Any:
    """A copy of a core schema with the rules of this module. Functions, classes and bounds are shared, not copied."""
    if isinstance(node, list):
        return [_strict(item) for item in cast("list[Any]", node)]
    if isinstance(node, tuple):
        return tuple(_strict(item) for item in cast("tuple[Any, ...]", node))
    if not isinstance(node, dict):
        return node
    source = cast("Node", node)
    kind = source.get("type")
    if kind == "literal" or (kind == "enum" and "members" in source):
        return dict(source)
    copy: Node = {
        key: value if key in ("metadata", "cls", "config", "serialization", "default") else _strict(value)
        for key, value in source.items()
    }
    match kind:
        case "int" | "bool":
            copy["strict"] = True
        case "float":
            copy["allow_inf_nan"] = False
            copy.setdefault("serialization", _TEXT_OF_FLOAT)
        case "decimal":
            copy["allow_inf_nan"] = False
            copy.setdefault("serialization", _TEXT_OF_DECIMAL)
            return core_schema.no_info_before_validator_function(
                _no_bool, cast("core_schema.CoreSchema", copy), serialization=_TEXT_OF_DECIMAL
            )
        case "datetime":
            copy["tz_constraint"] = "aware"
            copy.setdefault("serialization", _TEXT_OF_MOMENT)
            return core_schema.no_info_before_validator_function(
                _no_number, cast("core_schema.CoreSchema", copy), serialization=_TEXT_OF_MOMENT
            )
        case "set" | "frozenset":
            copy.setdefault("serialization", _SORTED)
        case "model":
            copy["config"] = {"extra_fields_behavior": "forbid", **source.get("config", {})}
            _seal_fields(copy)
        case _:
            pass
    return copy


def _unguarded(node: Any) -> Any:
    """A copy without the guards against loose input, which cost a quarter of a load."""
    if isinstance(node, list):
        return [_unguarded(item) for item in cast("list[Any]", node)]
    if isinstance(node, tuple):
        return tuple(_unguarded(item) for item in cast("tuple[Any, ...]", node))
    if not isinstance(node, dict):
        return node
    source = cast("Node", node)
    if source.get("type") == "literal" or (source.get("type") == "enum" and "members" in source):
        return source
    if source.get("type") == "function-before" and source["function"].get("function") in (_no_bool, _no_number):
        return _unguarded(source["schema"])
    return {
        key: value if key in ("metadata", "cls", "config", "serialization", "default") else _unguarded(value)
        for key, value in source.items()
    }


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("decimal_type", "Input should be a decimal number, as text or as a number")
    return value


def _no_number(value: Any) -> Any:
    if not isinstance(value, str | datetime):
        raise PydanticCustomError(
            "datetime_type", "Input should be a moment in ISO 8601 with its time zone, e.g. 2026-01-01T12:00:00Z"
        )
    return value


def decimal_text(value: Decimal) -> str:
    """Plain digits, the places as given: 120.00, never 1.2E+2."""
    return format(value, "f")


def moment_text(value: datetime) -> str:
    """ISO 8601 in UTC with a `Z`."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _typed(convert: Callable[[Any], Any], *types: type) -> Callable[[Any], Any]:
    def serialise(value: Any) -> Any:
        if not isinstance(value, types):
            raise PydanticSerializationError(f"expected {types[0].__name__}, got {type(value).__name__}")
        return convert(value)

    return serialise


def _sort(values: Any) -> list[Any]:
    return sorted(values, key=lambda value: (type(value).__name__, str(value)))


_TEXT_OF_FLOAT = core_schema.plain_serializer_function_ser_schema(_typed(repr, float, int), when_used="json")
_TEXT_OF_DECIMAL = core_schema.plain_serializer_function_ser_schema(_typed(decimal_text, Decimal), when_used="json")
_TEXT_OF_MOMENT = core_schema.plain_serializer_function_ser_schema(_typed(moment_text, datetime), when_used="json")
_SORTED = core_schema.plain_serializer_function_ser_schema(_sort, when_used="json")


# --- personal data ----------------------------------------------------------------------------------------------------

VALUE = "value"
"""The field that a sealed value belongs to where the type itself is personal: `Question[Sensitive[str]]`."""


def _seal_fields(model: Node) -> None:
    """Seal the personal fields of a model's node, which is a copy."""
    cls: Any = model["cls"]
    names = sensitive_fields(cls) if hasattr(cls, "model_fields") else frozenset[str]()
    if not names:
        return
    inner = model
    while "fields" not in inner and "schema" in inner:
        if model.get("root_model"):
            model["schema"] = _sealed_field(model["schema"], f"{cls.__name__}.root")
            return
        inner = inner["schema"]
    for name, field in fields_of(inner):
        if name in names:
            field["schema"] = _sealed_field(field["schema"], f"{cls.__name__}.{name}")


def _sealed_field(node: Node, field: str) -> Node:
    """The node with its value sealed when dumped, by whatever serializer it has, and opened before it is validated."""
    schema = cast("core_schema.CoreSchema", node)
    closing = core_schema.wrap_serializer_function_ser_schema(sealer(field), schema=schema)
    if node["type"] == "default":
        opened = core_schema.no_info_before_validator_function(opener(field), node["schema"])
        return {**node, "schema": opened, "serialization": closing}
    return cast("Node", core_schema.no_info_before_validator_function(opener(field), schema, serialization=closing))


def is_opener(function: object) -> bool:
    """Whether a validator's function is the one that opens sealed values."""
    return getattr(function, "__module__", "") == opener.__module__


def _seals(node: Any) -> bool:
    if isinstance(node, list | tuple):
        return any(_seals(item) for item in cast("list[Any]", node))
    if not isinstance(node, dict):
        return False
    schema = cast("Node", node)
    if schema.get("type") == "function-before" and is_opener(schema["function"].get("function")):
        return True
    return any(_seals(value) for key, value in schema.items() if key not in _NO_SCHEMAS)


def _runs_code(node: Any) -> bool:
    if isinstance(node, list | tuple):
        return any(_runs_code(item) for item in cast("list[Any]", node))
    if not isinstance(node, dict):
        return False
    schema = cast("Node", node)
    kind = str(schema.get("type", ""))
    if kind.startswith("function-"):
        function = cast("Node", schema.get("function") or {}).get("function")
        if function not in (_no_bool, _no_number):
            return True
    if schema.get("post_init") or schema.get("custom_init") or "default_factory" in schema:
        return True
    return any(_runs_code(value) for key, value in schema.items() if key not in _NO_SCHEMAS)


# --- what can be stored -----------------------------------------------------------------------------------------------


def fields_of(node: Node) -> list[tuple[str, Node]]:
    """Names and nodes of the fields of a model, dataclass or typed dict."""
    fields: Any = node["fields"]
    if isinstance(fields, dict):
        return list(cast("dict[str, Node]", fields).items())
    return [(one["name"], one) for one in cast("list[Node]", fields)]


def _find_unstorable(node: Any, path: str, found: list[tuple[str, str]]) -> None:
    if isinstance(node, list | tuple):
        for item in cast("list[Any]", node):
            _find_unstorable(item, path, found)
        return
    if not isinstance(node, dict):
        return
    schema = cast("Node", node)
    kind = schema.get("type")
    if not isinstance(kind, str):
        return
    if kind not in _STORABLE:
        found.append((path, f"{_WORDS.get(kind, f'a type of kind {kind!r}')} has no stored form"))
        return
    match kind:
        case "model-fields" | "typed-dict" | "dataclass-args":
            for name, one in fields_of(schema):
                _find_unstorable(one, f"{path}.{name}" if path else name, found)
        case "set" | "frozenset":
            item = schema.get("items_schema", {"type": "any"})
            if item.get("type") not in ("str", "int", "literal", "enum"):
                found.append((path, "a set of anything but text or whole numbers has no order; use a list"))
        case "list" | "tuple" if not schema.get("items_schema"):
            found.append((path, "a list must say what it holds, e.g. list[Name]"))
        case "dict":
            if schema.get("keys_schema", {}).get("type") not in ("str", "literal"):
                found.append((path, "a dict needs text keys: dict[str, ...]"))
            _find_unstorable(schema.get("values_schema", {"type": "any"}), path, found)
        case _:
            for key, value in schema.items():
                if key not in _NO_SCHEMAS:
                    _find_unstorable(value, path, found)


_NO_SCHEMAS = ("metadata", "cls", "config", "serialization", "default", "expected", "members", "function")
_WORDS = {
    "any": "`Any` or a bare container",
    "bytes": "`bytes` (use Picture or Document)",
    "complex": "`complex`",
    "callable": "a function",
    "is-instance": "a class that is no model",
    "generator": "a generator",
}
