"""The demonstration on a terminal: progress while it runs, and a summary that a manager understands."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from interlock.demo.summary import Amount, Summary, WayOfWorking

Tell = Callable[[str, int, int], None]
"""Called with the name of a stage, how much of it is done, and how much it is."""


@contextmanager
def progress_on(console: Console) -> Generator[Tell]:
    """Show stages as bars on a terminal, and as one line each where there is none."""
    if not console.is_terminal:
        last: list[str] = []

        def say(stage: str, done: int, total: int) -> None:
            if last != [stage]:
                last[:] = [stage]
                console.print(f"{stage} ...", highlight=False)

        yield say
        return
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        stages: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=total)
            bars.update(stages[stage], completed=done, total=total)

        yield show


def show_summary(summary: Summary, console: Console) -> None:
    """Print the summary: what happened, why people were asked, what it would have cost otherwise, what to try next."""
    console.print()
    again = ", taken up again where it had stopped" if summary.resumed else ""
    console.print(
        f"[bold]{summary.cheques} cheques[/bold] on real handwriting, {summary.events} messages about them, "
        f"{summary.entries} entries in the ledger, {summary.seconds:.1f} s{again}.",
        highlight=False,
    )
    _print(console, "What became of the cheques", _results(summary))
    _print(console, "The same answers of the same readers, judged by the bank's books", _comparison(summary))
    console.print()
    for line in _remarks(summary):
        console.print(Padding(line, (0, 0, 0, 2)))
    if summary.people:
        _print(console, "Why cheques went to people", _people(summary))
    if summary.refused:
        _print(console, "What was refused outright, or took another way", _refused(summary))
    console.print("\n[bold]What to try next[/bold]")
    for step in summary.next:
        console.print(f"  [dim]# {step.shows}[/dim]", highlight=False)
        console.print(Text(f"  {step.command}", style="cyan"), soft_wrap=True)


def euros(cents: int) -> str:
    """An amount as people write it: 1,234.50."""
    return f"{cents // 100:,}.{cents % 100:02d}"


def _results(summary: Summary) -> Table:
    table = _table("cheques", "EUR")
    table.add_row("Paid without a person", str(summary.paid_alone.count), euros(summary.paid_alone.cents))
    table.add_row(
        "Paid after a person's approval", str(summary.paid_by_people.count), euros(summary.paid_by_people.cents)
    )
    for words, count in summary.ends.items():
        if words != "paid":
            table.add_row(words.capitalize(), str(count), "")
    table.add_section()
    table.add_row("All", str(sum(summary.ends.values())), "")
    return table


def _comparison(summary: Summary) -> Table:
    table = _table("paid", "wrongly", "EUR wrong")
    for way in summary.ways:
        table.add_row(way.name, str(way.paid.count), _alarm(way.wrong.count), euros(way.wrong.cents))
        for words, amount in way.causes.items():
            table.add_row(Text(f"  {words}", style="dim"), "", str(amount.count), euros(amount.cents), style="dim")
    return table


def _remarks(summary: Summary) -> list[Text]:
    lines: list[Text] = []

    def say(text: str, style: str = "") -> None:
        lines.append(Text(text, style=style))

    mine = summary.ways[0]
    if mine.wrong.count:
        alone = summary.wrong_alone
        say(f"The interlock let wrong payments through: {_names(mine)}.", "yellow")
        if alone.count:
            say(f"{_payments(alone)} of them no person had seen; the others a person approved.", "yellow")
        else:
            say("A person had approved every one of them.", "yellow")
    else:
        say("The interlock paid nothing wrongly.", "green")
    say(
        f"The bank lost {summary.lost_replies.count} replies to payments; retrying blindly would have paid "
        f"{euros(summary.lost_replies.cents)} EUR twice."
    )
    if summary.repeated.count:
        say(
            f"Cheques were presented again; paying each time would have paid {euros(summary.repeated.cents)} EUR twice."
        )
    say(
        f"Stopped while being worked on: {summary.stopped_in_time} in time, {summary.stopped_too_late} after the money "
        "had begun to move."
    )
    if summary.in_doubt:
        say(
            f"In doubt, for a person to find out: {', '.join(f'{d.action} ({d.command})' for d in summary.in_doubt)}.",
            "yellow",
        )
    if summary.quarantined:
        say(f"In quarantine: {', '.join(summary.quarantined)}.", "red")
    if summary.unaccounted:
        say(f"Nobody knows what became of: {', '.join(summary.unaccounted)}. This is a bug in interlock.", "bold red")
    return lines


def _people(summary: Summary) -> Table:
    table = _table("cheques", "still open")
    for reason in summary.people:
        table.add_row(reason.words, str(reason.count), str(reason.open) if reason.open else "")
    return table


def _refused(summary: Summary) -> Table:
    table = _table("cheques")
    for reason in summary.refused:
        table.add_row(reason.words, str(reason.count))
    return table


def _print(console: Console, title: str, table: Table) -> None:
    console.print(f"\n[bold]{title}[/bold]", highlight=False)
    console.print(Padding(table, (0, 0, 0, 2)))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", min_width=46)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True, min_width=12)
    return table


def _names(way: WayOfWorking, most: int = 8) -> str:
    shown = ", ".join(way.cheques[:most])
    return shown + (f" and {len(way.cheques) - most} more" if len(way.cheques) > most else "")


def _payments(amount: Amount) -> str:
    return f"{amount.count} ({euros(amount.cents)} EUR)"


def _alarm(count: int) -> Text:
    return Text(str(count), style="bold red" if count else "green")
