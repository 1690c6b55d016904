"""Tools for testing automations: a bench, generated laws, a manual clock and a loop on it. Public."""

from interlock.testing.bench import Bench
from interlock.testing.lawbook import laws
from interlock.testing.time import ManualClock, VirtualLoop

__all__ = ["Bench", "ManualClock", "VirtualLoop", "laws"]
