"""A vault for tests that dump personal data without a store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from interlock.automation.sealing import within
from interlock.runtime.vault import SECRET_BYTES, CaseVault
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.sealed import Seal

CASE = CaseId("refunds", "t1")


@pytest.fixture
def vault() -> Iterator[CaseVault]:
    opened = CaseVault(CASE, [Seal("3.00000000000000ff", CASE, bytes(range(SECRET_BYTES)), 1)])
    with within(opened):
        yield opened
