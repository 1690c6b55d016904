"""Commands that documents show but do not run exist, with every option that is shown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from interlock.cli.root import root

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`(interlock [a-z][^`]*)`(?!`)")
LINE = re.compile(r"^(?:\$ |\./dev exec )?(interlock [a-z].*)$")


def shown(text: str) -> Iterator[str]:
    """Every command of interlock's in the shell blocks and the sentences of a document."""
    for language, block in FENCE.findall(text):
        if language in ("sh", "console", "bash", "shell"):
            for line in block.replace("\\\n", " ").splitlines():
                found = LINE.match(line)
                if found:
                    yield found[1]
    yield from INLINE.findall(FENCE.sub("", text))


def _options(command: click.Command) -> set[str]:
    return {name for option in command.params for name in (*option.opts, *option.secondary_opts)}


def wrong(command: str) -> str:
    """What a command line has that the program does not; "" if nothing. Values are not looked at."""
    try:
        words = shlex.split(re.split(r"\s[|&>;]|\s#", command)[0])[1:]
    except ValueError:
        return ""
    here: click.Command = root
    context = click.Context(root)
    options = _options(root) | {"--help"}
    for word in words:
        for option in word.split("|") if word.startswith("--") else ():
            if option.partition("=")[0] not in options:
                return f"{command}: no option {option}"
        if isinstance(here, click.Group) and re.fullmatch(r"[a-z-]+", word):
            found = here.get_command(context, word)
            if found is None:
                return f"{command}: no command {word}"
            here = found
            options |= _options(found)
    return ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_command_that_is_shown_exists(document: Path) -> None:
    assert [said for command in shown(document.read_text(encoding="utf-8")) if (said := wrong(command))] == []


def test_what_does_not_exist_is_seen() -> None:
    text = "```sh\ninterlock verify --db a.db --againts x\n```\nAnd `interlock polcy check`, `interlock policy chek p`."
    assert [wrong(command).rpartition(": ")[2] for command in shown(text)] == [
        "no option --againts", "no command polcy", "no command chek",
    ]  # fmt: skip
