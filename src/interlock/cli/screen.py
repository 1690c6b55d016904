"""What is printed: JSON documents, tables, notices, errors and progress.

Tables are plain columns without borders, so that they read well and can be cut with `awk`; on a terminal the last
column wraps at its width, in a pipe nothing wraps. Colours only on a terminal, and never when NO_COLOR is set.
Progress is drawn on stderr, only when that is a terminal.

INVARIANT: text that came from outside (event ids, rationales, names) cannot command the terminal: control characters
are shown, not sent.
INVARIANT: sealed values leave only through `sealed_as`: whatever a command prints, personal data reads "(sealed)" or
"(erased)" unless its caller asked to see it.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from interlock.vocabulary.errors import Problem
from interlock.vocabulary.sealed import PREFIX, replaced

WIDTH_MIN = 40
"""Narrower terminals get lines that the terminal itself wraps."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, how much there is (0: unknown)."""


def clean(text: str) -> str:
    """Text with control characters shown as escapes: they could move the cursor, hide lines or retitle the window."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", _unsealed(text))


# --- personal data ----------------------------------------------------------------------------------------------------

_sealed: list[Callable[[str], str]] = []
"""What to show for a sealed value; empty while no store is open."""


def sealed_as(show: Callable[[str], str] | None) -> None:
    """From now on sealed values are shown so; None: as what they are, sealed."""
    _sealed[:] = [] if show is None else [show]


def _closed(token: str) -> str:
    return "(sealed)"


def _unsealed(text: str, *, quoted: bool = False) -> str:
    if PREFIX not in text:
        return text
    show = _sealed[-1] if _sealed else _closed
    if not quoted:
        return replaced(text, show)
    import json

    return replaced(text, lambda token: json.dumps(show(token), ensure_ascii=False)[1:-1])


# --- results ----------------------------------------------------------------------------------------------------------


def document(value: Any) -> None:
    """One JSON document on stdout."""
    import msgspec

    body = msgspec.json.Encoder(decimal_format="string").encode(value)
    click.echo(_unsealed(msgspec.json.format(body, indent=2).decode(), quoted=True))


def record(value: Any) -> None:
    """One JSON document on one line: an item of a stream."""
    import msgspec

    click.echo(_unsealed(msgspec.json.Encoder(decimal_format="string").encode(value).decode(), quoted=True))


def text(lines: str) -> None:
    """Text on stdout as it is, wrapped nowhere."""
    click.echo(clean(lines))


def prose(lines: str) -> None:
    """Text whose long lines wrap on a terminal, behind their own indentation."""
    width = _width()
    for line in clean(lines).split("\n"):
        if width is None or len(line) <= width:
            click.echo(line)
            continue
        margin = " " * (len(line) - len(line.lstrip()) + 4)
        for part in textwrap.wrap(line, width, subsequent_indent=margin, break_on_hyphens=False):
            click.echo(part)


def title(line: str) -> None:
    click.echo(click.style(clean(line), bold=True))


def pairs(rows: Iterable[tuple[str, Any]], *, indent: int = 0) -> None:
    """Names and values below each other; empty values are left out."""
    shown = [(name, str(value)) for name, value in rows if value not in (None, "", (), [], {})]
    if not shown:
        return
    column = max(len(name) for name, _ in shown) + 2
    width = _width()
    for name, value in shown:
        lines = _wrapped(clean(value), None if width is None else width - column - indent)
        click.echo(" " * indent + click.style(f"{name}:".ljust(column), dim=True) + lines[0])
        for line in lines[1:]:
            click.echo(" " * (indent + column) + line)


def bullets(lines: Iterable[str]) -> None:
    """Sentences below each other."""
    width = _width()
    for line in lines:
        first, *rest = _wrapped(clean(line), None if width is None else width - 4)
        click.echo(f"  - {first}")
        for more in rest:
            click.echo(f"    {more}")


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], *, indent: int = 0, empty: str = "") -> None:
    """Columns as wide as their widest cell; the last one wraps on a terminal. `empty` is said when there is no row."""
    cells = [["" if cell is None else clean(str(cell)).replace("\n", " ") for cell in row] for row in rows]
    if not cells:
        if empty:
            notice(empty)
        return
    widths = [max(len(row[i]) for row in [list(headers), *cells]) for i in range(len(headers))]
    width = _width()
    last = None if width is None else max(width - indent - sum(widths[:-1]) - 2 * (len(widths) - 1), 20)
    margin = " " * indent
    heading = margin + "  ".join(h.ljust(w) for h, w in zip(headers, widths, strict=True)).rstrip()
    click.echo(click.style(heading, bold=True))
    for row in cells:
        start = margin + "".join(cell.ljust(w) + "  " for cell, w in zip(row[:-1], widths, strict=False))
        lines = _wrapped(row[-1], last)
        click.echo((start + lines[0]).rstrip())
        for line in lines[1:]:
            click.echo(" " * len(start) + line)


def when(moment: int | None) -> str:
    """Microseconds since 1970 as people read them, in UTC."""
    if not moment:
        return ""
    return datetime.fromtimestamp(moment / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def iso(moment: int | None) -> str | None:
    """Microseconds since 1970 as `--json` prints them: exact, in UTC."""
    if not moment:
        return None
    seconds, micros = divmod(moment, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{micros:06d}Z"


def plain(value: Any) -> str:
    """A plain value in one line, as a person would write it: text bare, everything else as JSON."""
    if isinstance(value, str):
        return value
    import msgspec

    return msgspec.json.encode(value).decode()


def args_words(args: dict[str, Any]) -> str:
    """Arguments of an action in one line."""
    return ", ".join(f"{name}={plain(value)}" for name, value in args.items())


def units(amount: int, scale: int) -> str:
    """An integer amount of `scale` digits after the point."""
    if not scale:
        return str(amount)
    sign, digits = "-" if amount < 0 else "", str(abs(amount)).rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


# --- about the work ---------------------------------------------------------------------------------------------------


def count(number: int, what: str) -> str:
    """`1 effect`, `3 effects`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def notice(line: str) -> None:
    """Something the user should know that is not the result."""
    _aside("", line)


def warning(line: str) -> None:
    _aside("warning: ", line, fg="yellow")


def error(message: str, hint: str) -> None:
    _aside("error: ", message, fg="red")
    if hint:
        _aside("       ", hint)


def _aside(label: str, message: str, fg: str | None = None) -> None:
    """A line for stderr, wrapped behind its label where that is a terminal."""
    width = _columns() if sys.stderr.isatty() else None
    first, *rest = _wrapped(clean(message), None if width is None else width - len(label))
    click.echo((click.style(label, fg=fg, bold=True) if fg else label) + first, err=True)
    for line in rest:
        click.echo(" " * len(label) + line, err=True)


def problems(found: Sequence[Problem]) -> None:
    """Every problem with its place, then how many there are."""
    for problem in found:
        place = f"{problem.file}:{problem.line}" + (f":{problem.column}" if problem.column else "")
        click.echo(f"{click.style(clean(place), bold=True)}: {clean(problem.message)}", err=True)
        excerpt = str(getattr(problem, "excerpt", ""))
        if excerpt:
            click.echo(click.style(clean(excerpt), dim=True), err=True)
        if problem.suggestion:
            click.echo("    " + clean(problem.suggestion), err=True)
    files = len({problem.file for problem in found})
    many = f"{len(found)} problems" if len(found) != 1 else "1 problem"
    click.echo(click.style(f"{many} in {files} file{'s' * (files != 1)}", fg="red", bold=True), err=True)


@contextmanager
def progress(*, quiet: bool = False) -> Generator[Progress]:
    """Draws how far the work is, on stderr, if that is a terminal; else the callback does nothing."""
    if quiet or not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    tasks: dict[str, TaskID] = {}

    def draw(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total or None)
        bars.update(tasks[what], completed=done, total=total or None)

    with bars:
        yield draw


def _silent(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


TEXT_WIDTH = 100
"""Width of prose that is not for a terminal."""


def width() -> int:
    """Width for prose: the terminal's, within reason."""
    return min(_width() or TEXT_WIDTH, 120)


def _width() -> int | None:
    """Columns to fill; None in a pipe, where wrapping would only be in the way."""
    given = os.environ.get("COLUMNS", "")
    if given.isdigit():
        return max(int(given), WIDTH_MIN)
    if not sys.stdout.isatty():
        return None
    return _columns()


def _columns() -> int:
    from shutil import get_terminal_size

    return max(get_terminal_size().columns, WIDTH_MIN)


def _wrapped(value: str, width: int | None) -> list[str]:
    lines: list[str] = []
    for line in value.split("\n"):
        if width is None or len(line) <= width:
            lines.append(line)
        else:
            lines += textwrap.wrap(line, max(width, 20), break_long_words=True, break_on_hyphens=False) or [""]
    return lines
