"""Writes docs/reference/cli.md from the commands themselves: `python -m interlock.cli.reference`.

A test compares the file with what this writes, so the document and the program say the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from textwrap import dedent

import click

from interlock.cli import exits
from interlock.cli.options import COMMON, Command
from interlock.cli.root import SECTIONS, root

HEAD = """\
# The command line

<!-- Written by `python -m interlock.cli.reference`; change the commands, not this file. -->

`interlock COMMAND --help` says the same. Results go to stdout, everything about the work itself to stderr. With
`--json`, stdout is one JSON document, also for an error: `{"error": {"code": ..., "message": ..., "hint": ...}}` with
the codes that every other way in uses; streams (`tail`, `run`) print one document per line. Times are UTC.
"""


def page() -> str:
    """The whole document."""
    return "\n".join(_lines()).rstrip("\n") + "\n"


def _lines() -> Iterator[str]:
    yield HEAD
    yield "## Exit codes\n"
    yield "| code | meaning |\n|---|---|"
    for code, meaning in exits.MEANING.items():
        yield f"| {code} | {meaning} |"
    yield "\n## Options of every command\n"
    yield from _options(root, only=COMMON)
    for section, rows in SECTIONS:
        yield f"\n## {section}"
        for name, _, _ in rows:
            declared = root.get_command(click.Context(root), name)
            if isinstance(declared, click.Group):
                yield f"\n### interlock {name}\n"
                yield _prose(declared)
                for inner in declared.commands.values():
                    yield from _command(f"{name} {inner.name}", inner)
            elif declared is not None:
                yield from _command(name, declared)


def _command(name: str, declared: click.Command) -> Iterator[str]:
    context = click.Context(declared, info_name=f"interlock {name}")
    yield f"\n### interlock {name}\n"
    yield f"    {' '.join([context.command_path, *declared.collect_usage_pieces(context)])}\n"
    yield _prose(declared)
    options = list(_options(declared, leave_out=COMMON))
    if len(options) > 1:
        yield ""
        yield from options
    if isinstance(declared, Command):
        if declared.codes:
            codes = ", ".join(str(code) for code in sorted({exits.OK, *declared.codes}))
            yield f"\nExit codes: {codes}, and those of every command (2, 70)."
        yield "\n```sh"
        yield dedent(declared.examples).strip()
        yield "```"


def _options(declared: click.Command, *, only: tuple[str, ...] = (), leave_out: tuple[str, ...] = ()) -> Iterator[str]:
    yield "| option | |\n|---|---|"
    for option in declared.params:
        if not isinstance(option, click.Option) or option.name in leave_out or (only and option.name not in only):
            continue
        spelled = "/".join([*option.opts, *option.secondary_opts])
        value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
        default = f" [default: {option.default}]" if option.show_default and option.default is not None else ""
        yield f"| `{spelled}{value}` | {option.help}{default} |"


def _prose(declared: click.Command) -> str:
    return cleandoc(declared.help or "")


if __name__ == "__main__":
    click.echo(page(), nl=False)
