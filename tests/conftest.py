"""What all tests share: their order, their marks and how hypothesis draws.

A folder of `tests/` says how far a test reaches, and the folders run from the shortest reach to the longest, so that
the first failure is the one nearest to its cause. Each test carries its folder's name as a mark: `-m "not acceptance"`.

INVARIANT: two runs of one commit test the same inputs. Hypothesis is derandomised unless a person asks it to explore
(`--hypothesis-profile=explore`); a test that fails now and then teaches people to run it again.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

FOLDERS = ("unit", "properties", "scenarios", "conformance", "simulation", "acceptance", "docs")
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
