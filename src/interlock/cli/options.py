"""How a command is declared: its common options, its examples and the exit codes it can end with.

Every command takes --json, --db, --app, --debug and --unseal, before or behind its name; the one nearer to the end
wins. Those that a command has no use for are accepted and left out of its help, so that an alias with `--db` in it
works everywhere.

INVARIANT: options are only read here. Nothing below the command line looks at the environment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from interlock.cli import exits

DEFAULT_DB = "sqlite:///interlock.db"
DEFAULT_APP = "."

COMMON = ("json", "db", "app", "debug", "unseal")


class Invocation:
    """What the common options of one run say."""

    __slots__ = ("app", "app_given", "db", "db_given", "debug", "json", "unseal")

    def __init__(self, *, json: bool, db: str | None, app: str | None, debug: bool, unseal: bool = False) -> None:
        self.json = json
        self.db = db or DEFAULT_DB
        self.db_given = db is not None
        self.app = app or DEFAULT_APP
        self.app_given = app is not None
        self.debug = debug
        self.unseal = unseal


class Command(click.Command):
    """A command with examples, and the exit codes that it can end with beside 0, 2 and 70."""

    def __init__(self, *args: Any, examples: str = "", codes: Sequence[int] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.codes = tuple(codes)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.strip().splitlines():
                    formatter.write(f"{' ' * formatter.current_indent}{line.strip()}\n")
        if self.codes:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code), exits.MEANING[code]) for code in sorted({exits.OK, *self.codes})])


class Group(click.Group):
    """A command that has commands of its own, listed with their whole first sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, first_sentence(self.commands[name])) for name in self.list_commands(ctx)])

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def first_sentence(declared: click.Command) -> str:
    """The first paragraph of a command's help, on one line."""
    return " ".join((declared.help or "").partition("\n\n")[0].split())


def command(
    *,
    name: str | None = None,
    examples: str,
    codes: Sequence[int] = (),
    db: bool = True,
    app: bool = True,
) -> Callable[[Callable[..., None]], click.Command]:
    """Declare a command. Its function gets an Invocation first; `db` and `app` say which of these it has a use for."""

    def declare(function: Callable[..., None]) -> click.Command:
        def invoke(**parameters: Any) -> None:
            ctx = click.get_current_context()
            chosen = {name: parameters.pop(name) for name in COMMON}
            outer: dict[str, Any] = ctx.find_root().params
            merged = {name: value or outer.get(name) for name, value in chosen.items()}
            inv = Invocation(
                json=bool(merged["json"]),
                db=merged["db"],
                app=merged["app"],
                debug=bool(merged["debug"]),
                unseal=bool(merged["unseal"]),
            )
            function(inv, **parameters)

        declared: list[click.Parameter] = list(reversed(getattr(function, "__click_params__", [])))
        command_name = name or function.__name__.removesuffix("_").replace("_", "-")
        return Command(
            command_name,
            callback=invoke,
            params=[*declared, *common(db=db, app=app)],
            help=function.__doc__,
            examples=examples,
            codes=codes,
        )

    return declare


def common(*, db: bool, app: bool) -> list[click.Option]:
    """The options of every command. Environment variables are read where the command stands, so an option wins."""
    return [
        click.Option(
            ["--db"],
            metavar="URL",
            envvar="INTERLOCK_DB",
            hidden=not db,
            help="The database: a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE; ?mode=ro behind it only "
            "reads. "
            f"[env INTERLOCK_DB; default {DEFAULT_DB}]",
        ),
        click.Option(
            ["--app"],
            metavar="FOLDER",
            envvar="INTERLOCK_APP",
            hidden=not app,
            help="The automation's folder. [env INTERLOCK_APP; default .]",
        ),
        click.Option(["--json"], is_flag=True, help="Print JSON."),
        click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."),
        click.Option(
            ["--unseal"],
            is_flag=True,
            hidden=not db,
            help="Show personal data, where it can still be read. Otherwise it reads (sealed).",
        ),
    ]


def acting(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option that says who acts."""
    return click.option(
        "--as",
        "--principal",
        "as_",
        metavar="NAME",
        envvar="INTERLOCK_PRINCIPAL",
        help="Who you are. [env INTERLOCK_PRINCIPAL; default: the user of this machine]",
    )(function)


def commented(what: str = "Why") -> Callable[[Any], Any]:
    """Give a command the option for a person's words."""
    return click.option("--comment", metavar="TEXT", default="", help=f"{what}; it is recorded.")
