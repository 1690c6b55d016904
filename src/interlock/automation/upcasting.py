"""Stored values of an older type, read as the present one.

A state names its schema, so its upcaster is found by name. Messages, questions and arguments do not: what the present
type reads is read as it is, and what it does not read goes through the upcaster whose old type does. That is exact as
long as no value can be read as both, which `indistinct` tells and a definition is refused for: a field that changes its
type or its meaning changes its name.

INVARIANT: where no upcaster leads to a type, reading it is its codec's own `load`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from pydantic import ValidationError

from interlock.automation.codec import Codec
from interlock.automation.definition import Upcast
from interlock.automation.shape import Shape, shape_of


def chain_to(cls: type[Any], upcasts: Sequence[Upcast]) -> list[tuple[Upcast, ...]]:
    """Every way to `cls`, as the upcasters to follow, the shortest way first."""
    ways: list[tuple[Upcast, ...]] = [(one,) for one in upcasts if one.new is cls]
    for way in ways:
        ways.extend((one, *way) for one in upcasts if one.new is way[0].old and one not in way)
    return ways


def reading(codec: Codec, cls: type[Any], upcasts: Sequence[Upcast]) -> Callable[[Any], Any]:
    """A loader of `cls` that takes values of its older types as well. Raises ValidationError for anything else."""
    ways = chain_to(cls, upcasts)
    if not ways:
        return codec.load

    def load(plain: Any) -> Any:
        try:
            return codec.load(plain)
        except ValidationError:
            for way in ways:
                try:
                    value = way[0].codec.load(plain)
                except ValidationError:
                    continue
                for upcast in way:
                    value = upcast.function(value)
                return codec.load(codec.dump(codec.accept(value.__dict__)))
            raise

    return load


def indistinct(cls: type[Any], codec: Codec, upcasts: Sequence[Upcast]) -> list[tuple[Upcast, type[Any]]]:
    """Upcasters of types whose values could also be read as a later one, which would then be done instead."""
    ways = chain_to(cls, upcasts)
    found: list[tuple[Upcast, type[Any]]] = []
    later: list[tuple[type[Any], Shape]] = [(cls, shape_of(codec.schema))]
    for way in ways:
        old = way[0]
        shape = shape_of(old.codec.schema)
        clash = next((type_ for type_, newer in later if _may_read(newer, shape)), None)
        if clash is not None:
            found.append((old, clash))
        later.append((old.old, shape))
    return found


def _may_read(newer: Shape, older: Shape) -> bool:
    """Whether a value of the older record has the fields that the newer one wants and no others."""
    wanted = cast("dict[str, Shape]", newer.get("fields", {}))
    given = cast("dict[str, Shape]", older.get("fields", {}))
    required = {name for name, field in wanted.items() if "default" not in field}
    return given.keys() <= wanted.keys() and required <= given.keys()
