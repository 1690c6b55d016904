"""Exit codes, and how an error is told.

    0    done; nothing to complain about
    1    something is wrong with what was given or found: definition errors, refused input, failed policy tests,
    findings
    2    the command line itself is wrong: unknown command, missing option
    3    refused or not now: the interlock said no, or this cannot be done in the present state
    4    the store or the machine: no database, disk full, no permission, another version; the operator must act
    70   a bug in interlock
    130  interrupted

A script can tell apart what it must change (1, 2), what it may try again (3) and what somebody must repair (4).
"""

from __future__ import annotations

import sys
from typing import Any

import click

from interlock.cli import screen
from interlock.vocabulary.errors import (
    DefinitionErrors,
    InterlockBug,
    InterlockError,
    NotInstalled,
    NotNow,
    Problem,
    StoreError,
)

OK = 0
WRONG = 1
USAGE = 2
REFUSED = 3
OPERATOR = 4
BUG = 70
INTERRUPTED = 130

MEANING = {
    OK: "done",
    WRONG: "something is wrong with what was given or found",
    USAGE: "the command line is wrong",
    REFUSED: "refused, or not possible now",
    OPERATOR: "the store or the machine needs its operator",
    BUG: "a bug in interlock",
    INTERRUPTED: "interrupted",
}


class StoreMissing(StoreError):
    """There is no database where one was looked for."""

    code = "store_missing"


def code_of(error: BaseException) -> int:
    """The exit code that belongs to an error."""
    match error:
        case click.UsageError():
            return USAGE
        case InterlockBug():
            return BUG
        case NotNow():
            return REFUSED
        case StoreError() | NotInstalled():
            return OPERATOR
        case InterlockError():
            return WRONG
        case OSError():
            return OPERATOR
        case _:
            return BUG


def report(error: Exception, *, json: bool, debug: bool) -> int:
    """Tell an error, as text on stderr or as JSON on stdout. Returns the exit code."""
    code = code_of(error)
    if json:
        screen.document({"error": to_data(error)})
    else:
        _tell(error, code)
    if debug:
        from traceback import print_exception

        print_exception(error, file=sys.stderr)
    return code


def to_data(error: Exception) -> dict[str, Any]:
    """An error as `--json` prints it."""
    match error:
        case click.UsageError():
            return {"code": "usage", "message": error.format_message()}
        case DefinitionErrors():
            problems = [problem_data(problem) for problem in error.problems]
            return {"code": error.code, "message": f"{_count(error.problems)} found.", "problems": problems}
        case InterlockError():
            return error.to_data()
        case OSError():
            return {"code": "os", "message": _os_words(error)}
        case _:
            return {"code": "bug", "message": f"{type(error).__name__}: {error}", "hint": f"{NOT_YOURS} {REPORT}"}


def problem_data(problem: Problem) -> dict[str, Any]:
    """One problem of a definition as `--json` prints it."""
    where: dict[str, Any] = {"file": problem.file, "line": problem.line}
    if problem.column:
        where["column"] = problem.column
    return {**where, "message": problem.message, **({"suggestion": problem.suggestion} if problem.suggestion else {})}


NOT_YOURS = "This is a bug in interlock, not in your automation."
REPORT = (
    "Please report it with the command, the text above and the output of `interlock version`; run it again with "
    "--debug for the traceback."
)


def _tell(error: Exception, code: int) -> None:
    match error:
        case click.UsageError():
            _usage(error)
        case DefinitionErrors():
            screen.problems(error.problems)
        case InterlockBug():
            screen.error(error.message, REPORT)
        case InterlockError():
            screen.error(error.message, error.hint)
        case OSError():
            screen.error(_os_words(error), "")
        case _:
            screen.error(f"{type(error).__name__}: {error}", f"{NOT_YOURS} {REPORT}" if code == BUG else "")


def _usage(error: click.UsageError) -> None:
    where = f"see `{error.ctx.command_path} --help`" if error.ctx is not None else "see `interlock --help`"
    screen.error(error.format_message(), where)


def _os_words(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename is not None else ""
    return f"{name}{error.strerror or error}"


def _count(problems: tuple[Problem, ...]) -> str:
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
