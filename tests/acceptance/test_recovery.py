"""A database is put back to an earlier state, and nothing that was done in the lost time is done again.

The parcels' outside keeps its own books; they are the judge.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from interlock.assembly import open_store
from interlock.runtime.inbox import resolve_envelope
from interlock.vocabulary.ids import parse_full_id
from tests.acceptance.cli_session import COMMAND, environment, interlock
from tests.acceptance.parcel_office import book, case, office, ordered, parcels, submit, work

REFUSED, OPERATOR = 3, 4
KINDS = ("labels", "charges", "letters")
BOOK = {"label": "labels", "charge": "charges", "letter": "letters"}


def assert_nothing_twice(folder: Path) -> None:
    for name in KINDS:
        twice = {parcel: times for parcel, times in Counter(parcels(folder, name)).items() if times > 1}
        assert not twice, (name, twice)


def standing(folder: Path) -> dict[str, Any]:
    return interlock(folder, "recover", "--json").data


def resolve_by_the_books(folder: Path) -> int:
    """What a person does: look into the outside's own books, and say of every doubt what they say."""
    doubts = standing(folder)["in_doubt"]
    with closing(open_store(folder / "interlock.db")) as store:
        for one in doubts:
            found, local = parse_full_id(one["effect"])
            done = one["args"]["parcel"] in parcels(folder, BOOK[one["action"]])
            receipt = {"id": "found", "words": ""} if one["action"] == "charge" else None
            word = resolve_envelope(
                *found, local, "happened" if done else "not_happened", result=receipt if done else None,
                comment="", id=one["effect"], principal="ann", now=time.time_ns() // 1_000,
            )  # fmt: skip
            store.accept([word], now=word.received_at)
    return len(doubts)


def verified(folder: Path) -> None:
    told = interlock(folder, "verify", "--json", code=None)
    assert told.code == 0, told


def test_a_backup_made_beside_a_running_worker_is_restored_and_no_effect_fires_twice(tmp_path: Path) -> None:
    folder = office(tmp_path)
    first = [ordered(f"p{n}") for n in range(16)]
    later = [ordered(f"q{n}") for n in range(4)]
    submit(folder, *first)
    worker = subprocess.Popen(
        [*COMMAND, "run", "--quiet"], cwd=folder, env=environment(PARCELS_PACE_S="0.02"), stderr=subprocess.PIPE
    )
    try:
        while len(book(folder, "begun")) < 8:
            assert worker.poll() is None, worker.communicate()
            time.sleep(0.01)
        interlock(folder, "backup", "earlier.db")
        submit(folder, *later, name="later.jsonl")
        while not all(len(parcels(folder, name)) == 20 for name in KINDS):
            assert worker.poll() is None, worker.communicate()
            time.sleep(0.02)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=120)
    before = {name: parcels(folder, name) for name in KINDS}

    told = interlock(folder, "restore", "earlier.db", "--replace", "--as", "ann", "--comment", "disk failure", "--json")
    assert Path(folder / told.data["kept"]).is_file()
    assert standing(folder)["recovering"]
    assert [life["as"] for life in standing(folder)["lives"]] == ["created", "restored"]
    # In recovery everything is handled, and the senders send again what they have no receipt of: nothing starts.
    submit(folder, *first, *later, name="again.jsonl")
    work(folder)
    assert {name: parcels(folder, name) for name in KINDS} == before
    assert len(book(folder, "begun")) == 60

    interlock(folder, "recover", "--end", "--as", "ann", "--comment", "compared with the books")
    submit(folder, *later, name="again.jsonl")
    work(folder)
    assert_nothing_twice(folder)
    assert {name: parcels(folder, name) for name in KINDS} == before
    assert resolve_by_the_books(folder) > 0
    work(folder)
    assert {name: parcels(folder, name) for name in KINDS} == before
    assert not standing(folder)["in_doubt"]
    for key in ("p0", "p15", "q0"):
        assert sorted(case(folder, key)["state"]["done"]) == ["charge", "label", "letter"]
    # Something that really is new is done as ever.
    interlock(folder, "submit", "Ordered", "--data", '{"parcel": "new", "price": "1.00"}', "--id", "new")
    work(folder)
    assert all("new" in parcels(folder, name) for name in KINDS)
    verified(folder)
    life = standing(folder)["lives"][-1]["incarnation"]
    told = interlock(folder, "history", f"interlock.recovery/{life}").out
    assert "ann ends the recovery: compared with the books" in told and "disk failure" in told


def held(folder: Path, *events: dict[str, Any]) -> None:
    """Decided, and held by a pause."""
    submit(folder, *events)
    interlock(folder, "pause", "all")
    work(folder)


def test_what_was_pending_is_found_or_done_once_according_to_its_kind(tmp_path: Path) -> None:
    """Of p0 everything was done in the lost time, of p1 nothing."""
    folder = office(tmp_path)
    held(folder, ordered("p0"), ordered("p1"))
    interlock(folder, "backup", "earlier.db")
    assert not book(folder, "begun")
    # The lost time, in which p1 is kept back.
    lost = tmp_path / "lost"
    shutil.copytree(folder, lost)
    shutil.copy(folder / "earlier.db", lost / "interlock.db")
    interlock(lost, "recover", "--nothing-lost", "--as", "ann")
    interlock(lost, "resume")
    work(lost)
    assert parcels(lost, "letters") == ["p0", "p1"]
    (folder / "books").mkdir(exist_ok=True)
    for name in (*KINDS, "begun"):
        lines = [line for line in (lost / "books" / f"{name}.jsonl").read_text().splitlines(True) if '"p0"' in line]
        (folder / "books" / f"{name}.jsonl").write_text("".join(lines))

    interlock(folder, "restore", "earlier.db", "--replace", "--as", "ann")
    work(folder)
    interlock(folder, "resume")
    interlock(folder, "recover", "--end", "--as", "ann")
    work(folder)
    # A label is told again under the same key, and its outside knows it; p1's is new to it.
    assert parcels(folder, "labels") == ["p0", "p1"]
    # A charge is found, or waits for a person, since another attempt would have had another key.
    assert parcels(folder, "charges") == ["p0"]
    assert parcels(folder, "letters") == ["p0"]
    doubts = {(one["args"]["parcel"], one["action"]) for one in standing(folder)["in_doubt"]}
    assert doubts == {("p1", "charge"), ("p0", "letter"), ("p1", "letter")}
    resolve_by_the_books(folder)
    work(folder)
    for name in KINDS:
        assert parcels(folder, name) == ["p0", "p1"]
    verified(folder)


def test_a_moved_database_goes_on_when_an_operator_says_that_nothing_was_lost(tmp_path: Path) -> None:
    folder = office(tmp_path)
    held(folder, ordered("p0"), ordered("p1"))
    interlock(folder, "resume")
    shutil.copy(folder / "interlock.db", folder / "moved.db")
    told = interlock(folder, "run", "--until-idle", "--db", "moved.db", code=OPERATOR)
    assert "newest state" in told.err and "interlock recover" in told.err
    assert not book(folder, "begun")
    interlock(folder, "recover", "--nothing-lost", "--as", "ann", "--db", "moved.db")
    interlock(folder, "run", "--until-idle", "--db", "moved.db")
    for name in KINDS:
        assert parcels(folder, name) == ["p0", "p1"]
    assert interlock(folder, "verify", "--db", "moved.db", code=None).code == 0


def test_a_restored_backup_goes_on_at_once_when_nothing_was_lost(tmp_path: Path) -> None:
    folder = office(tmp_path)
    held(folder, ordered("p0"), ordered("p1"))
    interlock(folder, "resume")
    interlock(folder, "backup", "earlier.db")
    interlock(folder, "restore", "earlier.db", "--replace", "--as", "ann")
    work(folder)
    assert not parcels(folder, "letters")
    interlock(folder, "recover", "--nothing-lost", "--as", "ann")
    work(folder)
    for name in KINDS:
        assert parcels(folder, name) == ["p0", "p1"]
    assert not standing(folder)["in_doubt"]
    verified(folder)


def test_restoring_is_refused_over_a_database_and_under_a_worker(tmp_path: Path) -> None:
    folder = office(tmp_path)
    submit(folder, ordered("p0"))
    interlock(folder, "backup", "earlier.db")
    told = interlock(folder, "restore", "earlier.db", "--as", "ann", code=OPERATOR)
    assert "--replace" in told.err
    assert interlock(folder, "recover", "--end", "--as", "ann", code=REFUSED).err
    assert interlock(folder, "recover", "--begin", "--as", "ann", code=REFUSED).err
    worker = subprocess.Popen([*COMMAND, "run", "--quiet"], cwd=folder, env=environment(), stderr=subprocess.PIPE)
    try:
        while not list(folder.glob("interlock.db.workers/*")):
            time.sleep(0.02)
        told = interlock(folder, "restore", "earlier.db", "--replace", "--as", "ann", code=REFUSED)
        assert "at work" in told.err
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=120)
    assert not list(folder.glob("*.restoring*"))
    (folder / "broken.db").write_bytes(b"no database" * 1_000)
    assert "damaged" in interlock(folder, "restore", "broken.db", "--replace", "--as", "ann", code=OPERATOR).err
    assert interlock(folder, "cases", code=None).code == 0
