"""Whose cases an erasure takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from interlock.runtime.erasure import cases_of
from interlock.store.sqlite import SqliteStore, open_sqlite
from interlock.vocabulary.ids import OWN, CaseId, slot_of
from interlock.vocabulary.sealed import Seal, seal_id

ANN = "ann@example.com"


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    with closing(open_sqlite(":memory:", n_slots=4)) as opened:
        yield opened


def about_ann(store: SqliteStore, automation: str, key: str) -> CaseId:
    """A case with personal data, which an event called hers."""
    case = CaseId(automation, key)
    slot = slot_of(case, store.caps.n_slots)
    store.put_seal(Seal(seal_id(slot, automation.encode()[-8:]), case, bytes(64), 1), [ANN])
    return case


def test_the_interlocks_own_cases_are_nobodys_to_erase(store: SqliteStore) -> None:
    # A closed account would forget what all others have spent; a closed record, who decides for whom.
    claim = about_ann(store, "claims", "c1")
    for own in sorted(OWN):
        about_ann(store, own, ANN)
    assert cases_of(store, ANN) == [claim]
