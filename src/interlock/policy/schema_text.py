"""The `schema:` block of a policy document: read, narrowed against a derived schema, and written back.

    decimal(2) 0..100000      int 0..10      string(80)      enum a | b      bool      timestamp      duration 0s..30d
    {list: string(20), max: 5}      {field: type, optional?: type}      {invisible: reason}      bool = false

INVARIANT: reading what `schema_text` wrote gives an equal schema (defaults given in their plainest raw form: text for a
decimal, microseconds for a duration).
INVARIANT: beside an automation the block can only narrow: every value it admits, the derived schema admits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import cast

import msgspec

from interlock.policy import syntax
from interlock.policy.cases import scalar_raw
from interlock.policy.diagnostics import Report, nearest
from interlock.policy.document import Entries, Items, Node, Scalar, only_keys
from interlock.policy.limits import NUMBER_DIGITS_MAX, SCALE_MAX
from interlock.policy.moments import duration_text
from interlock.policy.schema import (
    NAME,
    STRING_CHARS_DEFAULT,
    ActionSchema,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    Field,
    IntType,
    InvisibleType,
    ListType,
    RecordType,
    ScalarType,
    Schema,
    StringType,
    TimestampType,
    Type,
    scaled,
    unscaled,
)
from interlock.policy.values import Unfit, canonical, words

ROOT_KEYS = ("now", "proposal", "actions", "case", "advice", "breaker", "groups")
TYPES = ("bool", "int", "decimal", "string", "enum", "timestamp", "duration")

_USAGE = "for example decimal(2) 0..100000, int 0..10, string(80), enum a | b, bool, timestamp, duration"
_TYPE = re.compile(r"([a-z]+)\s*(?:\(\s*([0-9]{1,9})\s*\))?\s*(.*)", re.ASCII | re.DOTALL)
_RANGE = re.compile(r"(\S+?)\s*\.\.\s*(\S+)", re.ASCII)
_DEFAULT = re.compile(r"""(?P<type>(?:[^="]|"(?:[^"\\]|\\.)*")*?)\s*=\s*(?P<default>.+)""", re.DOTALL)
_ENUM_VALUE = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^|"]+?))\s*(\||$)', re.DOTALL)
_BARE_VALUE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_. -]*[A-Za-z0-9_.-])?", re.ASCII)
_BARE_YAML = re.compile(r"[A-Za-z][A-Za-z0-9_ .|()=-]*", re.ASCII)
_UNREADABLE = InvisibleType("")
"""Stands for a type that could not be read; that was reported, so rules that use it are not blamed again."""


@dataclass(slots=True)
class _Places:
    """Where each dotted path of the block stands."""

    index: dict[str, int] = field(default_factory=dict[str, int])


def read_schema(report: Report, node: Node, derived: Schema | None) -> Schema | None:
    """The schema of a document. With a derived one the block narrows it. None: the block has no usable shape."""
    if not isinstance(node, Entries):
        report.add("shape", node.index, "`schema` is a mapping of proposal, actions, case, advice, breaker")
        return None
    only_keys(report, node, ROOT_KEYS, "schema")
    places = _Places()
    now = node.get("now")
    if now is not None and not (isinstance(now, Scalar) and now.text == "timestamp"):
        report.add("schema", now.index, "`now` is a timestamp")
    actions = _actions(report, places, node, derived)
    groups = _groups(report, node.get("groups"))
    roots: dict[str, RecordType] = {}
    for root in ("proposal", "case", "advice", "breaker"):
        given = node.get(root)
        roots[root] = RecordType() if given is None else _record(report, places, root, given)
    shared = {name: f for name, f in roots["proposal"].fields.items() if name != "action"}
    if derived is not None:
        return Schema(
            actions={
                name: ActionSchema(
                    _narrow_record(report, places, f"actions.{name}.args", action.args, _args(actions, name)),
                    action.irreversible,
                )
                for name, action in derived.actions.items()
            },
            case=_narrow_record(report, places, "case", derived.case, roots["case"]),
            proposal=_narrow_record(report, places, "proposal", derived.proposal, RecordType(shared)),
            advice=_narrow_record(report, places, "advice", derived.advice, roots["advice"]),
            breaker=_narrow_record(report, places, "breaker", derived.breaker, roots["breaker"]),
            groups=derived.groups if groups is None else groups,
        )
    if not actions:
        report.add(
            "schema",
            node.index,
            "the schema names no actions",
            "write proposal: {action: enum pay | hold, ...} or actions: {pay: {args: {...}}}",
        )
        return None
    for name, action in actions.items():
        for taken in ("action", *shared):
            if taken in action.args.fields:
                report.add(
                    "schema",
                    places.index[f"actions.{name}.args.{taken}"],
                    f"argument `{taken}` has the name of a field that every proposal has",
                )
                return None
    return Schema(
        actions=actions,
        case=roots["case"],
        proposal=RecordType(shared),
        advice=roots["advice"],
        breaker=roots["breaker"],
        groups=groups,
    )


def _args(actions: dict[str, ActionSchema], name: str) -> RecordType:
    return actions[name].args if name in actions else RecordType()


def _groups(report: Report, node: Node | None) -> tuple[str, ...] | None:
    if node is None:
        return None
    found: list[str] = []
    for item in node.items if isinstance(node, Items) else (node,):
        if isinstance(item, Scalar):
            found.append(item.text)
        else:
            report.add("shape", item.index, "`groups` is a list of names")
    return tuple(found)


def _actions(report: Report, places: _Places, node: Entries, derived: Schema | None) -> dict[str, ActionSchema]:
    found: dict[str, ActionSchema] = {}
    block = node.get("actions")
    if isinstance(block, Entries):
        for key, value in block:
            _name(report, key, "an action")
            if derived is not None and key.text not in derived.actions:
                report.add(
                    "unknown_action", key.index, f"no action is called `{key.text}`", nearest(key.text, derived.actions)
                )
            elif isinstance(value, Entries):
                found[key.text] = _action(report, places, key.text, value)
            elif isinstance(value, Scalar) and value.plain and value.text in ("", "~"):
                found[key.text] = ActionSchema()
            else:
                report.add("shape", value.index, "an action is a mapping", "pay: {irreversible: true, args: {...}}")
    elif block is not None:
        report.add("shape", block.index, "`actions` is a mapping of actions")
    proposal = node.get("proposal")
    named = proposal.get("action") if isinstance(proposal, Entries) else None
    if named is None or derived is not None:
        return found
    type_ = _type(report, places, "proposal.action", named).type
    if not isinstance(type_, EnumType):
        if type_ is not _UNREADABLE:
            report.add("schema", named.index, "`proposal.action` is an enum of actions", "action: enum pay | hold")
        return found
    if found and set(found) != set(type_.values):
        report.add(
            "schema", named.index, "`proposal.action` and `actions` name different actions", "leave `action` out"
        )
    return found or {name: ActionSchema() for name in type_.values}


def _action(report: Report, places: _Places, name: str, node: Entries) -> ActionSchema:
    only_keys(report, node, ("irreversible", "args"), "an action")
    given = node.get("irreversible")
    irreversible = None
    if isinstance(given, Scalar) and given.text in ("true", "false"):
        irreversible = given.text == "true"
    elif given is not None:
        report.add("schema", given.index, "`irreversible` is true or false")
    args = node.get("args")
    return ActionSchema(
        RecordType() if args is None else _record(report, places, f"actions.{name}.args", args), irreversible
    )


def _name(report: Report, key: Scalar, what: str) -> None:
    if NAME.fullmatch(key.text) is None:
        report.add(
            "schema", key.index, f"`{key.text}` is no name for {what}", "letters, digits and _", width=len(key.raw)
        )


def _record(report: Report, places: _Places, path: str, node: Node) -> RecordType:
    if not isinstance(node, Entries):
        report.add("shape", node.index, f"`{path}` is a record", "{field: type, optional?: type}")
        return RecordType()
    fields: dict[str, Field] = {}
    for key, value in node:
        name = key.text.removesuffix("?")
        if NAME.fullmatch(name) is None:
            report.add(
                "schema", key.index, f"`{key.text}` is no name for a field", "letters, digits and _", width=len(key.raw)
            )
            continue
        if name in fields:
            report.add("duplicate_key", key.index, f"`{name}` is given twice", width=len(key.raw))
            continue
        places.index[f"{path}.{name}"] = key.index
        read = _type(report, places, f"{path}.{name}", value)
        fields[name] = Field(read.type, key.text.endswith("?"), read.default)
    return RecordType(fields)


def _type(report: Report, places: _Places, path: str, node: Node) -> Field:
    """A type with its default, from its text or its mapping."""
    if isinstance(node, Items):
        report.add("schema", node.index, "a type is a text or a mapping", "a list is {list: string(20), max: 5}")
        return Field(_UNREADABLE)
    if isinstance(node, Entries):
        keys = {key.text for key, _ in node}
        if "list" in keys and keys <= {"list", "max", "default"} and isinstance(node.get("max"), Scalar | None):
            return _list(report, places, path, node)
        reason = node.get("invisible")
        if keys == {"invisible"} and isinstance(reason, Scalar):
            return Field(InvisibleType(reason.text))
        return Field(_record(report, places, path, node))
    return _scalar(report, node)


def _list(report: Report, places: _Places, path: str, node: Entries) -> Field:
    most, inner = node.get("max"), node.get("list")
    if not isinstance(most, Scalar) or re.fullmatch(r"[0-9]{1,6}", most.text, re.ASCII) is None:
        report.add("schema", node.index, "a list needs `max`, how many items it may have", "{list: string(20), max: 5}")
        return Field(_UNREADABLE)
    item = _type(report, places, path, inner).type if inner is not None else _UNREADABLE
    if item is _UNREADABLE:
        return Field(_UNREADABLE)
    if isinstance(item, ListType | RecordType | InvisibleType):
        report.add("schema", node.index, "a list holds values of one scalar type")
        return Field(_UNREADABLE)
    type_ = ListType(item, int(most.text))
    given = node.get("default")
    if given is None:
        return Field(type_)
    scalars = [one for one in given if isinstance(one, Scalar)] if isinstance(given, Items) else None
    if scalars is None:
        report.add("schema", given.index, "the default of a list is a list")
        return Field(type_)
    return Field(type_, default=_default(report, given.index, [scalar_raw(one.text, item) for one in scalars], type_))


def _default(report: Report, index: int, raw: object, type_: ScalarType | ListType) -> object:
    if raw == "now" and isinstance(type_, TimestampType):
        return raw
    try:
        canonical(type_, raw)
    except Unfit as error:
        report.add("schema", index, f"the default does not fit: {error}")
        return None
    return raw


def _scalar(report: Report, node: Scalar) -> Field:
    text, default = node.text.strip(), None
    split = _DEFAULT.fullmatch(text)
    if split is not None:
        text, default = split["type"].strip(), split["default"].strip()
    try:
        type_ = scalar_type(text)
    except ValueError as error:
        report.add("schema", node.index, str(error), _USAGE, width=len(node.raw))
        return Field(_UNREADABLE)
    if default is None:
        return Field(type_)
    if default.startswith('"'):
        raw: object = _unquoted(default)
    elif default == "now" and isinstance(type_, TimestampType):
        raw = "now"
    else:
        raw = scalar_raw(default, type_)
    return Field(type_, default=_default(report, node.index, raw, type_))


def scalar_type(text: str) -> ScalarType:
    """A type from its text. Raises ValueError saying what is wrong with it."""
    match = _TYPE.fullmatch(text)
    name, parameter, rest = (match[1], match[2], match[3].strip()) if match else (text, None, "")
    if name not in TYPES:
        missing = {"float": "floats are not exact; use decimal(2) 0..100000", "str": "write string(80)"}.get(name, "")
        raise ValueError(f"`{name}` is no type" + (f": {missing}" if missing else f"; {nearest(name, TYPES)}"))
    if parameter is not None and name not in ("decimal", "string"):
        raise ValueError(f"{name} takes nothing in parentheses")
    if rest and name in ("bool", "string", "timestamp"):
        raise ValueError(f"{name} is not followed by `{rest}`")
    match name:
        case "bool":
            return BoolType()
        case "timestamp":
            return TimestampType()
        case "string":
            return StringType(int(parameter) if parameter else STRING_CHARS_DEFAULT)
        case "enum":
            return EnumType(_values(rest))
        case "int":
            lo, hi = _range(rest, "int 0..1000", 0)
            return IntType(lo, hi)
        case "decimal":
            scale = int(parameter or -1)
            if not 0 <= scale <= SCALE_MAX // 2:
                raise ValueError(f"decimal needs its places, 0 to {SCALE_MAX // 2}: decimal(2) 0..100000")
            lo, hi = _range(rest, f"decimal({scale}) 0..100000", scale)
            return DecimalType(scale, lo, hi)
        case _:
            return _duration(rest)


def _range(text: str, usage: str, scale: int) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    if match is None or len(text) > 2 * NUMBER_DIGITS_MAX:
        raise ValueError(f"numbers need bounds: {usage}")
    try:
        lo, hi = scaled(match[1], scale), scaled(match[2], scale)
    except ValueError as error:
        raise ValueError(f"`{text}` is no range of numbers ({error}): {usage}") from None
    if lo > hi:
        raise ValueError(f"the range {text} is empty")
    return lo, hi


def _duration(text: str) -> DurationType:
    if not text:
        return DurationType()
    match = _RANGE.fullmatch(text)
    if match is None or len(text) > 2 * NUMBER_DIGITS_MAX:
        raise ValueError(f"`{text}` is no range of durations: duration 0s..30d")
    bounds = [syntax.duration_us(end) if syntax.DURATION.fullmatch(end) else None for end in match.groups()]
    lo, hi = bounds
    if lo is None or hi is None or lo > hi:
        raise ValueError(f"`{text}` is no range of durations: duration 0s..30d")
    return DurationType(lo, hi)


def _values(text: str) -> tuple[str, ...]:
    found: list[str] = []
    at = 0
    while at < len(text):
        match = _ENUM_VALUE.match(text, at)
        if match is None:
            raise ValueError(f"`{text}` is no list of values: enum a | b")
        found.append(match[2] if match[1] is None else _unquoted(f'"{match[1]}"'))
        at = match.end()
    if not found or len(set(found)) != len(found) or text.endswith("|"):
        raise ValueError("an enum needs its values, each once: enum a | b")
    return tuple(found)


def _unquoted(text: str) -> str:
    try:
        return msgspec.json.decode(text.encode(), type=str)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise ValueError(f"{text} is not closed, or has an unknown escape") from None


# --- narrowing --------------------------------------------------------------------------------------------------------


def _narrow_record(report: Report, places: _Places, path: str, wide: RecordType, narrow: RecordType) -> RecordType:
    fields = dict(wide.fields)
    for name, given in narrow.fields.items():
        at = f"{path}.{name}"
        index = places.index[at]
        known = wide.fields.get(name)
        if known is None:
            report.add("schema", index, f"the automation's types have no `{at}`", nearest(name, wide.fields))
            continue
        if given.optional and not known.optional:
            report.add("schema", index, f"`{at}` is always there in the automation's types; the schema can only narrow")
        type_ = _narrow(report, places, at, known.type, given.type)
        if type_ is None:
            report.add(
                "schema",
                index,
                f"`{at}` is {type_text(known.type)} in the automation's types; the schema can only narrow it",
                "change the type in the automation, or name a part of its range",
            )
            continue
        fields[name] = Field(
            type_, known.optional and given.optional, known.default if given.default is None else given.default
        )
    return RecordType(fields)


def _narrow(report: Report, places: _Places, path: str, wide: Type, narrow: Type) -> Type | None:
    """The narrower type, or None if it is not one."""
    if narrow is _UNREADABLE:
        return narrow
    match wide, narrow:
        case RecordType(), RecordType():
            return _narrow_record(report, places, path, wide, narrow)
        case (
            (IntType(lo, hi), IntType(low, high))
            | (DurationType(lo, hi), DurationType(low, high))
            | (DecimalType(_, lo, hi), DecimalType(_, low, high))
        ):
            same = not isinstance(wide, DecimalType) or (isinstance(narrow, DecimalType) and wide.scale == narrow.scale)
            return narrow if same and lo <= low and high <= hi else None
        case StringType(most), StringType(length):
            return narrow if length <= most else None
        case EnumType(values), EnumType(chosen):
            return narrow if set(chosen) <= set(values) else None
        case ListType(item, most), ListType(inner, count):
            found = _narrow(report, places, path, item, inner)
            return narrow if found is not None and count <= most else None
        case _:
            return narrow if wide == narrow else None


# --- writing ----------------------------------------------------------------------------------------------------------


def schema_text(schema: Schema) -> str:
    """The `schema:` block of a schema, as YAML."""
    lines = ["schema:", "  now: timestamp"]
    _write_record(lines, 1, "proposal", schema.proposal)
    lines.append("  actions:")
    for name, action in schema.actions.items():
        lines.append(f"    {name}:" + ("" if action.irreversible is not None or action.args.fields else " {}"))
        if action.irreversible is not None:
            lines.append(f"      irreversible: {'true' if action.irreversible else 'false'}")
        if action.args.fields:
            _write_record(lines, 3, "args", action.args)
    for root, record in (("case", schema.case), ("advice", schema.advice), ("breaker", schema.breaker)):
        _write_record(lines, 1, root, record)
    if schema.groups is not None:
        lines.append("  groups: [" + ", ".join(_quoted(name) for name in schema.groups) + "]")
    return "\n".join(lines) + "\n"


def type_text(type_: Type) -> str:
    """A scalar type as a schema block writes it; other types by their shape."""
    match type_:
        case BoolType():
            return "bool"
        case IntType(lo, hi):
            return f"int {lo}..{hi}"
        case DecimalType(scale, lo, hi):
            return f"decimal({scale}) {_short(lo, scale)}..{_short(hi, scale)}"
        case StringType(max_length):
            return f"string({max_length})"
        case EnumType(values):
            return "enum " + " | ".join(v if _BARE_VALUE.fullmatch(v) else _quoted(v) for v in values)
        case TimestampType():
            return "timestamp"
        case DurationType(lo, hi):
            return "duration" if DurationType() == type_ else f"duration {duration_text(lo)}..{duration_text(hi)}"
        case ListType(item, max_items):
            return f"a list of {type_text(item)}, at most {max_items}"
        case InvisibleType(reason):
            return f"invisible ({reason})"
        case RecordType(fields):
            return "a record of " + ", ".join(fields)


def _write_record(lines: list[str], indent: int, name: str, record: RecordType) -> None:
    margin = "  " * indent
    if not record.fields:
        lines.append(f"{margin}{name}: {{}}")
        return
    lines.append(f"{margin}{name}:")
    for key, f in record.fields.items():
        label = f"{key}{'?' if f.optional else ''}"
        match f.type:
            case RecordType():
                _write_record(lines, indent + 1, label, f.type)
            case InvisibleType(reason):
                lines.append(f"{margin}  {label}: {{invisible: {_quoted(reason)}}}")
            case ListType(item, most):
                items = [_quoted(str(_word(item, one))) for one in cast("list[object]", f.default or [])]
                default = "" if f.default is None else f", default: [{', '.join(items)}]"
                lines.append(f"{margin}  {label}: {{list: {_yaml(type_text(item))}, max: {most}{default}}}")
            case _:
                default = "" if f.default is None else f" = {_default_text(f.type, f.default)}"
                lines.append(f"{margin}  {label}: {_yaml(type_text(f.type) + default)}")


def _default_text(type_: ScalarType, raw: object) -> str:
    text = str(_word(type_, raw))
    plain = not isinstance(type_, StringType) and _BARE_VALUE.fullmatch(text) is not None
    return text if plain or not isinstance(type_, StringType | EnumType) else _quoted(text)


def _word(type_: ScalarType, raw: object) -> object:
    """A default as people write it."""
    if isinstance(type_, StringType | EnumType | DecimalType) or raw == "now":
        return raw
    return words(type_, canonical(type_, raw))


def _short(value: int, scale: int) -> str:
    text = unscaled(value, scale)
    whole, _, places = text.partition(".")
    return whole if not places.strip("0") else text


def _yaml(text: str) -> str:
    return text if _BARE_YAML.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    """JSON's form of a text, which is YAML's and an enum's as well."""
    return msgspec.json.encode(text).decode()
