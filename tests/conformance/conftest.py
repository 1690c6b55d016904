"""Each test of this folder runs once per implementation; those that open a place twice, once per lasting one.

What no store of several databases can do (one transaction, one copy of all) carries the mark `one_database`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.ports import Store
from tests.conformance.stores import IMPLEMENTATIONS, Implementation

EVERYTHING = os.environ.get("INTERLOCK_CONFORMANCE") == "all"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what an implementation runs only when it is asked for everything."""
    left = {item for item in items if _is_left_out(item)}
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]


def _is_left_out(item: pytest.Item) -> bool:
    given: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    one_database = item.get_closest_marker("one_database") is not None
    return any(
        isinstance(value, Implementation)
        and (
            (value.several and one_database)
            or (bool(value.only) and item.path.stem not in value.only and not EVERYTHING)
        )
        for value in given.values()
    )


Factory = Callable[..., Any]


def factory(implementation: Implementation, place: Path) -> Iterator[Factory]:
    opened: list[Store] = []

    def open_one(**options: Any) -> Store:
        store = implementation.open(place, **options)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda implementation: implementation.name)
def store_factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Factory]:
    """Opens the test's store. Only the first call may be relied on: a store in memory is another one each time."""
    yield from factory(request.param, tmp_path)


@pytest.fixture
def store(store_factory: Factory) -> Any:
    return store_factory()


@pytest.fixture(
    params=[implementation for implementation in IMPLEMENTATIONS if implementation.lasting],
    ids=lambda implementation: implementation.name,
)
def lasting_factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Factory]:
    """Opens the test's store, and the same one again with every further call, as another process would."""
    yield from factory(request.param, tmp_path)
