"""`./dev faults`: real processes on real stores with real accidents, for so many minutes, judged independently.

Two kinds of runs take turns. A *world* is everything at once, drawn from a seed: worlds are numbered from `--seed` on.
A *boundary* is a small fixed story in which a worker ends between two given statements; the boundaries of a worker's
whole life are tried in an order that the seed shuffles.

A run that broke something prints what and the command that repeats it. Exit code 1 when any did.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults import stores
from tests.faults.accidents import rough
from tests.faults.hung import Hung
from tests.faults.plants import PLANTS
from tests.faults.stores import Place
from tests.faults.sweep import boundaries, run_boundary
from tests.faults.world import PLANTED_HEALING_S, Result, World, workload

BOUNDARIES_PER_WORLD = 6
"""So many take about as long as one world."""


@dataclass(frozen=True)
class Run:
    """One run to be made. `boundary` 0: a world, or with `hung` the story of a worker that stands still."""

    store: str
    seed: int
    boundary: int = 0
    hung: bool = False

    @property
    def words(self) -> str:
        if self.hung:
            return f"{self.store} hung worker"
        return f"{self.store} " + (f"boundary {self.boundary}" if self.boundary else f"seed {self.seed}")

    @property
    def command(self) -> str:
        which = f"--boundary {self.boundary}" if self.boundary else "--hung" if self.hung else "--worlds 1"
        return f"./dev faults --store {self.store} --seed {self.seed} {which}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="./dev faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=0, help="how long to go on; without it, one world per store")
    parser.add_argument("--seed", type=int, default=1, help="the first world, and the order of the boundaries")
    parser.add_argument("--store", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--worlds", type=int, default=0, help="so many worlds from the seed on, and no boundaries")
    parser.add_argument("--boundary", type=int, default=0, help="this boundary alone")
    parser.add_argument("--boundaries", type=int, default=0, help="so many boundaries, and no worlds")
    parser.add_argument("--hung", action="store_true", help="the story of a worker that stands still alone")
    parser.add_argument("--jobs", type=int, default=2, help="runs at once; most of a run is waiting")
    parser.add_argument("--json", metavar="FILE", help="write the summary there as well")
    parser.add_argument("--plant", choices=sorted(PLANTS), help="plant a mistake into the program first")
    parser.add_argument("--keep", action="store_true", help="keep the folders of all runs, not only of broken ones")
    given = parser.parse_args(arguments)
    if given.plant:
        PLANTS[given.plant]()
    workload()
    names = ("sqlite", "postgres") if given.store == "both" else (given.store,)
    base = Path(tempfile.mkdtemp(prefix="faults-"))
    with stores.serving(names, base) as places:
        suite = Suite(base, places, jobs=given.jobs, keep=given.keep, rough=bool(given.plant))
        began = time.monotonic()
        if given.hung:
            runs = iter([Run(name, given.seed, hung=True) for name in names])
        elif given.boundary:
            runs = iter([Run(name, given.seed, given.boundary) for name in names])
        elif given.boundaries:
            runs = suite.boundaries_only(names, given.seed, given.boundaries)
        elif given.worlds or not given.minutes:
            runs = iter([Run(name, given.seed + n) for n in range(given.worlds or 1) for name in names])
        else:
            runs = suite.everything(names, given.seed, until=began + given.minutes * 60)
        suite.go(runs)
        summary = suite.summary(time.monotonic() - began)
    print(words_of(summary))
    if given.json:
        Path(given.json).write_text(json.dumps(summary, indent=1) + "\n")
    if not summary["broken"]:
        shutil.rmtree(base, ignore_errors=True) if not given.keep else print(f"kept: {base}")
    return 1 if summary["broken"] else 0


class Suite:
    """Runs going on, and what they have come to."""

    def __init__(
        self, base: Path, places: Callable[[str, Path, int], Place], *, jobs: int, keep: bool, rough: bool
    ) -> None:
        self._base = base
        self._places = places
        self._jobs = jobs
        self._keep = keep
        self._rough = rough
        self._going: dict[int, tuple[Run, Path]] = {}
        self._made = 0
        self.results: list[tuple[Run, Result]] = []
        self.totals: dict[str, int] = {}

    # --- what is to be run

    def boundaries_only(self, names: tuple[str, ...], seed: int, most: int) -> Iterator[Run]:
        for name in names:
            yield from list(self._shuffled(name, seed))[:most]

    def everything(self, names: tuple[str, ...], seed: int, *, until: float) -> Iterator[Run]:
        """Worlds and boundaries in turn until the time is over; what has begun is finished."""
        left = {name: list(self._shuffled(name, seed)) for name in names}
        yield from (Run(name, seed, hung=True) for name in names)
        while time.monotonic() < until:
            for name in names:
                yield Run(name, seed)
                for _ in range(min(BOUNDARIES_PER_WORLD, len(left[name]))):
                    if time.monotonic() < until:
                        yield left[name].pop()
            seed += 1

    def _shuffled(self, name: str, seed: int) -> Iterator[Run]:
        """All boundaries of a worker's life on this store, which a run without any accident counts first."""
        folder = self._folder()
        self.totals[name] = boundaries(seed, self._places(name, folder, 0), folder)
        if not self._keep:
            shutil.rmtree(folder, ignore_errors=True)
        order = list(range(1, self.totals[name] + 1))
        random.Random(f"boundaries {seed}").shuffle(order)
        return (Run(name, seed, at) for at in order)

    # --- running

    def go(self, runs: Iterator[Run]) -> None:
        """Each run in a process of its own, a few at once."""
        for run in runs:
            while len(self._going) >= self._jobs:
                self._wait()
            self._begin(run)
        while self._going:
            self._wait()

    def _folder(self) -> Path:
        self._made += 1
        folder = self._base / f"{self._made}"
        folder.mkdir()
        return folder

    def _begin(self, run: Run) -> None:
        folder = self._folder()
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            self._going[pid] = (run, folder)
            return
        code = 1
        try:
            alone = run.boundary or run.hung
            place = self._places(run.store, folder, 0 if alone else run.seed)
            if run.hung:
                result = Hung(run.seed, place, folder).run()
            elif run.boundary:
                result = run_boundary(run.seed, run.boundary, place, folder)
            else:
                result = self._world(run.seed, place, folder).run()
            (folder / "result.json").write_text(json.dumps(vars(result)))
            code = 0
        except BaseException:  # noqa: BLE001 - a fork must never return into its parent's code
            (folder / "trouble.txt").write_text(traceback.format_exc())
        os._exit(code)

    def _world(self, seed: int, place: Place, folder: Path) -> World:
        if self._rough:
            return World(seed, place, folder, rough(seed), healing_s=PLANTED_HEALING_S)
        return World(seed, place, folder)

    def _wait(self) -> None:
        pid, status = os.waitpid(-1, 0)
        if pid not in self._going:
            return
        run, folder = self._going.pop(pid)
        if status == 0:
            said = json.loads((folder / "result.json").read_text())
            result = Result(**{**said, **{name: Counter(said[name]) for name in ("counts", "crash_points", "doubts")}})
        else:
            trouble = folder / "trouble.txt"
            why = trouble.read_text() if trouble.exists() else f"its process ended with status {status}"
            result = Result(run.seed, run.store, [], broken=[f"the run itself failed: {why}"])
        self.results.append((run, result))
        self._tell(run, result, folder)
        if not result.broken and not self._keep:
            shutil.rmtree(folder, ignore_errors=True)

    def _tell(self, run: Run, result: Result, folder: Path) -> None:
        counts = result.counts
        if not result.broken:
            figures = (
                f"{result.seconds:.0f} s",
                f"{counts['effects']} effects",
                f"{counts['bookings']} bookings",
                f"{counts['crash_points']} crash points",
                f"{sum(result.doubts.values())} in doubt",
            )
            accidents = "" if run.boundary else f"  [{', '.join(result.words)}]"
            print(f"{run.words}: held ({', '.join(figures)}){accidents}")
        else:
            print(f"{run.words}: {len(result.broken)} BROKEN")
            print(f"  repeat: {run.command}")
            print(f"  accidents: {', '.join(result.words)}")
            print(f"  kept: {folder}")
            for one in result.broken:
                print(f"  {one}")
        sys.stdout.flush()

    # --- what it came to

    def summary(self, seconds: float) -> dict[str, object]:
        stores: dict[str, object] = {}
        for name in dict.fromkeys(run.store for run, _ in self.results):
            mine = [(run, result) for run, result in self.results if run.store == name]
            total: Counter[str] = Counter()
            doubts: Counter[str] = Counter()
            points: Counter[str] = Counter()
            for _, result in mine:
                total.update(result.counts)
                doubts.update(result.doubts)
                points.update(result.crash_points)
            stores[name] = {
                "worlds": sum(not run.boundary and not run.hung for run, _ in mine),
                "hung_workers": sum(run.hung for run, _ in mine),
                "boundaries": len({run.boundary for run, _ in mine if run.boundary}),
                "boundaries_of": self.totals.get(name, 0),
                "crashes_by_statement": dict(sorted(points.items())),
                "doubts": dict(sorted(doubts.items())),
                **dict(sorted(total.items())),
            }
        broken = [
            {"run": run.words, "repeat": run.command, "broken": result.broken}
            for run, result in self.results
            if result.broken
        ]
        return {"seconds": round(seconds), "stores": stores, "broken": broken}


def words_of(summary: dict[str, object]) -> str:
    lines = [f"\n{summary['seconds']} s"]
    for name, one in summary["stores"].items():  # type: ignore[attr-defined]
        crashes = one["crashes_by_statement"]
        lines += [
            f"{name}: {one['worlds']} worlds, {one['boundaries']} of {one['boundaries_of']} boundaries",
            f"  hung workers   {one['hung_workers']}",
            f"  crash points   {one.get('crash_points', 0)} at {len(crashes)} kinds of statement",
            f"  accidents      {_listed(one, ACCIDENTS)}",
            f"  messages       {one.get('messages', 0)} acknowledged in {one.get('sent', 0)} attempts",
            f"  effects        {one.get('effects', 0)}, started {one.get('starts', 0)} times",
            f"  outside        {one.get('calls', 0)} calls, {one.get('bookings', 0)} bookings",
            f"  in doubt       {sum(one['doubts'].values())}",
            *(f"    {times:5} {how}" for how, times in one["doubts"].items()),
            f"  losses         {one.get('losses', 0)}",
            f"  duplicates     {one.get('duplicates', 0)}",
        ]
    broken = summary["broken"]
    lines.append(f"{len(broken)} runs broke a guarantee" if broken else "every guarantee held")  # type: ignore[arg-type]
    lines += [f"  {one['run']}: {one['repeat']}" for one in broken]  # type: ignore[attr-defined]
    return "\n".join(lines)


ACCIDENTS = (
    "kill_worker", "stop_worker", "kill_people", "step_clock", "jump_clock", "pause", "disk_full", "restore",
    "kill_server", "stop_server", "disconnect",
)  # fmt: skip


def _listed(one: dict[str, int], names: tuple[str, ...]) -> str:
    return ", ".join(f"{one[name]} {name}" for name in names if one.get(name)) or "none"


if __name__ == "__main__":
    raise SystemExit(main())
