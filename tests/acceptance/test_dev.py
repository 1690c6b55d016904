"""`./dev` starts on any machine: an old Python says what is missing, and help needs nothing installed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEV = ROOT / "dev"


def dev(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False, cwd="/")


def test_an_old_python_can_parse_the_whole_script() -> None:
    ast.parse(DEV.read_text(), feature_version=(3, 6))


def test_a_python_that_is_too_old_gets_a_sentence(tmp_path: Path) -> None:
    # No newer Python is found either: the names that are looked for are replaced as well.
    demanding = DEV.read_text().replace("< (3, 11)", "< (99, 0)").replace('"python3.', '"no-python3.')
    script = tmp_path / "dev"
    script.write_text(demanding)
    refused = dev(script, "setup")
    assert refused.returncode == 1
    assert "needs Python 3.11 or newer" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert list(tmp_path.iterdir()) == [script]


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",)])
def test_help_names_every_subcommand(arguments: tuple[str, ...]) -> None:
    helped = dev(DEV, *arguments)
    assert helped.returncode == 0
    for subcommand in ("setup", "demo", "test", "check", "bench", "exec"):
        assert f"\n  {subcommand} " in helped.stdout
