"""docs/reference/settings.md, from the record of settings, its docstring and the options of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from inspect import cleandoc
from pathlib import Path

import click

import interlock
from interlock.cli.root import root
from interlock.settings import ENVIRONMENT_PREFIX, Settings

HEAD = """\
# Settings

<!-- Written by `python -m tests.docs.pages`; change the code, not this file. -->

How much, how often and how long: options of a process, not of a decision. What influences a decision is part of a
release and stands in [release.toml](release-toml.md) or the [policy](policy.md).

A program that embeds interlock passes `Settings(poll_ms=50)`; the command line and its workers read the environment.
A number is whole and at least 1. A value that is none of its kind is refused at start, with the code `bad_setting`,
naming the variable. `slots` counts when a store is made, and never changes afterwards.
"""

MIDDLE = """
## Variables of the command line

They stand for an option, which wins when both are given.

| variable | instead of | meaning |
|---|---|---|\
"""

UNITS = {"ms": "milliseconds", "days": "days", "mb": "megabytes"}
IN_THE_NAME = re.compile(r"_(ms|days|mb)(?:_|$)")
NAMED = re.compile(r"(?<!_)\bINTERLOCK_[A-Z][A-Z_]+")
ITEM = re.compile(r"(\w+)\s\s+(\S.*)")


def page() -> str:
    """The whole document."""
    return "\n".join(_lines()).rstrip("\n") + "\n"


def meanings() -> dict[str, str]:
    """What the docstring says of each setting: `name  words`, going on in lines that are set in."""
    found: dict[str, str] = {}
    last = ""
    for line in cleandoc(Settings.__doc__ or "").splitlines():
        item = ITEM.fullmatch(line)
        if item:
            last = item[1]
            found[last] = item[2]
        elif last and line.startswith(" "):
            found[last] += f" {line.strip()}"
    return found


def documented() -> Iterator[str]:
    """Every variable that the page names."""
    yield from variables()
    yield from (ENVIRONMENT_PREFIX + one.name.upper() for one in fields(Settings))


def named_in_the_code() -> set[str]:
    """Every variable that the source names."""
    source = Path(interlock.__file__).parent
    return {name for file in source.rglob("*.py") for name in NAMED.findall(file.read_text(encoding="utf-8"))}


def _lines() -> Iterator[str]:
    yield HEAD
    yield "| setting | variable | unit | default | meaning |\n|---|---|---|---|---|"
    words = meanings()
    for one in fields(Settings):
        found = IN_THE_NAME.search(one.name)
        text = isinstance(one.default, str)
        unit = "text" if text else UNITS[found[1]] if found else "number"
        default = "empty" if one.default == "" else f"{one.default}"
        variable = ENVIRONMENT_PREFIX + one.name.upper()
        yield f"| `{one.name}` | `{variable}` | {unit} | {default} | {words[one.name]} |"
    yield MIDDLE
    for variable, (option, meaning) in sorted(variables().items()):
        yield f"| `{variable}` | `{option}` | {meaning} |"


def variables() -> dict[str, tuple[str, str]]:
    """Every variable that an option of a command reads, with that option and its help."""
    found: dict[str, tuple[str, str]] = {}
    waiting: list[click.Command] = [root]
    while waiting:
        command = waiting.pop()
        if isinstance(command, click.Group):
            context = click.Context(command)
            named = (command.get_command(context, name) for name in command.list_commands(context))
            waiting += [one for one in named if one is not None]
        for option in command.params:
            if isinstance(option, click.Option) and isinstance(option.envvar, str):
                found[option.envvar] = (option.opts[-1], re.sub(r"\s*\[.*\]$", "", option.help or ""))
    return found
