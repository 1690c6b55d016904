"""Parcels in a folder, and what became of them. For the acceptance tests of bad input, poison and kill -9."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.acceptance.cli_session import Told, interlock

PARCELS = Path(__file__).with_name("parcels")


def office(folder: Path, *, patience: str = "60s") -> Path:
    """A copy of the automation, with empty books and no database.

    patience    how long an answer and an effect may take: so long that no loaded machine is taken for a dead outside.
                Short only where something is to hang.
    """
    made = folder / "parcels"
    shutil.copytree(PARCELS, made, ignore=shutil.ignore_patterns("__pycache__"))
    release = made / "release.toml"
    release.write_text(release.read_text().replace('timeout = "60s"', f'timeout = "{patience}"'))
    return made


def event(type: str, id: str, **data: Any) -> dict[str, Any]:
    return {"type": type, "id": id, "source": "shop", "occurred_at": "2026-03-01T12:00:00Z", "data": data}


def ordered(parcel: str, **data: Any) -> dict[str, Any]:
    return event("Ordered", f"o-{parcel}", parcel=parcel, price="10.00", **data)


def submit(folder: Path, *events: dict[str, Any], name: str = "events.jsonl") -> None:
    (folder / name).write_text("".join(json.dumps(one) + "\n" for one in events))
    interlock(folder, "submit", "--file", name)


def work(folder: Path, *, code: int | None = 0, **env: str) -> Told:
    return interlock(folder, "run", "--until-idle", code=code, PARCELS_PACE_S="0", **env)


def cases(folder: Path) -> dict[str, dict[str, Any]]:
    found = interlock(folder, "cases", "--limit", "1000", "--json").data["cases"]
    return {row["key"]: row for row in found}


def case(folder: Path, key: str) -> dict[str, Any]:
    return interlock(folder, "case", key, "--json").data


def book(folder: Path, name: str) -> list[dict[str, Any]]:
    """Lines of one of the outside's books. A last line that a death cut off never happened."""
    path = folder / "books" / f"{name}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def parcels(folder: Path, name: str) -> list[str]:
    return sorted(line["parcel"] for line in book(folder, name))
