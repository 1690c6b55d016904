"""Kill the parcels' worker at random moments and report what the outside's books say. Run by test_kill.

    python parcel_kills.py FOLDER SEED ROUNDS KILLS

Each round is a folder with its own database. Submitting and working are commands of `interlock` in forks of this
process, which has loaded what takes longer than a round. They die by SIGKILL, in the middle of an effect or wherever
they are; the last life is let finish, doubts are ended by looking into the books, and one more life ends the rest.
One line of JSON per round.
"""

import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import interlock.assembly.running
import interlock.ledger
import interlock.releases
import interlock.runtime.control
from interlock.cli.root import run
from tests.acceptance.parcel_office import PARCELS, book, office, ordered

PARCELS_EACH = 10
LIFE_S = 240.0
PACE_S = "0.02"
"""How long each half of an effect takes: long enough to be hit."""
BOOKS = ("begun", "labels", "charges", "letters")
assert interlock.assembly.running and interlock.ledger and interlock.releases and interlock.runtime.control
assert PARCELS.is_dir()


def fork(folder: Path, *arguments: str, die: Callable[[], None] | None = None) -> int:
    """`interlock ARGUMENTS` in a process of its own; what it says goes to files. `die` runs in a thread beside it."""
    child = os.fork()
    if child:
        return child
    try:
        os.chdir(folder)
        if die is not None:
            threading.Thread(target=die, daemon=True).start()
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        code = run(list(arguments))
        sys.stdout.flush()
        os._exit(code)
    except BaseException:  # noqa: BLE001 - a fork must never return into its parent's code
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)


def ended(child: int, within_s: float) -> int | None:
    """Exit code of the child, negative for a signal; None if it still lives after that time."""
    until = time.monotonic() + within_s
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return None
        time.sleep(0.0005)


def to_the_end(folder: Path, *arguments: str) -> str:
    code = ended(fork(folder, *arguments), LIFE_S)
    if code != 0:
        raise SystemExit(f"interlock {arguments}: {code}\n{(folder / 'err').read_text()}")
    return (folder / "out").read_text()


def size(folder: Path) -> int:
    paths = [folder / "books" / f"{name}.jsonl" for name in BOOKS]
    return sum(path.stat().st_size for path in paths if path.exists())


def killed(folder: Path, draw: random.Random, *arguments: str) -> bool:
    """Let a life last until a random moment. False: it was done before.

    The thread that looks for the moment lives in the process that dies: on a machine with other work both wait alike,
    so that the moment does not come too late.
    """
    wanted, pause = 0, draw.uniform(0, 0.6)
    if arguments[0] == "run" and draw.random() < 0.75:
        wanted, pause = size(folder) + draw.randrange(1, 400), draw.uniform(0, 0.03)

    def die() -> None:
        while size(folder) < wanted:
            time.sleep(0.0005)
        time.sleep(pause)
        os.kill(os.getpid(), signal.SIGKILL)

    return ended(fork(folder, *arguments, die=die), LIFE_S) == -signal.SIGKILL


def resolve(folder: Path) -> int:
    """End every doubt by what the outside's own books say."""
    sent = {line["key"] for name in ("letters", "labels", "charges") for line in book(folder, name)}
    doubts = json.loads(to_the_end(folder, "resolve", "--json"))["in_doubt"]
    for doubt in doubts:
        said = "--happened" if doubt["key"] in sent else "--not-happened"
        to_the_end(folder, "resolve", doubt["id"], said, "--as", "olga")
    return len(doubts)


def one_round(folder: Path, seed: int, kills: int) -> dict[str, Any]:
    draw = random.Random(seed)
    folder.mkdir(parents=True)
    made = office(folder)
    parcels = [f"p{n}" for n in range(PARCELS_EACH)]
    events = [ordered(parcel, effect="some" if n % 2 else "good") for n, parcel in enumerate(parcels)]
    (made / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))

    submitting = killed(made, draw, "submit", "--file", "events.jsonl")
    to_the_end(made, "submit", "--file", "events.jsonl")
    working = sum(killed(made, draw, "run", "--until-idle", "--no-supervisor") for _ in range(kills))
    to_the_end(made, "run", "--until-idle", "--no-supervisor")
    doubts = resolve(made)
    to_the_end(made, "run", "--until-idle", "--no-supervisor")
    left = resolve(made)

    begun = Counter((line["what"], line["parcel"]) for line in book(made, "begun"))
    counted = {name: Counter(line["parcel"] for line in book(made, name)) for name in ("labels", "charges", "letters")}
    done: dict[str, list[str]] = {}
    for row in json.loads(to_the_end(made, "cases", "--json"))["cases"]:
        done[row["key"]] = sorted(json.loads(to_the_end(made, "case", row["key"], "--json"))["state"]["done"])
    complete = (["charge", "label", "letter"], ["charge", "label", "no letter"])
    return {
        "seed": seed,
        "kills": submitting + working,
        "doubts": doubts,
        "doubts_left": left,
        "lost": sorted(set(parcels) - done.keys()),
        "incomplete": {parcel: what for parcel, what in done.items() if what not in complete},
        "charged": sorted(counted["charges"]) == sorted(parcels),
        "twice": {name: [p for p, n in found.items() if n > 1] for name, found in counted.items()},
        "letters_begun_twice": [parcel for (what, parcel), n in begun.items() if what == "letter" and n > 1],
        "told_wrong": [parcel for parcel, what in done.items() if ("letter" in what) != (parcel in counted["letters"])],
        "verified": bool(to_the_end(made, "verify")),
    }


def main() -> None:
    os.environ["PARCELS_PACE_S"] = PACE_S
    folder, seed, rounds, kills = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    for number in range(seed, seed + rounds):
        print(json.dumps(one_round(folder / str(number), number, kills)), flush=True)


if __name__ == "__main__":
    main()
