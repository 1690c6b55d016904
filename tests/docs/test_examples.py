"""Each example's own tests pass, as its author would run them: in its folder, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("example", ["cheques", "refunds", "itops"])
def test_the_examples_own_tests(example: str) -> None:
    folder = EXAMPLES / example
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
