"""`./dev bench [NAME ...] [--cases N] [--big] [--json FILE]`. Without a name: all of them but the big one.

`./dev bench --peers [...]` compares with other libraries instead; it has options of its own: `./dev bench --peers
--help`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import governed, latency, neighbours, policies, policy, postgres, scale, start, waiting, workers

BENCHMARKS: dict[str, tuple[Callable[[argparse.Namespace], dict[str, Any]], str]] = {
    "governed": (lambda args: governed.run(args.cases), governed.TARGETS),
    "postgres": (lambda args: postgres.run(args.cases), postgres.TARGETS),
    "latency": (lambda args: latency.run(), latency.TARGETS),
    "waiting": (lambda args: waiting.run(), waiting.TARGETS),
    "neighbours": (lambda args: neighbours.run(), neighbours.TARGETS),
    "policy": (lambda args: policy.run(), policy.TARGETS),
    "policies": (lambda args: policies.run(), policies.TARGETS),
    "start": (lambda args: start.run(), start.TARGETS),
    "workers": (lambda args: workers.run(min(args.cases, 1_000)), workers.TARGETS),
    "scale": (lambda args: scale.run(big=args.big), scale.TARGETS),
}


def main() -> int:
    if "--peers" in sys.argv[1:]:
        from benchmarks.peers.command import main as compare  # It wants what only developers have installed.

        return compare(sys.argv[1:])
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--cases", type=int, default=3_000, help="cases of the governed benchmark (default 3000)")
    parser.add_argument("--big", action="store_true", help="scale: up to 10^6 cases (about an hour), not 10^5")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--peers", action="store_true", help="compare with other libraries (see --peers --help)")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    # CPU seconds grow when cores are shared: a figure without the load it was taken under says little.
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
    print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {load}\n")
    figures: dict[str, Any] = {}
    for name in args.names or [name for name in BENCHMARKS if name != "scale"]:
        run, targets = BENCHMARKS[name]
        print(f"{name}  (target: {targets})")
        figures[name] = run(args)
        _show(figures[name], "  ")
        print(flush=True)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _show(figures: dict[str, Any], indent: str) -> None:
    width = max((len(key) for key in figures), default=0)
    for key, value in figures.items():
        if isinstance(value, dict):
            print(f"{indent}{key}")
            _show(value, indent + "  ")
        else:
            print(f"{indent}{key:<{width}}  {value}")


if __name__ == "__main__":
    sys.exit(main())
