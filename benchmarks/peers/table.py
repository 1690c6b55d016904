"""The figures as tables: text for the terminal, markdown for docs/peers.md between two markers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.figures import Data, comparisons, median

BEGIN, END = "<!-- peers:begin (written by ./dev bench --peers) -->", "<!-- peers:end -->"
NONE = "–"

Table = tuple[str, list[str], list[list[str]]]
"""A caption, the heads, the rows."""


def tables(run: Data) -> list[Table]:
    rows: Sequence[Data] = run["rows"]
    return [
        (
            "Cost of a case, 32 in flight. CPU milliseconds per case are CPU seconds per 1,000 cases",
            [
                "",
                "CPU ms per case",
                "of it the server",
                "times interlock",
                "one at a time",
                "bytes",
                "write transactions",
                "all transactions",
            ],
            [_cost(row, rows) for row in rows],
        ),
        (
            "Cases per second, and milliseconds from event to recorded result",
            ["", "1 at a time", "32", "32, advisor 50 ms", "p50, p99 of 1", "p50, p99 of 32", "p50, p99 with 50 ms"],
            [_speed(row) for row in rows],
        ),
        (
            "Killed at random moments",
            ["", "kills", "acknowledged", "lost", "paid again", "left to a person"],
            [_kills(row) for row in rows if row["adapter"] != "raw"],
        ),
    ]


def as_text(run: Data) -> str:
    parts: list[str] = []
    for caption, heads, rows in tables(run):
        widths = [max(len(line[column]) for line in [heads, *rows]) for column in range(len(heads))]
        lines = [
            "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in cells)
            for cells in (list(enumerate(zip(line, widths, strict=True))) for line in [heads, *rows])
        ]
        parts.append("\n".join([f"{caption}:", *("  " + line.rstrip() for line in lines)]))
    return "\n\n".join([*parts, "\n".join(notes(run))]) + "\n"


def as_markdown(run: Data) -> str:
    parts = [f"![CPU per case]({PLOT})"]
    for caption, heads, rows in tables(run):
        lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
        parts.append("\n".join([f"**{caption}.**", "", *(f"| {' | '.join(line)} |" for line in lines)]))
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in notes(run))])


PLOT = "peers.svg"


def into_page(page: Path, run: Data) -> None:
    """Put the tables between the markers of the page. Raises ValueError where it has none."""
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{page} must have the lines {BEGIN!r} and {END!r}, once each and in this order.")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{as_markdown(run)}\n\n{END}{after}", encoding="utf-8")


def notes(run: Data) -> list[str]:
    """Under which conditions, and what failed."""
    known, extent = run["setting"], run["setting"]["extent"]
    taken = f"Taken {known['taken_at']} at {known['commit']} on {known['machine']}, {known['disk']}"
    load = f"load {known['load_before']} before and {run['load_after']} after"
    server = f"Python {known['python']}, SQLite {known['sqlite']}, PostgreSQL {known['postgresql']}"
    rounds = f"Medians of {extent['rounds']} interleaved rounds of {extent['seconds']:g} s per load"
    said = [
        f"{taken}, {load}; {server}.",
        f"{rounds}, lowest and highest in brackets; seed {known['seed']}.",
        f"Versions: {', '.join(_versions(run['rows']))}.",
    ]
    for database, found in comparisons(run["rows"]).items():
        if "engine_over_interlock" in found:
            ratio = found["engine_over_interlock"]
            said.append(
                f"{database}: the best durable-execution engine takes {ratio:.1f} times interlock's CPU per case."
            )
        if "share_of_ideal" in found:
            share = found["share_of_ideal"]
            said.append(f"{database}: with the advisor of 50 ms interlock reaches {share:.0%} of the ideal rate.")
    said += [
        f"{row['title']} on {row['database']} did not come to its end: {_one_line(row['failed'])}"
        for row in run["rows"]
        if row["failed"]
    ]
    return said


def _one_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if len(lines) < 2 else f"{lines[0]} ... {lines[-1]}"


def _versions(rows: Sequence[Data]) -> list[str]:
    return list(dict.fromkeys(f"{name} {version}" for row in rows for name, version in row["versions"].items()))


def _name(row: Data) -> str:
    return f"{row['title']}, {row['database']}"


def _cost(row: Data, rows: Sequence[Data]) -> list[str]:
    ours = next((one for one in rows if one["adapter"] == "interlock" and one["database"] == row["database"]), None)
    base = median(ours, "many", "cpu_ms") if ours else None
    mine = median(row, "many", "cpu_ms")
    return [
        _name(row),
        _spread(row, "many", "cpu_ms", 2),
        _middle(row, "many", "server_ms", 2) if row["database"] != "SQLite" else NONE,
        f"{mine / base:.1f}" if mine is not None and base else NONE,
        _middle(row, "one", "cpu_ms", 2),
        f"{row['bytes_per_case']:,.0f}" if row["bytes_per_case"] else NONE,
        _middle(row, "many", "writes", 2),
        NONE if row["transactions_per_case"] is None else f"{row['transactions_per_case']:.2f}",
    ]


def _speed(row: Data) -> list[str]:
    return [
        _name(row),
        *(_spread(row, load, "per_s", 0) for load in ("one", "many", "slow")),
        *(f"{_middle(row, load, 'p50_ms', 1)}, {_middle(row, load, 'p99_ms', 1)}" for load in ("one", "many", "slow")),
    ]


def _kills(row: Data) -> list[str]:
    judged = row["kills"]
    if judged is None:
        return [_name(row), *[NONE] * 5]
    return [_name(row), *(str(judged[name]) for name in ("kills", "accepted", "lost", "repeated", "left"))]


def _spread(row: Data, load: str, name: str, digits: int) -> str:
    if load not in row["loads"]:
        return NONE
    middle, low, high = row["loads"][load][name]
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def _middle(row: Data, load: str, name: str, digits: int) -> str:
    found = median(row, load, name)
    return NONE if found is None else f"{found:,.{digits}f}"
