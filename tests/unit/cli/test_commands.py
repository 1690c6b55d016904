"""Every command keeps what the command line promises: help with an example, the common options, known exit codes."""

from collections.abc import Iterator
from importlib import import_module

import click
import pytest

from interlock.cli import exits
from interlock.cli.options import COMMON, Command, first_sentence
from interlock.cli.root import SECTIONS, root
from interlock.vocabulary import errors
from interlock.vocabulary.errors import InterlockError

TABLE = {name: (module, line) for _, rows in SECTIONS for name, module, line in rows}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its path, those of groups included."""
    for name in TABLE:
        found = root.get_command(click.Context(root), name)
        assert found is not None
        if isinstance(found, click.Group):
            for inner in found.commands.values():
                yield f"{name} {inner.name}", inner
        else:
            yield name, found


ALL = dict(commands())


def test_the_overview_says_what_the_commands_say() -> None:
    for name, (module, line) in TABLE.items():
        declared: click.Command = import_module(f"interlock.cli.{module}").COMMANDS[name]
        assert first_sentence(declared) == line, name


@pytest.mark.parametrize("name", ALL)
def test_help_has_examples_of_this_command_and_its_exit_codes(name: str) -> None:
    declared = ALL[name]
    assert isinstance(declared, Command)
    assert f"interlock {name}" in declared.examples
    told = declared.get_help(click.Context(declared, info_name=f"interlock {name}"))
    assert "Examples:" in told
    assert set(declared.codes) <= set(exits.MEANING)
    for option in declared.params:
        if isinstance(option, click.Option):
            assert option.help, f"{name} {option.opts}"


@pytest.mark.parametrize("name", ALL)
def test_every_command_takes_the_common_options(name: str) -> None:
    assert set(COMMON) <= {str(option.name) for option in ALL[name].params}


def every_error(kind: type[InterlockError] = InterlockError) -> Iterator[type[InterlockError]]:
    for one in kind.__subclasses__():
        if one.__module__ == errors.__name__:
            yield one
            yield from every_error(one)


EXPECTED = {
    errors.Refused: 1,
    errors.Conflict: 1,
    errors.NotFound: 1,
    errors.NotNow: 3,
    errors.Erased: 3,
    errors.DefinitionErrors: 1,
    errors.StoreError: 4,
    errors.StoreBusy: 4,
    errors.StoreFull: 4,
    errors.StoreReadOnly: 4,
    errors.StoreCorrupt: 4,
    errors.StoreVersion: 4,
    errors.StoreConflict: 4,
    errors.NotInstalled: 4,
    errors.InterlockBug: 70,
}


def test_every_error_has_an_exit_code_that_was_thought_about() -> None:
    assert set(every_error()) == set(EXPECTED)
    for kind, code in EXPECTED.items():
        error = kind([]) if kind is errors.DefinitionErrors else kind("words")  # type: ignore[call-arg]
        assert exits.code_of(error) == code, kind


def test_other_errors() -> None:
    assert exits.code_of(click.UsageError("x")) == 2
    assert exits.code_of(PermissionError(13, "Permission denied", "x.db")) == 4
    assert exits.code_of(KeyError("x")) == 70


def test_a_worker_that_ended_for_a_reason_is_not_started_again() -> None:
    from interlock.runtime.supervisor import ORDERLY

    assert {exits.OK, exits.WRONG, exits.USAGE, exits.REFUSED, exits.OPERATOR} <= ORDERLY
    assert exits.BUG not in ORDERLY
