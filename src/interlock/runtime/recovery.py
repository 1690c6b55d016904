"""What is left to do when a worker died with work in hand.

A lost command is one whose worker is dead or silent. Nobody knows how far it came:

    ask, check, fence   asked again: neither changes what is permitted. An ask that took several workers down with it
                        is given up as lost
    perform             its outcome is unknown. Whether it may run again is for the kernel to decide by the action's
                        kind

INVARIANT: a lost perform is never leased again here; it goes through the kernel as `unknown`.
"""

from __future__ import annotations

from interlock.ports import Lease
from interlock.runtime.dispatch import answer_envelope, result_envelope
from interlock.vocabulary.advice import Silence
from interlock.vocabulary.events import Envelope

DEATHS_MAX = 3
"""Workers that may die with one command in hand before the command itself is held to be the cause."""


def lost_outcome(lease: Lease, now: int) -> Envelope | None:
    """The message that says what became of a lost command; None: take it in hand again."""
    command = lease.command
    if command.what == "perform":
        return result_envelope(command, "unknown", now, reason="worker lost")
    if lease.deaths < DEATHS_MAX:
        return None
    if command.what == "ask":
        return answer_envelope(command, Silence("lost", f"{lease.deaths} workers died while it was asked"), now)
    return result_envelope(command, "unknown", now, reason=f"{lease.deaths} workers died during this {command.what}")
