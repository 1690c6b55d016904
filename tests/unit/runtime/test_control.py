"""Pauses are an operator's word: two operators at once lose neither's."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.runtime.control import accept_clock, clock_accepted_at, in_force, pause, resume
from interlock.runtime.inbox import sealed
from interlock.store.sqlite import SqliteStore, open_sqlite
from interlock.vocabulary.errors import Refused
from interlock.vocabulary.events import CallBody, EventBody


class Contested:
    """A store in which somebody else changes the pauses between the look and the change, once."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._other = True

    def control(self):
        before = self._store.control()
        if self._other:
            self._other = False
            pause(self._store, ["automation:other"])
        return before

    def __getattr__(self, name: str):
        return getattr(self._store, name)


def contested(store: SqliteStore) -> Any:
    return Contested(store)


def test_a_pause_does_not_undo_another():
    store = open_sqlite(":memory:")
    pause(contested(store), ["all"])
    assert in_force(store.control()) == ("all", "automation:other")


def test_neither_does_a_resume_or_an_accepted_clock():
    store = open_sqlite(":memory:")
    pause(store, ["all"])
    resume(contested(store), ["all"])
    assert in_force(store.control()) == ("automation:other",)
    resume(store, [])
    accept_clock(contested(store), 7)
    assert in_force(store.control()) == ("automation:other",)
    assert clock_accepted_at(store.control()) == 7


@pytest.mark.parametrize("body", [EventBody("In", {}), CallBody("pay", {})])
def test_nobody_outside_speaks_as_the_interlock(body):
    """Messages of its own sources are not remembered: one of them sent twice would count twice."""
    with pytest.raises(Refused, match="one of the interlock's own"):
        sealed("tiny", "c1", body, id="1", source="interlock.dispatch", principal="p", occurred_at=None, now=1)
