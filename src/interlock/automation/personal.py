"""Which fields of a type are personal, and which name the person: read off the annotations."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from typing import Any, cast, get_args, get_type_hints, is_typeddict

from pydantic import BaseModel

from interlock.automation.payloads import Document, Picture
from interlock.automation.values import SensitiveMark, SubjectMark


def is_marked(annotation: Any) -> bool:
    """Whether an annotation carries the mark of personal data, itself or inside (`list[Sensitive[str]]`)."""
    return _carries(annotation, SensitiveMark)


def sensitive_fields(cls: type[BaseModel]) -> frozenset[str]:
    """The fields of a model that are sealed whole: marked, or with the mark anywhere in their annotation."""
    return frozenset(
        name
        for name, info in cls.model_fields.items()
        if any(isinstance(mark, SensitiveMark) for mark in info.metadata) or is_marked(info.annotation)
    )


def subject_fields(cls: type[BaseModel]) -> tuple[str, ...]:
    """The fields of a model that name the person whom its case's personal data is about."""
    return tuple(
        name
        for name, info in cls.model_fields.items()
        if any(isinstance(mark, SubjectMark) for mark in info.metadata) or _carries(info.annotation, SubjectMark)
    )


def sensitive_paths(cls: type[BaseModel], seen: tuple[type[Any], ...] = ()) -> list[str]:
    """Dotted paths of personal data in a model, through models and lists within it."""
    paths: list[str] = []
    marked = sensitive_fields(cls)
    for name, info in cls.model_fields.items():
        if name in marked:
            paths.append(name)
            continue
        for model in models_in(info.annotation):
            if model not in (*seen, cls):
                paths += [f"{name}.{inner}" for inner in sensitive_paths(model, (*seen, cls))]
    return paths


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation names."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for one in get_args(annotation) for model in models_in(one)]


def unsealable(cls: type[BaseModel], seen: tuple[type[Any], ...] = ()) -> list[tuple[str, str]]:
    """(field, why) of every mark in a model that could not be honoured."""
    found: list[tuple[str, str]] = []
    marked = sensitive_fields(cls)
    for name, info in cls.model_fields.items():
        if name in marked and _names(info.annotation, (Picture, Document)):
            found.append((name, "the content of a picture or document is stored by its digest and cannot be erased"))
        found += [
            (name, f"{inner.__name__} is no model, and only fields of models are sealed")
            for inner in _records_in(info.annotation)
            if _marks_within(inner)
        ]
        if name not in marked:
            for model in models_in(info.annotation):
                if model not in (*seen, cls):
                    found += [(f"{name}.{inner}", why) for inner, why in unsealable(model, (*seen, cls))]
    return found


def _records_in(annotation: Any) -> list[type[Any]]:
    """The dataclasses and typed dicts that an annotation names."""
    if inspect.isclass(annotation) and (is_typeddict(annotation) or is_dataclass(annotation)):
        return [annotation] if annotation not in (Picture, Document) else []
    return [record for one in get_args(annotation) for record in _records_in(one)]


def _marks_within(record: type[Any]) -> bool:
    try:
        hints = get_type_hints(record, include_extras=True)
    except NameError:
        hints = {one.name: one.type for one in fields(cast("Any", record))} if is_dataclass(record) else {}
    return any(is_marked(hint) for hint in hints.values())


def _names(annotation: Any, classes: tuple[type[Any], ...]) -> bool:
    return annotation in classes or any(_names(one, classes) for one in get_args(annotation))


def _carries(annotation: Any, mark: type[Any]) -> bool:
    if any(isinstance(one, mark) for one in getattr(annotation, "__metadata__", ())):
        return True
    return any(_carries(one, mark) for one in get_args(annotation))
