"""Which slots a worker looks after first, where several work on one database.

What a worker has accepted, asked or carried out itself it takes up at once, wherever it lies. Work that it finds by
looking (`Store.ready`) every other worker finds as well, and all but one would come in vain. So each slot has one
worker that takes it first: the one whose name and the slot have the highest hash together (rendezvous hashing, Thaler
and Ravishankar 1998). Everybody computes the same from the list of those who live; nobody is told. When a worker comes
or goes, only the slots that it gains or had change hands.

The others take such a slot when work has stood in it for `PATIENCE_US`: its worker has died, hangs, is behind, or
does not know yet that it is meant. A worker that hosts fewer automations than this one does not count, since it
could leave some of the work lying.

This saves transactions and decides nothing: a slot belongs to whoever holds its claim (`Store.units`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b

PATIENCE_US = 250_000
"""How long work found in another worker's slot is left to that worker: a few looks, and less than a person notices."""


class Sharing:
    """One worker's view: which slots are its own, and since when others' have been seen with work.

    `alone`: no other worker is known to live.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._rivals: frozenset[str] = frozenset()
        self._ours: dict[int, bool] = {}
        self._since: dict[int, int] = {}
        self.alone = True

    def live(self, hosting: Mapping[str, Collection[str]], ours: Collection[str]) -> None:
        """Those who live, each with the automations that it hosts, and those that this one does."""
        self.alone = not (hosting.keys() - {self._name})
        wanted = set(ours)
        rivals = frozenset(name for name, hosts in hosting.items() if name != self._name and wanted <= set(hosts))
        if rivals != self._rivals:
            self._rivals = rivals
            self._ours.clear()

    def is_ours(self, slot: int) -> bool:
        """Whether this worker takes the slot first."""
        known = self._ours.get(slot)
        if known is None:
            mine = _weight(self._name, slot)
            known = self._ours[slot] = all(_weight(rival, slot) < mine for rival in self._rivals)
        return known

    def split(self, ready: Iterable[int], now: int) -> tuple[list[int], list[int]]:
        """Of the slots found with work, in order: our own, and those of others that have waited for too long."""
        own: list[int] = []
        late: list[int] = []
        seen: dict[int, int] = {}
        for slot in sorted(ready):
            if self.is_ours(slot):
                own.append(slot)
                continue
            since = self._since.get(slot, now)
            if now - since >= PATIENCE_US:
                late.append(slot)
                since = now
            seen[slot] = since
        self._since = seen
        return own, late


def _weight(worker: str, slot: int) -> bytes:
    """The name behind the hash, so that two never weigh the same."""
    return blake2b(f"{slot}/{worker}".encode(), digest_size=8).digest() + worker.encode()
