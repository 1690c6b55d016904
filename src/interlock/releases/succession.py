"""Whether a release can take over the cases of the one before it: what they hold must still be readable, or be upcast.

A field that was added with a default needs nothing. A field that is gone, or means something else now, needs an
upcaster from the old type: without one the first message to an old case would be poison. States are asked for always;
events, timers, questions and actions only where a case still holds one, which the caller knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

from interlock.automation.codec import Codec
from interlock.automation.definition import Definition, snake
from interlock.automation.shape import SENSITIVE, Shape, digest_of, schema_id, shape_of
from interlock.automation.sources import Sources
from interlock.automation.upcasting import chain_to
from interlock.releases.manifest import Manifest
from interlock.vocabulary.errors import Problem

Held = Literal["state", "event", "timer", "question", "action"]


@dataclass(frozen=True)
class Obstacle:
    """What cannot be read of an earlier release, if a case holds it.

    held   what kind of thing; name: schema id of a state, type name of an event, timer or question, name of an action
    """

    held: Held
    name: str
    problem: Problem


def obstacles(definition: Definition, previous: Manifest) -> list[Obstacle]:
    """What this definition could not read of the previous release."""
    sources = Sources(definition.modules)
    return [*_state(definition, previous, sources), *_types(definition, previous, sources)]


def succession_problems(definition: Definition, previous: Manifest) -> list[Problem]:
    """What stands between the states of the previous release and this definition; none if they can be taken over."""
    return [one.problem for one in _state(definition, previous, Sources(definition.modules))]


def _state(definition: Definition, previous: Manifest, sources: Sources) -> list[Obstacle]:
    cls = definition.case
    before: Shape = previous.body["state"]
    old_id = next((id_ for name, id_ in previous.body["schemas"].items() if name == before["name"]), "")
    known = [definition.schemas[cls.__name__], *(upcast.schema for upcast in definition.upcasts)]
    if any(digest_of(one) == digest_of(old_id) for one in known):
        return []
    help_ = (
        f"Keep the old class under another name, e.g. {before['name']}V1(Case), "
        f"and write @app.upcast def f(old: {before['name']}V1) -> {cls.__name__}."
    )
    found = _differences(cls, definition.case_codec, before, sources, help_)
    if not found and before["name"] != cls.__name__:
        file, line = sources.place(cls)
        what = f"the case was called {before['name']} in the last release and is {cls.__name__} now, without upcaster."
        found = [Problem(file, line, what, help_)]
    return [Obstacle("state", old_id, problem) for problem in found]


def _types(definition: Definition, previous: Manifest, sources: Sources) -> list[Obstacle]:
    """Obstacles of events, timers, questions and actions."""
    found: list[Obstacle] = []
    body = previous.body
    tables: dict[Held, dict[str, Any]] = {
        "event": dict(definition.events),
        "question": dict(definition.questions),
        "action": dict(definition.actions),
        "timer": dict(definition.timers),
    }
    for name, shape in cast("dict[str, Shape]", body.get("types", {})).items():
        if "." in name or name == body["state"]["name"]:
            continue
        held = _held(name, body)
        key = snake(name) if held == "action" else name
        now = tables[held].get(key)
        if now is None:
            file, line = sources.named("app")
            what = f"{held} {name} of the last release is gone, and cases hold one."
            help_ = "Keep the class, with what takes it, until no case holds one any more."
            found.append(Obstacle(held, key, Problem(file, line, what, help_)))
            continue
        digest = digest_of(schema_id(name, now.codec.schema))
        if digest == digest_of(body["schemas"].get(name, "")):
            continue
        olds = {digest_of(way[0].schema) for way in chain_to(now.type, definition.upcasts)}
        if digest_of(body["schemas"].get(name, "")) in olds:
            continue
        help_ = (
            f"Keep the old class as {name}V1, write @app.upcast def f(old: {name}V1) -> {name}, "
            "and give the field that changed another name."
        )
        found += [Obstacle(held, key, problem) for problem in _differences(now.type, now.codec, shape, sources, help_)]
    return found


def _held(name: str, body: Any) -> Held:
    if name in body["events"]:
        return "event"
    if name in body["questions"]:
        return "question"
    return "action" if snake(name) in body["actions"] else "timer"


def _differences(cls: type[Any], codec: Codec, before: Shape, sources: Sources, help_: str) -> list[Problem]:
    """Why a value of the old shape could not be read as the present type; none if it could."""
    after = shape_of(codec.schema)
    if before == after:
        return []
    problems: list[Problem] = []
    fields = cast("dict[str, Any]", after.get("fields", {}))
    old_fields = cast("dict[str, Any]", before.get("fields", {}))
    for name, old in old_fields.items():
        new = fields.get(name)
        if new is None:
            file, line = sources.place(cls)
            what = f"{cls.__name__} lost the field `{name}` since the last release, without upcaster."
            problems.append(Problem(file, line, what, help_))
        elif new["type"] != old["type"] and not _wider(old["type"], new["type"]):
            file, line = sources.place(cls, name)
            what = f"{cls.__name__}.{name} changed its type since the last release, without upcaster."
            problems.append(Problem(file, line, what, help_))
    for name, new in fields.items():
        if name not in old_fields and "default" not in new:
            file, line = sources.place(cls, name)
            what = f"{cls.__name__}.{name} is new since the last release and has no default, without upcaster."
            problems.append(Problem(file, line, what, f"Give it a default. Or: {help_[0].lower()}{help_[1:]}"))
    return problems


def _wider(old: Shape, new: Shape) -> bool:
    """Whether every value of the old type is one of the new: the same, made optional, or with looser bounds."""
    if SENSITIVE in old and SENSITIVE not in new:
        return False  # Sealed values would be taken for what they hold.
    if SENSITIVE in new:
        # What was stored in the clear is read as it is, and sealed when it is stored again.
        bare_old, bare_new = _without_mark(old), _without_mark(new)
        return bare_old == bare_new or _wider(bare_old, bare_new)
    if new["is"] == "optional":
        inner = old["of"] if old["is"] == "optional" else old
        return inner == new["of"] or _wider(inner, new["of"])
    if old["is"] != new["is"]:
        return False
    if old["is"] == "enum":
        return {str(value) for value in old["values"]} <= {str(value) for value in new["values"]}
    if old["is"] == "record":
        return _record_wider(old, new)
    if old["is"] == "list" and isinstance(old.get("of"), dict) and isinstance(new.get("of"), dict):
        inner = old["of"] == new["of"] or _wider(old["of"], new["of"])
        return inner and _bounds_looser({**old, "of": None}, {**new, "of": None})
    return _bounds_looser(old, new)


def _without_mark(shape: Shape) -> Shape:
    return {key: value for key, value in shape.items() if key != SENSITIVE}


def _record_wider(old: Shape, new: Shape) -> bool:
    was, now = cast("dict[str, Any]", old["fields"]), cast("dict[str, Any]", new["fields"])
    return all(
        name in now and (field["type"] == now[name]["type"] or _wider(field["type"], now[name]["type"]))
        for name, field in was.items()
    ) and all(name in was or "default" in field for name, field in now.items())


def _bounds_looser(old: Shape, new: Shape) -> bool:
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
