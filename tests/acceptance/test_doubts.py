"""A doubt and a contradiction as the people meet them who are asked: on the command line, with a worker that comes and
goes.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from interlock.assembly import open_store
from interlock.vocabulary.events import Envelope, ResultBody
from tests.acceptance.cli_session import interlock

OFFICE = Path(__file__).parents[1] / "scenarios" / "doubts"


def office(folder: Path) -> Path:
    """The office, whose letters' replies are always lost."""
    made = folder / "office"
    shutil.copytree(OFFICE, made, ignore=shutil.ignore_patterns("__pycache__"))
    code = (made / "automation.py").read_text()
    lost = 'async def letter(args: Letter, key: str) -> None:\n    raise ConnectionError("the line was cut")\n'
    changed = code.replace("async def letter(args: Letter, key: str) -> None: ...\n", lost)
    assert changed != code
    (made / "automation.py").write_text(changed)
    return made


def test_a_doubt_and_a_contradiction_from_the_command_line(tmp_path: Path) -> None:
    folder = office(tmp_path)
    interlock(folder, "submit", "Asked", "--id", "e1", "--data", '{"job": "j", "what": "letter"}')
    interlock(folder, "run", "--until-idle")

    # Nobody can be asked but the post room.
    (doubt,) = interlock(folder, "doubts", "--json").data["in_doubt"]
    assert (doubt["id"], doubt["action"], doubt["group"]) == ("office/j/1.0", "letter", "post room")
    assert (doubt["checks"], doubt["next_check"]) == (0, None)
    assert interlock(folder, "doubts", "--group", "others", "--json").data == {"in_doubt": [], "contradictions": []}
    told = interlock(folder, "doubts", "--group", "post room").out
    assert "post room" in told
    assert "the line was cut" in told
    assert "post room is asked what became of it" in " ".join(interlock(folder, "explain", "office/j/2.0").out.split())

    interlock(folder, "resolve", doubt["id"], "--not-happened", "--as", "ann", "--comment", "It is not in the bag.")
    interlock(folder, "run", "--until-idle")
    assert "Nothing is in doubt." in interlock(folder, "doubts").err
    assert interlock(folder, "resolve", doubt["id"], "--happened", "--as", "ann", code=3).err

    # The lost worker's reply arrives after all.
    late = ResultBody("1.0", 1, "perform", "happened", reason="late")
    with closing(open_store(folder / "interlock.db")) as store:
        store.accept([Envelope("office", "j", "late", "worker", "worker", 1, 1, late)], now=1)
    interlock(folder, "run", "--until-idle")
    found = interlock(folder, "doubts", "--json").data
    assert not found["in_doubt"]
    (word,) = found["contradictions"]
    assert (word["about"], word["settled"], word["said"]) == (doubt["id"], "not_happened", "happened")
    assert word["key"] == doubt["key"]
    assert word["id"] in interlock(folder, "case", "j").out + interlock(folder, "case", "j").err
    explained = " ".join(interlock(folder, "explain", "office/j/2.0").out.split())
    assert "post room is asked how it really was" in explained
    interlock(folder, "verify")

    assert (
        "takes no --result"
        in interlock(folder, "resolve", word["id"], "--happened", "--result", "null", "--as", "bob", code=2).err
    )
    interlock(folder, "resolve", word["id"], "--happened", "--as", "bob", "--comment", "The addressee has it.")
    interlock(folder, "run", "--until-idle")
    assert interlock(folder, "doubts", "--json").data == {"in_doubt": [], "contradictions": []}
    explained = " ".join(interlock(folder, "explain", "office/j/2.0").out.split())
    assert "is taken to have happened from now on" in explained
    interlock(folder, "verify")
