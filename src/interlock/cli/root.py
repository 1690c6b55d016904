"""The table of commands, and the one place where an error becomes an exit code.

A command is imported when it is called or its own help is asked for; the table holds the one line that `interlock
--help` shows of it, and a test compares it with the command's own first line.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from interlock.cli import exits
from interlock.cli.options import common

SECTIONS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Begin",
        (
            ("init", "making", "Write a small working automation with tests."),
            ("check", "making", "Find every mistake in an automation's folder."),
            ("graph", "making", "Draw the flow of an automation, as Mermaid text."),
            ("demo", "demo", "Run the demonstration: cheques with real handwriting."),
        ),
    ),
    (
        "Work",
        (
            ("run", "running", "Run a worker until it is told to stop."),
            ("submit", "sending", "Send events: one, or a file of them."),
            ("do", "sending", "Ask for an action yourself."),
            ("ask", "asking", "Show what would be decided now, without doing it."),
        ),
    ),
    (
        "See",
        (
            ("cases", "cases", "List cases."),
            ("case", "cases", "Show one case: state, what is open, what is valid."),
            ("actions", "cases", "Show what is valid in a case now, and what forbids the rest."),
            ("explain", "reading", "Say why something was decided, and what followed."),
            ("history", "reading", "Show everything that happened in a case."),
            ("report", "reading", "Sum up what an automation did."),
            ("budgets", "budgets", "Show what budgets have left, what is held and spent, and by whom."),
            ("tail", "reading", "Show what is happening, newest last."),
            ("anchor", "reading", "Keep a witness of the ledger outside the database."),
            ("verify", "reading", "Check the ledger: nothing changed, nothing missing, every decision holds."),
        ),
    ),
    (
        "Decide",
        (
            ("reviews", "reviews", "List what waits for a person, or show one review."),
            ("approve", "verdicts", "Approve what a review shows, or what several show."),
            ("edit", "verdicts", "Change the arguments and approve them."),
            ("reject", "verdicts", "Reject what a review shows, or what several show."),
            (
                "propose",
                "verdicts",
                "Propose an action where a question could not be answered in time.",
            ),
            ("claim", "desk", "Take a review in hand, so that nobody else works on it meanwhile."),
            ("unclaim", "desk", "Give a claimed review back before the claim runs out."),
            ("reassign", "desk", "Hand a review to another group, or put it into somebody's hands."),
            ("respond", "desk", "Answer a review with a question, or answer the question."),
            ("withdraw", "desk", "Take your approval of a review back, until its action has started."),
            ("delegate", "delegating", "Have somebody decide your reviews while you are away."),
            ("doubts", "doubts", "List effects in doubt and contradictions."),
            ("resolve", "doubts", "Say what became of an effect in doubt."),
        ),
    ),
    (
        "Operate",
        (
            ("pause", "control", "Stop effects from starting, at once."),
            ("resume", "control", "Let effects start again."),
            ("quarantine", "quarantine", "Messages that could not be handled."),
            ("clock", "control", "Accept a jump of the machine's clock."),
            ("erase", "erasing", "Erase a person: nobody can read their personal data again."),
            ("doctor", "doctor", "Say what is installed, configured, slow and stuck, and what to do about it."),
            ("workers", "workers", "Show who works here: since when, on which releases, with which calls in hand."),
            ("db", "database", "The database itself: how it is, its layout, exports of its ledger."),
            ("backup", "backups", "Write one consistent state of the database to a new file."),
            ("restore", "backups", "Make the database of a backup, in recovery mode."),
            ("recover", "backups", "Show or end the recovery of a database that was put back to an earlier state."),
        ),
    ),
    (
        "Change",
        (
            ("policy", "policy", "Check, test and describe a policy."),
            ("release", "release", "What a release is made of, and how two differ."),
        ),
    ),
    (
        "About",
        (
            ("version", "about", "Show versions of everything that matters for a bug report."),
            ("completion", "about", "Print the completion script of a shell."),
        ),
    ),
)
"""Section, then (command, module in this package, its line in the overview)."""


class ReaderGone(Exception):
    """Whoever read our output has gone (`interlock tail | head`). Not an OSError: click would make it exit code 1."""


class Commands(click.Group):
    """A group that imports its commands when they are called."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderGone from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for _, rows in SECTIONS for name, _, _ in rows]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for _, rows in SECTIONS:
            for name, module, _ in rows:
                if name == cmd_name:
                    commands: dict[str, click.Command] = import_module(f"interlock.cli.{module}").COMMANDS
                    return commands[name]
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=2)
            hint = f" Did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else ""
            raise click.UsageError(f"There is no command `{args[0]}`.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, rows in SECTIONS:
            with formatter.section(section):
                formatter.write_dl([(name.ljust(10), line) for name, _, line in rows])


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"interlock {version('interlock')}")
        ctx.exit()


def _nothing(**_: object) -> None:
    """The options of the root are read by the command that is called."""


def _codes() -> str:
    return "\n".join(f"  {code:<4} {meaning}" for code, meaning in exits.MEANING.items())


root = Commands(
    "interlock",
    params=[
        *common(db=True, app=True),
        click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
        ),
    ],
    callback=_nothing,
    help="AI advises; the interlock decides. The control layer between AI and production systems.",
    epilog=(
        "\b\nFirst steps:\n  interlock init tickets && cd tickets && interlock check\n  interlock demo\n\n"
        f"\b\nExit codes:\n{_codes()}\n\nTimes are UTC. `interlock COMMAND --help` has examples."
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=False,
)


def run(arguments: list[str]) -> int:
    """Run one command line. Returns its exit code; every error has been told."""
    asked = arguments[: arguments.index("--")] if "--" in arguments else arguments
    json, debug = "--json" in asked, "--debug" in asked
    try:
        ended = root.main(args=arguments, prog_name="interlock", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as help_:
        click.echo(help_.format_message())
        return exits.OK if not arguments else exits.USAGE
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return exits.INTERRUPTED
    except (ReaderGone, BrokenPipeError):
        # Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
    except Exception as error:  # noqa: BLE001 - the boundary of the program: every error is told by exits.report
        return exits.report(error, json=json, debug=debug)
    return ended if isinstance(ended, int) else exits.OK
