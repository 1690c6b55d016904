"""`interlock version` and `interlock completion`: about the program itself."""

from __future__ import annotations

import click

from interlock.cli import exits, screen
from interlock.cli.options import Invocation, command


@command(examples="interlock version\ninterlock version --json", db=False, app=False)
def version(inv: Invocation) -> None:
    """Show versions of everything that matters for a bug report."""
    import platform
    import sys
    from importlib.metadata import version as version_of

    from interlock.vocabulary.facts import SEMANTICS

    told = {
        "interlock": version_of("interlock"),
        "semantics": SEMANTICS,
        "python": sys.version.split()[0],
        "system": platform.platform(),
        **{name: version_of(name) for name in ("pydantic", "msgspec", "click")},
    }
    if inv.json:
        screen.document(told)
    else:
        screen.pairs(told.items())


SHELLS = ("bash", "zsh", "fish")


@command(
    examples="""
        eval "$(interlock completion bash)"
        interlock completion fish > ~/.config/fish/completions/interlock.fish
    """,
    codes=[exits.USAGE],
    db=False,
    app=False,
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(inv: Invocation, shell: str) -> None:
    """Print the completion script of a shell.

    Evaluate it in the shell's start-up file, or save it where the shell looks for completions.
    """
    from click.shell_completion import get_completion_class

    from interlock.cli.root import root

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    script = found(root, {}, "interlock", "_INTERLOCK_COMPLETE").source()
    if inv.json:
        screen.document({"shell": shell, "script": script})
    else:
        click.echo(script)


COMMANDS = {"version": version, "completion": completion}
