"""`interlock db ...`: the database itself: how it is, its layout, and ledgers to be taken elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Group, Invocation, command
from interlock.vocabulary.errors import NotNow, StoreVersion

if TYPE_CHECKING:
    from interlock.assembly.layouts import Layout
    from interlock.ports import Store


@click.group(name="db", cls=Group)
def db() -> None:
    """The database itself: how it is, its layout, exports of its ledger.

    What happens in it is shown by other commands: doctor, workers, cases, verify.
    """


@command(
    name="status",
    examples="""
        interlock db status
        interlock db status --db postgresql://interlock@db.example.com/claims --json
    """,
    codes=[exits.OPERATOR],
    app=False,
)
def status(inv: Invocation) -> None:
    """Show what the database is: layout, size, durability, life, workers, eras.

    Changes nothing. For a database of another layout, what `interlock db migrate` would do, and nothing else.
    """
    found = _layout(inv)
    shown = opening.database(inv).shown
    data: dict[str, Any] = {"database": shown, **_layout_data(found)}
    if found.found != found.speaks:
        if inv.json:
            screen.document(data)
        else:
            screen.pairs([("database", shown), ("layout", _layout_words(found))])
            _tell_steps(found)
        return
    with opening.to_read(inv) as store:
        data |= _status(store)
    if inv.json:
        screen.document(data)
        return
    life, eras = data["life"], data["eras"]
    finished = (
        f"; finished: {'1' if eras['finished'] == 1 else '1 to ' + str(eras['finished'])}" if eras["finished"] else ""
    )
    screen.pairs(
        [
            ("database", shown),
            ("layout", _layout_words(found)),
            ("slots", data["slots"]),
            ("durability", f"{data['durability']} (a claim locks a {data['locking']})"),
            ("life", f"{life['number']}, {life['as']} {life['began']}, incarnation {data['incarnation']}"),
            ("estranged", data["estranged"]),
            ("workers", ", ".join(data["workers"]) or "none is running"),
            ("waiting", screen.count(data["waiting"], "message")),
            ("ledger", f"{data['entries']} entries, era {eras['present']} is being written{finished}"),
            (
                "size",
                f"{_size(data['bytes'])}" + (f" and a log of {_size(data['log_bytes'])}" if data["log_bytes"] else ""),
            ),
        ]
    )
    largest = sorted(data["tables"].items(), key=lambda one: -one[1])
    screen.table(("TABLE", "SIZE"), [(name, _size(size)) for name, size in largest])


def _status(store: Store) -> dict[str, Any]:
    condition, life, eras = store.condition(), store.lives()[-1], store.eras()
    caps = store.caps
    return {
        "slots": caps.n_slots,
        "durability": caps.durability,
        "locking": caps.locking,
        "incarnation": life.incarnation,
        "life": {"number": life.number, "began": screen.iso(life.began), "as": life.why},
        "estranged": store.estranged() or None,
        "workers": [one.name for one in condition.at_work if one.alive],
        "waiting": store.backlog(),
        "entries": sum(lsn for lsn, _ in store.heads().values()),
        "eras": {"present": max(eras.values()), "finished": min(eras.values()) - 1},
        "bytes": condition.bytes,
        "log_bytes": condition.log_bytes,
        "tables": dict(sorted(store.sizes().items())),
    }


@command(
    name="migrate",
    examples="""
        interlock db migrate --dry-run
        interlock db migrate --db postgresql://interlock@db.example.com/claims
    """,
    codes=[exits.OPERATOR],
    app=False,
)
@click.option("--dry-run", is_flag=True, help="Show every statement that would run, and run none.")
def migrate(inv: Invocation, dry_run: bool) -> None:
    """Bring the database to the layout that this program speaks.

    All of it or nothing, and not while a worker of an older program is at work. Any command that writes does the same
    when it opens an older database; this one does it when you say so. Back it up first.
    """
    found = _layout(inv)
    if found.found > found.speaks:
        raise StoreVersion(
            f"{opening.database(inv).shown} has layout {found.found}; this program speaks layout {found.speaks}.",
            hint="Use the newer version of interlock.",
        )
    before = time.monotonic()
    if found.steps and not dry_run:
        with opening.store(inv):
            pass
    seconds = time.monotonic() - before
    if inv.json:
        screen.document({**_layout_data(found), "dry_run": dry_run, "migrated": bool(found.steps) and not dry_run})
    elif not found.steps:
        screen.text(f"Nothing to do: {_layout_words(found)}.")
    elif dry_run:
        _tell_steps(found, statements=True)
    else:
        screen.text(f"From layout {found.found} to layout {found.speaks} in {seconds:.1f} s.")


def _layout(inv: Invocation) -> Layout:
    from interlock.assembly.layouts import layout

    return opening.existing(opening.database(inv), lambda where: layout(where.url))


def _layout_data(found: Layout) -> dict[str, Any]:
    return {
        "layout": found.found,
        "layout_spoken": found.speaks,
        "migrations": [{"layout": one.number, "about": one.about, "statements": one.statements} for one in found.steps],
    }


def _layout_words(found: Layout) -> str:
    if found.found == found.speaks:
        return f"{found.found}, the one that this program speaks"
    if found.found > found.speaks:
        return f"{found.found}, which a newer program made; this one speaks {found.speaks}"
    return f"{found.found}; this program speaks {found.speaks}"


def _tell_steps(found: Layout, *, statements: bool = False) -> None:
    for one in found.steps:
        screen.text(f"to layout {one.number}: {one.about}")
        for statement in one.statements if statements else ():
            screen.text("  " + statement.replace("\n", "\n  ") + ";")
    if found.steps and not statements:
        screen.text("Do it: interlock db migrate (--dry-run shows the statements).")


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size / 1_000:.1f} kB"


@command(
    name="export",
    examples="""
        interlock db export /archive/claims --finish     # end the era, then write all that is not there yet
        interlock db export /archive/claims --era 3
        duckdb -c "SELECT automation, count(*) FROM '/archive/claims/*.parquet' GROUP BY ALL"
    """,
    codes=[exits.WRONG, exits.REFUSED, exits.OPERATOR],
    app=False,
)
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--era", type=click.IntRange(1), help="Only this one. [default: every finished one]")
@click.option("--finish", is_flag=True, help="End the present era first: from now on entries belong to the next.")
def export(inv: Invocation, folder: Path, era: int | None, finish: bool) -> None:
    """Write finished eras of the ledger as Parquet files.

    One file an era, era-000001.parquet and so on, one row an entry, with what its hash was taken of, so that the file
    can be checked by itself. A finished era never grows: a file that is there is left as it is, so the command may run
    every night. Personal data stays sealed. It needs pyarrow: pip install 'interlock[export]'.
    """
    from interlock.ledger.export import export_era, finished_eras

    with opening.store(inv) if finish else opening.to_read(inv) as store:
        ended = store.finish_era() if finish else None
        last = finished_eras(store)
        if not last and era is None:
            raise NotNow("No era is finished yet.", code="era_open", hint="End the first one with --finish.")
        chosen = [era] if era is not None else range(1, last + 1)
        done = [export_era(store, number, folder) for number in chosen]
    if inv.json:
        screen.document(
            {
                "ended": ended,
                "files": [
                    {"era": one.era, "file": str(one.file), "entries": one.entries, "written": one.written}
                    for one in done
                ],
            }
        )
        return
    if ended is not None:
        screen.text(f"era {ended} has ended")
    for one in done:
        screen.text(f"{'written' if one.written else 'there'}: {one.file} ({one.entries} entries)")


@command(
    name="distribute",
    examples="""
        interlock db distribute > citus.sql
        interlock db distribute --schema claims --shards 64
    """,
    codes=[exits.OPERATOR],
    db=False,
    app=False,
)
@click.option("--schema", default="public", show_default=True, metavar="NAME", help="Where the tables are.")
@click.option("--shards", type=click.IntRange(1, 64_000), default=32, show_default=True, help="Of each table.")
def distribute(inv: Invocation, schema: str, shards: int) -> None:
    """Print the statements that spread the tables over the nodes of a Citus cluster.

    Written from the layout that this program speaks. Every table with slots is split by slot and lies with the others,
    so that a unit stays on one node; the rest, small and the same for all, is copied to every node. Run them once, on
    the coordinator, after the tables were made and before there is work in them.
    """
    from interlock.assembly.layouts import distribution

    statements = distribution(schema, shards)
    if inv.json:
        screen.document({"statements": statements})
        return
    for one in statements:
        screen.text(f"{one};")


for declared in (status, migrate, export, distribute):
    db.add_command(declared)

COMMANDS: dict[str, click.Command] = {"db": db}
