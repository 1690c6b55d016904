"""docs/reference/cli.md says what the commands say of themselves."""

from pathlib import Path

from interlock.cli.reference import page

FILE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_the_reference_is_what_the_commands_say() -> None:
    assert FILE.read_text(encoding="utf-8") == page(), "run: python -m interlock.cli.reference > docs/reference/cli.md"
