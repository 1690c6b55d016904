"""What all tests share: their order, their marks and how hypothesis draws.

A folder of `tests/` says how far a test reaches, and the folders run from the shortest reach to the longest, so that
the first failure is the one nearest to its cause. Each test carries its folder's name as a mark: `-m "not acceptance"`.

INVARIANT: two runs of one commit test the same inputs. Hypothesis is derandomised unless a person asks it to explore
(`--hypothesis-profile=explore`); a test that fails now and then teaches people to run it again.

A test that wants PostgreSQL asks for `postgres_dsn` (a new, empty database on the session's server) or
`postgres_servers` (servers of its own, to stop and kill). Neither ever skips: see tests/postgres_server.py.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import postgres_server

FOLDERS = ("unit", "properties", "scenarios", "conformance", "simulation", "acceptance", "faults", "docs")
TESTS = Path(__file__).parent

settings.register_profile(
    "ci", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", max_examples=2_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def folder_of(item: pytest.Item) -> str:
    folder = item.path.relative_to(TESTS).parts[0]
    if folder not in FOLDERS:
        raise pytest.UsageError(f"{item.path}: a test lives in one of tests/{{{','.join(FOLDERS)}}}")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(folder_of(item))
    items.sort(key=lambda item: FOLDERS.index(folder_of(item)))


def pytest_configure(config: pytest.Config) -> None:
    # A process of xdist belongs to the session of the one that started it.
    if not hasattr(config, "workerinput"):
        postgres_server.begin_session()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        postgres_server.end_session()


@pytest.fixture(scope="session")
def postgres() -> postgres_server.Server | postgres_server.External:
    """The server of this session. Tests share it: use it to look and to make databases, never stop it."""
    return postgres_server.shared()


@pytest.fixture
def postgres_dsn(postgres: postgres_server.Server | postgres_server.External) -> Generator[str]:
    """The DSN of a new, empty database, which ends with the test."""
    dsn = postgres.create_database()
    yield dsn
    postgres.drop_database(dsn)


@pytest.fixture
def postgres_servers() -> Generator[postgres_server.Servers]:
    """Starts servers of the test's own, which end with it: to stop, to kill, to promote."""
    with postgres_server.servers() as made:
        yield made
