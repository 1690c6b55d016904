"""A backup becomes a database that is worked on: in recovery mode, as an incarnation of its own.

The backup itself is never touched. What is made of it is made beside its place and put there in one step, so that a
restore that dies leaves everything as it was, and can be done again.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from interlock.assembly.opening import open_store
from interlock.runtime import restoring
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.errors import NotNow, StoreError

BESIDE = ("-wal", "-shm", ".life")
"""What lies beside a database and belongs to it."""


@dataclass(frozen=True)
class Restored:
    """`doubted`: effects that were under way in the backup. `kept`: where the database that was there before is now."""

    incarnation: str
    life: int
    doubted: int
    kept: Path | None


def restore(
    backup: Path, target: Path, *, replace: bool = False, principal: str, comment: str = "", now: int
) -> Restored:
    """Make a database of a backup. `replace`: move one that is there aside.

    Raises StoreError for a backup that cannot be read and a target that is in the way, NotNow while a worker works on
    that target.
    """
    if target.exists():
        if not replace:
            raise StoreError(
                f"There is a database at {target}.",
                code="exists",
                hint="Name another with --db, or move it aside with --replace.",
            )
        with closing(open_store(target, create=False)) as there:
            restoring.nobody_works(there)
    making = target.with_name(f"{target.name}.restoring")
    _remove(making)
    with closing(open_sqlite(backup, create=False, read_only=True)) as source:
        source.backup(str(making))
    try:
        with closing(open_sqlite(making, create=False)) as store:
            doubted = restoring.begin(store, "restored", principal=principal, comment=comment, now=now)
            life = store.lives()[-1]
        kept = _move_aside(target, now) if target.exists() else None
        Path(f"{target}.life").unlink(missing_ok=True)
        for end in BESIDE:
            if (part := Path(f"{making}{end}")).exists():
                part.replace(f"{target}{end}")
        making.replace(target)
    except BaseException:
        _remove(making)
        raise
    _flush(target.absolute().parent)
    return Restored(life.incarnation, life.number, doubted, kept)


def _move_aside(target: Path, now: int) -> Path:
    """Nothing is ever deleted: what the lost time did may still be read in it."""
    stamp = datetime.fromtimestamp(now / 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = target.with_name(f"{target.name}.before-{stamp}")
    if kept.exists():
        raise NotNow(f"{kept} exists already.", code="exists", hint="Try again in a second.")
    for end in ("", *BESIDE):
        if (part := Path(f"{target}{end}")).exists():
            part.replace(f"{kept}{end}")
    return kept


def _remove(making: Path) -> None:
    for end in ("", *BESIDE):
        Path(f"{making}{end}").unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """Make the renames durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
