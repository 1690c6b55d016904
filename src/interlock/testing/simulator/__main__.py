"""`python -m interlock.testing.simulator --seed N --trace`: run seeds, and show one of them again."""

from __future__ import annotations

import argparse
import sys

from interlock.testing.simulator.simulation import simulate


def main() -> int:
    """Exit code 1 when a guarantee was broken."""
    parser = argparse.ArgumentParser(prog="python -m interlock.testing.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds, one after the other")
    parser.add_argument("--trace", action="store_true", help="print everything that happened")
    given = parser.parse_args()
    write = sys.stdout.write
    failed = 0
    for seed in range(given.seed, given.seed + given.count):
        outcome = simulate(seed)
        if given.trace:
            write("\n".join(outcome.trace) + "\n")
        if outcome.broken:
            failed += 1
            write(outcome.report() + "\n")
        elif given.count == 1:
            calls, bookings = len(outcome.history.calls), len(outcome.history.bookings)
            entries = sum(len(rows) for rows in outcome.history.ledger.values())
            write(f"seed {seed}: every guarantee held ({entries} entries, {calls} calls, {bookings} bookings)\n")
            write(f"  faults: {', '.join(outcome.faults.words()) or 'none'}\n  digest: {outcome.digest}\n")
    if given.count > 1:
        write(f"{given.count - failed} of {given.count} seeds held\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
