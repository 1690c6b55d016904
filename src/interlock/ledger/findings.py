"""What `verify` found wrong: where it stands and what it means for somebody who has to act on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

FINDINGS_KEPT_MAX = 1_000
"""Findings kept whole; more are counted by code. A table that was overwritten says the same thing a million times."""


@dataclass(frozen=True)
class Finding:
    """One thing wrong. `code` is stable (docs/reference/ledger.md lists them); `about`: a decision, case or release.

    `lsn` is 0 where the finding is not about one entry, `slot` -1 where it is about no slot.
    """

    slot: int
    lsn: int
    code: str
    about: str
    text: str

    def to_data(self) -> dict[str, Any]:
        return {"slot": self.slot, "lsn": self.lsn, "code": self.code, "about": self.about, "text": self.text}

    def __str__(self) -> str:
        where = f"slot {self.slot}" if self.slot >= 0 else "store"
        if self.lsn:
            where += f", lsn {self.lsn}"
        return f"{where}: {self.code}: {self.text}" + (f" [{self.about}]" if self.about else "")


@dataclass
class Findings:
    """The findings of one run, in the order in which they were met."""

    kept: list[Finding] = field(default_factory=list[Finding])
    more: Counter[str] = field(default_factory=Counter[str])

    def add(self, slot: int, lsn: int, code: str, about: object, text: str) -> None:
        if len(self.kept) < FINDINGS_KEPT_MAX:
            self.kept.append(Finding(slot, lsn, code, str(about), text))
        else:
            self.more[code] += 1
