"""Kill the demonstration at random moments, let it be completed, and report what the books say. Run by test_demo.

    python demo_kills.py FOLDER SEED ROUNDS

Each round is a small demonstration in a process of its own that is killed (SIGKILL) once or several times, wherever it
is. The processes are forks of one that has loaded the readers' library, which takes longer than a round. One line of
JSON per round.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import sklearn.datasets
import sklearn.ensemble
import sklearn.linear_model
import sklearn.svm  # noqa: F401 - loaded before the forks, so that they need not

from interlock.demo.judge import read_books
from interlock.demo.run import run_demo

CHEQUES = 30
LIFE_S = 240.0


def fork(work: Callable[[], object]) -> int:
    """Do the work in a child of its own session; what it says goes to a file."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a fork must never return into its parent's code
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def ended(child: int, within_s: float) -> int | None:
    """Exit status of the child, None if it still lives after that time."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.0005)
    return None


def size(folder: Path) -> int:
    books = folder / "demo" / "bank" / "books.jsonl"
    return books.stat().st_size if books.exists() else 0


def killed(work: Callable[[], object], folder: Path, draw: random.Random, *, working: bool) -> bool:
    """Do the work in a child that dies at a random moment, `working`: while the bank is. False: it was done before.

    The thread that looks for the moment lives in the process that dies: on a machine with other work both wait alike,
    so that the moment does not come too late.
    """
    wanted, pause = 0, draw.uniform(0, 3)
    if working or draw.random() < 0.7:
        wanted, pause = size(folder) + draw.randrange(1, 3_000), draw.uniform(0, 0.02)

    def die() -> None:
        while size(folder) < wanted:
            time.sleep(0.0005)
        time.sleep(pause)
        os.kill(os.getpid(), signal.SIGKILL)

    def both() -> None:
        threading.Thread(target=die, daemon=True).start()
        work()

    return ended(fork(both), LIFE_S) == signal.SIGKILL


def one_round(folder: Path, seed: int) -> dict[str, object]:
    draw = random.Random(seed)
    folder.mkdir()
    db, demo = folder / "a.db", folder / "demo"

    def demonstrate() -> None:
        summary = run_demo(db=db, folder=demo, cheques=CHEQUES, seed=seed)
        (folder / "summary.json").write_text(json.dumps(summary.to_data()))

    kills = 0
    completed_by = "interlock run" if seed % 4 == 0 else "interlock demo"
    for _ in range(draw.choice((1, 1, 2, 3))):
        kills += killed(demonstrate, folder, draw, working=completed_by == "interlock run")
    if completed_by == "interlock run":
        # What was accepted is completed by any worker; a demonstration only adds what had not been said yet.
        run = [sys.executable, "-m", "interlock.cli", "run", str(demo / "cheques"), "--db", str(db), "--until-idle"]
        subprocess.run(run, check=True, timeout=LIFE_S, stdout=subprocess.DEVNULL)
    last = fork(demonstrate)
    status = ended(last, LIFE_S)
    if status is None:
        os.kill(last, signal.SIGKILL)
        os.waitpid(last, 0)
    books = read_books(demo / "bank" / "books.jsonl")
    times = Counter(transfer.cheque for transfer in books.transfers)
    summary = json.loads((folder / "summary.json").read_text()) if status == 0 else {}
    return {
        "seed": seed,
        "kills": kills,
        "completed_by": completed_by,
        "status": status,
        "paid": len(times),
        "paid_twice": sorted(cheque for cheque, n in times.items() if n > 1),
        "cheques": sum(summary.get("ends", {}).values()),
        "unaccounted": summary.get("unaccounted"),
        "letters_twice": sorted(cheque for cheque, n in Counter(books.letters).items() if n > 1),
        "verified": verified(db),
    }


def verified(db: Path) -> bool:
    from interlock.assembly import open_store
    from interlock.ledger import verify

    child = fork(lambda: os._exit(0 if verify(open_store(str(db), create=False)).ok else 1))
    return os.waitpid(child, 0)[1] == 0


def main() -> None:
    folder, seed, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for number in range(seed, seed + rounds):
        print(json.dumps(one_round(folder / str(number), number)), flush=True)


if __name__ == "__main__":
    main()
