"""Reducers that raise, loop, loop in C or take their process down, under `interlock run`: the message is set aside with
its reason, its case waits, and everybody else's parcels arrive.
"""

from pathlib import Path

import pytest

from tests.acceptance.cli_session import interlock
from tests.acceptance.parcel_office import book, cases, event, office, ordered, parcels, submit, work

RAISES = {
    "raise": "ValueError: no reducer likes a damaged parcel \\ud800!",
    "rude": "Rude: (its text cannot be had: RuntimeError)",
    "exit": "SystemExit: 0",
    "recursion": "RecursionError",
    "memory": "MemoryError",
    "move": "The flow does not allow open -> new. From open a case may go to: ended.",
    "nonsense": "reducer damaged returned int; a reducer returns ask(...)",
    "too heavy": "grams: Input should be less than or equal to 100000",
    "wrong type": "grams: Input should be a valid integer",
    "unwritable state": "cannot be recorded",
    "unwritable flag": "cannot be recorded",
    "unwritable reason": "cannot be recorded",
    "unwritable timer": "cannot be recorded",
    "unwritable action": "unable to parse raw data as a unicode string",
    "many requests": "returned 100000 requests; at most 64 at once",
    "odd flag": "flag(...) takes a text",
    "long flag": "flag(...) takes a text of 1 to 4000 characters",
    "odd reason": "because= is the message this reducer was given, or a text; not int",
    "far timer": "after(...) takes at most",
    "odd timer": "TypeError",
}
LOOPS = ("loop", "deaf")
KILLS = ("sum", "regex", "segfault")


def poisoned(how: str, *, advice: str) -> list[dict[str, object]]:
    """A case with a poisonous message in the middle; what comes after it waits."""
    key = f"p {how}"
    return [
        event("Noted", f"n-{how}", parcel=key),  # parked: it comes before the case is opened
        ordered(key, advice=advice),
        event("Damaged", f"d-{how}", parcel=key, how=how),
        event("Noted", f"l-{how}", parcel=key),
    ]


def quarantine(folder: Path) -> dict[str, dict[str, str]]:
    return {one["case"]: one for one in interlock(folder, "quarantine", "list", "--json").data["quarantine"]}


def test_a_reducer_that_fails_sets_its_message_aside_and_nothing_else(tmp_path: Path) -> None:
    folder = office(tmp_path)
    wrong = [*RAISES, *LOOPS]
    submit(
        folder,
        *(one for how in wrong for one in poisoned(how, advice="raise")),
        *(ordered(f"good {n}") for n in range(5)),
    )
    told = work(folder, INTERLOCK_STEP_MS_MAX="1000")
    assert "The worker died" not in told.err, "each of these is handled without a death"
    assert "bug" not in told.err

    aside = quarantine(folder)
    assert set(aside) == {f"parcels/p {how}" for how in wrong}
    for how, words in RAISES.items():
        assert words in aside[f"parcels/p {how}"]["why"], how
    for how in LOOPS:
        assert "time limit" in aside[f"parcels/p {how}"]["why"], how
    assert all(len(one["why"]) <= 500 for one in aside.values())

    for name in ("labels", "charges", "letters"):
        assert parcels(folder, name) == [f"good {n}" for n in range(5)], name
    found = cases(folder)
    for how in wrong:
        assert found[f"p {how}"]["status"] == "open"
    state = interlock(folder, "case", "p raise", "--json").data["state"]
    assert (state["grams"], state["note"]) == (0, ""), "the failed turn changed nothing"
    interlock(folder, "verify")

    # What waits behind it is still there: discarded, the case goes on.
    shown = interlock(folder, "quarantine", "show", "p raise", "--json").data
    assert shown["message"]["data"]["how"] == "raise"
    interlock(folder, "quarantine", "discard", "p raise", "--as", "olga")
    interlock(folder, "quarantine", "retry", "p rude", "--as", "olga")
    work(folder)
    assert set(aside) - set(quarantine(folder)) == {"parcels/p raise"}, "what is still wrong is set aside again"
    told_of = interlock(folder, "history", "p raise").out
    assert "l-raise" in told_of and "discard by olga" in told_of
    interlock(folder, "verify")


def test_a_turn_that_takes_its_process_down_is_set_aside_at_the_third_death(tmp_path: Path) -> None:
    folder = office(tmp_path, patience="10s")
    submit(
        folder,
        *(one for how in KILLS for one in poisoned(how, advice="hang")),
        *(ordered(f"good {n}") for n in range(5)),
    )
    told = work(folder, INTERLOCK_STEP_MS_MAX="3000", INTERLOCK_STEP_KILL_MS="1000")
    assert told.err.count("The worker died") <= 3 * len(KILLS)
    assert "Nothing accepted is lost" in told.err
    aside = quarantine(folder)
    assert set(aside) == {f"parcels/p {how}" for how in KILLS}
    died, late = "The process died 3 times with this message in hand.", "The step did not end within its time limit."
    assert aside["parcels/p sum"]["why"] == died
    assert aside["parcels/p segfault"]["why"] == died
    assert aside["parcels/p regex"]["why"] in (died, late), "whether a search can be interrupted is Python's matter"

    # A letter is `once`: one that was on its way when somebody else's message killed the process is in doubt, never
    # sent again. The other kinds have come through.
    good = [f"good {n}" for n in range(5)]
    assert parcels(folder, "labels") == good
    assert parcels(folder, "charges") == good
    doubts = {one["id"] for one in interlock(folder, "resolve", "--json").data["in_doubt"]}
    letters = parcels(folder, "letters")
    assert len(set(letters)) == len(letters)
    # A start is recorded before its call, so a process may die between the two: in doubt, and not begun either.
    begun = [line["parcel"] for line in book(folder, "begun") if line["what"] == "letter"]
    assert len(set(begun)) == len(begun)
    assert set(letters) <= set(begun)
    for parcel in good:
        assert parcel in letters or any(one.startswith(f"parcels/{parcel}/") for one in doubts), parcel
    interlock(folder, "verify")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("    os._exit(1)", "the environment"),
        ("    ctypes.string_at(0)", "leaves Python"),
        ("    time.sleep(60)", "reads the clock"),
        ("    open('x')", "files"),
    ],
)
def test_what_no_reducer_may_do_is_refused_before_it_runs(tmp_path: Path, line: str, why: str) -> None:
    folder = office(tmp_path)
    code = (folder / "automation.py").read_text()
    changed = code.replace("import re\n", "import ctypes\nimport os\nimport re\nimport time\n").replace(
        "def noted(case: Parcel, event: Noted) -> Requests:\n",
        f"def noted(case: Parcel, event: Noted) -> Requests:\n{line}\n",
    )
    (folder / "automation.py").write_text(changed)
    row = changed.splitlines().index(line) + 1
    told = interlock(folder, "run", "--until-idle", code=1)
    assert f"automation.py:{row}" in told.err + told.out
    assert why in told.err + told.out
