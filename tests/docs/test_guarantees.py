"""Every guarantee names tests, and every test it names exists: with its parameters where it names them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "guarantees.md"
NAMES = 14


def sections() -> dict[int, str]:
    parts = re.split(r"^## (\d+)\. ", DOCUMENT.read_text(), flags=re.MULTILINE)
    return {int(number): text for number, text in zip(parts[1::2], parts[2::2], strict=True)}


def named(text: str) -> list[str]:
    return re.findall(r"^- `(tests/[^`]+)`$", text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def collected() -> set[str]:
    files = sorted({one.partition("::")[0] for text in sections().values() for one in named(text)})
    missing = [file for file in files if not (ROOT / file).is_file()]
    assert missing == []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3_000:]
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_all_guarantees_are_there_in_order() -> None:
    assert list(sections()) == list(range(1, NAMES + 1))


@pytest.mark.parametrize("number", range(1, NAMES + 1))
def test_a_guarantee_is_promised_in_words_and_held_by_tests(number: int) -> None:
    _, _, text = sections()[number].partition("\n")
    tests = named(text)
    assert len(tests) >= 2
    assert len(tests) == len(set(tests))
    assert len(tests) == text.count("\n- "), "every item of a list is one test in backticks"
    assert 20 < len(text.partition("\n- ")[0].split()) < 120


def test_every_named_test_exists(collected: set[str]) -> None:
    whole = {one.partition("[")[0] for one in collected}
    unknown = [one for text in sections().values() for one in named(text) if one not in collected and one not in whole]
    assert unknown == []


def test_every_planted_bug_is_named_by_its_guarantee() -> None:
    """The bugs that the simulation plants carry the number of what they break."""
    for number, text in sections().items():
        for one in named(text):
            found = re.search(r"test_a_planted_bug_is_caught\[.*-(\d+)\]$", one)
            assert found is None or int(found[1]) == number, one
