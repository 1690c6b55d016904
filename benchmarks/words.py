"""Train the dictionary that the store packs entries with, from what the simulation and the scenarios write.

`./dev exec python -m benchmarks.words` writes `src/interlock/store/words.zdict`. Databases keep every dictionary that
they were written with, so a new one changes what is written from then on and nothing that lies there. The benchmark's
own entries and the demonstration's are not in the training set: their sizes are measured, not learned.
"""

from __future__ import annotations

import random
from pathlib import Path

import zstandard

from interlock.store import packing
from interlock.testing.scenarios import compare
from interlock.testing.simulator import simulate
from interlock.testing.simulator.simulation import WORKLOAD

TARGET = Path(packing.__file__).with_name("words.zdict")
SCENARIOS = Path(__file__).parent.parent / "tests" / "scenarios"
DICTIONARY_BYTES = 16_384
SEEDS = 24
SAMPLES = 1_200


def main() -> None:
    """Collect, train, write."""
    bodies: list[bytes] = []
    pack = packing.Packing.pack

    def noting(self: packing.Packing, body: bytes) -> bytes:
        bodies.append(body)
        return pack(self, body)

    packing.Packing.pack = noting  # type: ignore[method-assign]
    for seed in range(SEEDS):
        simulate(seed)
    simulated = random.Random(SEEDS).sample(bodies, SAMPLES)
    bodies.clear()
    for path in sorted(SCENARIOS.glob("*.txt")):
        compare(path, automation=WORKLOAD)
    dictionary = zstandard.train_dictionary(DICTIONARY_BYTES, [*simulated, *bodies], level=packing.LEVEL)
    TARGET.write_bytes(dictionary.as_bytes())


if __name__ == "__main__":
    main()
