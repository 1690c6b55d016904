"""The bank as this automation sees it. Its books are what really happened; it deduplicates by reference."""

from dataclasses import dataclass, field
from typing import Any

from interlock import NotDone


@dataclass
class Bank:
    """`books`: what was done, by the reference under which it was ordered: the action's name and its arguments."""

    books: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict[str, tuple[str, dict[str, Any]]])
    unreachable: set[str] = field(default_factory=set[str])

    async def do(self, what: str, arguments: dict[str, Any], reference: str) -> None:
        if what in self.unreachable:
            raise NotDone(f"{what}: the system behind it is not reachable")
        self.books.setdefault(reference, (what, arguments))

    async def knows(self, reference: str) -> bool:
        return reference in self.books


bank = Bank()
