"""A user's type checker catches a user's mistakes, and does not complain about the examples."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLANTED = Path(__file__).with_name("planted_mistakes.py")
EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.docs


def strict(tmp_path: Path, files: list[Path], folder: Path) -> list[dict[str, Any]]:
    """What the type checker says of files that belong to one automation folder, in strict mode."""
    config = {
        "include": [str(file) for file in files],
        "extraPaths": [str(ROOT / "src"), str(folder)],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    command = [
        sys.executable,
        "-m",
        "basedpyright",
        "-p",
        str(tmp_path),
        "--outputjson",
        "--pythonpath",
        sys.executable,
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    report: dict[str, Any] = json.loads(run.stdout)
    assert report["summary"]["filesAnalyzed"] == len(files), report["summary"]
    return [found for found in report["generalDiagnostics"] if found["severity"] == "error"]


def sections() -> dict[str, range]:
    """Name of each planted mistake, and its lines (from 0)."""
    lines = PLANTED.read_text().splitlines()
    starts = [(number, match[1]) for number, line in enumerate(lines) if (match := re.match(r"# (m\d\d) ", line))]
    ends = [start for start, _ in starts[1:]] + [len(lines)]
    return {name: range(start, end) for (start, name), end in zip(starts, ends, strict=True)}


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the type checker says of the planted file."""
    return strict(tmp_path_factory.mktemp("planted"), [PLANTED], EXAMPLES / "cheques")


def test_every_planted_mistake_is_caught(errors: list[dict[str, Any]]) -> None:
    lines = {error["range"]["start"]["line"] for error in errors}
    missed = [name for name, span in sections().items() if not lines & set(span)]
    assert not missed
    assert len(sections()) >= 26


def test_nothing_else_is_complained_about(errors: list[dict[str, Any]]) -> None:
    """An error in the imports would make every section look caught, for a wrong reason."""
    first = min(span.start for span in sections().values())
    assert [error["message"] for error in errors if error["range"]["start"]["line"] < first] == []


@pytest.mark.parametrize("example", ["cheques", "refunds", "itops", "support", "web", "web/refunds", "web/comments"])
def test_examples_pass_strict(tmp_path: Path, example: str) -> None:
    folder = EXAMPLES / example
    files = sorted(set(folder.glob("*.py")) - set(UNTYPED.get(example, ())))
    errors = strict(tmp_path, files, folder)
    assert [f"{Path(e['file']).name}:{e['range']['start']['line'] + 1}: {e['message']}" for e in errors] == []


UNTYPED = {"cheques": (EXAMPLES / "cheques" / "advisors.py",)}
"""The digit readers sit on scikit-learn, which has no types; everything of ours around them has."""
