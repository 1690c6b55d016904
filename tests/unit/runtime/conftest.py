import pytest

from tests.unit.runtime.tiny import OPEN


@pytest.fixture(autouse=True)
def _close_worlds():
    yield
    while OPEN:
        OPEN.pop().close()
