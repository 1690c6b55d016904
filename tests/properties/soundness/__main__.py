"""Long runs: ./dev exec python -m tests.properties.soundness --pairs 1000000 --seed 1

Every tenth document is also put to CEL and every fortieth to the solver. A disagreement ends the run with exit code 1;
the printed `--seed`, `--document` and `--input` show it again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.properties.soundness.agreement import Disagreement, Tally, compare
from tests.properties.soundness.examples import EXAMPLES, example
from tests.properties.soundness.mutants import fate, mutants

INPUTS = 200
ORACLE_EVERY = 10
SOLVER_EVERY = 40
SOLVER_INPUTS = 3
TOLD_EVERY_S = 15


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.properties.soundness", description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000, help="pairs of a document and an input (default 100000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="N", help="begin with document N")
    parser.add_argument("--document", type=int, help="only this document, put to everything")
    parser.add_argument("--input", type=int, help="only this input of it")
    parser.add_argument("--mutants", action="store_true", help="instead try every fault in the example policies")
    args = parser.parse_args()
    if args.mutants:
        return faults()
    tally = Tally()
    began, told = time.process_time(), time.monotonic()
    number = args.first if args.document is None else args.document
    try:
        while args.document is not None or tally.pairs < args.pairs:
            alone = args.document is not None
            tally.add(
                compare(
                    args.seed,
                    number,
                    INPUTS,
                    oracle=alone or number % ORACLE_EVERY == 0,
                    solver=INPUTS if alone else SOLVER_INPUTS if number % SOLVER_EVERY == 0 else 0,
                    only=args.input,
                )
            )
            if alone:
                break
            number += 1
            if time.monotonic() - told > TOLD_EVERY_S:
                told = time.monotonic()
                print(f"{tally}; {time.process_time() - began:.0f} s of CPU", flush=True)
    except Disagreement as found:
        print(f"DISAGREEMENT {found}", file=sys.stderr)
        return 1
    print(f"no disagreement: {tally}; seed {args.seed}, {time.process_time() - began:.0f} s of CPU")
    return 0


def faults() -> int:
    """Every mutant of the example policies: how many of each fate, and each that nothing noticed."""
    left = 0
    for name in EXAMPLES:
        policy, schema = example(name)
        fates: Counter[str] = Counter()
        for mutant in mutants(policy.source):
            found, what = fate(policy, mutant, schema=schema)
            fates[found] += 1
            if found in ("survived", "undecided"):
                left += 1
                print(f"  {found}: {mutant.what}: {what}")
        print(
            f"{name}: {fates.total()} mutants: {', '.join(f'{count} {found}' for found, count in fates.most_common())}"
        )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
