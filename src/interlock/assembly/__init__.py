"""The only place that wires concrete adapters: stores, advisors, performers, threads and clocks meet here.

    opening.py     a store from what a user calls it
    hosting.py     a release as the runtime holds it: its program, and the functions that serve it
    embedding.py   `Interlock`: an automation inside one's own program
    running.py     a worker as a process of its own (`interlock run`)
"""

from interlock.assembly.embedding import Handle, Interlock, Snapshot
from interlock.assembly.hosting import hosted
from interlock.assembly.opening import open_store
from interlock.assembly.running import Ended, run_worker

__all__ = ["Ended", "Handle", "Interlock", "Snapshot", "hosted", "open_store", "run_worker"]
