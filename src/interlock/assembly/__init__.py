"""The only place that wires concrete adapters: stores, advisors, performers, threads and clocks meet here.

    opening.py     a store from what a user calls it
    hosting.py     a release as the runtime holds it: its program, and the functions that serve it
    embedding.py   `Interlock`: an automation inside one's own program
    blocking.py    the same without an event loop of the program's own
    running.py     a worker as a process of its own (`interlock run`)

Names are loaded when they are first used: a command that only looks into a store does not pay for everything that a
worker needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interlock.assembly.blocking import BlockingHandle, BlockingInterlock
    from interlock.assembly.embedding import Handle, Interlock, Snapshot
    from interlock.assembly.hosting import hosted
    from interlock.assembly.opening import open_store, open_to_read
    from interlock.assembly.running import Ended, run_worker, settle_collector

__all__ = [
    "BlockingHandle",
    "BlockingInterlock",
    "Ended",
    "Handle",
    "Interlock",
    "Snapshot",
    "hosted",
    "open_store",
    "open_to_read",
    "run_worker",
    "settle_collector",
]

_HOMES = {
    "BlockingHandle": "blocking",
    "BlockingInterlock": "blocking",
    "Ended": "running",
    "Handle": "embedding",
    "Interlock": "embedding",
    "Snapshot": "embedding",
    "hosted": "hosting",
    "open_store": "opening",
    "open_to_read": "opening",
    "run_worker": "running",
    "settle_collector": "running",
}

if not TYPE_CHECKING:  # a type checker that saw this would accept every misspelt name

    def __getattr__(name: str) -> object:
        """The public name, from where it lives; it stays here afterwards."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
