"""A witness outside the database, kept by a worker and by hand, shows what nothing inside can."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.acceptance.cli_session import interlock
from tests.acceptance.parcel_office import office, ordered, submit, work

WRONG = 1


def test_a_worker_keeps_anchors_and_a_rollback_shows_against_the_last(tmp_path: Path) -> None:
    folder = office(tmp_path)
    witness = tmp_path / "witness"
    witness.mkdir()
    made = interlock(folder, "anchor", "--new-key", "anchors.pem", "--json").data
    assert (folder / "anchors.pem").stat().st_mode & 0o077 == 0
    keyed: dict[str, Any] = {"INTERLOCK_ANCHOR_TO": str(witness), "INTERLOCK_ANCHOR_KEY": "anchors.pem"}
    submit(folder, ordered("p0"))
    work(folder, **keyed)
    shutil.copy(folder / "interlock.db", folder / "yesterday.db")
    submit(folder, ordered("p1"))
    work(folder)
    told = interlock(folder, "anchor", "--to", str(witness), "--key", "anchors.pem", "--json").data
    assert told["signed"] and told["entries"] > 0
    last = told["place"]
    check = ("verify", "--key", "anchors.pem.pub", "--against")
    for one in witness.iterdir():
        interlock(folder, *check, str(one))
    told = interlock(folder, *check, last, "--db", "yesterday.db", "--json", code=WRONG)
    assert {finding["code"] for finding in told.data["findings"]} == {"anchor"}
    # Retouched, it is no witness any more.
    retouched = tmp_path / "retouched.json"
    retouched.write_text(Path(last).read_text().replace('"taken_at": 1', '"taken_at": 2'))
    told = interlock(folder, *check, str(retouched), code=WRONG)
    assert made["fingerprint"] in told.err and "changed since" in told.err
    told = interlock(
        folder, "run", "--until-idle", INTERLOCK_ANCHOR_TO="x", INTERLOCK_ANCHOR_KEY="none.pem", code=WRONG
    )
    assert "none.pem" in told.err
