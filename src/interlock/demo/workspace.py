"""The files of one demonstration: the database, and a folder beside it with everything that is not the interlock's.

    interlock-demo.db          the interlock's database
    interlock-demo/
      demo.json                which demonstration this is; written last, so that a half-made folder is made again
      cheques/                 the automation, to be read and changed
      bank/                    the bank: bank.json (its manners), books.jsonl (its books)
      events/                  what is said about the cheques, in order of delivery
      boxes/                   the scans
      truth.jsonl              what is really on the paper: for the judge and the simulated reviewers only

A demonstration that was interrupted goes on where it stopped; one database and one folder belong together by the
store's incarnation.

INVARIANT: nothing that another demonstration or anybody else made is overwritten unless `fresh` says so.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from interlock.assembly.address import Address
from interlock.demo import world
from interlock.demo.world import Written
from interlock.vocabulary.errors import Refused

CHEQUES = 800
SEED = 7
FORMAT = 1

AUTOMATION = Path(__file__).parent / "cheques"


@dataclass(frozen=True)
class Workspace:
    """Where one demonstration lives, and which one it is."""

    db: Address
    folder: Path
    cheques: int
    seed: int
    resumed: bool

    @property
    def automation(self) -> Path:
        return self.folder / "cheques"

    @property
    def books(self) -> Path:
        return self.folder / "bank" / "books.jsonl"

    @property
    def truth(self) -> Path:
        return self.folder / "truth.jsonl"

    @property
    def boxes(self) -> Path:
        return self.folder / "boxes"

    def events(self, wave: world.Wave) -> Path:
        return self.folder / "events" / f"{wave}.jsonl"

    def written(self) -> dict[str, Written]:
        """The truth by cheque."""
        return {line["cheque"]: Written(**line) for line in lines(self.truth)}

    def incarnation(self) -> str:
        """The incarnation of the database that this folder belongs to, empty while none is recorded."""
        return _passport(self.folder).get("incarnation", "")

    def belongs_to(self, incarnation: str) -> None:
        """Record the database that this folder belongs to."""
        _write(self.folder / "demo.json", {**_passport(self.folder), "incarnation": incarnation})


def open_workspace(
    db: Address, folder: Path, *, cheques: int | None = None, seed: int | None = None, fresh: bool = False
) -> Workspace:
    """Make the folder, or find the one of an interrupted demonstration.

    Raises Refused rather than overwriting anything.
    """
    if fresh:
        _remove(db, folder)
    passport = _passport(folder)
    _refuse_others(db, folder, passport)
    if passport:
        for name, wanted in (("cheques", cheques), ("seed", seed)):
            if wanted is not None and passport[name] != wanted:
                raise Refused(
                    f"{folder} holds a demonstration with {name} {passport[name]}, not {wanted}.",
                    code="demo_exists",
                    hint=f"Leave --{name} out to go on with it, or start anew with --fresh.",
                )
        return Workspace(db, folder, passport["cheques"], passport["seed"], resumed=True)
    made = Workspace(db, folder, cheques or CHEQUES, SEED if seed is None else seed, resumed=False)
    _make(made)
    return made


def lines(path: Path) -> Iterable[dict[str, Any]]:
    """The lines of a file of JSON lines; a last one without its end was never finished and says nothing."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


def _make(workspace: Workspace) -> None:
    folder = workspace.folder
    pixels, what_each_is = world.digits()
    from interlock.demo.cheques.scan import png  # needs numpy, which `world.digits` has asked for politely

    started = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)
    morning = world.compose(workspace.seed, workspace.cheques, started, [int(digit) for digit in what_each_is])
    for part in ("bank", "boxes", "events"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    shutil.copytree(AUTOMATION, workspace.automation, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    blank = {one.cheque for one in morning.written if one.blank}
    scans: dict[str, dict[str, str]] = {}
    for name, indices in morning.boxes.items():
        picture = png(pixels[indices] * (name not in blank))
        (workspace.boxes / f"{name}.png").write_bytes(picture)
        scans[name] = {"digest": sha256(picture).hexdigest(), "media_type": "image/png"}
    _write_lines(workspace.truth, (asdict(one) for one in morning.written))
    waves: tuple[world.Wave, ...] = ("morning", "afternoon")
    for wave in waves:
        told = (said.event for said in morning.said if said.wave == wave)
        _write_lines(workspace.events(wave), (_with_scan(event, scans) for event in told))
    _write(folder / "bank" / "bank.json", {"seed": workspace.seed})
    _write(folder / "demo.json", {"format": FORMAT, "cheques": workspace.cheques, "seed": workspace.seed})


def _with_scan(event: dict[str, Any], scans: Mapping[str, dict[str, str]]) -> dict[str, Any]:
    data = event["data"]
    return {**event, "data": {**data, "box": scans[data["box"]]}} if "box" in data else event


def _passport(folder: Path) -> dict[str, Any]:
    """What demo.json says; empty when there is no finished folder."""
    try:
        passport = json.loads((folder / "demo.json").read_text())
    except FileNotFoundError:
        return {}
    if passport.get("format") != FORMAT:
        raise Refused(
            f"{folder} was made by another version of the demonstration.", code="demo_exists", hint="Use --fresh."
        )
    return passport


def _refuse_others(db: Address, folder: Path, passport: Mapping[str, Any]) -> None:
    if folder.exists() and not passport and not _half_made(folder):
        raise Refused(
            f"{folder} exists and is no demonstration.", code="demo_exists", hint="Choose another folder with --dir."
        )
    if db.path is not None and db.path.exists() and not passport:
        raise Refused(
            f"{db.shown} exists, but {folder} does not: it is not this demonstration's database.",
            code="demo_exists",
            hint="Choose another one with --db, or overwrite it with --fresh.",
        )


def _half_made(folder: Path) -> bool:
    """Whether this folder was begun by a demonstration that died before it could finish it."""
    return {part.name for part in folder.iterdir()} <= {
        "bank",
        "boxes",
        "cheques",
        "events",
        "truth.jsonl",
        "demo.json.new",
    }


def _remove(db: Address, folder: Path) -> None:
    if db.path is None:
        raise Refused(
            f"--fresh does not remove {db.shown}: others may have their tables there.",
            code="demo_exists",
            hint="Drop its schema yourself, or name another one: ?schema=demo2, with --dir for its folder.",
        )
    if folder.exists():
        if not (folder / "demo.json").exists() and not _half_made(folder):
            raise Refused(
                f"{folder} is no demonstration; --fresh does not remove it.", code="demo_exists", hint="Choose --dir."
            )
        shutil.rmtree(folder)
    _remove_file(db.path)


def _remove_file(db: Path) -> None:
    if db.exists():
        with db.open("rb") as file:
            head = file.read(16)
        if head and head != b"SQLite format 3\0":
            raise Refused(
                f"{db} is no database; --fresh does not remove it.", code="demo_exists", hint="Choose another --db."
            )
    for path in (db, *(db.with_name(db.name + end) for end in ("-wal", "-shm"))):
        path.unlink(missing_ok=True)
    shutil.rmtree(db.with_name(db.name + ".workers"), ignore_errors=True)


def _write(path: Path, value: Mapping[str, Any]) -> None:
    """Write a small file whole or not at all."""
    new = path.with_name(path.name + ".new")
    with new.open("w") as file:
        json.dump(value, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _write_lines(path: Path, values: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w") as file:
        file.writelines(json.dumps(value, separators=(",", ":")) + "\n" for value in values)
        file.flush()
        os.fsync(file.fileno())
