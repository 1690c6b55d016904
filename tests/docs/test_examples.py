"""Each example's own tests pass, as its author would run them: in its folder, in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("example", ["cheques", "refunds", "itops"])
def test_the_examples_own_tests(example: str) -> None:
    own_tests_pass(EXAMPLES / example)


def test_the_support_desks_own_tests(tmp_path: Path) -> None:
    """Its release names a trained model. A handful of sentences is enough for what these tests are about."""
    folder = tmp_path / "support"
    shutil.copytree(EXAMPLES / "support", folder, ignore=shutil.ignore_patterns("models", "__pycache__", "*.db*"))
    few = (
        "text,category\nWhere is my card?,card_arrival\nIs my card coming?,card_arrival\nWhat is this fee?,age_limit\n"
    )
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text(few)
    command = [sys.executable, "train.py", "--data", str(tmp_path), "--only", "bayes"]
    trained = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    own_tests_pass(folder)


def own_tests_pass(folder: Path) -> None:
    # `-c` and prepend: this repository's settings are not a user's, whose tests import `automation` from beside them.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=prepend",
        "-c",
        os.devnull,
    ]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
