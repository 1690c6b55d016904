"""`interlock backup`, `restore` and `recover`: a database that can be put back without anything happening twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, acting, command, commented
from interlock.vocabulary.errors import NotFound, NotNow

if TYPE_CHECKING:
    from interlock.runtime.restoring import Doubt, Standing


RESTORE_ELSEWHERE = "Put it back with pg_restore or from a base backup, then: interlock recover --begin."


@command(
    name="backup",
    examples="""
        interlock backup /backups/interlock-2026-03-01.db
        interlock backup today.db --json
    """,
    codes=[exits.OPERATOR],
    app=False,
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
def backup(inv: Invocation, file: Path) -> None:
    """Write one consistent state of the database to a new file.

    Workers go on meanwhile. The file is checked and on the disk when the command returns. It can be read like any
    database; to work on it, `interlock restore` it. A copy made by other means may be no state that there ever was.

    A database on PostgreSQL becomes a SQLite file too: to look at, and to go on with elsewhere. To have it back on
    PostgreSQL, use the server's own backups (docs/howto/postgresql.md).
    """
    with opening.to_read(inv) as store:
        store.backup(str(file))
    size = file.stat().st_size
    if inv.json:
        screen.document({"file": str(file), "bytes": size})
    else:
        screen.text(f"written: {file} ({size / 1_000_000:.1f} MB)")


@command(
    name="restore",
    examples="""
        interlock restore /backups/interlock-2026-03-01.db --as ann@example.com
        interlock restore today.db --db sqlite:///interlock.db --replace --comment "disk failure on host 7"
    """,
    codes=[exits.WRONG, exits.REFUSED, exits.OPERATOR],
    app=False,
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Move the database that is there aside first; it is kept.")
@acting
@commented()
def restore(inv: Invocation, file: Path, replace: bool, as_: str | None, comment: str) -> None:
    """Make the database of a backup, in recovery mode.

    What happened outside after the backup is not known here. So no effect starts, everything that was under way in
    the backup is in doubt, and what can be checked is checked by the next worker, until `interlock recover --end`.
    """
    from interlock.assembly.backups import restore as restore_to

    if not file.is_file():
        raise NotFound(f"There is no backup at {file}.", code="no_backup")
    target = opening.file(inv, RESTORE_ELSEWHERE)
    done = restore_to(
        file, target, replace=replace, principal=opening.principal(as_), comment=comment, now=opening.now()
    )
    if inv.json:
        screen.document(
            {
                "database": str(target),
                "incarnation": done.incarnation,
                "life": done.life,
                "in_doubt": done.doubted,
                "kept": str(done.kept) if done.kept else None,
            }
        )
        return
    screen.text(f"restored: {target} is in recovery; {screen.count(done.doubted, 'effect')} in doubt")
    if done.kept:
        screen.text(f"What was there before is kept as {done.kept}.")
    screen.notice("Next: `interlock run` checks what can be checked; `interlock recover` shows how it stands.")


@command(
    name="recover",
    examples="""
        interlock recover                                        # how it stands
        interlock recover --end --as ann@example.com --comment "letters compared with the post's list"
        interlock recover --begin --as ann@example.com           # take a copied file into use, in recovery
        interlock recover --nothing-lost --as ann@example.com    # moved while nothing ran: go on
    """,
    codes=[exits.REFUSED, exits.OPERATOR],
    app=False,
)
@click.option("--begin", "what", flag_value="begin", help="Take a copied or put back database into use, in recovery.")
@click.option("--end", "what", flag_value="end", help="End the recovery: effects start again, but those in doubt.")
@click.option("--nothing-lost", "what", flag_value="nothing_lost", help="You know that nothing ran since: go on.")
@acting
@commented("How you know")
def recover(inv: Invocation, what: str | None, as_: str | None, comment: str) -> None:
    """Show or end the recovery of a database that was put back to an earlier state.

    Such a database may hold effects as undone that were carried out in the time that it has forgotten. Those are in
    doubt: a check or a person says what became of each (`interlock resolve`). --nothing-lost is for a database that
    was moved, or restored from a backup after which nothing ran: its doubts end at once, as if it had never moved.

    Not every way of putting a database back can be noticed. If you know that it was: --begin with a --comment.
    """
    from interlock.runtime import restoring

    if what is None:
        with opening.to_read(inv) as store:
            _tell(inv, restoring.standing(store))
        return
    who, now = opening.principal(as_), opening.now()
    with opening.store(inv) as store:
        estranged = store.estranged()
        if what == "begin":
            if not estranged and not comment:
                raise NotNow(
                    "Nothing says that this database was put back.",
                    code="not_estranged",
                    hint="If you know that it was, say how you know: --comment TEXT.",
                )
            restoring.begin(store, "adopted", principal=who, comment=comment, now=now)
        elif what == "nothing_lost" and estranged:
            restoring.adopt(store, principal=who, comment=comment, now=now)
        else:
            restoring.end(store, principal=who, comment=comment, nothing_lost=what == "nothing_lost", now=now)
        _tell(inv, restoring.standing(store))


def _tell(inv: Invocation, how: Standing) -> None:
    life = how.lives[-1]
    if inv.json:
        screen.document(
            {
                "recovering": how.recovering,
                "estranged": how.estranged or None,
                "forgotten_until": screen.iso(how.forgotten_until) if how.forgotten_until else None,
                "waiting": how.waiting,
                "lives": [
                    {"life": one.number, "incarnation": one.incarnation, "began": screen.iso(one.began), "as": one.why}
                    for one in how.lives
                ],
                "in_doubt": [_data(one) for one in how.doubts],
            }
        )
        return
    screen.text(f"life {life.number}, {life.why} {screen.when(life.began)}")
    if how.estranged:
        screen.text(f"It may not be the newest state of this database: {how.estranged}.")
        screen.text("No worker starts on it. If something may have run since: interlock recover --begin")
        screen.text("If nothing has, for you moved it while it stood still: interlock recover --nothing-lost")
    if how.recovering:
        screen.text("In recovery: no effect starts.")
        if how.waiting:
            screen.text(f"{screen.count(how.waiting, 'message')} still to be handled: interlock run")
    elif not how.estranged:
        screen.text("Not in recovery.")
    if how.doubts:
        screen.text(f"{screen.count(len(how.doubts), 'effect')} may have been carried out in the lost time:")
        screen.table(
            ("EFFECT", "ACTION", "KEY", "WHAT"),
            [
                (
                    f"{one.case}/{one.effect.id}",
                    one.effect.action,
                    one.effect.key,
                    "being checked" if one.checked else "waits for a person",
                )
                for one in how.doubts
            ],
            indent=2,
        )
        screen.text("Say what became of one: interlock resolve EFFECT --happened | --not-happened")
    if how.recovering:
        screen.text("End the recovery: interlock recover --end")


def _data(one: Doubt) -> dict[str, object]:
    effect = one.effect
    return {
        "effect": f"{one.case}/{effect.id}",
        "action": effect.action,
        "args": effect.args,
        "key": effect.key,
        "was": effect.lost,
        "checked": one.checked,
        "reason": effect.reason,
    }


COMMANDS = {"backup": backup, "restore": restore, "recover": recover}
