"""How long the command line takes to say what it can do."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import Any

TARGETS = "`interlock --help` under 150 ms CPU"
ROUNDS = 7


def run() -> dict[str, Any]:
    times: list[float] = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "interlock.cli", "--help"], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    times.sort()
    return {"cpu_ms_median": round(times[len(times) // 2] * 1000), "cpu_ms_min": round(times[0] * 1000)}
