"""The tests inside a policy document: a base input and variations of it, with the verdict that each expects.

Values are written as people write them (120.00, 30d, 2026-01-31T00:00:00Z, now - 40d) and turned into the raw form
of the door by the type at their path, so a misspelt path or an impossible value is found when the policy loads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from interlock.policy import syntax
from interlock.policy.diagnostics import Report, nearest
from interlock.policy.document import Entries, Items, Node, Scalar, only_keys
from interlock.policy.limits import SCALAR_CHARS_MAX
from interlock.policy.moments import timestamp_us
from interlock.policy.schema import (
    BoolType,
    DurationType,
    Field,
    IntType,
    InvisibleType,
    LeafType,
    ListType,
    RecordType,
    Schema,
    TimestampType,
    Type,
)
from interlock.policy.values import Unfit, canonical
from interlock.vocabulary.verdict import Group

NOW = timestamp_us("2026-01-01T00:00:00Z")
"""The moment of a test that names none."""

_NOW = re.compile(r"now(?:\s*([+-])\s*(\S+))?", re.ASCII)
_EXPECT = re.compile(r"(allow|deny|escalate|fallback)(?::(.+))?", re.ASCII)
_GROUP = re.compile(r"([A-Za-z0-9_.-]+)(?:\*([1-9][0-9]?))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Expectation:
    """An expected verdict. `groups` and `fallback` None: any."""

    text: str
    outcome: str
    groups: tuple[Group, ...] | None = None
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """One test. `raw` is its input; `by` None: whichever rules determine the verdict."""

    name: str
    line: int
    action: str
    raw: Mapping[str, object]
    expect: Expectation
    by: tuple[str, ...] | None


def read_cases(report: Report, node: Node, schema: Schema, rule_ids: tuple[str, ...]) -> tuple[PolicyTest, ...]:
    """The tests of a `cases:` block."""
    if not isinstance(node, Entries):
        report.add("shape", node.index, "`cases` is a mapping with `base` and `tests`")
        return ()
    only_keys(report, node, ("base", "tests"), "cases")
    base = node.get("base")
    if base is not None and not isinstance(base, Entries):
        report.add("shape", base.index, "`base` is a record of inputs")
        base = None
    tests = node.get("tests")
    if not isinstance(tests, Items):
        report.add(
            "shape",
            tests.index if tests else node.index,
            "`tests` is a list",
            "- {name: ..., with: {...}, expect: allow}",
        )
        return ()
    if not tests.items:
        _apply(report, {}, base, schema, None)
    found = [_test(report, item, base, schema, rule_ids) for item in tests]
    seen: set[str] = set()
    for test, item in zip(found, tests, strict=True):
        if test is not None and test.name in seen:
            report.add("duplicate_id", item.index, f"two tests are called `{test.name}`")
        if test is not None:
            seen.add(test.name)
    return tuple(test for test in found if test is not None)


def _test(
    report: Report, node: Node, base: Entries | None, schema: Schema, rule_ids: tuple[str, ...]
) -> PolicyTest | None:
    if not isinstance(node, Entries):
        report.add("shape", node.index, "a test is a mapping", "- {name: ..., with: {...}, expect: allow}")
        return None
    only_keys(report, node, ("name", "with", "expect", "by", "action"), "a test")
    name, changes = node.get("name"), node.get("with")
    title = name.text if isinstance(name, Scalar) else ""
    if not title:
        report.add("shape", node.index, "a test needs a `name`")
    if changes is not None and not isinstance(changes, Entries):
        report.add("shape", changes.index, "`with` is a mapping of paths to values", "with: {case.frozen: true}")
        changes = None
    named = _action(node, changes, base)
    action = named.text if named is not None and named.text in schema.actions else None
    raw: dict[str, Any] = {}
    _apply(report, raw, base, schema, action)
    _apply(report, raw, changes, schema, action)
    if action is None:
        near = nearest(named.text, schema.actions) if named is not None else "give proposal.action in `base`"
        what = "names no action" if named is None else f"is about `{named.text}`, which is no action of the schema"
        report.add("unknown_action", (named or node).index, f"the test {what}", near)
        return None
    raw.setdefault("proposal", {})["action"] = action
    expect = _expectation(report, node)
    by = _by(report, node.get("by"), rule_ids)
    if expect is None or not title:
        return None
    return PolicyTest(title, report.place(node.index)[0], action, _complete(raw, schema, action), expect, by)


def _action(test: Entries, changes: Entries | None, base: Entries | None) -> Scalar | None:
    """What a test is about: its own `action`, else what its changes say, else its base."""
    places = [test.get("action")]
    for record in (changes, base):
        if record is not None:
            proposal = record.get("proposal")
            places += [record.get("proposal.action"), proposal.get("action") if isinstance(proposal, Entries) else None]
    return next((place for place in places if isinstance(place, Scalar)), None)


def _expectation(report: Report, node: Entries) -> Expectation | None:
    given = node.get("expect")
    usage = "expect: allow | deny | escalate:group+other*2 | fallback:name"
    if not isinstance(given, Scalar):
        report.add("shape", given.index if given else node.index, "a test needs `expect`", usage)
        return None
    match = _EXPECT.fullmatch(given.text)
    if match is None or (match[2] and match[1] in ("allow", "deny")):
        report.add("shape", given.index, f"`{given.text}` is no verdict", usage, width=len(given.raw))
        return None
    outcome, rest = match[1], match[2]
    if rest is None:
        return Expectation(given.text, outcome)
    if outcome == "fallback":
        return Expectation(given.text, outcome, fallback=rest)
    groups: list[Group] = []
    for part in rest.split("+"):
        group = _GROUP.fullmatch(part.strip())
        if group is None:
            report.add("shape", given.index, f"`{part}` is no group", usage, width=len(given.raw))
            return None
        groups.append(Group(group[1], int(group[2] or 1)))
    return Expectation(given.text, outcome, groups=tuple(sorted(groups)))


def _by(report: Report, node: Node | None, rule_ids: tuple[str, ...]) -> tuple[str, ...] | None:
    if node is None:
        return None
    items = node.items if isinstance(node, Items) else (node,)
    found: list[str] = []
    for item in items:
        if not isinstance(item, Scalar):
            report.add("shape", item.index, "`by` is a list of rule ids")
        elif item.text not in rule_ids and item.text != "default":
            report.add(
                "unknown_rule",
                item.index,
                f"no rule is called `{item.text}`",
                nearest(item.text, rule_ids),
                width=len(item.raw),
            )
        else:
            found.append(item.text)
    return tuple(found)


# --- raw data ---------------------------------------------------------------------------------------------------------


def _apply(report: Report, raw: dict[str, Any], record: Entries | None, schema: Schema, action: str | None) -> None:
    """Put the values of dotted paths into nested data, each typed by the schema as `action` sees it."""
    for key, value in record or ():
        path = tuple(key.text.split("."))
        found = _field(schema, path, action)
        if isinstance(found, str):
            report.add("unknown_field", key.index, f"no input is called `{key.text}`", found, width=len(key.raw))
        elif found is not None:
            here = raw
            for part in path[:-1]:
                below = here.get(part)
                if not isinstance(below, dict):
                    below = here[part] = {}
                here = cast("dict[str, Any]", below)
            here[path[-1]] = _raw(report, path, value, found.type, schema, action)


def _field(schema: Schema, path: tuple[str, ...], action: str | None) -> Field | str | None:
    """The field at a path; None for `proposal.action`; a suggestion if there is none."""
    if path == ("proposal", "action"):
        return None
    roots: dict[str, Field] = {
        "proposal": Field(RecordType(_proposal(schema, action))),
        "case": Field(schema.case),
        "advice": Field(schema.advice),
        "breaker": Field(schema.breaker),
        "now": Field(TimestampType()),
    }
    here = Field(RecordType(roots))
    for part in path:
        fields: Mapping[str, Field] = here.type.fields if isinstance(here.type, RecordType) else {}
        found = fields.get(part)
        if found is None:
            return nearest(part, fields)
        here = found
    return here


def _proposal(schema: Schema, action: str | None) -> dict[str, Field]:
    """Fields of a proposal. What only other actions have is allowed, so that one base serves all, and takes no part."""
    foreign = {name: Field(InvisibleType("")) for other in schema.actions.values() for name in other.args.fields}
    own: Mapping[str, Field] = {} if action is None else schema.actions[action].args.fields
    return {**foreign, **own, **schema.proposal.fields}


def _raw(report: Report, path: tuple[str, ...], node: Node, type_: Type, schema: Schema, action: str | None) -> object:
    """A YAML value in the raw form of the door. Wrong values are reported and become None."""
    dotted = ".".join(path)
    if isinstance(node, Scalar) and node.plain and node.text in ("", "~", "null"):
        return None
    match type_:
        case InvisibleType():
            return None
        case RecordType():
            record: dict[str, Any] = {}
            if not isinstance(node, Entries):
                report.add("shape", node.index, f"`{dotted}` is a record")
                return None
            for key, value in node:
                found = _field(schema, (*path, key.text), action)
                if isinstance(found, Field):
                    record[key.text] = _raw(report, (*path, key.text), value, found.type, schema, action)
                elif found is not None:
                    report.add(
                        "unknown_field",
                        key.index,
                        f"`{dotted}` has no field `{key.text}`",
                        found,
                        width=len(key.raw),
                    )
            return record
        case ListType(item):
            if not isinstance(node, Items):
                report.add("shape", node.index, f"`{dotted}` is a list")
                return None
            return [_raw(report, path, one, item, schema, action) for one in node]
        case _:
            if not isinstance(node, Scalar):
                report.add("shape", node.index, f"`{dotted}` is one value")
                return None
            return _checked(report, dotted, node, type_)


def _checked(report: Report, dotted: str, node: Scalar, type_: LeafType) -> object:
    raw = scalar_raw(node.text, type_)
    try:
        canonical(type_, raw)
    except Unfit as error:
        report.add("value", node.index, f"`{dotted}`: {error}", width=len(node.raw))
        return None
    return raw


def scalar_raw(text: str, type_: Type) -> object:
    """Text in a document as the raw value of a type; text that cannot be one stays text, and is then refused as
    such.
    """
    match type_:
        case BoolType():
            return {"true": True, "false": False}.get(text, text)
        case IntType():
            return int(text) if len(text) <= SCALAR_CHARS_MAX and re.fullmatch(r"-?[0-9]+", text, re.ASCII) else text
        case DurationType():
            if len(text) <= SCALAR_CHARS_MAX and syntax.DURATION.fullmatch(text):
                return syntax.duration_us(text)
            return text
        case TimestampType():
            match = _NOW.fullmatch(text)
            if match is None or (
                match[2] and (len(match[2]) > SCALAR_CHARS_MAX or not syntax.DURATION.fullmatch(match[2]))
            ):
                return text
            offset = syntax.duration_us(match[2]) if match[2] else 0
            return NOW - offset if match[1] == "-" else NOW + offset
        case _:
            return text


def _complete(raw: dict[str, Any], schema: Schema, action: str) -> dict[str, Any]:
    """Put in what a test may leave out: the moment, what the action itself says, and neutral values that the schema
    declares.
    """
    raw.setdefault("now", NOW)
    irreversible = schema.actions[action].irreversible
    if irreversible is not None and "irreversible" in schema.proposal.fields:
        raw.setdefault("proposal", {}).setdefault("irreversible", irreversible)
    _defaults(raw, RecordType(schema.roots(action)), raw["now"])
    return raw


def _defaults(raw: dict[str, Any], record: RecordType, now: object) -> None:
    for name, f in record.fields.items():
        if isinstance(f.type, RecordType):
            if name not in raw and not f.optional:
                raw[name] = {}
            if isinstance(raw.get(name), dict):
                _defaults(raw[name], f.type, now)
        elif name not in raw and f.default is not None:
            raw[name] = now if f.default == "now" and isinstance(f.type, TimestampType) else f.default
