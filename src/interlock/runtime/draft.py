"""One slot's next writes, as they come together while a unit consumes messages.

Several messages may concern one case: each sees the record the one before it made, and the store sees one write of
each case. What one step asks for and a later one takes back in the same unit (a command, a timer, a review) is netted
here, so that nothing is both put and dropped.

Facts stand in the unit's first entry and are cited by the others. Entries continue the slot's chain in the order of
consumption.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from interlock.kernel.outcome import Step
from interlock.ports import Due, Quarantined, Unit, Writes
from interlock.runtime.vault import CaseVault, StoreKeeper
from interlock.vocabulary import canonical
from interlock.vocabulary.action import Command
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.entry import Entry, chain, citing
from interlock.vocabulary.events import Envelope
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.limits import BODY_INLINE_BYTES_MAX
from interlock.vocabulary.review import Review
from interlock.vocabulary.sealed import Seal
from interlock.vocabulary.timers import TimerRow


class Unrecordable(Exception):
    """A step holds what canonical bytes cannot: text that is not Unicode, an integer beyond any number's size."""


class Draft:
    """The writes of one unit in the making. Nothing of it exists outside until `writes` is committed."""

    __slots__ = (
        "_before",
        "_cited",
        "_commands_drop",
        "_held",
        "_known",
        "_made",
        "_newest",
        "_records",
        "_reviews_drop",
        "_reviews_put",
        "_timers_drop",
        "_timers_put",
        "_unit",
        "_writes",
        "commands_put",
        "facts",
        "fresh",
        "leased",
    )

    def __init__(self, unit: Unit, facts: Facts, known: Mapping[CaseId, tuple[CaseRecord, int]] | None = None) -> None:
        self._unit = unit
        self._known = known or {}
        self.facts = facts
        self._cited = 0
        self._writes = Writes(now=unit.now, head=unit.head, lsn=unit.lsn)
        self._records: dict[CaseId, CaseRecord | None] = {}
        self._before: dict[CaseId, CaseRecord | None] = {}
        self._newest: dict[CaseId, int] = {}
        self.commands_put: dict[str, Command] = {}
        self.fresh: list[Command] = []
        self._commands_drop: dict[str, None] = {}
        self._timers_put: dict[tuple[CaseId, str, str], TimerRow] = {}
        self._timers_drop: dict[tuple[CaseId, str, str], None] = {}
        self._reviews_put: dict[tuple[CaseId, str], Review] = {}
        self._reviews_drop: dict[tuple[CaseId, str], None] = {}
        self._held: dict[str, None] = {}
        self._made: dict[CaseId, Seal] = {}
        self.leased: dict[str, int] = {}

    # --- reading

    def load(self, cases: Iterable[CaseId]) -> None:
        """Read these cases at once, where they have not been read."""
        wanted = [case for case in dict.fromkeys(cases) if case not in self._records]
        if not wanted:
            return
        known = self._known
        unknown = [case for case in wanted if case not in known]
        found = self._unit.cases(unknown) if unknown else {}
        for case in wanted:
            record, newest = known.get(case) or found.get(case, (None, 0))
            self._records[case] = self._before[case] = record
            self._newest[case] = newest

    def case(self, case: CaseId) -> CaseRecord | None:
        """The record as this unit has made it so far."""
        if case not in self._records:
            self.load([case])
        return self._records[case]

    def dropped(self, command: str) -> bool:
        return command in self._commands_drop

    @property
    def commands_dropped(self) -> Iterable[str]:
        return self._commands_drop

    # --- writing

    def apply(self, step: Step) -> None:
        """Take over a step: its case, its turns as entries, what it asks for.

        Raises Unrecordable, and has then taken over nothing, for a step that holds what no entry can.
        """
        case = step.case.case
        newest = self._continue(step, case, self._newest.get(case, 0))
        self._newest[case] = newest
        self._records[case] = step.case
        for name in step.commands_drop:
            self.drop_command(name)
        for command in step.commands_put:
            self.put_command(command)
        for row in step.timers_drop:
            self.drop_timer(row)
        for timer in step.timers_put:
            key = (timer.case, timer.kind, timer.name)
            self._timers_drop.pop(key, None)
            self._timers_put[key] = timer
        for review in step.reviews_drop:
            self._reviews_put.pop(review, None)
            self._reviews_drop[review] = None
        for of, review in step.reviews_put:
            self._reviews_drop.pop((of, review.id), None)
            self._reviews_put[of, review.id] = review
        if step.sends:
            self._writes.sends.extend(step.sends)
        for name in step.held:
            self._held[name] = None

    def _continue(self, step: Step, case: CaseId, newest: int) -> int:
        """Continue the chain by the step's turns, all or none of them; returns the last entry's number."""
        writes, unit = self._writes, self._unit
        lsn, head, facts_at = writes.lsn, writes.head, self._cited
        entries: list[tuple[Entry, bytes, bytes]] = []
        bodies: list[tuple[str, bytes]] = []
        for turn in step.turns:
            lsn += 1
            first = not facts_at
            entry = Entry(
                slot=unit.slot,
                era=unit.era,
                lsn=lsn,
                at=unit.now,
                automation=case.automation,
                key=case.key,
                version=turn.version,
                kind=turn.kind,
                prev=newest,
                facts=self.facts if first else None,
                facts_at=0 if first else facts_at,
                release=step.case.release,
                cause=turn.cause,
                late=turn.late,
                decisions=turn.decisions,
                notes=turn.notes,
                asked=turn.asked,
                delta=turn.delta,
            )
            if first:
                facts_at = lsn
            try:
                body = canonical.encode(entry)
            except (ValueError, TypeError, OverflowError, RecursionError) as error:
                raise Unrecordable(f"The turn left something that cannot be recorded: {error}") from error
            if len(body) > BODY_INLINE_BYTES_MAX:
                entry, citation, message = citing(entry)
                if citation is not None:
                    body = canonical.encode(entry)
                    bodies.append((citation.digest, message))
            head = chain(head, body)
            entries.append((entry, body, head))
            newest = lsn
        writes.lsn, writes.head, self._cited = lsn, head, facts_at
        writes.entries.extend(entries)
        if bodies:
            writes.bodies.extend(bodies)
        return newest

    def put_command(self, command: Command) -> None:
        self._commands_drop.pop(command.id, None)
        self._held.pop(command.id, None)
        self.leased.pop(command.id, None)
        self.commands_put[command.id] = command
        self.fresh.append(command)

    def drop_command(self, name: str) -> None:
        self.commands_put.pop(name, None)
        self._held.pop(name, None)
        self.leased.pop(name, None)
        self._commands_drop[name] = None

    def drop_timer(self, row: tuple[CaseId, str, str]) -> None:
        self._timers_put.pop(row, None)
        self._timers_drop[row] = None

    def consume(self, due: Due) -> None:
        """The message is done with: its inbox row or timer goes. A step that sets the timer again comes after this."""
        if due.arrival is not None:
            self._writes.consumed.append(due.arrival)
        elif due.timer is not None:
            self.drop_timer((due.envelope.case, due.timer[0], due.timer[1]))

    def requeue(self, envelope: Envelope) -> None:
        """Put a message into the inbox, where it waits durably."""
        self._writes.requeued.append(envelope)

    def quarantined(self, one: Quarantined) -> None:
        self._writes.quarantined.append(one)

    def unquarantine(self, one: Quarantined) -> None:
        self._writes.quarantine_drop.append(one.id)

    def retry(self, envelope: Envelope) -> None:
        """Put a message back before everything that waits for its case."""
        self._writes.retried.append(envelope)

    # --- personal data

    def vault(self, case: CaseId, keeper: StoreKeeper) -> CaseVault:
        """The vault of a turn on this case. A key that the turn is the first to need is committed with it."""
        vault = keeper.vault(case, self._made.get(case))
        if vault.made is not None:
            self._made[case] = vault.made
        return vault

    def erase(self, case: CaseId) -> None:
        """Destroy the key of the case's personal data with this unit."""
        self._writes.seals_erase.append(case)

    # --- the result

    def writes(self) -> Writes | None:
        """What to commit; None when there is nothing."""
        writes = self._writes
        for case, record in self._records.items():
            before = self._before[case]
            if record is None or record is before:
                continue
            writes.cases.append((record, None if before is None else before.version, self._newest[case]))
            if record.tasks if before is None else record.tasks is not before.tasks:
                writes.tasks.append((case, tuple(record.tasks.values())))
            if before is not None and before.status == record.status:
                writes.same_status.add(case)
        if self.commands_put:
            writes.commands_put = list(self.commands_put.values())
        if self._commands_drop:
            writes.commands_drop = list(self._commands_drop)
        writes.leased = self.leased
        if self._held:
            writes.held = list(self._held)
        if self._timers_put:
            writes.timers_put = list(self._timers_put.values())
        if self._timers_drop:
            writes.timers_drop = list(self._timers_drop)
        if self._reviews_put:
            writes.reviews_put = [(case, review) for (case, _), review in self._reviews_put.items()]
        if self._reviews_drop:
            writes.reviews_drop = list(self._reviews_drop)
        if self._made:
            writes.seals_put.extend(self._made.values())
        changed = (
            writes.entries
            or writes.cases
            or writes.consumed
            or writes.commands_put
            or writes.commands_drop
            or writes.leased
            or writes.held
            or writes.timers_put
            or writes.timers_drop
            or writes.requeued
            or writes.retried
            or writes.quarantined
            or writes.quarantine_drop
        )
        return writes if changed else None

    def next_due(self) -> int | None:
        """The earliest deadline in the future that this unit has set, of timers and of commands."""
        now = self._unit.now
        dues = [timer.due for timer in self._timers_put.values()] if self._timers_put else []
        dues += [c.due for c in self.commands_put.values() if c.due > now and c.id not in self._held]
        return min(dues) if dues else None
