"""Waiting for what becomes of a message that was sent: `do`, `approve`, `edit`, `reject` and `resolve` end with it.

A message is decided by a worker, in this process or any other. Whoever sent it may wait for the ledger entry that
consumed it, and for the final judgement where a budget has to be asked first.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation

if TYPE_CHECKING:
    from interlock.ports import Store
    from interlock.vocabulary.decision import Decision
    from interlock.vocabulary.entry import Entry
    from interlock.vocabulary.events import Envelope
    from interlock.vocabulary.ids import CaseId

WAIT_DEFAULT = "10s"
"""How long to wait when a worker runs: a decision takes milliseconds, a review of its budget hardly more."""

LOOK_EVERY_S = 0.05

DOES_NOT_COUNT = "does not count:"
DOES_NOT_FIT = "does not fit:"
"""What the kernel notes of a verdict that changed nothing."""


def say_if_nobody_works(store: Store) -> None:
    """Tell the user when what was accepted waits for a worker."""
    if not store.workers():
        screen.notice("No worker is running: `interlock run` handles what waits.")


def patience_us(store: Store, wait: str | None) -> int:
    """How long to wait for a worker: as long as was said, else a while if one runs."""
    return opening.span_us(wait or WAIT_DEFAULT) if wait or store.workers() else 0


@dataclass(frozen=True)
class CameOf:
    """What became of one message: its final decisions, what was noted, and the exit code that says how it ended."""

    decisions: tuple[Decision, ...]
    notes: tuple[str, ...]
    outcome: Literal["handled", "refused", "quarantined"]
    code: int

    def data(self, envelope: Envelope) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "case": str(envelope.case),
            "id": envelope.id,
            "decisions": [decision_data(decision) for decision in self.decisions],
            "notes": list(self.notes),
        }


def came_of(store: Store, envelope: Envelope, after: int, patience: int) -> CameOf | None:
    """What became of a message, once a worker has handled it; None if none has in time (microseconds)."""
    entries = _await(store, envelope, after, patience)
    if not entries:
        return None
    decisions = [decision for entry in entries for decision in entry.decisions]
    # Decided again after its budget was asked: the last judgement of a proposal is the one that counts.
    superseded = {decision.again_of for decision in decisions}
    final = tuple([decision for decision in decisions if decision.id not in superseded])
    notes = tuple(dict.fromkeys(note for entry in entries for note in entry.notes))
    if any(entry.kind == "quarantined" for entry in entries):
        return CameOf(final, notes, "quarantined", exits.WRONG)
    if any(DOES_NOT_COUNT in note or DOES_NOT_FIT in note for note in notes):
        return CameOf(final, notes, "refused", exits.REFUSED)
    meant = all({"rejected", "withdrawn"} & set(decision.decided_by) for decision in final)
    denied = bool(final) and not meant and all(decision.verdict == "deny" for decision in final)
    return CameOf(final, notes, "handled", exits.REFUSED if denied else exits.OK)


def follow(inv: Invocation, store: Store, envelope: Envelope, *, after: int, wait: str | None) -> None:
    """Print what was decided about a message, or that nobody has decided yet. Ends with the exit code that says
    which.
    """
    patience = patience_us(store, wait)
    came = came_of(store, envelope, after, patience)
    if came is None:
        _tell_waiting(inv, store, envelope, patience)
        return
    if inv.json:
        screen.document(came.data(envelope))
    else:
        for decision in came.decisions:
            screen.text(decision_words(decision))
        for note in came.notes:
            screen.notice(note)
        if not came.decisions and not came.notes:
            screen.text(f"handled: {envelope.id} for {envelope.case}; nothing was proposed")
        if came.decisions:
            screen.notice(f"Why: interlock explain {came.decisions[-1].id}")
    click.get_current_context().exit(came.code)


def decision_data(decision: Decision) -> dict[str, Any]:
    """The part of a decision that whoever asked for it needs; `explain` has the rest."""
    return {
        "id": decision.id,
        "action": decision.proposal.action,
        "args": decision.proposal.args,
        "verdict": decision.verdict,
        "decided_by": list(decision.decided_by),
        "why": decision.why,
        "groups": [{"group": group.name, "approvals": group.approvals} for group in decision.groups],
        **({"awaiting": decision.awaiting} if decision.awaiting else {}),
        **({"effect": decision.effect} if decision.effect else {}),
        **({"review": decision.review} if decision.review else {}),
    }


def decision_words(decision: Decision) -> str:
    """A decision in one line."""
    words = {"allow": "allowed", "deny": "denied", "escalate": "needs a person", "fallback": "replaced"}
    what = f"{decision.proposal.action or 'a question'}({screen.args_words(decision.proposal.args)})"
    by = f" by {', '.join(decision.decided_by)}" if decision.decided_by else ""
    line = f"{words[decision.verdict]}{by}: {what}. {decision.why}".rstrip()
    if decision.awaiting:
        line += f" It waits for its {decision.awaiting}."
    if decision.review:
        line += f" Review: {decision.review}"
    return line


def _await(store: Store, envelope: Envelope, after: int, patience: int) -> list[Entry]:
    """The entries that the message led to, newest last; empty if none came in time."""
    deadline = time.monotonic() + patience / 1_000_000
    while True:
        entries = entries_since(store, envelope.case, after)
        consumed = [
            place
            for place, entry in enumerate(entries)
            if entry.cause is not None and (entry.cause.source, entry.cause.id) == (envelope.source, envelope.id)
        ]
        if consumed:
            led_to = _led_to(entries[consumed[0] :])
            if not any(decision.awaiting for decision in led_to[-1].decisions):
                return led_to
        if time.monotonic() >= deadline:
            return _led_to(entries[consumed[0] :]) if consumed else []
        time.sleep(LOOK_EVERY_S)


def _led_to(entries: list[Entry]) -> list[Entry]:
    """The consuming entry, and those that judged its proposals again."""
    found = [entries[0]]
    ids = {decision.id for decision in entries[0].decisions}
    for entry in entries[1:]:
        again = {decision.id for decision in entry.decisions if decision.again_of in ids}
        if again:
            found.append(entry)
            ids |= again
    return found


def entries_since(store: Store, case: CaseId, after: int) -> list[Entry]:
    """Entries of a case behind an lsn, oldest first."""
    from interlock.vocabulary.ids import slot_of

    slot = slot_of(case, store.caps.n_slots)
    found: list[Entry] = []
    lsn = store.newest(case)
    while lsn > after:
        entry = store.entry(slot, lsn)
        if entry is None:
            break
        found.append(entry)
        lsn = entry.prev
    return found[::-1]


def _tell_waiting(inv: Invocation, store: Store, envelope: Envelope, patience: int) -> None:
    workers = store.workers()
    if inv.json:
        screen.document({"outcome": "waiting", "case": str(envelope.case), "id": envelope.id, "workers": len(workers)})
        return
    screen.text(f"accepted: {envelope.id} for {envelope.case}")
    if not workers:
        screen.notice("No worker is running: `interlock run` decides it.")
    elif patience:
        screen.notice(f"Nothing was decided yet. Look again with `interlock history {envelope.case}`.")
