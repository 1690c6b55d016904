"""Performers, checkers, fences and advisors, collected from the modules that hold them.

The table is made from what the modules contain; importing them registers nothing. What is missing or double is a
problem for the author,
found before anything runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from interlock.automation.definition import Definition
from interlock.automation.markers import Advice, Advisor, Checker, Fence, Performer
from interlock.automation.models import action_options
from interlock.automation.sources import Sources
from interlock.vocabulary.errors import Problem

Marker = Performer[Any, Any] | Checker[Any, Any] | Fence[Any] | Advisor[Any, Any]


@dataclass(frozen=True)
class Effects:
    """Functions by what they serve: actions by name, advisors by (question, name of the advisor)."""

    performers: Mapping[str, Performer[Any, Any]]
    checkers: Mapping[str, Checker[Any, Any]]
    fences: Mapping[str, Fence[Any]]
    advisors: Mapping[tuple[str, str], Advisor[Any, Any]]
    modules: tuple[ModuleType, ...] = ()


def collect_effects(
    definition: Definition, modules: Sequence[ModuleType], *, elsewhere: Iterable[str] = ()
) -> tuple[Effects, list[Problem]]:
    """What the modules hold for this definition, and what is wrong or missing.

    Actions `elsewhere` need no performer (a gateway runs them).
    """
    sources = Sources(tuple(modules) or definition.modules)
    problems: list[Problem] = []
    tables: dict[type[Any], dict[Any, Any]] = {Performer: {}, Checker: {}, Fence: {}, Advisor: {}}

    def note(marker: Marker, message: str, suggestion: str) -> None:
        file, line = sources.place(marker.run)
        problems.append(Problem(file, line, message, suggestion))

    for marker in _markers(modules):
        kind = type(marker).__name__.lower()
        if isinstance(marker, Advisor):
            question = definition.questions.get(marker.question.__name__)
            if question is None or question.type is not marker.question:
                note(
                    marker,
                    f"advisor {marker.name!r} answers {marker.question.__name__}, which this automation does not ask.",
                    "Ask it in a reducer, or remove the advisor.",
                )
                continue
            key: str | tuple[str, str] = (question.name, marker.name)
        else:
            key = definition.action_name(marker.action)
            known = definition.actions.get(key)
            if known is None or known.type is not marker.action:
                note(
                    marker,
                    f"{kind} {marker.run.__name__} is for {marker.action.__name__}, which is not used here.",
                    "Add the action to the flow, or remove it.",
                )
                continue
            if isinstance(marker, Fence) and known.spec.kind != "checkable":
                note(
                    marker,
                    f"{marker.action.__name__} is {known.spec.kind}, so its fence would never be asked.",
                    'Write kind="checkable", or remove it.',
                )
                continue
        if key in tables[type(marker)]:
            note(
                marker, f"there are two {kind}s for {' by '.join(key) if isinstance(key, tuple) else key}.", "Keep one."
            )
            continue
        for message, suggestion in _signature_problems(marker, definition):
            note(marker, message, suggestion)
        tables[type(marker)][key] = marker

    absent = set(elsewhere)
    for name, action in definition.actions.items():
        file, line = Sources(definition.modules).place(action.type)
        if name not in tables[Performer] and name not in absent:
            problems.append(
                Problem(
                    file,
                    line,
                    f"action {action.type.__name__} has no performer.",
                    f"Write in effects.py: @{action.type.__name__}.performer",
                )
            )
        if action.spec.kind == "checkable" and name not in tables[Checker] and name not in absent:
            problems.append(
                Problem(
                    file,
                    line,
                    f"action {action.type.__name__} is checkable but has no checker.",
                    f"Write in effects.py: @{action.type.__name__}.checker",
                )
            )
        said = action_options(action.type)
        if said is not None and action.spec.kind != "checkable" and name not in tables[Checker] and name not in absent:
            # Without a checker nobody looks, and an attempt has no time to show itself in.
            for what, is_said in (
                ("settle_after", said.settle_after is not None),
                ("the schedule of in_doubt", said.in_doubt is not None and said.in_doubt.scheduled),
            ):
                if is_said:
                    problems.append(
                        Problem(
                            file,
                            line,
                            f"{what} of {action.type.__name__} means nothing: it has no checker.",
                            f"Write in effects.py: @{action.type.__name__}.checker, or leave it out.",
                        )
                    )
    effects = Effects(tables[Performer], tables[Checker], tables[Fence], tables[Advisor], tuple(modules))
    return effects, problems


def _markers(modules: Sequence[ModuleType]) -> list[Marker]:
    found: dict[int, Marker] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Performer | Checker | Fence | Advisor):
                found[id(cast("object", value))] = cast("Marker", value)
    return list(found.values())


def _signature_problems(marker: Marker, definition: Definition) -> list[tuple[str, str]]:
    """What a type checker would say, for those who run none."""
    run, kind = marker.run, type(marker).__name__.lower()
    wanted = 1 if isinstance(marker, Advisor) else 2
    parameters = list(inspect.signature(run).parameters.values())
    if len([p for p in parameters if p.default is p.empty]) > wanted or len(parameters) < wanted:
        return [
            (
                f"{kind} {run.__name__} takes {len(parameters)} parameters.",
                "It takes the question." if wanted == 1 else "It takes the arguments and the key.",
            )
        ]
    if inspect.isgeneratorfunction(run) or inspect.isasyncgenfunction(run):
        return [(f"{kind} {run.__name__} is a generator.", "Return the value.")]
    try:
        hints = get_type_hints(run)
    except (NameError, TypeError, AttributeError) as error:
        return [
            (f"an annotation of {kind} {run.__name__} cannot be resolved: {error}.", "Import the name at module level.")
        ]
    problems: list[tuple[str, str]] = []
    subject = marker.question if isinstance(marker, Advisor) else marker.action
    first = hints.get(parameters[0].name)
    if inspect.isclass(first) and not issubclass(subject, first):
        problems.append(
            (
                f"{kind} {run.__name__} is for {subject.__name__} but takes {first.__name__}.",
                f"Write `{parameters[0].name}: {subject.__name__}`.",
            )
        )
    if "return" in hints and isinstance(marker, Performer):
        expected = definition.actions[definition.action_name(marker.action)].result_type
        if bare(hints["return"]) != bare(expected):
            problems.append(
                (
                    (
                        f"performer {run.__name__} returns {_spoken(hints['return'])}, "
                        f"but {subject.__name__} results in {_spoken(expected)}."
                    ),
                    "Make the two agree.",
                )
            )
    if "return" in hints and isinstance(marker, Advisor):
        returned = hints["return"]
        expected = definition.questions[marker.question.__name__].answer_type
        args = get_args(returned)
        if get_origin(returned) is not Advice or (args and bare(args[0]) != bare(expected)):
            problems.append(
                (
                    (
                        f"advisor {run.__name__} returns {_spoken(returned)}, "
                        f"but {subject.__name__} is answered with {_spoken(expected)}."
                    ),
                    f"Return Advice[{_spoken(expected)}].",
                )
            )
    return problems


def bare(annotation: Any) -> Any:
    """A type to compare: without the bounds that Annotated puts on it (Money is a Decimal), a union as a set."""
    if hasattr(annotation, "__metadata__"):
        return bare(annotation.__origin__)
    if get_origin(annotation) in (Union, UnionType):
        return frozenset(bare(member) for member in get_args(annotation))
    return type(None) if annotation is None else annotation


def _spoken(annotation: Any) -> str:
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(_spoken(member) for member in get_args(annotation))
    if hasattr(annotation, "__metadata__"):
        return _spoken(annotation.__origin__)
    if annotation is None or annotation is type(None):
        return "None"
    return annotation.__name__ if inspect.isclass(annotation) else str(annotation).replace("typing.", "")
